/* SPDX-License-Identifier: MIT */
/* Acts that more than one plan needs. */
#include "worker/plans/plan.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/str.h"
#include "worker/catalog.h"
#include "worker/cluster.h"
#include "worker/vcd/entity.h"
#include "worker/vcd/org.h"

#include <assert.h>
#include <inttypes.h>

/* Older than this, something was done between its read and now: it is read again. */
enum { DOCUMENT_FRESH_MS = 100 };

int work_pause(struct work *work, struct error *err)
{
	return work->pause(work, work->config->timing_rungs[0] * 12 / 10, err);
}

int work_wait(struct work *work, const char *task_href, const char *what, struct error *err)
{
	if (str_empty(task_href))
		return 0;
	if (work_pause(work, err))
		return -1;
	return vcd_task_wait(work->vcd, task_href, TASK_WAIT_MS, what, err);
}

int work_entity_put(struct work *work, struct observed *seen, const char *phase,
	void (*edit)(struct work *work, struct observed *seen, struct json_object *document),
	struct error *err)
{
	const struct cluster_change change = {
		.phase = phase,
		.task_href = work->task.href,
		.exposed = -1,
		.expose = -1,
		.workers = -1,
	};

	if (!(seen->seen & SEE_ENTITY) || clock_ms() - seen->document_ms > DOCUMENT_FRESH_MS) {
		seen->seen &= ~(unsigned)SEE_ENTITY;
		if (observed_look(work, seen, SEE_ENTITY, err))
			return -1;
	}
	if (seen->entity_absent)
		return error_set(err, ERR_GONE, "The cluster's entity does not exist any more");
	if (seen->stronger[0])
		return error_set(err, ERR_CONFLICT, "Superseded by task %s", seen->stronger);
	cluster_apply(seen->document, &change);
	if (edit)
		edit(work, seen, seen->document);
	if (vcd_entity_put(work->vcd, VCD_SERVICE, &seen->document, err)) {
		/* The facts pointed into what was just changed, and VCD has something else. */
		observed_set_entity(seen, seen->document);
		seen->seen &= ~(unsigned)SEE_ENTITY;
		return -1;
	}
	observed_set_entity(seen, seen->document);
	return 0;
}

int work_entity_fail(struct work *work, struct observed *seen, struct error *err)
{
	const char *phase = operation_failed_phase(work->details->op);

	if (observed_look(work, seen, SEE_ENTITY, err))
		return -1;
	if (seen->entity_absent || seen->stronger[0] || str_eq(seen->entity_phase, phase))
		return 0;
	return work_entity_put(work, seen, phase, NULL, err);
}

int work_entity_resolve(struct work *work, struct observed *seen, struct error *err)
{
	if (str_eq(seen->entity_state, "RESOLVED"))
		return 0;
	if (vcd_entity_resolve(work->vcd, VCD_SERVICE, work->cluster, err))
		return -1;
	json_set_str(seen->document, "state", "RESOLVED");
	observed_set_entity(seen, seen->document);
	return 0;
}

int work_template(struct work *work, struct error *err)
{
	const struct details_wanted *wanted = &work->details->wanted;

	if (work->template.name)
		return 0;
	if (catalog_find(work->ctx, wanted->template, wanted->revision, &work->template, err))
		return error_wrap(err, "Reading the cluster's template");
	return 0;
}

/* Rows of metadata in the making. */
struct mark_rows {
	struct vcd_metadata rows[20];
	size_t count;
};

static void mark_add(struct mark_rows *marks, const char *domain, const char *visibility,
	const char *key, const char *value)
{
	assert(marks->count < ARRAY_LEN(marks->rows));
	if (!str_empty(value))
		marks->rows[marks->count++] = (struct vcd_metadata){domain, visibility, key, value};
}

/* The keys a tenant cannot write: what makes the vApp ours, and what only the caller's token told.
 */
static void marks_of_ours(struct mark_rows *marks, const struct work *work)
{
	const struct details *details = work->details;

	mark_add(marks, "SYSTEM", "READONLY", "cse.cluster.id", work->cluster);
	mark_add(marks, "SYSTEM", "READONLY", "cse.deployment", work->config->deployment);
	mark_add(marks, "SYSTEM", "READONLY", "cse.endpoint", "internal");
	mark_add(marks, "SYSTEM", "PRIVATE", "cse.edge", details->edge);
	mark_add(marks, "SYSTEM", "PRIVATE", "cse.network", details->network);
	mark_add(marks, "SYSTEM", "PRIVATE", "cse.vdc", details->vdc);
}

static void marks_for_others(struct mark_rows *marks, const struct work *work)
{
	static const char domain[] = "GENERAL", visibility[] = "READWRITE";
	const struct cluster_template *template = &work->template;

	mark_add(marks, domain, visibility, "cse.cluster.id", work->cluster);
	mark_add(marks, domain, visibility, "cse.version", CSE_VERSION);
	mark_add(marks, domain, visibility, "cse.template.name", template->name);
	mark_add(marks, domain, visibility, "cse.template.revision",
		arena_printf(work->arena, "%" PRId64, template->revision));
	mark_add(marks, domain, visibility, "cse.os", template->os);
	mark_add(marks, domain, visibility, "cse.docker.version", template->docker_version);
	mark_add(marks, domain, visibility, "cse.kubernetes", template->kubernetes);
	mark_add(marks, domain, visibility, "cse.kubernetes.version", template->kubernetes_version);
	mark_add(marks, domain, visibility, "cse.cni", template->cni);
	mark_add(marks, domain, visibility, "cse.cni.version", template->cni_version);
}

int work_marks_write(struct work *work, struct observed *seen, enum marks which, const char *ip,
	struct error *err)
{
	struct mark_rows marks = {.count = 0};
	const char *task = NULL;

	if (which == MARKS_ALL) {
		if (work_template(work, err))
			return -1;
		marks_for_others(&marks, work);
	}
	if (which != MARKS_IP)
		marks_of_ours(&marks, work);
	mark_add(&marks, "GENERAL", "READWRITE", "cse.master.ip", ip);
	if (vcd_metadata_set(work->vcd, seen->vapp_href, marks.rows, marks.count, &task, err) ||
		work_wait(work, task, "Writing the vApp's metadata", err))
		return -1;
	seen->marks_written = true;
	return 0;
}

int work_vm_settle(struct work *work, struct observed *seen, struct error *err)
{
	const char *task = STEAL(seen->vm_task);

	seen->seen &= ~(unsigned)SEE_VAPP;
	if (vcd_task_wait(work->vcd, task, TASK_WAIT_MS, "Writing a node's ExtraConfig", err) == 0)
		return 0;
	return error_may_retry(err->code) ? 1 : -1;
}

int work_vm_write(struct work *work, struct observed *seen, const struct vcd_vm *vm,
	const struct vcd_extra *changes, size_t count, struct error *err)
{
	int status = vcd_vm_reconfigure(work->vcd, vm, changes, count, &seen->vm_task, err);

	/* The vApp is busy with our last write: no failure, VCD only needs longer than usual. */
	if (status && err->code == ERR_BUSY && seen->vm_task) {
		status = work_vm_settle(work, seen, err);
		if (status == 0 && clock_ms() >= work->mutate_until_ms)
			return 1;
		if (status == 0)
			status = vcd_vm_reconfigure(
				work->vcd, vm, changes, count, &seen->vm_task, err);
	}
	if (status)
		return status;
	seen->data_written = true;
	seen->seen &= ~(unsigned)SEE_VAPP;
	return work_pause(work, err);
}

const struct plan *plan_for(const struct details *details)
{
	if (details->verdict.kind)
		return str_eq(details->verdict.kind, "rollback") ? &plan_cluster_delete
								 : &plan_cluster_failed;
	switch (details->op) {
	case OPERATION_CREATE:
		return &plan_cluster_create;
	case OPERATION_UPDATE:
		return &plan_cluster_unexpose;
	case OPERATION_DELETE:
		break;
	}
	return &plan_cluster_delete;
}

void work_nodes_set(struct work *work, const struct observed *seen, struct json_object *document,
	const char *control_plane_ip)
{
	struct cluster_node control_plane = {
		.name = seen->control_plane.name,
		.ip = control_plane_ip,
		.sizing_class = json_str(document, "entity.spec.control_plane.sizing_class", NULL),
	};
	struct cluster_node *workers =
		arena_alloc(work->arena, (seen->worker_count + 1) * sizeof(*workers));

	for (size_t i = 0; i < seen->worker_count; i++)
		workers[i] = (struct cluster_node){
			.name = seen->workers[i].name,
			.ip = seen->workers[i].ip,
			.sizing_class =
				json_str(document, "entity.spec.workers.sizing_class", NULL),
		};
	cluster_set_nodes(document, &control_plane, workers, seen->worker_count);
}
