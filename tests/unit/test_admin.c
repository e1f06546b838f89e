/* SPDX-License-Identifier: MIT */
/* The pages of the admin port, health, and what systemd is told; no network but a local socket. */
#include "common/clock.h"
#include "common/json.h"
#include "common/str.h"
#include "tests/unit/unit.h"
#include "worker/admin_pages.h"
#include "worker/count.h"
#include "worker/slot.h"
#include "worker/supervise.h"
#include "worker/vcd/vcd.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#define TENANT_TEXT "tenant-text"

static struct config config = {.deployment = "unit", .vcd_host = "127.0.0.1:1", .vcd_user = "u@o"};
static struct shared shared;
static struct thread_ctx request = {.shared = &shared, .name = "request-0"};
static struct thread_ctx operation = {.shared = &shared, .name = "operation-0"};
static struct admin_page page;

static const char *get(const char *path)
{
	buf_release(&page.body);
	admin_page_make(&page, &shared, "GET", path);
	return buf_str(&page.body);
}

static void consume(bool requests, bool operations)
{
	slot_set_consuming(&request, requests);
	slot_set_consuming(&operation, operations);
}

static void healthy_is_consuming_both_and_not_stopping(void **state)
{
	(void)state;
	consume(true, true);
	assert_string_equal(get("/healthz"), "{\"healthy\":true}\n");
	assert_int_equal(page.status, 200);
	assert_string_equal(page.type, "application/json");
	consume(true, false);
	assert_string_equal(get("/healthz"),
		"{\"healthy\":false,\"reasons\":[\"no operation thread "
		"consumes from the broker\"]}\n");
	assert_int_equal(page.status, 503);
	consume(false, true);
	assert_non_null(strstr(get("/healthz"), "no request thread"));
	consume(true, true);
	atomic_store(&shared.stop, true);
	assert_non_null(strstr(get("/healthz"), "stopping"));
	assert_int_equal(page.status, 503);
	atomic_store(&shared.stop, false);
	get("/healthz");
	assert_int_equal(page.status, 200);
}

static void a_thread_past_its_deadline_is_unhealthy(void **state)
{
	(void)state;
	consume(true, true);
	slot_begin(&operation, -60000);
	slot_set_step(&operation, "boot");
	assert_non_null(strstr(get("/healthz"), "\"operation-0 is "));
	assert_non_null(strstr(get("/healthz"), "past its deadline in step boot\""));
	assert_int_equal(page.status, 503);
	assert_non_null(strstr(
		get("/metrics"), "cse_worker_threads{kind=\"operation\",state=\"overdue\"} 1\n"));
	slot_end(&operation, "again");
	get("/healthz");
	assert_int_equal(page.status, 200);
}

static void ready_needs_a_session(void **state)
{
	(void)state;
	consume(true, true);
	assert_string_equal(get("/readyz"), "{\"ready\":false,\"reasons\":[\"service session: not "
					    "logged in yet\"]}\n");
	assert_int_equal(page.status, 503);
	consume(false, true);
	assert_non_null(strstr(get("/readyz"), "no request thread"));
}

static void operations_are_told_with_their_step(void **state)
{
	(void)state;
	consume(true, true);
	slot_begin(&operation, 45000);
	slot_set_pass(&operation, "create", "task-1", "urn:cluster", 3);
	slot_set_step(&operation, "boot");
	CLEANUP(json_release)
	struct json_object *busy = json_tokener_parse(get("/v1/operations"));
	slot_end(&operation, "again");
	CLEANUP(json_release)
	struct json_object *idle = json_tokener_parse(get("/v1/operations"));
	struct json_object *thread = json_object_array_get_idx(json_at(busy, "threads"), 0);

	assert_int_equal(json_object_array_length(json_at(busy, "threads")), 1);
	assert_string_equal(json_str(thread, "thread", ""), "operation-0");
	assert_string_equal(json_str(thread, "state", ""), "busy");
	assert_string_equal(json_str(thread, "operation", ""), "create");
	assert_string_equal(json_str(thread, "task", ""), "task-1");
	assert_string_equal(json_str(thread, "cluster", ""), "urn:cluster");
	assert_string_equal(json_str(thread, "step", ""), "boot");
	assert_int_equal(json_int(thread, "pass", 0), 3);
	assert_true(str_ends(json_str(thread, "since", ""), "Z"));
	assert_true(json_flag(thread, "consuming", false));
	thread = json_object_array_get_idx(json_at(idle, "threads"), 0);
	assert_string_equal(json_str(thread, "state", ""), "idle");
	assert_string_equal(json_str(thread, "last_outcome", ""), "again");
	assert_null(json_at(thread, "task"));
}

/* Ids belong to /v1/operations; a label would make a new series of each. */
static void metrics_hold_no_text_from_outside(void **state)
{
	(void)state;
	slot_begin(&operation, 45000);
	slot_set_pass(&operation, "create", TENANT_TEXT, TENANT_TEXT, 3);
	slot_set_step(&operation, TENANT_TEXT);
	get("/metrics");
	slot_end(&operation, TENANT_TEXT);
	assert_null(strstr(buf_str(&page.body), TENANT_TEXT));
	assert_null(strstr(get("/metrics"), TENANT_TEXT));
	assert_null(strstr(get("/metrics"), config.deployment));
	assert_string_equal(page.type, "text/plain; version=0.0.4; charset=utf-8");
	assert_non_null(strstr(get("/metrics"),
		"# TYPE cse_worker_build_info gauge\ncse_worker_build_info{version=\"" CSE_VERSION
		"\"} 1\n"));
}

static void outcomes_are_counted_in_their_rows(void **state)
{
	static const struct {
		int status;
		enum counter row;
	} requests[] = {
		{200, COUNTER_REQUEST_OK},
		{202, COUNTER_REQUEST_OK},
		{404, COUNTER_REQUEST_REFUSED},
		{429, COUNTER_REQUEST_BUSY},
		{503, COUNTER_REQUEST_BUSY},
		{500, COUNTER_REQUEST_FAILED},
	};
	static const struct {
		enum err_code code;
		int status;
		enum counter row;
	} calls[] = {
		{ERR_NONE, 200, COUNTER_VCD_OK},
		{ERR_BUSY, 400, COUNTER_VCD_BUSY},
		{ERR_GONE, 403, COUNTER_VCD_GONE},
		{ERR_TRANSIENT, 503, COUNTER_VCD_SERVER_ERROR},
		{ERR_TRANSIENT, 0, COUNTER_VCD_NO_ANSWER},
		{ERR_DENIED, 0, COUNTER_VCD_NO_ANSWER},
	};
	struct vcd_watch watch = count_vcd(&shared);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		int64_t before = counter_get(&shared.counters, requests[i].row);

		count_request(&shared, requests[i].status, 5);
		assert_int_equal(counter_get(&shared.counters, requests[i].row), before + 1);
	}
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		int64_t before = counter_get(&shared.counters, calls[i].row);

		watch.call(watch.data, calls[i].code, calls[i].status, true, 5);
		assert_int_equal(counter_get(&shared.counters, calls[i].row), before + 1);
	}
	count_operation(&shared, OPERATION_DELETE, true);
	assert_int_equal(counter_get(&shared.counters, COUNTER_DELETE_FAILED), 1);
}

static void other_paths_and_methods_are_refused(void **state)
{
	static const char *const methods[] = {"POST", "PUT", "DELETE", "HEAD", "OPTIONS", "get"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		buf_release(&page.body);
		admin_page_make(&page, &shared, methods[i], "/metrics");
		assert_int_equal(page.status, 405);
	}
	get("/");
	assert_int_equal(page.status, 404);
	get("/metrics/");
	assert_int_equal(page.status, 404);
}

/* ---- systemd ---- */

static char received[1024];
static int listener = -1;

static void listen_at(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval limit = {.tv_sec = 5};
	size_t len = strlen(name);

	memcpy(address.sun_path, name, len);
	if (*name == '@')
		address.sun_path[0] = '\0';
	listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
		0);
	setenv("NOTIFY_SOCKET", name, 1);
}

static const char *next_message(void)
{
	ssize_t len = recv(listener, received, sizeof(received) - 1, 0);

	assert_true(len > 0);
	received[len] = '\0';
	return received;
}

static bool is_silent(void)
{
	struct pollfd poll_fd = {.fd = listener, .events = POLLIN};

	return poll(&poll_fd, 1, 0) == 0;
}

static void messages_reach(const char *name)
{
	struct sd_notify notify;
	struct error err;

	listen_at(name);
	assert_int_equal(sd_notify_open(&notify, &err), 0);
	sd_notify_send(&notify, "READY=1");
	assert_string_equal(next_message(), "READY=1");
	sd_notify_close(&notify);
	close(listener);
}

static void both_kinds_of_sockets_are_reached(void **state)
{
	char folder[] = "/tmp/test_admin.XXXXXX";
	char name[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(name, sizeof(name), "%s/notify", folder);
	messages_reach(name);
	unlink(name);
	rmdir(folder);
	snprintf(name, sizeof(name), "@test_admin-%d", (int)getpid());
	messages_reach(name);
}

static void a_useless_environment_is_no_failure(void **state)
{
	static const char *const names[] = {"relative", "/", "@", "vsock:2:1"};
	struct sd_notify notify;
	struct error err;
	char too_long[200];

	(void)state;
	memset(too_long, '/', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	for (size_t i = 0; i <= ARRAY_LEN(names); i++) {
		setenv("NOTIFY_SOCKET", i < ARRAY_LEN(names) ? names[i] : too_long, 1);
		assert_int_equal(sd_notify_open(&notify, &err), -1);
		sd_notify_send(&notify, "READY=1");
		sd_notify_close(&notify);
	}
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(sd_notify_open(&notify, &err), 0);
	sd_notify_send(&notify, "READY=1");
}

static void a_watchdog_for_another_process_is_not_fed(void **state)
{
	struct sd_notify notify;
	struct error err;
	char pid[16];

	(void)state;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("NOTIFY_SOCKET", "@nobody", 1);
	setenv("WATCHDOG_USEC", "4000000", 1);
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(sd_notify_open(&notify, &err), 0);
	assert_int_equal(notify.watchdog_ms, 4000);
	sd_notify_close(&notify);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(sd_notify_open(&notify, &err), 0);
	assert_int_equal(notify.watchdog_ms, 0);
	sd_notify_close(&notify);
	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
}

static void the_watchdog_starves_only_when_a_thread_is_stuck(void **state)
{
	struct supervisor supervisor;
	char name[64];

	(void)state;
	snprintf(name, sizeof(name), "@test_admin-%d-watch", (int)getpid());
	listen_at(name);
	setenv("WATCHDOG_USEC", "2000000", 1);
	consume(false, false);
	supervisor_init(&supervisor, &shared);
	assert_int_equal(supervisor_interval_ms(&supervisor), 500);
	supervisor_look(&supervisor); /* it has only just begun */
	assert_string_equal(next_message(), "WATCHDOG=1");
	supervisor.start_ms -= 60000;
	supervisor_look(&supervisor);
	assert_string_equal(next_message(), "STATUS=no request thread consumes from the broker");
	assert_string_equal(next_message(), "WATCHDOG=1");
	consume(true, true);
	supervisor_look(&supervisor);
	assert_string_equal(next_message(), "READY=1");
	assert_string_equal(next_message(), "STATUS=consuming");
	assert_string_equal(next_message(), "WATCHDOG=1");
	slot_begin(&request, -60000);
	supervisor_look(&supervisor);
	assert_string_equal(next_message(), "STATUS=a thread is stuck");
	supervisor_look(&supervisor);
	assert_true(is_silent());
	slot_end(&request, "answered");
	supervisor_look(&supervisor);
	assert_string_equal(next_message(), "STATUS=consuming");
	assert_string_equal(next_message(), "WATCHDOG=1");
	supervisor_say_stopping(&supervisor);
	assert_string_equal(next_message(), "STOPPING=1\nSTATUS=finishing what is held");
	supervisor_release(&supervisor);
	close(listener);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
}

static int start(void **state)
{
	(void)state;
	shared.config = &config;
	shared.vcd = vcd_shared_new(&config);
	shared.slots = slots_new(2);
	shared.slot_count = 2;
	slot_assign(&request, &shared.slots[0], SLOT_REQUEST);
	slot_assign(&operation, &shared.slots[1], SLOT_OPERATION);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	buf_release(&page.body);
	slots_free(&shared.slots, shared.slot_count);
	vcd_shared_free(&shared.vcd);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(healthy_is_consuming_both_and_not_stopping),
		cmocka_unit_test(a_thread_past_its_deadline_is_unhealthy),
		cmocka_unit_test(ready_needs_a_session),
		cmocka_unit_test(operations_are_told_with_their_step),
		cmocka_unit_test(metrics_hold_no_text_from_outside),
		cmocka_unit_test(outcomes_are_counted_in_their_rows),
		cmocka_unit_test(other_paths_and_methods_are_refused),
		cmocka_unit_test(both_kinds_of_sockets_are_reached),
		cmocka_unit_test(a_useless_environment_is_no_failure),
		cmocka_unit_test(a_watchdog_for_another_process_is_not_fed),
		cmocka_unit_test(the_watchdog_starves_only_when_a_thread_is_stuck),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
