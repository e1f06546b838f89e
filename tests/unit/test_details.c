/* SPDX-License-Identifier: MIT */
#include "worker/details.h"

#include "common/str.h"
#include "tests/unit/unit.h"
#include "worker/task_record.h"

static struct details full(void)
{
	struct details details = details_new("lab", OPERATION_CREATE, "req-1");

	details.cluster = "urn:vcloud:entity:cse:nativeCluster:1.0.0:6e6f0c9a";
	details.vapp = "93a2c1de";
	details.vdc = "urn:vcloud:vdc:1";
	details.network = "urn:vcloud:network:2";
	details.edge = "urn:vcloud:gateway:3";
	details.supersedes = "4";
	details.wanted = (struct details_wanted){.workers = 3,
		.expose = 0,
		.template = "ubuntu",
		.revision = 1,
		.rollback = 1,
		.ssh_sha256 = "ab"};
	details.claim = (struct details_claim){.pass = 7,
		.nonce = "n",
		.worker = "w-1",
		.at = "2026-11-23T08:47:00.000Z",
		.ended = true};
	details.revivals = 2;
	details.doubt = INT64_C(1795438800123);
	details.twin = "r0";
	details.verdict = (struct details_verdict){"rollback", "join", "no \"room\"\nleft"};
	return details;
}

static void every_member_survives(void **state)
{
	struct details in = full(), out;
	struct arena arena = {0};
	struct error err;
	const char *line = details_encode(&arena, &in, &err);

	(void)state;
	assert_non_null(line);
	assert_true(str_starts(line, "cse-worker/1 lab {"));
	assert_null(strchr(line, '\n'));
	assert_int_equal(details_decode(&out, &arena, "lab", line, &err), 1);
	assert_string_equal(line, details_encode(&arena, &out, &err));
	assert_int_equal(out.wanted.expose, 0);
	assert_int_equal(out.claim.pass, 7);
	assert_true(out.claim.ended);
	assert_int_equal(out.doubt, in.doubt);
	assert_string_equal(out.twin, "r0");
	assert_string_equal(out.verdict.cause, in.verdict.cause);
	arena_reset(&arena);
}

static void unset_members_are_left_out(void **state)
{
	struct details in = details_new("lab", OPERATION_DELETE, "r"), out;
	struct arena arena = {0};
	struct error err;
	const char *line = details_encode(&arena, &in, &err);

	(void)state;
	assert_string_equal(line, "cse-worker/1 lab {\"op\":\"delete\",\"request\":\"r\"}");
	assert_int_equal(details_decode(&out, &arena, "lab", line, &err), 1);
	assert_int_equal(out.wanted.workers, -1);
	assert_int_equal(out.wanted.expose, -1);
	assert_int_equal(out.wanted.rollback, -1);
	assert_null(out.vapp);
	assert_null(out.verdict.kind);
	arena_reset(&arena);
}

static void others_records_are_not_ours(void **state)
{
	static const struct {
		const char *text;
		int result;
	} rows[] = {
		{"", 0},
		{NULL, 0},
		{"placing control plane VM", 0},
		{"cse-worker/1 other {\"op\":\"create\"}", 0},
		{"cse-worker/1 labs {\"op\":\"create\"}", 0},
		{"cse-worker/1 lab {\"op\":\"create\"}", 1},
		{"cse-worker/1 lab {\"op\":\"bake\"}", -1},
		{"cse-worker/1 lab {\"op\":7}", -1},
		{"cse-worker/1 lab {\"op\":\"create\",\"claim\":{\"pass\":\"x\"}}", -1},
		{"cse-worker/1 lab {", -1},
		{"cse-worker/2 lab {\"op\":\"create\"}", -1},
	};
	struct arena arena = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct details out;
		struct error err;

		assert_int_equal(
			details_decode(&out, &arena, "lab", rows[i].text, &err), rows[i].result);
	}
	arena_reset(&arena);
}

static void only_the_cause_is_cut(void **state)
{
	struct details in = full(), out;
	struct arena arena = {0};
	struct error err;
	char cause[2001], vapp[2001];
	const char *line;

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		memcpy(cause + 2 * i, "ü", 2);
	cause[2000] = '\0';
	in.verdict.cause = cause;
	line = details_encode(&arena, &in, &err);
	assert_non_null(line);
	assert_in_range(strlen(line), DETAILS_MAX_BYTES - 8, DETAILS_MAX_BYTES);
	assert_int_equal(details_decode(&out, &arena, "lab", line, &err), 1);
	assert_true(str_starts(cause, out.verdict.cause));
	assert_true(str_is_utf8(out.verdict.cause, strlen(out.verdict.cause)));
	memset(vapp, 'x', 2000);
	vapp[2000] = '\0';
	in.vapp = vapp;
	assert_null(details_encode(&arena, &in, &err));
	assert_int_equal(err.code, ERR_INTERNAL);
	arena_reset(&arena);
}

static void a_verdict_is_carried_forward(void **state)
{
	struct details mine = full(), fresher = full();

	(void)state;
	mine.verdict = (struct details_verdict){0};
	mine.revivals = 0;
	mine.vapp = NULL;
	fresher.wanted.workers = 99;
	fresher.claim.nonce = "other";
	details_carry(&mine, &fresher);
	assert_string_equal(mine.verdict.kind, "rollback");
	assert_int_equal(mine.revivals, 2);
	assert_string_equal(mine.vapp, "93a2c1de");
	assert_int_equal(mine.wanted.workers, 3);
	assert_string_equal(mine.claim.nonce, "n");
	fresher.verdict = (struct details_verdict){0};
	details_carry(&mine, &fresher);
	assert_string_equal(mine.verdict.kind, "rollback");
}

static void texts_are_filled_in(void **state)
{
	struct arena arena = {0};

	(void)state;
	assert_string_equal(text_expand(&arena, "Adding {workers} node(s) to '{name}' ({id}) {x}",
				    "tkg1", "urn:1", 3),
		"Adding 3 node(s) to 'tkg1' (urn:1) {x}");
	assert_string_equal(text_quoted(&arena, "Deleting cluster 'tkg1' (urn)"), "tkg1");
	assert_string_equal(text_quoted(&arena, "nothing"), "");
	arena_reset(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_member_survives),
		cmocka_unit_test(unset_members_are_left_out),
		cmocka_unit_test(others_records_are_not_ours),
		cmocka_unit_test(only_the_cause_is_cut),
		cmocka_unit_test(a_verdict_is_carried_forward),
		cmocka_unit_test(texts_are_filled_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
