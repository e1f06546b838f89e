/* SPDX-License-Identifier: MIT */
#include "worker/claim.h"

#include "common/clock.h"
#include "common/crypto.h"
#include "common/str.h"

enum { NONCE_BYTES = 8 };

bool claim_allows(
	const struct details_claim *claim, int64_t pass, int64_t own_claimed, bool redelivered)
{
	if (pass != claim->pass)
		return pass > claim->pass && claim->pass <= own_claimed;
	return str_empty(claim->nonce) || redelivered;
}

bool claim_is_open(const struct details_claim *claim)
{
	return !str_empty(claim->nonce) && !claim->ended;
}

void claim_take(struct details_claim *claim, struct arena *arena, int64_t pass, const char *worker)
{
	unsigned char nonce[NONCE_BYTES];
	char hex[2 * NONCE_BYTES + 1];

	crypto_random(nonce, sizeof(nonce));
	str_hex(hex, nonce, sizeof(nonce));
	*claim = (struct details_claim){
		.pass = pass,
		.nonce = arena_strdup(arena, hex),
		.replaces = claim->nonce,
		.worker = worker,
		.at = claim->at,
	};
}

void claim_renew(struct details_claim *claim, struct arena *arena, int64_t now_ms, bool ended)
{
	char at[CLOCK_ISO_SIZE];

	clock_iso(at, now_ms);
	claim->at = arena_strdup(arena, at);
	claim->ended = ended;
}

bool claim_is_lost(const struct details_claim *own, const struct details_claim *fresher)
{
	if (fresher->pass != own->pass)
		return fresher->pass > own->pass;
	/* Without a nonce it is what the resync left for whoever runs this pass. */
	return !str_empty(fresher->nonce) && !str_eq(fresher->nonce, own->nonce) &&
	       !str_eq(fresher->nonce, own->replaces);
}
