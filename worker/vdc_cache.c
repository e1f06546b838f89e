/* SPDX-License-Identifier: MIT */
#include "worker/vdc_cache.h"

#include "common/clock.h"
#include "common/crypto.h"
#include "common/mem.h"
#include "common/str.h"
#include "worker/catalog.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* One place per hash: a newcomer takes it over. */
enum { SLOTS = 256, HASH_SIZE = 32 };

struct slot {
	unsigned char hash[HASH_SIZE];
	int64_t until_ms;   /* clock_ms(); 0: empty */
	struct arena arena; /* owns the strings below */
	struct vcd_vdc vdc;
	struct vcd_ref *policies; /* NULL: not asked for yet */
	size_t policy_count;
};

struct vdc_cache {
	pthread_mutex_t mutex; /* protects the slots */
	struct slot slots[SLOTS];
};

struct vdc_cache *vdc_cache_new(void)
{
	struct vdc_cache *cache = xcalloc(1, sizeof(*cache));

	pthread_mutex_init(&cache->mutex, NULL);
	return cache;
}

void vdc_cache_free(struct vdc_cache **cache)
{
	if (!*cache)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		arena_reset(&(*cache)->slots[i].arena);
	pthread_mutex_destroy(&(*cache)->mutex);
	free(*cache);
	*cache = NULL;
}

static void hash_key(unsigned char hash[HASH_SIZE], struct arena *arena,
	const struct caller *caller, const char *name)
{
	unsigned char token[HASH_SIZE];
	const char *secret = secret_reveal(caller->as.token), *key;
	char hex[2 * HASH_SIZE + 1];

	crypto_sha256(token, secret, strlen(secret));
	str_hex(hex, token, sizeof(token));
	key = arena_printf(arena, "%s|%s|%s", hex, caller->org_uuid, name);
	crypto_sha256(hash, key, strlen(key));
}

static struct vcd_ref *copy_refs(struct arena *arena, const struct vcd_ref *refs, size_t count)
{
	struct vcd_ref *copy = arena_alloc(arena, (count + 1) * sizeof(*copy));

	for (size_t i = 0; i < count; i++) {
		copy[i].name = arena_strdup(arena, refs[i].name);
		copy[i].href = arena_strdup(arena, refs[i].href);
		copy[i].id = arena_strdup(arena, refs[i].id);
	}
	return copy;
}

static void copy_vdc(struct arena *arena, struct vcd_vdc *out, const struct vcd_vdc *from)
{
	*out = *from;
	out->uuid = arena_strdup(arena, from->uuid);
	out->urn = arena_strdup(arena, from->urn);
	out->name = arena_strdup(arena, from->name);
	out->networks = copy_refs(arena, from->networks, from->network_count);
	out->storage_profiles =
		copy_refs(arena, from->storage_profiles, from->storage_profile_count);
}

/* The slot that holds the hash now, or NULL. Under the mutex. */
static struct slot *slot_find(struct vdc_cache *cache, const unsigned char *hash)
{
	struct slot *slot = &cache->slots[hash[0]];

	if (slot->until_ms <= clock_ms() || memcmp(slot->hash, hash, HASH_SIZE) != 0)
		return NULL;
	return slot;
}

int vdc_get(struct thread_ctx *ctx, const struct caller *caller, const char *name,
	struct vcd_vdc *out, struct error *err)
{
	struct vdc_cache *cache = template_cache_vdcs(ctx->shared->templates);
	unsigned char hash[HASH_SIZE];
	struct slot *slot;

	hash_key(hash, &ctx->arena, caller, name);
	pthread_mutex_lock(&cache->mutex);
	slot = slot_find(cache, hash);
	if (slot)
		copy_vdc(&ctx->arena, out, &slot->vdc);
	pthread_mutex_unlock(&cache->mutex);
	if (slot)
		return 0;
	if (vcd_vdc_find(ctx->vcd, caller->as, name, caller->org_uuid, caller->who.system_admin,
		    out, err))
		return -1;
	pthread_mutex_lock(&cache->mutex);
	slot = &cache->slots[hash[0]];
	arena_reset(&slot->arena);
	memcpy(slot->hash, hash, HASH_SIZE);
	copy_vdc(&slot->arena, &slot->vdc, out);
	slot->policies = NULL;
	slot->until_ms = clock_ms() + ctx->shared->config->timing_cache;
	pthread_mutex_unlock(&cache->mutex);
	return 0;
}

int vdc_sizing_policies(struct thread_ctx *ctx, const struct caller *caller,
	const struct vcd_vdc *vdc, struct vcd_ref **out, size_t *count, struct error *err)
{
	struct vdc_cache *cache = template_cache_vdcs(ctx->shared->templates);
	unsigned char hash[HASH_SIZE];
	struct slot *slot;
	bool found;

	hash_key(hash, &ctx->arena, caller, vdc->name);
	pthread_mutex_lock(&cache->mutex);
	slot = slot_find(cache, hash);
	found = slot && slot->policies;
	if (found) {
		*count = slot->policy_count;
		*out = copy_refs(&ctx->arena, slot->policies, *count);
	}
	pthread_mutex_unlock(&cache->mutex);
	if (found)
		return 0;
	if (vcd_vdc_sizing_policies(ctx->vcd, caller->as, vdc->urn, out, count, err))
		return -1;
	pthread_mutex_lock(&cache->mutex);
	slot = slot_find(cache, hash);
	if (slot) {
		slot->policies = copy_refs(&slot->arena, *out, *count);
		slot->policy_count = *count;
	}
	pthread_mutex_unlock(&cache->mutex);
	return 0;
}
