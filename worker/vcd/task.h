/* SPDX-License-Identifier: MIT */
/* VCD tasks: ours (external ones, whose progress tenants see) and VCD's own that we wait for. */
#ifndef WORKER_VCD_TASK_H
#define WORKER_VCD_TASK_H

#include "worker/vcd/vcd.h"

/* What our tasks carry as serviceNamespace, as those of CSE do. */
#define TASK_SERVICE_NAMESPACE "vcloud.cse"

enum task_status { TASK_QUEUED, TASK_RUNNING, TASK_SUCCESS, TASK_ERROR, TASK_ABORTED };

/* A task as read. Strings live in the arena; "" when absent. */
struct vcd_task {
	const char *uuid, *href;
	enum task_status status;
	const char *operation, *details;
	int progress; /* -1: none */
	bool cancel_requested;
	int64_t start_ms; /* VCD's clock */
	const char *owner_href, *owner_name, *owner_type, *owner_id;
	const char *user_href, *user_name;
	const char *org_href, *org_id;
	const char *error_message, *error_minor;
	const char *service_namespace;
};

bool task_is_final(const struct vcd_task *task);

/* What we write. Unset strings are NULL. */
struct vcd_task_write {
	const char *operation; /* one sentence; the tenant sees it */
	const char *details;   /* our record, one line */
	enum task_status status;
	int progress;		   /* 0 to 100; -1: left out */
	const char *error_message; /* with TASK_ERROR; at most 1 KB */
};

/*
 * POST /api/tasksList/{org}: an external task owned by the org, initiated by the user, status
 * running. Service session; right "Task: Update" (system administrator).
 */
int vcd_task_create(struct vcd *vcd, const char *org_uuid, const char *org_name,
	const char *user_uuid, const char *user_name, const struct vcd_task_write *write,
	struct vcd_task *out, struct error *err) MUST_CHECK;

/* GET /api/task/{id}. */
int vcd_task_get(
	struct vcd *vcd, const char *uuid, struct vcd_task *out, struct error *err) MUST_CHECK;

/* PUT /api/task/{id}: read's owner and user are repeated; the answer goes to *out (may be NULL). */
int vcd_task_put(struct vcd *vcd, const struct vcd_task *read, const struct vcd_task_write *write,
	struct vcd_task *out, struct error *err) MUST_CHECK;

/*
 * The newest running tasks of this service, all deployments and orgs (query adminTask, first page:
 * 128). Service session; right "Task: View Tasks".
 */
struct vcd_task_ref {
	const char *uuid, *operation;
	int64_t start_ms; /* VCD's clock; 0: unknown */
};
int vcd_task_newest(
	struct vcd *vcd, struct vcd_task_ref **out, size_t *count, struct error *err) MUST_CHECK;
/* All of them, page by page, in no order that means anything. */
int vcd_task_running(
	struct vcd *vcd, struct vcd_task_ref **out, size_t *count, struct error *err) MUST_CHECK;

/*
 * What became of an object's own tasks, of anybody: GET /api/query?type=adminTask, the newest 25,
 * then GET /api/task/{id} of those that failed, at most `max`, newest first, into *out.
 * *last_failed: the newest of all failed. VCD shows the reason nowhere else: a vApp whose compose
 * failed has just status -1.
 */
int vcd_task_failures(struct vcd *vcd, const char *object_href, struct vcd_task *out, size_t max,
	size_t *count, bool *last_failed, struct error *err) MUST_CHECK;

/* A final task as a result: 0 for success; else -1, the class by VCD's codes. 1: still running. */
int vcd_task_judge(const struct vcd_task *task, const char *what, struct error *err) MUST_CHECK;

/*
 * Who hears of every task this client made or changed, right after VCD's answer: `task` as
 * answered, `write` as sent. Called by the thread that made the call.
 */
void vcd_on_task(struct vcd *vcd,
	void (*written)(
		void *data, const struct vcd_task *task, const struct vcd_task_write *write),
	void *data);

/*
 * Waits inside a pass for one of VCD's own tasks by href: polls until it is final or max_ms are
 * over. 0: success; -1 TRANSIENT "still running" when the time is up; INVALID with VCD's error text
 * when it failed (BUSY when the failure was a lock).
 */
int vcd_task_wait(struct vcd *vcd, const char *href, int64_t max_ms, const char *what,
	struct error *err) MUST_CHECK;

#endif
