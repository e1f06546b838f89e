/* SPDX-License-Identifier: MIT */
#include "common/http.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/str.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

extern char **environ;

enum { BODY_MAX = 1000, SLOW_MS = 800 };

static char folder[] = "/tmp/test_http.XXXXXX";
static char cert_path[64], key_path[64], other_path[64];
static char *cert_pem, *key_pem;
static struct MHD_Daemon *server;
static int port;

/* What the server saw of the latest request. */
static struct {
	char authorization[256], content_type[64], method[16], body[64];
	int client_port;
} seen;

static char *read_all(const char *path)
{
	CLEANUP(close_file)
	FILE *file = fopen(path, "re");
	char *text = xcalloc(1, 8192);

	assert_non_null(file);
	assert_true(fread(text, 1, 8191, file) > 0);
	return text;
}

static void make_certificate(const char *cert, const char *key)
{
	char shell[] = "sh";
	char flag[] = "-c";
	CLEANUP(free_str)
	char *command = xasprintf("exec openssl req -x509 -newkey ec -nodes -days 2 -subj /CN=test "
				  "-pkeyopt ec_paramgen_curve:P-256 -addext "
				  "subjectAltName=IP:127.0.0.1 -keyout %s -out %s",
		key, cert);
	char *const args[] = {shell, flag, command, NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	assert_int_equal(posix_spawnp(&pid, shell, &actions, NULL, args, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	posix_spawn_file_actions_destroy(&actions);
}

static enum MHD_Result answer_with(
	struct MHD_Connection *connection, unsigned status, const char *body)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		strlen(body), (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	MHD_add_response_header(response, "Link", "<https://x/1>;rel=\"firstPage\"");
	MHD_add_response_header(response, "Link", "<https://x/2>;rel=\"nextPage\"");
	MHD_add_response_header(response, "location", "https://x/task/1");
	MHD_add_response_header(response, "X-VMWARE-VCLOUD-ACCESS-TOKEN", "abc");
	MHD_add_response_header(response, "Content-Type", "text/plain");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static void note_request(struct MHD_Connection *connection, const char *method)
{
	const struct sockaddr_in *client =
		(const struct sockaddr_in *)(const void *)MHD_get_connection_info(
			connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)
			->client_addr;

	seen.client_port = ntohs(client->sin_port);
	snprintf(seen.method, sizeof(seen.method), "%s", method);
	snprintf(seen.authorization, sizeof(seen.authorization), "%s",
		str_or(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization"),
			"none"));
	snprintf(seen.content_type, sizeof(seen.content_type), "%s",
		str_or(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Type"),
			"none"));
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_len,
	void **state)
{
	char big[BODY_MAX + 2];

	(void)data;
	(void)version;
	if (!*state) {
		*state = &seen;
		seen.body[0] = '\0';
		return MHD_YES;
	}
	if (*upload_len) {
		snprintf(seen.body, sizeof(seen.body), "%.*s", (int)*upload_len, upload);
		*upload_len = 0;
		return MHD_YES;
	}
	note_request(connection, method);
	if (strcmp(url, "/slow") == 0)
		clock_sleep_ms(SLOW_MS);
	if (strcmp(url, "/redirect") == 0)
		return answer_with(connection, 302, "");
	if (strcmp(url, "/big") == 0) {
		memset(big, 'x', BODY_MAX + 1);
		big[BODY_MAX + 1] = '\0';
		return answer_with(connection, 200, big);
	}
	if (strcmp(url, "/close") == 0)
		return MHD_NO;
	return answer_with(connection, 200, "hello");
}

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(cert_path, sizeof(cert_path), "%s/cert", folder);
	snprintf(key_path, sizeof(key_path), "%s/key", folder);
	snprintf(other_path, sizeof(other_path), "%s/other", folder);
	make_certificate(other_path, key_path);
	make_certificate(cert_path, key_path);
	cert_pem = read_all(cert_path);
	key_pem = read_all(key_path);
	server = MHD_start_daemon(
		MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_TLS, 0,
		NULL, NULL, on_request, NULL, MHD_OPTION_HTTPS_MEM_KEY, key_pem,
		MHD_OPTION_HTTPS_MEM_CERT, cert_pem, MHD_OPTION_END);
	assert_non_null(server);
	port = MHD_get_daemon_info(server, MHD_DAEMON_INFO_BIND_PORT)->port;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	MHD_stop_daemon(server);
	free(cert_pem);
	free(key_pem);
	unlink(cert_path);
	unlink(key_path);
	unlink(other_path);
	return rmdir(folder);
}

static struct http_client *client_for(const char *ca, bool (*tick)(void *))
{
	return http_client_new(&(const struct http_options){
		.ca_file = ca,
		.user_agent = "test/1",
		.body_max_bytes = BODY_MAX,
		.connect_timeout_ms = 2000,
		.tick = tick,
	});
}

static int perform(struct http_client *client, struct arena *arena, const char *method,
	const char *path, struct http_response *out, struct error *err)
{
	const struct http_request request = {
		.method = method,
		.url = *path == '/' ? arena_printf(arena, "https://127.0.0.1:%d%s", port, path)
				    : path,
		.accept = "*/*",
		.timeout_ms = 5000,
	};

	return http_perform(client, arena, &request, out, err);
}

static void test_answer_is_complete(void **state)
{
	struct arena arena = {0};
	CLEANUP(http_client_free)
	struct http_client *client = client_for(cert_path, NULL);
	struct http_response response;
	struct error err = {0};

	(void)state;
	if (perform(client, &arena, "GET", "/x", &response, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(response.status, 200);
	assert_string_equal(response.body, "hello");
	assert_int_equal(response.body_len, 5);
	assert_string_equal(response.content_type, "text/plain");
	assert_string_equal(response.location, "https://x/task/1");
	assert_string_equal(
		response.link, "<https://x/1>;rel=\"firstPage\", <https://x/2>;rel=\"nextPage\"");
	assert_string_equal(response.token, "abc");
	assert_string_equal(response.request_id, "");
	assert_true(response.date_ms > 0);
	assert_string_equal(seen.authorization, "none");
	arena_reset(&arena);
}

static void test_credentials_and_body_arrive(void **state)
{
	struct arena arena = {0};
	CLEANUP(http_client_free)
	struct http_client *client = client_for(cert_path, NULL);
	CLEANUP(secret_release)
	struct secret bearer = secret_new("tok", 3);
	CLEANUP(secret_release)
	struct secret basic = secret_new("u@o:p:w", 7);
	struct http_request request = {
		.method = "PUT",
		.url = arena_printf(&arena, "https://127.0.0.1:%d/x", port),
		.content_type = "text/x",
		.body = "data",
		.body_len = 4,
		.bearer = &bearer,
		.timeout_ms = 5000,
	};
	struct http_response response;
	struct error err = {0};

	(void)state;
	assert_int_equal(http_perform(client, &arena, &request, &response, &err), 0);
	assert_string_equal(seen.method, "PUT");
	assert_string_equal(seen.body, "data");
	assert_string_equal(seen.content_type, "text/x");
	assert_string_equal(seen.authorization, "Bearer tok");
	request.bearer = NULL;
	request.basic = &basic;
	assert_int_equal(http_perform(client, &arena, &request, &response, &err), 0);
	assert_string_equal(seen.authorization, "Basic dUBvOnA6dw==");
	/* Nothing of a request is left for the next one on the same connection. */
	assert_int_equal(perform(client, &arena, "POST", "/x", &response, &err), 0);
	assert_string_equal(seen.method, "POST");
	assert_string_equal(seen.authorization, "none");
	assert_string_equal(seen.content_type, "none");
	assert_string_equal(seen.body, "");
	arena_reset(&arena);
}

/* Reads keep the connection; what changes something must not be repeated by the library. */
static void test_connections_are_kept_for_reads_only(void **state)
{
	struct arena arena = {0};
	CLEANUP(http_client_free)
	struct http_client *client = client_for(cert_path, NULL);
	struct http_response response;
	struct error err = {0};
	int first;

	(void)state;
	assert_int_equal(perform(client, &arena, "GET", "/x", &response, &err), 0);
	first = seen.client_port;
	assert_int_equal(perform(client, &arena, "GET", "/x", &response, &err), 0);
	assert_int_equal(seen.client_port, first);
	assert_int_equal(perform(client, &arena, "DELETE", "/x", &response, &err), 0);
	assert_int_not_equal(seen.client_port, first);
	arena_reset(&arena);
}

static void assert_failure(
	struct http_client *client, const char *path, enum err_code code, const char *has)
{
	struct arena arena = {0};
	struct http_response response;
	struct error err = {0};

	assert_int_equal(perform(client, &arena, "GET", path, &response, &err), -1);
	if (err.code != code || !strstr(err.msg, has))
		fail_msg("%s: %s: %s", path, error_name(err.code), err.msg);
	assert_null(strstr(err.msg, "secret"));
	arena_reset(&arena);
}

static void test_only_the_trusted_peer_is_spoken_to(void **state)
{
	CLEANUP(http_client_free)
	struct http_client *wrong = client_for(other_path, NULL);
	CLEANUP(http_client_free)
	struct http_client *system = client_for(NULL, NULL);
	CLEANUP(http_client_free)
	struct http_client *right = client_for(cert_path, NULL);
	struct arena arena = {0};

	(void)state;
	assert_failure(wrong, "/x", ERR_DENIED, "certificate");
	assert_failure(system, "/x", ERR_DENIED, "certificate");
	/* The right certificate, but for another name. */
	assert_failure(right, arena_printf(&arena, "https://localhost:%d/x", port), ERR_DENIED,
		"localhost");
	assert_failure(
		right, "http://user:secret@127.0.0.1:1/x?secret", ERR_INVALID, "127.0.0.1:1/x: ");
	arena_reset(&arena);
}

static void test_failures_have_classes(void **state)
{
	CLEANUP(http_client_free)
	struct http_client *client = client_for(cert_path, NULL);

	(void)state;
	assert_failure(client, "/big?secret", ERR_INVALID, "longer than 1000 bytes");
	assert_failure(client, "/close", ERR_TRANSIENT, "GET 127.0.0.1:");
	assert_failure(client, "https://127.0.0.1:1/x?secret", ERR_TRANSIENT, "connect");
}

static void test_redirect_is_an_answer(void **state)
{
	struct arena arena = {0};
	CLEANUP(http_client_free)
	struct http_client *client = client_for(cert_path, NULL);
	struct http_response response;
	struct error err = {0};

	(void)state;
	assert_int_equal(perform(client, &arena, "GET", "/redirect", &response, &err), 0);
	assert_int_equal(response.status, 302);
	arena_reset(&arena);
}

static bool stop_at_once(void *data)
{
	(void)data;
	return false;
}

static void test_waiting_ends(void **state)
{
	struct arena arena = {0};
	CLEANUP(http_client_free)
	struct http_client *stopped = client_for(cert_path, stop_at_once);
	CLEANUP(http_client_free)
	struct http_client *client = client_for(cert_path, NULL);
	struct http_request request = {
		.method = "GET",
		.url = arena_printf(&arena, "https://127.0.0.1:%d/slow", port),
		.timeout_ms = 200,
	};
	struct http_response response;
	struct error err = {0};
	int64_t start = clock_ms();

	(void)state;
	assert_int_equal(http_perform(client, &arena, &request, &response, &err), -1);
	assert_int_equal(err.code, ERR_TRANSIENT);
	assert_true(clock_ms() - start < SLOW_MS);
	assert_failure(stopped, "/slow", ERR_TRANSIENT, "given up while waiting");
	arena_reset(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer_is_complete),
		cmocka_unit_test(test_credentials_and_body_arrive),
		cmocka_unit_test(test_connections_are_kept_for_reads_only),
		cmocka_unit_test(test_only_the_trusted_peer_is_spoken_to),
		cmocka_unit_test(test_failures_have_classes),
		cmocka_unit_test(test_redirect_is_an_answer),
		cmocka_unit_test(test_waiting_ends),
	};

	http_startup();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
