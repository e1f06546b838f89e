/* SPDX-License-Identifier: MIT */
/* Errors, memory, buffers, Base64, secrets and time: what everything else stands on. */
#include "common/arena.h"
#include "common/base64.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/mem.h"
#include "common/secret.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void errors_keep_class_and_add_context(void **state)
{
	struct error err = {0};

	(void)state;
	assert_int_equal(error_set(&err, ERR_BUSY, "vApp %s is busy", "x"), -1);
	assert_int_equal(error_wrap(&err, "power on"), -1);
	assert_int_equal(err.code, ERR_BUSY);
	assert_string_equal(err.msg, "power on: vApp x is busy");
	error_sys(&err, ERR_INVALID, ENOENT, "file %s", "f");
	assert_string_equal(err.msg, "file f: No such file or directory");
	assert_int_equal(error_status(ERR_LIMIT), 429);
	assert_true(error_may_retry(ERR_TRANSIENT));
	assert_false(error_may_retry(ERR_DENIED));
	for (int code = ERR_NONE; code <= ERR_INTERNAL; code++)
		assert_non_null(error_name((enum err_code)code));
}

static void long_errors_are_cut_visibly(void **state)
{
	CLEANUP(free_str)
	char *text = xcalloc(1, 2001);
	struct error err = {0};

	(void)state;
	memset(text, 'x', 2000);
	error_set(&err, ERR_INVALID, "%s", text);
	assert_string_equal(err.msg + sizeof(err.msg) - 4, "...");
	error_wrap(&err, "%s", text);
	assert_string_equal(err.msg + sizeof(err.msg) - 4, "...");
	error_sys(&err, ERR_INVALID, ENOENT, "%s", text);
	assert_string_equal(err.msg + sizeof(err.msg) - 4, "...");
}

static void buffers_stop_at_their_maximum(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 10);
	assert_string_equal(buf_str(&buf), "");
	assert_true(buf_add_str(&buf, "12345"));
	assert_true(buf_printf(&buf, "%d", 67890));
	assert_false(buf_add_str(&buf, "x"));
	assert_true(buf.overflow);
	assert_false(buf_add_str(&buf, ""));
	assert_string_equal(buf_str(&buf), "1234567890");
	buf_clear(&buf);
	assert_true(buf_add_str(&buf, "again"));
	CLEANUP(free_str)
	char *text = buf_detach(&buf);
	assert_string_equal(text, "again");
	assert_string_equal(buf_str(&buf), "");
	buf_release(&buf);
}

static void arena_frees_everything_at_once(void **state)
{
	struct arena arena = {0};
	char *first = arena_strdup(&arena, "first");

	(void)state;
	assert_string_equal(arena_printf(&arena, "%s-%d", first, 2), "first-2");
	assert_string_equal(arena_strndup(&arena, "cut here", 3), "cut");
	assert_null(arena_strdup(&arena, NULL));
	assert_true(arena.bytes > 0);
	arena_reset(&arena);
	assert_null(arena.blocks);
	assert_int_equal(arena.bytes, 0);
}

static void an_arena_gives_zeroed_memory_of_any_size(void **state)
{
	static const size_t sizes[] = {0, 1, 15, 16, 17, 7000, 9000, 15999, 16000, 16001, 50000};
	struct arena arena = {0};

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			char *piece = arena_alloc(&arena, sizes[i]);

			assert_int_equal((uintptr_t)piece % _Alignof(max_align_t), 0);
			for (size_t at = 0; at < sizes[i]; at++)
				assert_int_equal(piece[at], 0);
			memset(piece, 0xff, sizes[i]);
		}
		arena_recycle(&arena);
		assert_int_equal(arena.bytes, 0);
	}
	arena_reset(&arena);
	assert_null(arena.blocks);
}

static void base64_is_strict(void **state)
{
	static const struct {
		const char *plain, *coded;
	} good[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
		{"\xff\xfe", "//4="}};
	static const char *const bad[] = {"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm 9v",
		"Zm9v\n", "====", "=Zg=", "Zg==Zg=="};
	struct arena arena = {0};
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_string_equal(
			base64_encode(&arena, good[i].plain, strlen(good[i].plain)), good[i].coded);
		assert_string_equal(base64_decode(&arena, good[i].coded, &len), good[i].plain);
		assert_int_equal(len, strlen(good[i].plain));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_null(base64_decode(&arena, bad[i], &len));
	arena_reset(&arena);
}

static const char *write_secret(char *path, const char *text, mode_t mode)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

static void secret_files_are_private(void **state)
{
	struct secret secret = {0};
	struct error err = {0};
	char good[] = "/tmp/test_secret_XXXXXX";
	char open_to_all[] = "/tmp/test_secret_XXXXXX";
	char empty[] = "/tmp/test_secret_XXXXXX";

	(void)state;
	assert_int_equal(secret_read_file(&secret, write_secret(good, "s3cret\n", 0640), &err), 0);
	assert_string_equal(secret_reveal(&secret), "s3cret");
	struct secret twin = secret_copy(&secret);
	assert_true(secret_equal(&secret, &twin));
	secret_release(&twin);
	assert_false(secret_equal(&secret, &twin));
	assert_true(secret_empty(&twin));
	secret_release(&secret);
	assert_int_equal(
		secret_read_file(&secret, write_secret(open_to_all, "x\n", 0644), &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_non_null(strstr(err.msg, "0644"));
	assert_int_equal(secret_read_file(&secret, write_secret(empty, "\n", 0600), &err), -1);
	assert_int_equal(secret_read_file(&secret, "/tmp/no/such/file", &err), -1);
	assert_int_equal(secret_read_file(&secret, "/tmp", &err), -1);
	unlink(good);
	unlink(open_to_all);
	unlink(empty);
}

static void times_are_parsed(void **state)
{
	char iso[CLOCK_ISO_SIZE];
	int64_t ms = 0;

	(void)state;
	assert_true(clock_parse_iso("2021-03-04T05:06:07.089Z", &ms));
	clock_iso(iso, ms);
	assert_string_equal(iso, "2021-03-04T05:06:07.089Z");
	assert_true(clock_parse_iso("2021-03-04T07:06:07.089+02:00", &ms));
	clock_iso(iso, ms);
	assert_string_equal(iso, "2021-03-04T05:06:07.089Z");
	assert_true(clock_parse_http("Thu, 04 Mar 2021 05:06:07 GMT", &ms));
	clock_iso(iso, ms);
	assert_string_equal(iso, "2021-03-04T05:06:07.000Z");
	assert_false(clock_parse_iso("2021-03-04", &ms));
	assert_false(clock_parse_iso("2021-03-04T05:06:07", &ms));
	assert_false(clock_parse_http("yesterday", &ms));
	assert_false(clock_parse_http(NULL, &ms));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_keep_class_and_add_context),
		cmocka_unit_test(long_errors_are_cut_visibly),
		cmocka_unit_test(buffers_stop_at_their_maximum),
		cmocka_unit_test(arena_frees_everything_at_once),
		cmocka_unit_test(an_arena_gives_zeroed_memory_of_any_size),
		cmocka_unit_test(base64_is_strict),
		cmocka_unit_test(secret_files_are_private),
		cmocka_unit_test(times_are_parsed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
