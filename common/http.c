/* SPDX-License-Identifier: MIT */
#include "common/http.h"

#include "common/base64.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/str.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

/* Idle connections are dropped well before the load balancers in front of VCD do it. */
enum { IDLE_MAX_S = 30, STALL_MAX_S = 30 };

struct http_client {
	CURL *curl;
	struct http_options options;
	char *ca_file, *user_agent;
	char failure[CURL_ERROR_SIZE];
};

void http_startup(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		abort();
}

struct http_client *http_client_new(const struct http_options *options)
{
	struct http_client *client = xcalloc(1, sizeof(*client));

	client->options = *options;
	client->ca_file = xstrdup(options->ca_file);
	client->user_agent = xstrdup(options->user_agent);
	client->curl = curl_easy_init();
	if (!client->curl)
		abort();
	return client;
}

void http_client_free(struct http_client **client)
{
	if (!*client)
		return;
	curl_easy_cleanup((*client)->curl);
	free((*client)->ca_file);
	free((*client)->user_agent);
	free(*client);
	*client = NULL;
}

/* Header lines may hold a token: they are wiped before they are freed. */
static void free_headers(struct curl_slist **list)
{
	for (struct curl_slist *at = *list; at; at = at->next)
		explicit_bzero(at->data, strlen(at->data));
	curl_slist_free_all(*list);
	*list = NULL;
}

static void add_line(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (!longer)
		abort();
	*list = longer;
}

static void add_header(struct curl_slist **list, const char *name, const char *value)
{
	CLEANUP(free_str)
	char *line = xasprintf("%s%s", name, value);

	add_line(list, line);
	explicit_bzero(line, strlen(line));
}

static void add_basic(struct curl_slist **list, const struct secret *basic)
{
	struct arena arena = {0};
	const char *text = secret_reveal(basic);
	char *encoded = base64_encode(&arena, text, strlen(text));

	add_header(list, "Authorization: Basic ", encoded);
	explicit_bzero(encoded, strlen(encoded));
	arena_reset(&arena);
}

static struct curl_slist *make_headers(const struct http_request *request)
{
	struct curl_slist *list = NULL;

	add_line(&list, "Expect:"); /* no 100-continue round trip */
	/* An empty value keeps curl from inventing a type for a POST. */
	add_header(&list, "Content-Type: ", request->content_type ? request->content_type : "");
	if (request->accept)
		add_header(&list, "Accept: ", request->accept);
	for (size_t i = 0; request->headers && request->headers[i]; i++)
		add_line(&list, request->headers[i]);
	if (request->bearer)
		add_header(&list, "Authorization: Bearer ", secret_reveal(request->bearer));
	if (request->basic)
		add_basic(&list, request->basic);
	return list;
}

static size_t take_body(char *data, size_t size, size_t count, void *body)
{
	return buf_add(body, data, size * count) ? size * count : 0;
}

static int on_progress(
	void *data, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	const struct http_client *client = data;

	(void)down_total;
	(void)down;
	(void)up_total;
	(void)up;
	return client->options.tick(client->options.tick_data) ? 0 : 1;
}

static void set_safety(struct http_client *client)
{
	CURL *curl = client->curl;

	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	/* A name server that never answers: its thread is left behind, not waited for. */
	curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->failure);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* not from the environment */
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (client->ca_file) {
		curl_easy_setopt(curl, CURLOPT_CAINFO, client->ca_file);
		curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	}
	curl_easy_setopt(
		curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)client->options.body_max_bytes);
}

static void set_connection(struct http_client *client, const struct http_request *request)
{
	CURL *curl = client->curl;
	long connect_ms = client->options.connect_timeout_ms;

	if (connect_ms > request->timeout_ms)
		connect_ms = request->timeout_ms;
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, request->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)STALL_MAX_S);
	curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXCONNECTS, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXAGE_CONN, (long)IDLE_MAX_S);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	if (client->options.tick) {
		curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
		curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
		curl_easy_setopt(curl, CURLOPT_XFERINFODATA, client);
	}
}

static void set_request(CURL *curl, const struct http_request *request, struct curl_slist *headers,
	struct buf *body)
{
	bool sends = strcmp(request->method, "POST") == 0 || strcmp(request->method, "PUT") == 0;

	curl_easy_setopt(curl, CURLOPT_URL, request->url);
	if (sends) {
		curl_easy_setopt(curl, CURLOPT_POST, 1L);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body ? request->body : "");
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
	}
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
	/*
	 * curl repeats a request by itself when a kept connection breaks before the answer. That is
	 * harmless for a GET only: the peer may have done the work.
	 */
	if (strcmp(request->method, "GET") != 0)
		curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
}

/* All values of a header, comma-separated; "" when absent. */
static char *read_header(struct http_client *client, struct arena *arena, const char *name)
{
	struct curl_header *header;
	char *all = arena_strdup(arena, "");

	for (size_t i = 0;
		curl_easy_header(client->curl, name, i, CURLH_HEADER, -1, &header) == CURLHE_OK;
		i++)
		all = *all ? arena_printf(arena, "%s, %s", all, header->value)
			   : arena_strdup(arena, header->value);
	return all;
}

static void read_response(struct http_client *client, struct arena *arena, const struct buf *body,
	struct http_response *out)
{
	long status = 0;

	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
	out->status = (int)status;
	out->content_type = read_header(client, arena, "Content-Type");
	out->location = read_header(client, arena, "Location");
	out->link = read_header(client, arena, "Link");
	out->request_id = read_header(client, arena, "X-VMWARE-VCLOUD-REQUEST-ID");
	out->token = read_header(client, arena, "X-VMWARE-VCLOUD-ACCESS-TOKEN");
	if (!clock_parse_http(read_header(client, arena, "Date"), &out->date_ms))
		out->date_ms = 0;
	out->body_len = body->len;
	out->body = arena_alloc(arena, body->len + 1);
	if (body->len)
		memcpy(out->body, body->data, body->len);
}

static enum err_code class_of(CURLcode code)
{
	if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
		return ERR_DENIED;
	if (code == CURLE_FILESIZE_EXCEEDED || code == CURLE_URL_MALFORMAT ||
		code == CURLE_UNSUPPORTED_PROTOCOL)
		return ERR_INVALID;
	return ERR_TRANSIENT;
}

/* Host and path of a URL: what stands before '@' or behind '?' may be a secret. */
static char *shown_url(const char *url)
{
	const char *start = strstr(url, "://");
	const char *host = start ? start + 3 : url;
	size_t authority = strcspn(host, "/?#");
	const char *at = memrchr(host, '@', authority);

	if (at)
		host = at + 1;
	return xstrndup(host, strcspn(host, "?#"));
}

static int set_failure(const struct http_client *client, const struct http_request *request,
	CURLcode code, const struct buf *body, struct error *err)
{
	CLEANUP(free_str)
	char *url = shown_url(request->url);
	const char *reason = *client->failure ? client->failure : curl_easy_strerror(code);

	if (body->overflow || code == CURLE_FILESIZE_EXCEEDED)
		return error_set(err, ERR_INVALID, "%s %s: the answer is longer than %zu bytes",
			request->method, url, client->options.body_max_bytes);
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return error_set(err, ERR_TRANSIENT, "%s %s: given up while waiting for the answer",
			request->method, url);
	return error_set(err, class_of(code), "%s %s: %s", request->method, url, reason);
}

int http_perform(struct http_client *client, struct arena *arena,
	const struct http_request *request, struct http_response *out, struct error *err)
{
	CLEANUP(free_headers)
	struct curl_slist *headers = make_headers(request);
	CLEANUP(buf_release)
	struct buf body = {.max = client->options.body_max_bytes};
	int64_t start = clock_ms();
	CURLcode code;

	/* The reset forgets every option of the last request and keeps the connection. */
	curl_easy_reset(client->curl);
	curl_easy_setopt(client->curl, CURLOPT_USERAGENT, client->user_agent);
	client->failure[0] = '\0';
	set_safety(client);
	set_connection(client, request);
	set_request(client->curl, request, headers, &body);
	code = curl_easy_perform(client->curl);
	*out = (struct http_response){.took_ms = clock_ms() - start};
	if (code != CURLE_OK)
		return set_failure(client, request, code, &body, err);
	read_response(client, arena, &body, out);
	return 0;
}
