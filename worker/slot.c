/* SPDX-License-Identifier: MIT */
#include "worker/slot.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/str.h"

#include <stdlib.h>
#include <string.h>

/* The last call of VCD may end a little late, and a busy machine is no stuck thread. */
enum { GRACE_MS = 5000 };

/* More than a confirm and the writes before it may take. */
enum { PUBLISH_MS = 30000 };

struct slot *slots_new(size_t count)
{
	struct slot *slots = xcalloc(count, sizeof(*slots));

	for (size_t i = 0; i < count; i++)
		pthread_mutex_init(&slots[i].lock, NULL);
	return slots;
}

void slots_free(struct slot **slots, size_t count)
{
	for (size_t i = 0; *slots && i < count; i++)
		pthread_mutex_destroy(&(*slots)[i].lock);
	free(*slots);
	*slots = NULL;
}

/* Whole or not at all: half an id is another id. */
static void copy_text(char *out, size_t size, const char *text)
{
	size_t len = strlen(str_or(text, ""));

	memset(out, 0, size);
	if (len < size)
		memcpy(out, str_or(text, ""), len);
}

static struct slot_view *lock_view(struct thread_ctx *ctx)
{
	if (!ctx->slot)
		return NULL;
	pthread_mutex_lock(&ctx->slot->lock);
	return &ctx->slot->view;
}

static void unlock_view(struct thread_ctx *ctx)
{
	pthread_mutex_unlock(&ctx->slot->lock);
}

void slot_assign(struct thread_ctx *ctx, struct slot *slot, enum slot_kind kind)
{
	struct slot_view *view;

	ctx->slot = slot;
	view = lock_view(ctx); /* the admin port may look already */
	if (!view)
		return;
	*view = (struct slot_view){.kind = kind, .since_ms = clock_ms()};
	copy_text(view->thread, sizeof(view->thread), ctx->name);
	unlock_view(ctx);
}

void slot_set_consuming(struct thread_ctx *ctx, bool consuming)
{
	struct slot_view *view = lock_view(ctx);

	if (!view)
		return;
	view->consuming = consuming;
	unlock_view(ctx);
}

/* Back to what stays between two deliveries. */
static void clear(struct slot_view *view)
{
	view->busy = false;
	view->since_ms = clock_ms();
	view->deadline_ms = 0;
	view->publishing = false;
	view->pass = 0;
	view->operation[0] = view->task[0] = view->cluster[0] = view->step[0] = '\0';
}

void slot_begin(struct thread_ctx *ctx, int64_t allowed_ms)
{
	struct slot_view *view = lock_view(ctx);

	if (!view)
		return;
	clear(view);
	view->busy = true;
	view->deadline_ms = view->since_ms + allowed_ms + GRACE_MS;
	unlock_view(ctx);
}

void slot_allow(struct thread_ctx *ctx, int64_t allowed_ms)
{
	struct slot_view *view = lock_view(ctx);

	if (!view)
		return;
	view->publishing = false;
	if (view->busy)
		view->deadline_ms = clock_ms() + allowed_ms + GRACE_MS;
	unlock_view(ctx);
}

void slot_set_pass(struct thread_ctx *ctx, const char *operation, const char *task,
	const char *cluster, int64_t pass)
{
	struct slot_view *view = lock_view(ctx);

	if (!view)
		return;
	copy_text(view->operation, sizeof(view->operation), operation);
	copy_text(view->task, sizeof(view->task), task);
	copy_text(view->cluster, sizeof(view->cluster), cluster);
	view->pass = pass;
	unlock_view(ctx);
}

void slot_set_step(struct thread_ctx *ctx, const char *step)
{
	struct slot_view *view = lock_view(ctx);

	if (!view)
		return;
	copy_text(view->step, sizeof(view->step), step);
	unlock_view(ctx);
}

static int64_t publish_deadline(const struct thread_ctx *ctx)
{
	return ctx->blocked ? 0 : clock_ms() + PUBLISH_MS + GRACE_MS;
}

void slot_set_publishing(struct thread_ctx *ctx)
{
	struct slot_view *view = lock_view(ctx);

	if (!view)
		return;
	view->publishing = true;
	view->deadline_ms = publish_deadline(ctx);
	copy_text(view->step, sizeof(view->step), "publish");
	unlock_view(ctx);
}

void slot_note_blocked(struct thread_ctx *ctx)
{
	struct slot_view *view = lock_view(ctx);

	if (!view)
		return;
	if (view->publishing)
		view->deadline_ms = publish_deadline(ctx);
	unlock_view(ctx);
}

void slot_end(struct thread_ctx *ctx, const char *outcome)
{
	struct slot_view *view = lock_view(ctx);

	if (!view)
		return;
	clear(view);
	copy_text(view->last_outcome, sizeof(view->last_outcome), outcome);
	unlock_view(ctx);
}

void slot_read(struct slot *slot, struct slot_view *out)
{
	pthread_mutex_lock(&slot->lock);
	*out = slot->view;
	pthread_mutex_unlock(&slot->lock);
}
