/* SPDX-License-Identifier: MIT */
/*
 * One target per input that somebody else writes. A target reads the bytes as the program would,
 * and where the program also writes that form, what was read must survive a round trip.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "common/arena.h"
#include "common/str.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run and keeps the input: a promise of the program does not hold. */
#define FUZZ_REQUIRE(condition)                                                                    \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

/* The bytes as the text the program sees: NUL-terminated, in the arena. */
static inline char *fuzz_text(struct arena *arena, const uint8_t *data, size_t size)
{
	return arena_strndup(arena, (const char *)data, size);
}

#endif
