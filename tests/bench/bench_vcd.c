/* SPDX-License-Identifier: MIT */
/*
 * A VCD that knows one thing, who a token is, and takes a fixed time to say it:
 *
 *	bench_vcd PORT CERTIFICATE KEY DELAY_MS
 */
#include "common/clock.h"
#include "common/mem.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 65536 };

static const char session[] =
	"{\"id\":\"urn:vcloud:session:1\","
	"\"user\":{\"name\":\"alice\",\"id\":\"urn:vcloud:user:0f2d0d7e-1111-4222-8333-"
	"9a9a9a9a9a9a\"},"
	"\"org\":{\"name\":\"tenant1\",\"id\":\"urn:vcloud:org:55bb0c9e-2222-4333-8444-"
	"abababababab\"},"
	"\"location\":\"l\",\"roles\":[\"Organization Administrator\"],\"roleRefs\":[{\"name\":"
	"\"Organization "
	"Administrator\",\"id\":\"urn:vcloud:role:1\"}],\"sessionIdleTimeoutMinutes\":30}";

static long delay_ms;

static char *read_file(const char *path)
{
	CLEANUP(close_file)
	FILE *file = fopen(path, "re");
	char *text = xcalloc(1, FILE_MAX_BYTES + 1);

	if (!file || fread(text, 1, FILE_MAX_BYTES, file) == 0) {
		fprintf(stderr, "bench_vcd: %s cannot be read\n", path);
		exit(1);
	}
	return text;
}

static enum MHD_Result answer(void *data, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **state)
{
	bool known = strcmp(url, "/cloudapi/1.0.0/sessions/current") == 0;
	struct MHD_Response *response;
	enum MHD_Result result;

	(void)data, (void)method, (void)version, (void)upload, (void)upload_size;
	if (!*state) { /* the headers only; called again when all is there */
		*state = &delay_ms;
		return MHD_YES;
	}
	clock_sleep_ms(delay_ms);
	response = MHD_create_response_from_buffer(known ? sizeof(session) - 1 : 2,
		known ? (void *)(uintptr_t)session : (void *)(uintptr_t) "{}",
		MHD_RESPMEM_PERSISTENT);
	MHD_add_response_header(response, "Content-Type", "application/json;version=35.0");
	result = MHD_queue_response(connection, known ? 200 : 404, response);
	MHD_destroy_response(response);
	return result;
}

int main(int argc, char **argv)
{
	struct MHD_Daemon *daemon;

	if (argc != 5) {
		fprintf(stderr, "usage: bench_vcd PORT CERTIFICATE KEY DELAY_MS\n");
		return 2;
	}
	delay_ms = strtol(argv[4], NULL, 10);
	daemon = MHD_start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_TLS,
		(uint16_t)strtol(argv[1], NULL, 10), NULL, NULL, answer, NULL,
		MHD_OPTION_HTTPS_MEM_CERT, read_file(argv[2]), MHD_OPTION_HTTPS_MEM_KEY,
		read_file(argv[3]), MHD_OPTION_CONNECTION_LIMIT, 1024U, MHD_OPTION_END);
	if (!daemon) {
		fprintf(stderr, "bench_vcd: cannot listen on port %s\n", argv[1]);
		return 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
