/* SPDX-License-Identifier: MIT */
#include "tests/bench/bench_load.h"

#include "common/clock.h"
#include "common/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
	REQUEST_BYTES = 5120,
	TOKEN_BYTES = 1800,
	RIGHT_BYTES = 56,
	LATE_MS = 15000,
	SAMPLES_MAX = 4000000
};

#define EXCHANGE "cse-ext"
#define REPLY_EXCHANGE "bench-replies"
#define REPLY_KEY "cell-1"

/* An outstanding request; its place in the table is part of its correlation id. */
struct slot {
	uint64_t number; /* 0: free */
	int64_t sent_ns;
};

struct bench_load {
	amqp_connection_state_t conn;
	bool fresh_tokens;
	uint64_t next;
	uint64_t salt; /* so that two runs do not share tokens */
	struct slot slots[BENCH_OUTSTANDING_MAX];
	float *latency_ms;
	size_t samples;
	struct bench_phase phase;
	char pad[TOKEN_BYTES + 1]; /* the token, but for its end */
};

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

struct bench_load *bench_load_new(bool fresh_tokens)
{
	struct bench_load *load = xcalloc(1, sizeof(*load));
	struct bench_broker broker = bench_broker();
	amqp_bytes_t queue;

	load->fresh_tokens = fresh_tokens;
	load->salt = (uint64_t)now_ns();
	load->latency_ms = xcalloc(SAMPLES_MAX, sizeof(*load->latency_ms));
	memset(load->pad, 'x', TOKEN_BYTES);
	load->conn = bench_connect(&broker, 1);
	amqp_exchange_declare(load->conn, 1, amqp_cstring_bytes(REPLY_EXCHANGE),
		amqp_cstring_bytes("direct"), false, false, true, false, amqp_empty_table);
	bench_rpc_ok(load->conn, "reply exchange");
	queue = amqp_queue_declare(load->conn, 1, amqp_cstring_bytes("bench-replies"), false, false,
		true, true, amqp_empty_table)
			->queue;
	amqp_queue_bind(load->conn, 1, queue, amqp_cstring_bytes(REPLY_EXCHANGE),
		amqp_cstring_bytes(REPLY_KEY), amqp_empty_table);
	bench_rpc_ok(load->conn, "bind replies");
	amqp_basic_consume(load->conn, 1, amqp_cstring_bytes("bench-replies"), amqp_empty_bytes,
		false, true, true, amqp_empty_table);
	bench_rpc_ok(load->conn, "consume replies");
	return load;
}

void bench_load_free(struct bench_load **load)
{
	bench_disconnect((*load)->conn);
	free((*load)->latency_ms);
	free(*load);
	*load = NULL;
}

/* A request as VCD sends it: half of it the caller's token, half the list of the caller's rights.
 */
static size_t write_request(const struct bench_load *load, uint64_t number, char *out, size_t size)
{
	int len = snprintf(out, size,
		"[{\"id\":\"%08" PRIx64 "-7d0e-4a39-9b52-0c7c4f0b1f11\",\"method\":\"GET\","
		"\"requestUri\":\"/api/cse/system\",\"queryString\":null,\"protocol\":\"HTTP/1.1\","
		"\"scheme\":\"https\",\"remoteAddr\":\"198.51.100.23\",\"remotePort\":51844,"
		"\"localAddr\":\"203.0.113.10\",\"localPort\":443,\"headers\":{"
		"\"Accept\":\"application/json;version=35.0\",\"Host\":\"vcd.example.test\","
		"\"Authorization\":\"Bearer %s.%016" PRIx64 ".%016" PRIx64 "\","
		"\"User-Agent\":\"python-requests/2.25\"},\"body\":\"\",\"isSecure\":true,"
		"\"request\":true},"
		"{\"user\":\"urn:vcloud:user:0f2d0d7e-1111-4222-8333-9a9a9a9a9a9a\","
		"\"org\":\"urn:vcloud:org:55bb0c9e-2222-4333-8444-abababababab\",\"rights\":[",
		number, load->pad, load->fresh_tokens ? load->salt : 0,
		load->fresh_tokens ? number : 0);

	while (len > 0 && (size_t)len + 2 * RIGHT_BYTES < size)
		len += snprintf(out + len, size - (size_t)len,
			"\"urn:vcloud:right:%08x-1111-4222-8333-444444444444\",", (unsigned)len);
	len += snprintf(out + len, size - (size_t)len, "\"\"]}]");
	bench_need(len > 0 && (size_t)len < size, "write request");
	return (size_t)len;
}

static void publish(struct bench_load *load, const char *key, size_t place)
{
	char body[REQUEST_BYTES], correlation[48];
	uint64_t number = ++load->next;
	amqp_table_entry_t headers[] = {
		{.key = amqp_cstring_bytes("messageType"),
			.value = {.kind = AMQP_FIELD_KIND_UTF8,
				.value.bytes = amqp_cstring_bytes("ProcessHttpRequest")}},
		{.key = amqp_cstring_bytes("replyToExchange"),
			.value = {.kind = AMQP_FIELD_KIND_UTF8,
				.value.bytes = amqp_cstring_bytes(REPLY_EXCHANGE)}},
	};
	amqp_basic_properties_t properties = {._flags = AMQP_BASIC_HEADERS_FLAG |
							AMQP_BASIC_CORRELATION_ID_FLAG |
							AMQP_BASIC_REPLY_TO_FLAG,
		.headers = {.num_entries = ARRAY_LEN(headers), .entries = headers},
		.reply_to = amqp_cstring_bytes(REPLY_KEY)};
	amqp_bytes_t bytes = {
		.len = write_request(load, number, body, sizeof(body)), .bytes = body};

	snprintf(correlation, sizeof(correlation), "%zu.%" PRIu64, place, number);
	properties.correlation_id = amqp_cstring_bytes(correlation);
	load->slots[place] = (struct slot){.number = number, .sent_ns = now_ns()};
	bench_need(amqp_basic_publish(load->conn, 1, amqp_cstring_bytes(EXCHANGE),
			   amqp_cstring_bytes(key), false, false, &properties,
			   bytes) == AMQP_STATUS_OK,
		"publish");
}

/* The place of the request the reply belongs to; -1 when it is a second or a late one. */
static long match(struct bench_load *load, amqp_bytes_t correlation)
{
	char text[48];
	char *dot;
	size_t place;

	bench_need(correlation.len < sizeof(text), "read correlation id");
	memcpy(text, correlation.bytes, correlation.len);
	text[correlation.len] = '\0';
	place = strtoul(text, &dot, 10);
	if (place >= BENCH_OUTSTANDING_MAX || *dot != '.' ||
		load->slots[place].number != strtoull(dot + 1, NULL, 10))
		return -1;
	return (long)place;
}

static void take_reply(struct bench_load *load, const amqp_envelope_t *in, long place)
{
	static const char good[] = "\"statusCode\":200";
	struct slot *slot = &load->slots[place];

	if (!memmem(in->message.body.bytes, in->message.body.len, good, sizeof(good) - 1))
		load->phase.refused++;
	if (load->samples < SAMPLES_MAX)
		load->latency_ms[load->samples++] =
			(float)((double)(now_ns() - slot->sent_ns) / 1e6);
	load->phase.done++;
	slot->number = 0;
}

/* Waits for one reply; its place is free again. -1 when none came in time. */
static long receive(struct bench_load *load, int64_t limit_ms)
{
	struct timeval limit = {.tv_sec = limit_ms / 1000, .tv_usec = (limit_ms % 1000) * 1000};
	amqp_envelope_t in;
	amqp_rpc_reply_t status;
	long place;

	for (;;) {
		amqp_maybe_release_buffers(load->conn);
		status = amqp_consume_message(load->conn, &in, &limit, 0);
		if (status.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION &&
			status.library_error == AMQP_STATUS_TIMEOUT)
			return -1;
		bench_need(status.reply_type == AMQP_RESPONSE_NORMAL, "receive");
		place = match(load, in.message.properties.correlation_id);
		if (place >= 0)
			take_reply(load, &in, place);
		else
			load->phase.duplicate++;
		amqp_destroy_envelope(&in);
		if (place >= 0)
			return place;
	}
}

/* CPU seconds of a process from /proc/<pid>/stat, user and system. */
static double cpu_seconds(long pid)
{
	char path[64], text[1024];
	unsigned long user = 0, kernel = 0;
	const char *end;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	CLEANUP(close_file)
	FILE *file = fopen(path, "re");
	bench_need(file && fgets(text, sizeof(text), file), "read /proc/<pid>/stat");
	end = strrchr(text, ')');
	bench_need(end && sscanf(end + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
				  &user, &kernel) == 2,
		"parse /proc/<pid>/stat");
	return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

static double rss_kib(long pid)
{
	char path[64], line[256];
	double value = 0;

	snprintf(path, sizeof(path), "/proc/%ld/status", pid);
	CLEANUP(close_file)
	FILE *file = fopen(path, "re");
	bench_need(file != NULL, "read /proc/<pid>/status");
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, "VmRSS:", 6) == 0)
			value = strtod(line + 6, NULL);
	return value;
}

static int compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static double percentile(struct bench_load *load, double part)
{
	if (load->samples == 0)
		return 0;
	return (double)load->latency_ms[(size_t)((double)(load->samples - 1) * part)];
}

/* What is still outstanding when nothing has come for long is lost. */
static void collect_rest(struct bench_load *load)
{
	for (size_t i = 0; i < BENCH_OUTSTANDING_MAX; i++) {
		while (load->slots[i].number != 0 && receive(load, LATE_MS) >= 0)
			;
		if (load->slots[i].number != 0) {
			load->phase.lost++;
			load->slots[i].number = 0;
		}
	}
}

struct bench_phase bench_load_run(struct bench_load *load, const char *routing_key,
	long outstanding, double seconds, long pid)
{
	int64_t start = now_ns(), end = start + (int64_t)(seconds * 1e9), last;
	double cpu = pid ? cpu_seconds(pid) : 0;

	load->phase = (struct bench_phase){0};
	load->samples = 0;
	for (long i = 0; i < outstanding; i++)
		publish(load, routing_key, (size_t)i);
	while (now_ns() < end) {
		long place = receive(load, LATE_MS);

		if (place < 0)
			break;
		publish(load, routing_key, (size_t)place);
	}
	collect_rest(load);
	last = now_ns();
	qsort(load->latency_ms, load->samples, sizeof(float), compare);
	load->phase.rate = (double)load->phase.done / ((double)(last - start) / 1e9);
	load->phase.p50_ms = percentile(load, 0.5);
	load->phase.p99_ms = percentile(load, 0.99);
	if (pid && load->phase.done)
		load->phase.cpu_us = (cpu_seconds(pid) - cpu) * 1e6 / (double)load->phase.done;
	load->phase.rss_kib = pid ? rss_kib(pid) : 0;
	return load->phase;
}
