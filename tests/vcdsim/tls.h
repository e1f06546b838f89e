/* SPDX-License-Identifier: MIT */
/* The simulator's own certificate. */
#ifndef VCDSIM_TLS_H
#define VCDSIM_TLS_H

#include "common/arena.h"
#include "common/error.h"

/*
 * Makes DIR/ca.pem, self-signed for 127.0.0.1 and localhost, with its key beside it, by the openssl
 * program. The PEM texts go to *cert and *key. INTERNAL when that fails. Blocks below a second.
 */
int tls_make(const char *dir, struct arena *arena, char **cert, char **key,
	struct error *err) MUST_CHECK;

#endif
