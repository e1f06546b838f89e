/* SPDX-License-Identifier: MIT */
#include "worker/slow.h"

enum { KEPT_FREE = 4 };

/* Orgs that share a slot share its limit: harmless, and nothing must be remembered per org. */
static _Atomic int *org_slot(struct shared *shared, const char *org)
{
	uint32_t hash = 2166136261U;

	for (; *org; org++)
		hash = (hash ^ (unsigned char)*org) * 16777619U;
	return &shared->slow_by_org[hash % ORG_SLOTS];
}

static bool enter(_Atomic int *counter, int64_t limit)
{
	if (atomic_fetch_add(counter, 1) < (limit > 0 ? limit : 1))
		return true;
	atomic_fetch_sub(counter, 1);
	return false;
}

bool slow_enter(struct shared *shared, const char *org)
{
	int64_t threads = shared->config->threads_request;

	if (!enter(&shared->slow_requests, threads - KEPT_FREE))
		return false;
	if (enter(org_slot(shared, org), threads / 2))
		return true;
	atomic_fetch_sub(&shared->slow_requests, 1);
	return false;
}

void slow_leave(struct shared *shared, const char *org)
{
	atomic_fetch_sub(org_slot(shared, org), 1);
	atomic_fetch_sub(&shared->slow_requests, 1);
}
