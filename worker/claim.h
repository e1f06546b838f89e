/* SPDX-License-Identifier: MIT */
/*
 * Claims: which delivery runs which pass of an operation. VCD has no compare-and-set, so a claim is
 * no lock: it saves work and ends doubled chains. What keeps the work right is that every act may
 * be done twice at once. Pure, but for the nonce.
 */
#ifndef WORKER_CLAIM_H
#define WORKER_CLAIM_H

#include "worker/details.h"

/*
 * May a delivery of that pass run? A lower pass than the claimed one is old. The claimed one under
 * a nonce is a twin's, unless this very message is delivered again because its worker died. One
 * that is newer than what the message's own chain may have claimed is of another chain, which goes
 * on: of two that only wait the one ends that did not show its life.
 */
bool claim_allows(
	const struct details_claim *claim, int64_t pass, int64_t own_claimed, bool redelivered);

/* Has somebody claimed a pass that never ended? Then a call of it may still be under way. */
bool claim_is_open(const struct details_claim *claim);

/* Makes it the claim of this delivery: a new nonce, instead of the one it found. */
void claim_take(struct details_claim *claim, struct arena *arena, int64_t pass, const char *worker);

/* The sign of life: now, by VCD's clock; ended: nothing is done until the next pass. */
void claim_renew(struct details_claim *claim, struct arena *arena, int64_t now_ms, bool ended);

/* Does a record read later show that somebody else goes on? */
bool claim_is_lost(const struct details_claim *own, const struct details_claim *fresher);

#endif
