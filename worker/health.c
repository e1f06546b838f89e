/* SPDX-License-Identifier: MIT */
#include "worker/health.h"

#include "common/clock.h"
#include "worker/slot.h"
#include "worker/vcd/vcd.h"

#include <inttypes.h>
#include <stdio.h>

enum { REASON_MAX = 160 };

static void add_reason(struct json_object *reasons, const char *text)
{
	json_object_array_add(reasons, json_object_new_string(text));
}

bool health_moving(struct shared *shared, struct json_object *reasons)
{
	int64_t now = clock_ms();
	bool moving = true;

	for (size_t i = 0; i < shared->slot_count; i++) {
		struct slot_view view;
		char text[REASON_MAX];

		slot_read(&shared->slots[i], &view);
		if (!view.deadline_ms || now <= view.deadline_ms)
			continue;
		moving = false;
		snprintf(text, sizeof(text), "%s is %" PRId64 " ms past its deadline%s%s",
			view.thread, now - view.deadline_ms, *view.step ? " in step " : "",
			view.step);
		add_reason(reasons, text);
	}
	return moving;
}

bool health_consuming(struct shared *shared, struct json_object *reasons)
{
	static const char *const kinds[] = {
		[SLOT_REQUEST] = "request",
		[SLOT_OPERATION] = "operation",
	};
	size_t consuming[ARRAY_LEN(kinds)] = {0};
	bool all = true;

	for (size_t i = 0; i < shared->slot_count; i++) {
		struct slot_view view;

		slot_read(&shared->slots[i], &view);
		if (view.kind < ARRAY_LEN(kinds)) /* the resync consumes nothing */
			consuming[view.kind] += view.consuming;
	}
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		char text[REASON_MAX];

		if (consuming[i] > 0)
			continue;
		all = false;
		snprintf(text, sizeof(text), "no %s thread consumes from the broker", kinds[i]);
		add_reason(reasons, text);
	}
	if (atomic_load(&shared->stop)) {
		all = false;
		add_reason(reasons, "the worker is stopping");
	}
	return all;
}

bool health_session(struct shared *shared, struct json_object *reasons)
{
	struct error err;

	if (vcd_shared_ready(shared->vcd, &err) == 0)
		return true;
	add_reason(reasons, err.msg);
	return false;
}
