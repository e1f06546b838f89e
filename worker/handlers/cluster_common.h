/* SPDX-License-Identifier: MIT */
/* What the cluster handlers share: finding the entity and its last task, tasks, queue, replies. */
#ifndef WORKER_HANDLERS_CLUSTER_COMMON_H
#define WORKER_HANDLERS_CLUSTER_COMMON_H

#include "worker/caller.h"
#include "worker/details.h"
#include "worker/vcd/entity.h"
#include "worker/vcd/task.h"

/*
 * GET of the entity in the request's path with the caller's token; the work is then done in the
 * entity's org. GONE for anything that is no cluster's URN. Whoever calls releases *document.
 */
int cluster_load(struct thread_ctx *ctx, const struct request *req, struct caller *caller,
	struct json_object **document, struct error *err) MUST_CHECK;

const char *cluster_name_of(struct json_object *document); /* metadata.cluster_name, or "" */

/* The task that status.task_href names. A tenant can forge the href: it is a hint. */
struct last_task {
	bool found;
	bool running; /* found and not final: the cluster is busy */
	bool ours;    /* its Details are a record of this deployment for this cluster */
	struct vcd_task task;
	struct details details; /* only when ours */
};
/* At most one GET of a task, by the service session. Absent or invisible: found is false. */
int cluster_last_task(struct thread_ctx *ctx, struct json_object *document, struct last_task *out,
	struct error *err) MUST_CHECK;

/*
 * Carries forward what an earlier operation of this cluster has recorded: edge, network, VDC and
 * vApp, resolved with a caller's token once, and what may still appear. Nothing unless that record
 * names the cluster itself.
 */
void details_inherit(struct details *details, const struct last_task *last);

/* A task of ours from its POST on: what was written last is needed for the next write. */
struct open_task {
	struct vcd_task task;
	struct details details;
	const char *text;
};
/*
 * POST of the task in the org of the work, for the caller. Everything in out->details and out->text
 * must be set. Service session. INVALID, and no POST, when the record would outgrow its limit while
 * the operation runs.
 */
int open_task_create(struct open_task *out, struct thread_ctx *ctx, const struct caller *caller,
	struct error *err) MUST_CHECK;
/* PUT of the record again, after details changed. */
int open_task_record(struct open_task *open, struct thread_ctx *ctx, struct error *err) MUST_CHECK;
/*
 * Reads task and record again, when somebody else may have written them. 1: an operation has
 * claimed it; 0: it waits; -1: it is given up (BUSY, with the cause), or VCD could not be asked.
 */
int open_task_refresh(struct open_task *open, struct thread_ctx *ctx, struct error *err) MUST_CHECK;
/* Ends it with an error. -1 was logged: the task stays for the resync. */
int open_task_fail(
	struct open_task *open, struct thread_ctx *ctx, const char *text, const char *cause);
/*
 * The oldest running task of this request with own->text, made by whatever copy of it: a query, and
 * one GET for each other task with the text. 1 and *out when one is older than own->task (or there
 * is none of our own yet), 0 none, -1 VCD could not be asked.
 */
int open_task_find(struct thread_ctx *ctx, const struct request *req, const struct open_task *own,
	struct open_task *out, struct error *err) MUST_CHECK;

/* Publishes the first pass of the operation with confirm. */
int cluster_enqueue(struct thread_ctx *ctx, const struct request *req, const struct caller *caller,
	const struct open_task *open, struct error *err) MUST_CHECK;

/* The document with only the keys that clients' models know. */
void cluster_reply(struct reply *reply, int status, struct json_object *document);

/*
 * The second half of an update or a delete, in order: task → entity with the caller's token (phase
 * and the task's href) → queue. What fails is taken back. open->details and open->text as for
 * open_task_create; open->task is the request's oldest one afterwards.
 *
 * 0: started. 1: another operation began since *document was loaded; *document is read again, and
 * the caller decides anew. -1: failed.
 */
struct cluster_start {
	struct thread_ctx *ctx;
	const struct request *req;
	const struct caller *caller;
	const char *phase_word; /* "UPDATE" or "DELETE" */
	const char *failed_text;
};
enum { CLUSTER_START_TRIES = 3 };
int cluster_start(const struct cluster_start *start, struct open_task *open,
	struct json_object **document, struct error *err) MUST_CHECK;
/*
 * The entity's last task is this very request's: an earlier delivery came that far. Queues it again
 * when that delivery died. 1: answer with the task; -1: it was taken back (BUSY).
 */
int cluster_start_again(const struct cluster_start *start, const struct last_task *last,
	struct error *err) MUST_CHECK;
/* After the last try: CONFLICT. Always -1. */
int cluster_start_refuse(struct json_object *document, struct error *err);

#endif
