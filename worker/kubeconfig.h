/* SPDX-License-Identifier: MIT */
/*
 * The kubeconfig tenants get. What a control plane reports is hostile text: only three fields are
 * taken from it, each checked to be Base64 of PEM, and a fresh file is written around them. An
 * "exec" entry, a second user or another server never reaches anybody.
 */
#ifndef WORKER_KUBECONFIG_H
#define WORKER_KUBECONFIG_H

#include "common/arena.h"
#include "common/error.h"
#include "common/secret.h"

struct kubeconfig {
	/* Canonical Base64 of PEM; in the arena. */
	const char *ca, *certificate, *key;
};

/*
 * Reads a guest's message "v1 <seq> <base64> <mac>" (ExtraConfig guestinfo.cse.kubeconfig) and
 * proves with the cluster's key that VM `vm` wrote it. The body is sealed, since every process of a
 * guest can read such keys; *text is what was sealed. INVALID says what is wrong.
 */
int kubeconfig_open(char **text, size_t *len, struct arena *arena, const struct secret *hex_key,
	const char *vm, const char *message, struct error *err) MUST_CHECK;

/* Takes the three fields out of a kubeconfig. INVALID names the field that is missing or odd. */
int kubeconfig_read(struct kubeconfig *out, struct arena *arena, const char *text, size_t len,
	struct error *err) MUST_CHECK;

/* The file for `cluster` at https://<address>:6443. It holds the client's key: never log it. */
char *kubeconfig_write(struct arena *arena, const struct kubeconfig *fields, const char *cluster,
	const char *address) MUST_CHECK;

#endif
