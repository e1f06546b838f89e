/* SPDX-License-Identifier: MIT */
/*
 * A string that must not leave: it has a type of its own, so no printf takes it by accident, and
 * it is wiped when released. Only the place that hands it to its peer calls secret_reveal().
 */
#ifndef COMMON_SECRET_H
#define COMMON_SECRET_H

#include "common/error.h"

struct secret {
	char *hidden_; /* only secret.c touches it */
};

struct secret secret_new(const char *text, size_t len) MUST_CHECK;
struct secret secret_copy(const struct secret *from) MUST_CHECK;
void secret_release(struct secret *secret); /* wipes and frees; may be repeated */

bool secret_empty(const struct secret *secret);
bool secret_equal(const struct secret *a, const struct secret *b); /* constant time */

/* The text, "" when empty; borrowed. Never log it, never keep it. */
const char *secret_reveal(const struct secret *secret);

/*
 * Reads a secret from a file: regular, not readable by others than owner and group, at most 4 KiB,
 * one trailing line break removed, not empty. INVALID names the file and what is wrong with it.
 */
int secret_read_file(struct secret *out, const char *path, struct error *err) MUST_CHECK;

#endif
