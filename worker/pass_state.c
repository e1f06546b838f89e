/* SPDX-License-Identifier: MIT */
#include "worker/pass_state.h"

#include "common/str.h"
#include "worker/claim.h"
#include "worker/connection.h"
#include "worker/operation_text.h"
#include "worker/task_record.h"
#include "worker/vcd/vcd.h"

static const char *cluster_name(const struct pass *pass)
{
	const struct observed *seen = &pass->seen;

	if (seen->vapp_ours && seen->vapp_name[0])
		return seen->vapp_name;
	if (seen->entity_name[0])
		return seen->entity_name;
	return text_quoted(pass->work.arena, pass->work.task.operation);
}

const char *pass_text(const struct pass *pass, const char *text)
{
	const struct observed *seen = &pass->seen;
	int64_t workers =
		seen->want_workers >= 0 ? seen->want_workers : (int64_t)seen->worker_count;

	return text_expand(pass->work.arena, text, cluster_name(pass), pass->work.cluster, workers);
}

int pass_read(struct pass *pass, struct error *err)
{
	int status = task_record_read(&pass->work, err);

	pass->lost |= status > 0;
	return status;
}

void pass_note_doubt(struct pass *pass)
{
	struct work *work = &pass->work;
	struct error ignored;

	if (work->unsettled &&
		(observed_look(work, &pass->seen, SEE_RULES, &ignored) || work->unsettled))
		details_doubt(&pass->details, vcd_now_ms(work->vcd));
}

int pass_write(struct pass *pass, bool ended, const char *text, int percent, struct error *err)
{
	struct work *work = &pass->work;
	int status;

	/* A message that died with its connection was given to somebody else. */
	if (work->ctx->bus && !connection_tick(work->ctx)) {
		pass->lost = true;
		return 1;
	}
	pass_note_doubt(pass);
	pass->own_claimed = pass->message->pass;
	claim_renew(&pass->details.claim, work->arena, vcd_now_ms(work->vcd), ended);
	status = task_record_write(work, text, percent, err);
	pass->lost |= status > 0;
	pass->claimed |= status == 0;
	return status;
}
