/* SPDX-License-Identifier: MIT */
#include "tests/vcdsim/calls.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/str.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOG_MAX = 50000, PATH_ITEMS_MAX = 16, HOLD_POLL_MS = 5 };

struct fault {
	struct fault *next;
	struct json_object *order;
	int64_t id, seen, hits;
};

/* A call that waits; lives on the stack of its handler. */
struct held {
	struct held *next;
	int64_t fault;
	const struct sim_call *call;
	bool released, drop;
};

struct sim_calls {
	pthread_mutex_t
		lock; /* protects everything below it; taken last, never held while waiting */
	struct json_object *log;    /* array, cut at LOG_MAX */
	struct json_object *counts; /* agent, method and pattern -> number */
	struct json_object *agents; /* agent -> number */
	int64_t total;
	struct fault *faults;
	struct held *held;
	int64_t fault_count;
	struct {
		char name[32];
		int64_t ms;
	} path[PATH_ITEMS_MAX];
};

struct sim_calls *calls_new(void)
{
	struct sim_calls *calls = xcalloc(1, sizeof(*calls));

	pthread_mutex_init(&calls->lock, NULL);
	calls->log = json_object_new_array();
	calls->counts = json_object_new_object();
	calls->agents = json_object_new_object();
	return calls;
}

static void drop_faults(struct sim_calls *calls)
{
	while (calls->faults != NULL) {
		struct fault *fault = calls->faults;

		calls->faults = fault->next;
		json_release(&fault->order);
		free(fault);
	}
}

void calls_free(struct sim_calls *calls)
{
	if (calls == NULL)
		return;
	drop_faults(calls);
	json_release(&calls->log);
	json_release(&calls->counts);
	json_release(&calls->agents);
	pthread_mutex_destroy(&calls->lock);
	free(calls);
}

static bool is_id(const char *segment, size_t len)
{
	return len >= SIM_ID - 1 &&
	       str_is_made_of(segment + len - (SIM_ID - 1), "0123456789abcdef-", SIZE_MAX);
}

/* The path with "{id}" where UUIDs stand and without the query, so that equal calls count together.
 */
static void pattern_of(const char *uri, char *out, size_t size)
{
	char path[1024];
	size_t used = 0;

	snprintf(path, sizeof(path), "%.*s", (int)strcspn(uri, "?"), uri);
	const char *rest = path, *segment;
	size_t len;

	while ((segment = str_next(&rest, '/', &len)) != NULL && used + len + 8 < size) {
		char text[512];

		snprintf(text, sizeof(text), "%.*s", (int)len, segment);
		bool id = is_id(text, strlen(text));

		used += (size_t)snprintf(out + used, size - used, "%s%s",
			segment == path ? "" : "/", id ? "{id}" : text);
		if (used >= size)
			return;
	}
}

static void count_up(struct json_object *counts, const char *key)
{
	struct json_object *number;
	int64_t before = 0;

	if (json_object_object_get_ex(counts, key, &number))
		before = json_object_get_int64(number);
	json_object_object_add(counts, key, json_object_new_int64(before + 1));
}

void calls_log(struct sim *sim, const char *method, const char *uri, int status, const char *agent,
	const char *user)
{
	struct sim_calls *calls = sim->calls;
	struct json_object *line = json_object_new_object();
	char pattern[1024] = "", key[1200];

	pattern_of(uri, pattern, sizeof(pattern));
	snprintf(key, sizeof(key), "%s %s", method, pattern);
	pthread_mutex_lock(&calls->lock);
	json_object_object_add(line, "seq", json_object_new_int64(++calls->total));
	json_object_object_add(line, "method", json_object_new_string(method));
	json_object_object_add(line, "path", json_object_new_string(uri));
	json_object_object_add(line, "status", json_object_new_int(status));
	json_object_object_add(line, "agent", json_object_new_string(agent));
	json_object_object_add(line, "user", json_object_new_string(user));
	if (json_object_array_length(calls->log) < LOG_MAX)
		json_object_array_add(calls->log, json_object_get(line));
	count_up(calls->counts, key);
	count_up(calls->agents, agent);
	pthread_mutex_unlock(&calls->lock);
	json_release(&line);
}

struct json_object *calls_json(struct sim *sim)
{
	struct sim_calls *calls = sim->calls;
	struct json_object *out = json_object_new_object();

	pthread_mutex_lock(&calls->lock);
	json_set_int(out, "total", calls->total);
	json_set(out, "agents", json_copy(calls->agents));
	json_set(out, "counts", json_copy(calls->counts));
	json_set(out, "log", json_copy(calls->log));
	pthread_mutex_unlock(&calls->lock);
	return out;
}

void calls_reset(struct sim *sim)
{
	struct sim_calls *calls = sim->calls;

	pthread_mutex_lock(&calls->lock);
	json_release(&calls->log);
	json_release(&calls->counts);
	json_release(&calls->agents);
	calls->log = json_object_new_array();
	calls->counts = json_object_new_object();
	calls->agents = json_object_new_object();
	calls->total = 0;
	memset(calls->path, 0, sizeof(calls->path));
	pthread_mutex_unlock(&calls->lock);
}

void path_add(struct sim *sim, const char *name, int64_t ms)
{
	struct sim_calls *calls = sim->calls;

	pthread_mutex_lock(&calls->lock);
	for (size_t i = 0; i < PATH_ITEMS_MAX; i++) {
		if (calls->path[i].name[0] == '\0')
			snprintf(calls->path[i].name, sizeof(calls->path[i].name), "%s", name);
		if (!str_eq(calls->path[i].name, name))
			continue;
		if (calls->path[i].ms < ms)
			calls->path[i].ms = ms;
		break;
	}
	pthread_mutex_unlock(&calls->lock);
}

struct json_object *path_json(struct sim *sim)
{
	struct sim_calls *calls = sim->calls;
	struct json_object *out = json_object_new_object(), *items = json_object_new_object();
	int64_t sum = 0;

	pthread_mutex_lock(&calls->lock);
	for (size_t i = 0; i < PATH_ITEMS_MAX && calls->path[i].name[0] != '\0'; i++) {
		json_object_object_add(
			items, calls->path[i].name, json_object_new_int64(calls->path[i].ms));
		sum += calls->path[i].ms;
	}
	pthread_mutex_unlock(&calls->lock);
	json_set_int(out, "total_ms", sum);
	json_set(out, "items", items);
	return out;
}

int faults_add(struct sim *sim, struct json_object *order, struct error *err)
{
	static const char *const members[] = {"method", "path_prefix", "agent", "nth", "times",
		"status", "minor", "message", "reset", "stall", "after_effect", "delay_ms",
		"writes", "hold", "task_error", "body", "path", "request"};
	struct sim_calls *calls = sim->calls;

	if (!json_object_is_type(order, json_type_object))
		return error_set(err, ERR_INVALID, "a fault is a JSON object");
	json_object_object_foreach(order, name, value)
	{
		bool known = false;

		(void)value;
		for (size_t i = 0; i < ARRAY_LEN(members); i++)
			known = known || str_eq(members[i], name);
		if (!known)
			return error_set(err, ERR_INVALID, "a fault has no member '%s'", name);
	}
	const char *hold = json_str(order, "hold", "before");

	if (!str_eq(hold, "before") && !str_eq(hold, "after"))
		return error_set(err, ERR_INVALID, "hold is 'before' or 'after', not '%s'", hold);
	struct fault *fault = xcalloc(1, sizeof(*fault));

	fault->order = json_copy(order);
	pthread_mutex_lock(&calls->lock);
	fault->id = ++calls->fault_count;
	fault->next = calls->faults;
	calls->faults = fault;
	pthread_mutex_unlock(&calls->lock);
	return 0;
}

void faults_clear(struct sim *sim)
{
	pthread_mutex_lock(&sim->calls->lock);
	drop_faults(sim->calls);
	pthread_mutex_unlock(&sim->calls->lock);
	(void)faults_release(sim, NULL);
}

static bool place_fits(struct json_object *order, const struct sim_call *call)
{
	/* A pattern of the shell: ids stand in the middle of most paths. */
	return fnmatch(json_str(order, "path", "*"), call->path, 0) == 0 &&
	       str_starts(call->path, json_str(order, "path_prefix", "")) &&
	       strstr(str_or(call->body, ""), json_str(order, "body", "")) != NULL;
}

int64_t faults_release(struct sim *sim, struct json_object *which)
{
	int64_t count = 0;

	pthread_mutex_lock(&sim->calls->lock);
	for (struct held *held = sim->calls->held; held != NULL; held = held->next) {
		if (held->released || !place_fits(which, held->call))
			continue;
		held->drop = json_flag(which, "drop", false);
		held->released = true;
		count++;
	}
	pthread_mutex_unlock(&sim->calls->lock);
	return count;
}

static bool is_released(struct sim *sim, const struct held *held)
{
	pthread_mutex_lock(&sim->lock);
	bool stopping = sim->stopping;

	pthread_mutex_unlock(&sim->lock);
	pthread_mutex_lock(&sim->calls->lock);
	bool released = held->released;

	pthread_mutex_unlock(&sim->calls->lock);
	return stopping || released;
}

bool calls_hold(struct sim *sim, const struct sim_fault_hit *hit, const struct sim_call *call)
{
	struct held held = {.fault = hit->fault, .call = call};
	struct held **link = &sim->calls->held;

	pthread_mutex_lock(&sim->calls->lock);
	held.next = *link;
	*link = &held;
	pthread_mutex_unlock(&sim->calls->lock);
	while (!is_released(sim, &held))
		clock_sleep_ms(HOLD_POLL_MS);
	pthread_mutex_lock(&sim->calls->lock);
	while (*link != &held)
		link = &(*link)->next;
	*link = held.next;
	pthread_mutex_unlock(&sim->calls->lock);
	return !held.drop;
}

static struct json_object *held_json(const struct sim_calls *calls, int64_t fault)
{
	struct json_object *out = json_object_new_array();

	for (const struct held *held = calls->held; held != NULL; held = held->next) {
		if (held->fault != fault || held->released)
			continue;
		struct json_object *shown = json_object_new_object();

		json_set_str(shown, "method", held->call->method);
		json_set_str(shown, "path", held->call->path);
		json_set_str(shown, "agent", held->call->agent);
		json_object_array_add(out, shown);
	}
	return out;
}

struct json_object *faults_json(struct sim *sim)
{
	struct json_object *out = json_object_new_array();

	pthread_mutex_lock(&sim->calls->lock);
	for (struct fault *fault = sim->calls->faults; fault != NULL; fault = fault->next) {
		struct json_object *shown = json_copy(fault->order);

		json_set_int(shown, "seen", fault->seen);
		json_set_int(shown, "hits", fault->hits);
		json_set(shown, "held", held_json(sim->calls, fault->id));
		json_object_array_add(out, shown);
	}
	pthread_mutex_unlock(&sim->calls->lock);
	return out;
}

/* A login changes nothing that tests look at. */
static bool is_write(const char *method, const char *path)
{
	return !str_eq(method, "GET") && !str_eq(method, "HEAD") &&
	       !str_starts(path, "/api/sessions") && !str_starts(path, "/cloudapi/1.0.0/sessions");
}

static bool fault_fits(struct json_object *order, const struct sim_call *call)
{
	const char *wanted = json_str(order, "method", NULL);

	return (wanted == NULL || str_eq(wanted, call->method)) &&
	       (!json_flag(order, "writes", false) || is_write(call->method, call->path)) &&
	       place_fits(order, call) &&
	       str_starts(str_or(call->request, ""), json_str(order, "request", "")) &&
	       str_starts(call->agent, json_str(order, "agent", ""));
}

/* Counts this call and tells whether it is one of those to be hit. */
static bool fault_hits(struct fault *fault)
{
	int64_t nth = json_int(fault->order, "nth", 1), times = json_int(fault->order, "times", 1);

	fault->seen++;
	return fault->seen >= nth && (times == 0 || fault->seen < nth + times);
}

bool calls_fault(struct sim *sim, const struct sim_call *call, struct sim_fault_hit *out)
{
	struct fault *hit = NULL;

	pthread_mutex_lock(&sim->calls->lock);
	for (struct fault *fault = sim->calls->faults; fault != NULL; fault = fault->next) {
		if (!fault_fits(fault->order, call) || !fault_hits(fault))
			continue;
		hit = fault;
		break;
	}
	if (hit != NULL) {
		struct json_object *order = hit->order;
		const char *hold = json_str(order, "hold", NULL);

		hit->hits++;

		*out = (struct sim_fault_hit){.status = (int)json_int(order, "status", 0),
			.delay_ms = json_int(order, "delay_ms", 0),
			.reset = json_flag(order, "reset", false),
			.stall = json_flag(order, "stall", false),
			.after_effect = json_flag(order, "after_effect", false),
			.hold_before = str_eq(hold, "before"),
			.hold_after = str_eq(hold, "after"),
			.fault = hit->id};
		snprintf(out->task_error, sizeof(out->task_error), "%s",
			json_str(order, "task_error", ""));
		snprintf(out->minor, sizeof(out->minor), "%s", json_str(order, "minor", ""));
		snprintf(out->message, sizeof(out->message), "%s", json_str(order, "message", ""));
	}
	pthread_mutex_unlock(&sim->calls->lock);
	return hit != NULL;
}
