/* SPDX-License-Identifier: MIT */
#include "worker/parked.h"

#include "common/json.h"
#include "common/str.h"
#include "worker/options.h"
#include "worker/parked_queue.h"

#include <string.h>

enum { RECORD_DEPTH = 16 };

/* What the entries are afterwards. */
static const char *const done_words[] = {
	[PARKED_LIST] = "parked",
	[PARKED_SHOW] = "shown",
	[PARKED_RETRY] = "retried",
	[PARKED_DROP] = "dropped",
};

/* One command at work. */
struct job {
	const struct parked_options *options;
	struct parked_queue queue;
	struct json_object *done; /* a list; what it holds depends on the action */
	size_t passed_over;	  /* of all, those that cannot be retried */
	FILE *out;
};

static void complain(const char *text)
{
	fprintf(stderr, "cse-worker: %s\n", text);
}

static bool is_wanted(const struct job *job, const struct parked_entry *entry)
{
	return !job->options->id || str_eq(job->options->id, entry->id);
}

static struct json_object *describe(const struct parked_entry *entry)
{
	struct json_object *object = json_object_new_object();

	json_set_str(object, "id", entry->id);
	json_set_str(object, "kind", entry->kind);
	json_set_str(object, "time", entry->time);
	json_set_str(object, "what", entry->what);
	json_set_str(object, "reason", entry->reason);
	json_set_bool(object, "retryable", entry->retryable);
	return object;
}

/* ---- one entry ---- */

static int list_one(struct job *job, struct parked_entry *entry, struct error *err)
{
	(void)err;
	json_object_array_add(job->done, describe(entry));
	if (!job->options->json)
		fprintf(job->out, "%-36s  %-9s  %-24s  %s: %s\n", entry->id, entry->kind,
			entry->time, entry->what, entry->reason);
	return 0;
}

static int show_one(struct job *job, struct parked_entry *entry, struct error *err)
{
	enum {
		PRETTY = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
			 JSON_C_TO_STRING_NOSLASHESCAPE
	};
	CLEANUP(json_release)
	struct json_object *object = describe(entry);

	json_set(object, "record",
		json_parse(entry->record, strlen(entry->record), RECORD_DEPTH, err));
	json_object_array_add(job->done, json_object_get(object));
	if (!job->options->json)
		fprintf(job->out, "%s\n",
			parked_plain(&job->queue.arena,
				json_object_to_json_string_ext(object, PRETTY), true));
	return 0;
}

static void say_done(struct job *job, const struct parked_entry *entry)
{
	json_object_array_add(job->done, json_object_new_string(entry->id));
	if (!job->options->json)
		fprintf(job->out, "%s %s: %s\n", done_words[job->options->action], entry->id,
			entry->what);
}

/* A second copy of the same message, left by a command that was ended, needs no second try. */
static bool is_copy(const struct job *job, const struct parked_entry *entry)
{
	const struct parked_queue *queue = &job->queue;

	for (size_t i = 0; &queue->entries[i] != entry; i++)
		if (queue->entries[i].settled && str_eq(queue->entries[i].id, entry->id))
			return true;
	return false;
}

static int retry_one(struct job *job, struct parked_entry *entry, struct error *err)
{
	if (!entry->retryable && job->options->all) {
		job->passed_over++;
		return 0;
	}
	if (!entry->retryable)
		return error_set(err, ERR_INVALID,
			"%s is no operation that could be tried again (%s, %s)", entry->id,
			entry->kind, entry->what);
	if (is_copy(job, entry))
		return parked_queue_settle(&job->queue, entry, err);
	if (parked_queue_retry(&job->queue, entry, err))
		return -1;
	say_done(job, entry);
	return 0;
}

static int drop_one(struct job *job, struct parked_entry *entry, struct error *err)
{
	if (parked_queue_settle(&job->queue, entry, err))
		return -1;
	say_done(job, entry);
	return 0;
}

/* ---- the command ---- */

static int work_on_all(struct job *job, struct error *err)
{
	static int (*const work[])(
		struct job * job, struct parked_entry * entry, struct error * err) = {
		[PARKED_LIST] = list_one,
		[PARKED_SHOW] = show_one,
		[PARKED_RETRY] = retry_one,
		[PARKED_DROP] = drop_one,
	};
	bool found = false;

	for (size_t i = 0; i < job->queue.count; i++) {
		struct parked_entry *entry = &job->queue.entries[i];

		if (!is_wanted(job, entry))
			continue;
		found = true;
		if (work[job->options->action](job, entry, err))
			return -1;
	}
	if (job->options->id && !found)
		return error_set(
			err, ERR_GONE, "nothing with the id %s is parked", job->options->id);
	return 0;
}

static void print_end(const struct job *job)
{
	const char *word = done_words[job->options->action];
	size_t count = json_object_array_length(job->done);

	if (job->options->json) {
		CLEANUP(json_release)
		struct json_object *object = json_object_new_object();

		json_set(object, word, json_object_get(job->done));
		fprintf(job->out, "%s\n",
			json_object_to_json_string_ext(
				object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	} else if (job->options->action == PARKED_LIST || job->options->all) {
		fprintf(job->out, "%zu %s\n", count, word);
		if (job->passed_over)
			fprintf(job->out, "%zu can only be looked at and dropped\n",
				job->passed_over);
	}
}

int parked_run(const struct config *config, const struct parked_options *options, FILE *out)
{
	struct job job = {.options = options, .out = out};
	struct error err;
	int status = EXIT_OK;

	if (parked_queue_open(&job.queue, config, &err)) {
		complain(err.msg);
		return EXIT_PROBLEM;
	}
	job.done = json_object_new_array();
	if (work_on_all(&job, &err)) {
		complain(err.msg);
		status = EXIT_PROBLEM;
	}
	/* Also after a failure: what was done is said. */
	print_end(&job);
	if (parked_queue_give_back(&job.queue, &err)) {
		complain(err.msg);
		status = EXIT_PROBLEM;
	}
	parked_queue_close(&job.queue);
	json_release(&job.done);
	return status;
}
