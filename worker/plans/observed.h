/* SPDX-License-Identifier: MIT */
/*
 * What one pass has seen of a cluster, as plain facts: checks read nothing else, so every half-done
 * state can be written down in a test.
 */
#ifndef WORKER_PLANS_OBSERVED_H
#define WORKER_PLANS_OBSERVED_H

#include "worker/details.h"
#include "worker/plans/expose.h"
#include "worker/plans/guest_report.h"
#include "worker/vcd/vapp.h"

/* Which facts were read in this pass. Acts clear the bits of what they change. */
enum {
	SEE_VAPP = 1,	     /* vApp with VMs and ExtraConfig; one call */
	SEE_ENTITY = 2,	     /* one call, one more when it names another task */
	SEE_MARKS = 4,	     /* whose the vApp is: its SYSTEM metadata, unless our records tell */
	SEE_RULES = 8,	     /* NAT rules of the edge */
	SEE_SUPERSEDED = 16, /* the task a delete supersedes, and what may still appear */
	SEE_TWIN = 32, /* a second entity of the same request; no call unless there may be one */
};

enum vapp_state {
	VAPP_ABSENT,
	VAPP_BUSY, /* VCD works on it */
	VAPP_READY,
	VAPP_BROKEN, /* VCD gave up; vapp_error says why */
};

/* There is one at most, unless somebody forges more: then the rest stays too. */
enum { TWINS_MAX = 8 };

enum twin { TWIN_NONE, TWIN_MAY_COME, TWIN_THERE };

struct node {
	const char *name, *ip;
	enum role role;
	bool on;
	bool has_data;	      /* its data is there, complete, and for its address */
	const char *ca_hash;  /* of the data; "" */
	const char *external; /* of the data; "" */
	bool has_secret;      /* with content */
	bool secret_left;     /* the key is there, if only with the blank a guest leaves */
	struct guest_report report;
	struct vcd_vm *vm; /* for acts only */
};

struct observed {
	unsigned seen;

	/* Wanted, from the task's record. */
	const char *cluster;   /* entity URN */
	const char *task;      /* own uuid */
	const char *vapp_uuid; /* recorded or marked; "" unknown */
	bool want_expose;
	bool untouched; /* no pass has claimed yet: of ours there is only what admission made */
	int64_t want_workers;
	const char *edge;	  /* URN; "" unknown */
	bool supersedes;	  /* a delete that ends another task */
	const char *failed_phase; /* what a verdict makes of the entity; "" without one */

	/* SEE_VAPP */
	enum vapp_state vapp;
	const char *vapp_name, *vapp_href, *vapp_error;
	bool vapp_on;		   /* deployed, or any VM is on */
	bool vapp_ours;		   /* recorded by admission, or marked */
	const char *vapp_doubt;	   /* why it is not ours; "" */
	struct node control_plane; /* name NULL: there is none */
	struct node *workers;
	size_t worker_count;
	bool has_ca;
	const char *ca_hash; /* of the certificate in ExtraConfig; "" */

	/* SEE_ENTITY */
	bool entity_absent;
	const char *entity_state, *entity_phase, *entity_task, *entity_external_id;
	bool entity_exposed, entity_expose;
	const char *entity_cp_name, *entity_cp_ip, *entity_name;
	int64_t entity_workers; /* length of status.nodes.workers */
	const char *stronger;	/* task this operation yields to; "" */

	/* SEE_MARKS */
	bool marked; /* SYSTEM marks name this entity and deployment */
	const char *marked_edge;

	/* SEE_RULES */
	struct expose_verdict rule; /* of the rule of our name */
	const struct vcd_nat_rule
		*our_rule;    /* any rule of this entity, whatever its cluster's name */
	const char *external; /* address of the settled rule; "" */
	bool edge_lost;	      /* a delete's entity says exposed, and nothing tells at which edge */

	/* SEE_SUPERSEDED */
	bool superseded_done; /* nothing of it is under way, or was waited for long enough */

	/* SEE_TWIN */
	enum twin twin;
	const char *twin_urn, *twin_name, *twin_owner; /* TWIN_THERE */
	const char *twins_left[TWINS_MAX];	       /* VCD does not let them go */
	size_t twins_left_count;

	/* Done in this pass; VCD need not be asked again. */
	bool named, marks_written, data_written, undeployed, resolved, superseded_ended;
	bool secrets_given_up; /* VCD refuses to take them away */
	const char *vm_task;   /* VCD's task of the last reconfigure; NULL: none in flight */
	const char *rule_making, *rule_leaving; /* the same for a NAT rule made, or removed */
	const char *vapp_task;			/* the same for the vApp: switched on, or removed */

	/* Raw answers behind the facts. */
	struct vcd_vapp raw_vapp;
	struct json_object *document; /* the entity; owned */
	int64_t document_ms;	      /* clock_ms() of its read */
	struct vcd_nat_rule *rules;
	size_t rule_count;
	struct secret mac_key;
};

/* "CREATE:FAILED": what a verdict makes of the entity's phase. */
const char *operation_failed_phase(enum operation op);

void observed_init(struct observed *seen, const struct details *details, const char *cluster,
	const char *task);
void observed_release(struct observed *seen);

/* The facts of a vApp document (borrowed), an entity document and a rule list; pure. */
void observed_set_vapp(struct observed *seen, struct arena *arena, const struct vcd_vapp *vapp);
void observed_set_entity(struct observed *seen, struct json_object *document);
void observed_set_rules(struct observed *seen, struct arena *arena, struct vcd_nat_rule *rules,
	size_t count, int64_t looks);

#endif
