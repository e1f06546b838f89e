/* SPDX-License-Identifier: MIT */
#include "worker/handlers/create.h"
#include "worker/handlers/create_claim.h"

#include "common/amqp.h"
#include "common/json.h"
#include "common/log.h"
#include "common/redact.h"
#include "common/str.h"
#include "worker/vcd/vapp.h"

/* 0: the vApp is gone, or going; -1: it stays. VCD refuses while it still clones. */
static int undo_vapp(struct create *create)
{
	struct vcd *vcd = create->adm.ctx->vcd;
	const char *task;
	struct error err = {0};

	/* The answer of compose may have been lost with the time that was left for asking. */
	if (!create->vapp && create_find_vapp(create, &err) < 0)
		return -1;
	if (!create->vapp || vcd_vapp_delete(vcd, VCD_SERVICE, create->vapp, &task, &err) == 0)
		return 0;
	return err.code == ERR_GONE ? 0 : -1;
}

/* 0: the entity is gone. VCD deletes resolved ones only. */
static int undo_entity(struct create *create)
{
	struct vcd *vcd = create->adm.ctx->vcd;
	struct error err = {0};

	if (vcd_entity_resolve(vcd, VCD_SERVICE, create->urn, &err) == 0 &&
		vcd_entity_delete(vcd, VCD_SERVICE, create->urn, &err) == 0)
		return 0;
	if (err.code == ERR_GONE)
		return 0;
	log_event(LOG_WARN, "create.undo_failed", LOG_STR("cluster", create->urn),
		LOG_STR("cause", err.msg));
	return -1;
}

/*
 * An entity that says FAILED is a verdict too: nobody goes on with it, and it can be deleted. 0:
 * written.
 */
static int keep_entity(struct create *create)
{
	struct vcd *vcd = create->adm.ctx->vcd;
	struct cluster_change change = {
		.phase = "CREATE:FAILED", .exposed = -1, .expose = -1, .workers = -1};
	struct error err = {0};

	json_release(&create->document);
	if (vcd_entity_get(vcd, VCD_SERVICE, create->urn, &create->document, &err) == 0) {
		cluster_apply(create->document, &change);
		if (vcd_entity_put(vcd, VCD_SERVICE, &create->document, &err) == 0)
			return 0;
	}
	log_event(LOG_WARN, "create.undo_failed", LOG_STR("cluster", create->urn),
		LOG_STR("cause", err.msg));
	return -1;
}

/*
 * What cannot be removed now, the operation itself removes: its record gets the verdict before its
 * first pass, and from a verdict on only the undo is walked. Without a broker the running task with
 * its verdict waits for a resync. 0: VCD knows of it.
 */
static int hand_over(struct create *create, const char *cause)
{
	struct thread_ctx *ctx = create->adm.ctx;
	struct details *details = &create->open.details;
	struct error err = {0};

	details->cluster = create->urn;
	details->vapp = create->vapp;
	if (create->in_doubt)
		details_doubt(details, vcd_now_ms(ctx->vcd));
	details->verdict = (struct details_verdict){
		.kind = "rollback", .step = ADMISSION_STEP, .cause = cause};
	if (open_task_record(&create->open, ctx, &err))
		return keep_entity(create);
	if (cluster_enqueue(ctx, create->req, &create->adm.caller, &create->open, &err))
		log_event(LOG_WARN, "create.undo_waits", LOG_STR("cluster", create->urn),
			LOG_STR("task", create->open.task.uuid), LOG_STR("cause", err.msg));
	return 0;
}

/* Is the winner's task the one we have worked for? Then it is not ours to end. */
static bool is_winners_task(const struct create *create)
{
	return create->winner &&
	       str_eq(str_last_segment(json_str(create->winner, "entity.status.task_href", "")),
		       create->open.task.uuid);
}

/*
 * Another delivery may be at work on the same things: what has failed here may succeed there. True:
 * they are left to it. Not when it has given up: what this one has made is unknown to it.
 */
static bool leave(struct create *create, struct error *err)
{
	struct thread_ctx *ctx = create->adm.ctx;
	bool lost = bus_is_dead(ctx->bus);
	struct error why = {0};

	if (create->winner)
		return false;
	/* This delivery comes again, here or elsewhere, and goes on with what it finds. */
	if (lost && create->document)
		return true;
	if (!create->shared || create->own_entity || create->req->redelivered ||
		!error_may_retry(err->code))
		return false;
	caller_allow_undo(ctx);
	if (open_task_refresh(&create->open, ctx, &why) < 0 && why.code == ERR_BUSY)
		return false;
	error_wrap(err, "cluster '%s' is being created by another delivery of this request",
		create->adm.spec.name);
	return true;
}

/* What became of the task meanwhile: an undo may come after a long stand-still. */
enum fate {
	FATE_OURS,     /* nobody has touched it, or VCD cannot be asked */
	FATE_ACCEPTED, /* an operation runs: another delivery's create was accepted */
	FATE_SHARED,   /* another delivery has come further, and answers for it */
	FATE_ENDED,    /* given up already: its end is not written again */
};

static bool is_linked_by_another(const struct create *create)
{
	CLEANUP(json_release)
	struct json_object *document = NULL;
	struct error ignored;

	/* Who comes after another delivery's death goes on with what that one has linked. */
	return create->urn && !create->linked && !create->req->redelivered &&
	       vcd_entity_get(
		       create->adm.ctx->vcd, VCD_SERVICE, create->urn, &document, &ignored) == 0 &&
	       claim_is_accepted(document);
}

static enum fate ask_fate(struct create *create)
{
	struct thread_ctx *ctx = create->adm.ctx;
	struct error err = {0};
	const struct details *details = &create->open.details;
	const char *vapp = details->vapp;
	int claimed = create->winner ? 0 : open_task_refresh(&create->open, ctx, &err);

	if (claimed < 0)
		return err.code == ERR_BUSY ? FATE_ENDED : FATE_OURS;
	if (claimed > 0 && details->cluster &&
		vcd_entity_get(ctx->vcd, VCD_SERVICE, details->cluster, &create->winner, &err) == 0)
		return FATE_ACCEPTED;
	/* Its record names a vApp that this delivery has not written there. */
	if (claimed > 0 || (details->vapp && !str_eq(details->vapp, vapp)) ||
		create_is_followed(create, details))
		return FATE_SHARED;
	return is_linked_by_another(create) ? FATE_SHARED : FATE_OURS;
}

/*
 * Something that VCD was asked for may still appear. Beside the winner nothing does: its vApp has
 * the name, and its task's record knows of the entity.
 */
static bool must_wait(const struct create *create, enum fate fate)
{
	if (is_winners_task(create))
		return false;
	return create->in_doubt || (fate == FATE_OURS && create->open.details.twin);
}

/* Only an entity: the name of a vApp is the other one's. */
static void leave_none_beside(struct create *create)
{
	const char *named = create->open.details.cluster;

	if (create->urn && named && !str_eq(named, create->urn))
		(void)undo_entity(create);
}

/* In reverse, the task last. */
static void take_back(struct create *create, enum fate fate, const char *cause, struct error *err)
{
	const char *name = create->adm.spec.name;
	bool ours = fate == FATE_OURS && !is_winners_task(create);

	/* What may still appear has to be waited for. */
	if (create->urn && (undo_vapp(create) || must_wait(create, fate) || undo_entity(create))) {
		int untold = ours ? hand_over(create, cause) : keep_entity(create);

		/* The resync may find a create that looks accepted. */
		error_wrap(err,
			untold ? "it is not known whether cluster '%s' is being created, look "
				 "before you send it again"
			       : "cluster '%s' was not created and is being removed",
			name);
	} else if (create->entity_unknown || create->in_doubt || create->open.details.twin) {
		/* The resync looks for the entity again, as long as the task runs. */
		error_wrap(err, "cluster '%s' was not created and is being removed", name);
	} else if (ours) {
		open_task_fail(&create->open, create->adm.ctx,
			arena_printf(
				&create->adm.ctx->arena, "Error creating the cluster '%s'", name),
			cause);
	}
}

bool create_undo(struct create *create, struct error *err)
{
	struct thread_ctx *ctx = create->adm.ctx;
	const char *cause = redact(&ctx->arena, err->msg);
	enum fate fate;

	if (leave(create, err))
		return false;
	caller_allow_undo(ctx);
	fate = ask_fate(create);
	/* The record may not know of an entity that was made beside the one it names. */
	if (fate == FATE_ACCEPTED || fate == FATE_SHARED)
		leave_none_beside(create);
	if (fate == FATE_ACCEPTED)
		return true;
	if (fate == FATE_SHARED) {
		error_wrap(
			err, "cluster '%s' is being created all the same", create->adm.spec.name);
		return false;
	}
	if (create->entity_unknown)
		create_find_entity(create);
	take_back(create, fate, cause, err);
	return false;
}
