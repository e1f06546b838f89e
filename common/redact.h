/* SPDX-License-Identifier: MIT */
/*
 * Takes out of a text what looks like a secret: for what others say (guests, VCD, their logs) and
 * we pass on. It goes by looks, so it is the second line: secrets that we know never come here.
 */
#ifndef COMMON_REDACT_H
#define COMMON_REDACT_H

#include "common/arena.h"

/*
 * A copy in which "***" stands for PEM blocks, values of names like password, token, secret,
 * Authorization and a kubeconfig's "…-data", bootstrap tokens, JSON web tokens, and long runs of
 * Base64 or hex. Longer than the text by no more than twice. NULL gives "".
 */
char *redact(struct arena *arena, const char *text) MUST_CHECK;

#endif
