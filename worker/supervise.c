/* SPDX-License-Identifier: MIT */
#include "worker/supervise.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/str.h"
#include "worker/health.h"

#include <stdio.h>

enum { LOOK_MS = 1000, FEEDS_PER_WATCHDOG = 4, START_MS = 10000 };

void supervisor_init(struct supervisor *supervisor, struct shared *shared)
{
	struct error err;

	*supervisor = (struct supervisor){.shared = shared, .start_ms = clock_ms()};
	if (sd_notify_open(&supervisor->notify, &err))
		log_event(LOG_WARN, "systemd.unusable", LOG_STR("reason", err.msg));
}

void supervisor_release(struct supervisor *supervisor)
{
	sd_notify_close(&supervisor->notify);
}

int64_t supervisor_interval_ms(const struct supervisor *supervisor)
{
	int64_t feed_ms = supervisor->notify.watchdog_ms / FEEDS_PER_WATCHDOG;

	return feed_ms > 0 && feed_ms < LOOK_MS ? feed_ms : LOOK_MS;
}

/* A new status goes to systemd and into the log; the same one again is no news. */
static void say_status(struct supervisor *supervisor, bool well, const char *status)
{
	char text[sizeof(supervisor->status) + sizeof("STATUS=")];

	if (str_eq(status, supervisor->status))
		return;
	snprintf(supervisor->status, sizeof(supervisor->status), "%s", status);
	snprintf(text, sizeof(text), "STATUS=%s", supervisor->status);
	sd_notify_send(&supervisor->notify, text);
	log_event(well ? LOG_INFO : LOG_WARN, well ? "worker.well" : "worker.unwell",
		LOG_STR("status", supervisor->status));
}

/* Which threads are stuck, without for how long: that would be news every time. */
static void describe(
	struct supervisor *supervisor, bool moving, bool consuming, struct json_object *reasons)
{
	if (!moving)
		say_status(supervisor, false, "a thread is stuck");
	else if (consuming)
		say_status(supervisor, true, "consuming");
	else if (supervisor->announced || clock_ms() - supervisor->start_ms > START_MS)
		say_status(supervisor, false,
			json_object_get_string(json_object_array_get_idx(reasons, 0)));
}

void supervisor_look(struct supervisor *supervisor)
{
	CLEANUP(json_release)
	struct json_object *stuck = json_object_new_array();
	CLEANUP(json_release)
	struct json_object *reasons = json_object_new_array();
	bool moving = health_moving(supervisor->shared, stuck);
	bool consuming = health_consuming(supervisor->shared, reasons);

	if (consuming && !supervisor->announced) {
		supervisor->announced = true;
		sd_notify_send(&supervisor->notify, "READY=1");
	}
	describe(supervisor, moving, consuming, reasons);
	if (moving && supervisor->notify.watchdog_ms > 0)
		sd_notify_send(&supervisor->notify, "WATCHDOG=1");
}

void supervisor_say_stopping(struct supervisor *supervisor)
{
	sd_notify_send(&supervisor->notify, "STOPPING=1\nSTATUS=finishing what is held");
}
