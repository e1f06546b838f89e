/* SPDX-License-Identifier: MIT */
/*
 * Two small caches behind one mutex: token hash → caller, and role → names of its rights. VCD is
 * asked outside the mutex; two threads that miss at once both ask, and the later answer stays.
 */
#include "worker/identity.h"

#include "common/clock.h"
#include "common/crypto.h"
#include "common/mem.h"
#include "common/str.h"
#include "worker/vcd/org.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A token can be in any way of the set its hash names; the way that ends first makes room. */
enum { SETS = 256, WAYS = 4, ROLES_MAX = 32, HASH_SIZE = 32 };

struct caller_slot {
	unsigned char hash[HASH_SIZE];
	int64_t until_ms; /* clock_ms(); 0: empty */
	struct identity who;
};

struct role_slot {
	char urn[96];
	int64_t until_ms;
	char **names;
	size_t count;
};

struct identity_cache {
	int64_t keep_ms;
	pthread_mutex_t mutex; /* protects everything below */
	struct caller_slot callers[SETS][WAYS];
	struct role_slot roles[ROLES_MAX];
};

struct identity_cache *identity_cache_new(const struct config *config)
{
	struct identity_cache *cache = xcalloc(1, sizeof(*cache));

	cache->keep_ms = config->timing_cache;
	pthread_mutex_init(&cache->mutex, NULL);
	return cache;
}

static void role_clear(struct role_slot *role)
{
	for (size_t i = 0; i < role->count; i++)
		free(role->names[i]);
	free(role->names);
	*role = (struct role_slot){0};
}

void identity_cache_free(struct identity_cache **cache)
{
	if (!*cache)
		return;
	for (size_t i = 0; i < ROLES_MAX; i++)
		role_clear(&(*cache)->roles[i]);
	pthread_mutex_destroy(&(*cache)->mutex);
	free(*cache);
	*cache = NULL;
}

static bool cache_find(
	struct identity_cache *cache, const unsigned char *hash, struct identity *out)
{
	struct caller_slot *set = cache->callers[hash[0]];
	bool found = false;

	pthread_mutex_lock(&cache->mutex);
	for (size_t i = 0; i < WAYS && !found; i++) {
		found = set[i].until_ms > clock_ms() && memcmp(set[i].hash, hash, HASH_SIZE) == 0;
		if (found)
			*out = set[i].who;
	}
	pthread_mutex_unlock(&cache->mutex);
	return found;
}

static void cache_store(
	struct identity_cache *cache, const unsigned char *hash, const struct identity *who)
{
	struct caller_slot *set = cache->callers[hash[0]];
	struct caller_slot *place = &set[0];

	pthread_mutex_lock(&cache->mutex);
	for (size_t i = 0; i < WAYS; i++) {
		if (memcmp(set[i].hash, hash, HASH_SIZE) == 0) {
			place = &set[i];
			break;
		}
		if (set[i].until_ms < place->until_ms)
			place = &set[i];
	}
	memcpy(place->hash, hash, HASH_SIZE);
	place->until_ms = clock_ms() + cache->keep_ms;
	place->who = *who;
	pthread_mutex_unlock(&cache->mutex);
}

/* False when the text does not fit: a cut name would be another name. */
static bool copy_text(char *out, size_t size, const char *text)
{
	size_t len = text ? strlen(text) : size;

	if (len >= size)
		return false;
	memcpy(out, text, len + 1);
	return true;
}

static int identity_fill(struct identity *out, const struct vcd_session *session, struct error *err)
{
	bool fits;

	*out = (struct identity){0};
	fits = copy_text(out->user_urn, sizeof(out->user_urn), session->user_urn) &&
	       copy_text(out->user_name, sizeof(out->user_name), session->user_name) &&
	       copy_text(out->org_urn, sizeof(out->org_urn), session->org_urn) &&
	       copy_text(out->org_name, sizeof(out->org_name), session->org_name);
	for (size_t i = 0; i < session->role_count && i < ARRAY_LEN(out->role_urns) && fits; i++) {
		fits = copy_text(
			out->role_urns[i], sizeof(out->role_urns[i]), session->role_urns[i]);
		out->role_count++;
	}
	if (!fits)
		return error_set(err, ERR_INTERNAL, "VCD's session names are too long");
	out->system_admin = str_eq_ci(out->org_name, "System");
	return 0;
}

int identity_get(struct thread_ctx *ctx, const struct secret *token, int64_t wait_ms,
	struct identity *out, struct error *err)
{
	struct identity_cache *cache = ctx->shared->identities;
	unsigned char hash[HASH_SIZE];
	struct vcd_session session;
	int64_t end_ms = clock_ms() + wait_ms;

	if (secret_empty(token))
		return error_set(err, ERR_EXPIRED, "the request carries no token");
	crypto_sha256(hash, secret_reveal(token), strlen(secret_reveal(token)));
	if (cache_find(cache, hash, out))
		return 0;
	vcd_begin(ctx->vcd, &ctx->arena, end_ms, end_ms);
	if (vcd_session_current(ctx->vcd, (struct vcd_as){.token = token}, &session, err))
		return -1;
	if (identity_fill(out, &session, err))
		return -1;
	cache_store(cache, hash, out);
	return 0;
}

static struct role_slot *role_find(struct identity_cache *cache, const char *urn)
{
	for (size_t i = 0; i < ROLES_MAX; i++)
		if (str_eq(cache->roles[i].urn, urn))
			return &cache->roles[i];
	return NULL;
}

/* 1 the role holds the right, 0 it does not, -1 the cache does not know. */
static int role_asks(struct identity_cache *cache, const char *urn, const char *right)
{
	struct role_slot *role;
	int answer = -1;

	pthread_mutex_lock(&cache->mutex);
	role = role_find(cache, urn);
	if (role && role->until_ms > clock_ms()) {
		answer = 0;
		for (size_t i = 0; i < role->count && !answer; i++)
			answer = str_eq(role->names[i], right);
	}
	pthread_mutex_unlock(&cache->mutex);
	return answer;
}

static void role_store(
	struct identity_cache *cache, const char *urn, const char *const *names, size_t count)
{
	struct role_slot *role;

	pthread_mutex_lock(&cache->mutex);
	role = role_find(cache, urn);
	if (!role) {
		role = &cache->roles[0];
		for (size_t i = 1; i < ROLES_MAX; i++)
			if (cache->roles[i].until_ms < role->until_ms)
				role = &cache->roles[i];
	}
	role_clear(role);
	memcpy(role->urn, urn, strlen(urn) + 1);
	role->names = xcalloc(count ? count : 1, sizeof(*role->names));
	for (size_t i = 0; i < count; i++)
		role->names[i] = xstrdup(names[i]);
	role->count = count;
	role->until_ms = clock_ms() + cache->keep_ms;
	pthread_mutex_unlock(&cache->mutex);
}

static int role_holds(
	struct thread_ctx *ctx, const char *urn, const char *right, bool *out, struct error *err)
{
	struct identity_cache *cache = ctx->shared->identities;
	int answer = role_asks(cache, urn, right);
	const char **names;
	size_t count;

	if (answer < 0) {
		if (vcd_role_rights(ctx->vcd, urn, &names, &count, err))
			return -1;
		role_store(cache, urn, names, count);
		answer = 0;
		for (size_t i = 0; i < count && !answer; i++)
			answer = str_eq(names[i], right);
	}
	*out = answer > 0;
	return 0;
}

int identity_has_right(struct thread_ctx *ctx, const struct identity *who, const char *right,
	bool *out, struct error *err)
{
	*out = false;
	for (size_t i = 0; i < who->role_count && !*out; i++)
		if (role_holds(ctx, who->role_urns[i], right, out, err))
			return -1;
	return 0;
}

int identity_need_right(
	struct thread_ctx *ctx, const struct identity *who, const char *right, struct error *err)
{
	bool holds;

	if (identity_has_right(ctx, who, right, &holds, err))
		return -1;
	if (!holds)
		return error_set(err, ERR_DENIED,
			"Access forbidden. Missing required rights: ['%s'] of user '%s'", right,
			who->user_name);
	return 0;
}
