/* SPDX-License-Identifier: MIT */
/*
 * What a node says about itself through ExtraConfig. Hostile input: any process of a guest may
 * write these keys. A value counts only with the MAC of the cluster's key over node, kind, number
 * and content; everything else is as if nothing was said.
 */
#ifndef WORKER_PLANS_GUEST_REPORT_H
#define WORKER_PLANS_GUEST_REPORT_H

#include "common/arena.h"
#include "common/secret.h"
#include "worker/names.h"

/* In the order a node walks them. */
enum guest_phase {
	GUEST_NONE,
	GUEST_SYSTEM,
	GUEST_IMAGES,
	GUEST_INIT, /* control plane from here */
	GUEST_CNI,
	GUEST_NODES,
	GUEST_PUBLISH,
	GUEST_JOIN, /* worker only */
};
enum guest_status { GUEST_RUNNING, GUEST_DONE, GUEST_FAILED };

/* The raw values of one VM's keys guestinfo.cse.<name>; NULL when absent. */
struct guest_values {
	const char *phase, *error, *report, *kubeconfig;
};

struct guest_report {
	enum guest_phase phase; /* GUEST_NONE: nothing credible yet */
	enum guest_status status;
	const char *error;		    /* printable evidence on one line; "" */
	const char *command;		    /* the failing one, of the evidence; "" */
	const char *evidence;		    /* all that was said, lines and all; "" */
	const char *sans, *nodes, *kubelet; /* of the report; "" */
	bool has_report, has_kubeconfig;
	/* It says, and nobody vouches for that, that init or join is behind it: it keeps the CA and
	 * the secrets it has now. */
	bool says_made;
};

/* Texts live in the arena. */
struct guest_report guest_report_read(struct arena *arena, const struct secret *key, const char *vm,
	enum role role, const struct guest_values *values);

const char *guest_phase_name(enum guest_phase phase);
/* Has the node finished this phase of its role? */
bool guest_finished(const struct guest_report *report, enum guest_phase phase);
/* Is `item` one of the comma-separated items of list? */
bool guest_list_has(const char *list, const char *item);

#endif
