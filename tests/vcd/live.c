/* SPDX-License-Identifier: MIT */
#include "tests/vcd/live.h"

#include "common/buf.h"
#include "common/http.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/str.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum session { SERVICE, CALLER, EITHER };

static const struct {
	enum session session;
	const char *method, *path;
} known[] = {
#define VCD_RIGHT(function, session, method, path, right) {session, method, path},
#include "worker/vcd/rights.def"
#undef VCD_RIGHT
};

static const char *host, *ca_file, *admin;

bool live_start(void)
{
	host = getenv("VCD_LIVE_HOST");
	ca_file = getenv("VCD_LIVE_CA");
	admin = getenv("VCD_LIVE_ADMIN");
	if (!host || !ca_file || !admin)
		return false;
	http_startup();
	xml_startup();
	return true;
}

struct config live_config(const char *password, const char *password_file)
{
	return (struct config){
		.vcd_host = host,
		.vcd_ca_file = ca_file,
		.vcd_user = "svc-cse@System",
		.vcd_password_file = password_file,
		.vcd_api_version = "35.0",
		.vcd_password = secret_new(password, strlen(password)),
		.timing_vcd_call = 20000,
	};
}

struct secret live_token(const char *user, const char *password)
{
	struct arena arena = {0};
	struct http_options options = {.ca_file = ca_file,
		.user_agent = "live-test",
		.body_max_bytes = 65536,
		.connect_timeout_ms = 5000};
	CLEANUP(http_client_free)
	struct http_client *client = http_client_new(&options);
	const char *text = arena_printf(&arena, "%s:%s", user, password);
	CLEANUP(secret_release)
	struct secret basic = secret_new(text, strlen(text));
	struct http_request request = {
		.method = "POST",
		.url = arena_printf(&arena, "https://%s/cloudapi/1.0.0/sessions", host),
		.accept = "application/json;version=35.0",
		.basic = &basic,
		.timeout_ms = 5000,
	};
	struct http_response response;
	struct error err;
	struct secret token = {0};

	if (http_perform(client, &arena, &request, &response, &err) == 0 && *response.token)
		token = secret_new(response.token, strlen(response.token));
	arena_reset(&arena);
	return token;
}

static int connect_admin(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	const char *colon = strrchr(admin, ':');
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_port = htons((uint16_t)strtol(colon + 1, NULL, 10));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		abort();
	return fd;
}

/* The admin port speaks plain HTTP, which the client refuses on purpose. */
struct json_object *live_admin(const char *method, const char *path, const char *body)
{
	CLEANUP(close_fd)
	int fd = connect_admin();
	CLEANUP(buf_release)
	struct buf text = {.max = 8 * 1024 * 1024};
	CLEANUP(free_str)
	char *request = xasprintf("%s %s HTTP/1.0\r\nContent-Type: application/json\r\n"
				  "Content-Length: %zu\r\n\r\n%s",
		method, path, strlen(body), body);
	char chunk[4096];
	const char *start;
	struct error err;
	ssize_t len;

	if (write(fd, request, strlen(request)) < 0)
		abort();
	while ((len = read(fd, chunk, sizeof(chunk))) > 0)
		buf_add(&text, chunk, (size_t)len);
	start = strstr(buf_str(&text), "\r\n\r\n");
	return start ? json_parse(start + 4, strlen(start + 4), 32, &err) : NULL;
}

/* Does the call's URI fit a row's path, where "{id}" stands for one segment? */
static bool fits(const char *path, const char *uri)
{
	while (*path && *path != '?') {
		if (str_starts(path, "{id}")) {
			path += strlen("{id}");
			uri += strcspn(uri, "/?");
		} else if (*path++ != *uri++) {
			return false;
		}
	}
	if (*path == '?')
		return str_starts(uri, path) && strchr("&", uri[strlen(path)]);
	return *uri == '\0' || *uri == '?';
}

bool live_call_is_known(const char *method, const char *uri, const char *user)
{
	/* Nobody's: a login, or a token that VCD does not know. */
	enum session other = str_empty(user)		      ? EITHER
			     : str_eq(user, "svc-cse@System") ? CALLER
							      : SERVICE;

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (other != EITHER && known[i].session == other)
			continue;
		if (str_eq(known[i].method, method) && fits(known[i].path, uri))
			return true;
	}
	return false;
}
