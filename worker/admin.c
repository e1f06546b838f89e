/* SPDX-License-Identifier: MIT */
#include "worker/admin.h"

#include "common/log.h"
#include "common/mem.h"
#include "worker/admin_pages.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

/* Monitoring asks every few seconds: more than that is not served at once, and nobody lingers. */
enum { CONNECTIONS_MAX = 32, IDLE_MAX_S = 10 };

struct admin {
	struct shared *shared;
	struct MHD_Daemon *daemon;
};

static enum MHD_Result send_page(struct MHD_Connection *connection, const struct admin_page *page)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		page->body.len, (void *)(uintptr_t)buf_str(&page->body), MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, page->type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (page->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET");
	result = MHD_queue_response(connection, (unsigned)page->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_len,
	void **state)
{
	static int begun;
	const struct admin *admin = context;
	struct admin_page page;
	enum MHD_Result result;

	(void)version;
	(void)upload;
	/* The first call only brings the headers; a body is read and forgotten. */
	if (!*state) {
		*state = &begun;
		return MHD_YES;
	}
	if (*upload_len > 0) {
		*upload_len = 0;
		return MHD_YES;
	}
	admin_page_make(&page, admin->shared, method, url);
	result = send_page(connection, &page);
	buf_release(&page.body);
	return result;
}

/* The configured address, which is a valid one. True when only this machine can reach it. */
static bool make_address(struct sockaddr_storage *out, const struct config *config)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, config->admin_address, &v4.sin_addr) == 1) {
		v4.sin_port = htons((uint16_t)config->admin_port);
		memcpy(out, &v4, sizeof(v4));
		return ntohl(v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	}
	(void)inet_pton(AF_INET6, config->admin_address, &v6.sin6_addr);
	v6.sin6_port = htons((uint16_t)config->admin_port);
	memcpy(out, &v6, sizeof(v6));
	return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

int admin_start(struct admin **out, struct shared *shared, struct error *err)
{
	const struct config *config = shared->config;
	struct sockaddr_storage address;
	struct admin *admin;
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO;
	bool local;

	*out = NULL;
	if (config->admin_port == 0)
		return 0;
	local = make_address(&address, config);
	if (address.ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	admin = xcalloc(1, sizeof(*admin));
	admin->shared = shared;
	errno = 0;
	/* Not LISTENING_ADDRESS_REUSE: two workers on one port would each get half of the
	 * questions. */
	admin->daemon =
		MHD_start_daemon(flags, 0, NULL, NULL, on_request, admin, MHD_OPTION_SOCK_ADDR,
			&address, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
			MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_MAX_S, MHD_OPTION_END);
	if (!admin->daemon) {
		free(admin);
		return error_sys(err, ERR_INTERNAL, errno, "admin port: listen on %s port %d",
			config->admin_address, (int)config->admin_port);
	}
	log_event(local ? LOG_INFO : LOG_WARN, "admin.listening",
		LOG_STR("address", config->admin_address), LOG_INT("port", config->admin_port),
		LOG_STR("reach", local ? "this machine" : "the network, without login"));
	*out = admin;
	return 0;
}

void admin_stop(struct admin **admin)
{
	if (!*admin)
		return;
	MHD_stop_daemon((*admin)->daemon);
	free(*admin);
	*admin = NULL;
}
