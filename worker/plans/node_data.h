/* SPDX-License-Identifier: MIT */
/*
 * What a node is told through ExtraConfig before it boots. Data is public and can be derived again;
 * secrets are made once per cluster and live nowhere but in the control plane's ExtraConfig until
 * the nodes have joined.
 */
#ifndef WORKER_PLANS_NODE_DATA_H
#define WORKER_PLANS_NODE_DATA_H

#include "common/arena.h"
#include "common/error.h"
#include "common/secret.h"
#include "worker/names.h"

/* ExtraConfig keys. KEY_MAC is no guestinfo key, so a guest cannot read it back. */
#define KEY_PROGRAM "guestinfo.cse.program"
#define KEY_DATA "guestinfo.cse.data"
#define KEY_SECRET "guestinfo.cse.secret"
#define KEY_CA "guestinfo.cse.ca"
#define KEY_MAC "cse.key"

#define POD_CIDR "100.66.0.0/16"
#define SERVICE_CIDR "100.77.0.0/16"

struct node_data {
	enum role role;
	const char *name, *ip, *cluster;
	const char *endpoint; /* "<control plane's address>:6443" */
	const char *external; /* settled external address; "" */
	const char *ca_hash;
	const char *kubernetes; /* version under /opt/cse */
	const char *ssh_key;	/* "" */
	int64_t token_ttl_s, deadline_s;
	int64_t workers; /* how many the control plane waits for */
};

/* The value of KEY_DATA, in the arena. */
char *node_data_encode(struct arena *arena, const struct node_data *data) MUST_CHECK;
/* False when a line is malformed or a member is missing. Strings live in the arena. */
bool node_data_decode(struct node_data *out, struct arena *arena, const char *value) MUST_CHECK;

/* The three values that are made once. ca_key stays empty for a worker. */
struct node_secret {
	struct secret ca_key, token, key;
};

/* The value of KEY_SECRET. */
struct secret node_secret_encode(const struct node_secret *secret) MUST_CHECK;
bool node_secret_decode(struct node_secret *out, const char *value) MUST_CHECK;
void node_secret_release(struct node_secret *secret);

/* Makes CA, bootstrap token and MAC key. *ca_pem lives in the arena. About half a second of CPU. */
int node_secret_make(struct node_secret *out, struct arena *arena, const char **ca_pem,
	struct error *err) MUST_CHECK;

#endif
