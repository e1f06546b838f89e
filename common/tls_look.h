/* SPDX-License-Identifier: MIT */
/*
 * A look at a peer's TLS certificate: is it trusted as the clients will trust it, and until when?
 * Only a handshake, on a connection of its own; a certificate that is not trusted is described too.
 */
#ifndef COMMON_TLS_LOOK_H
#define COMMON_TLS_LOOK_H

#include "common/arena.h"
#include "common/error.h"

/* Strings live in the arena. */
struct tls_look {
	const char *problem;  /* why it is not trusted; NULL: chain and host name are fine */
	const char *subject;  /* of the peer's certificate */
	const char *protocol; /* "TLSv1.3" */
	int64_t ends_ms;      /* the first end in the chain, ms since 1970; 0: none is known */
	const char *ends;     /* whose end that is */
};

/*
 * address is host:port ("[::1]:443"); ca_file NULL or "": the system's certificates. Blocks up to
 * timeout_ms, but for the resolver. TRANSIENT: no connection or no TLS there; INVALID: the CA file
 * or the address cannot be used.
 */
int tls_look(struct tls_look *out, struct arena *arena, const char *address, const char *ca_file,
	int timeout_ms, struct error *err) MUST_CHECK;

#endif
