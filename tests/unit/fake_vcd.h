/* SPDX-License-Identifier: MIT */
/*
 * A VCD in memory behind the client's functions, for tests of handlers without network: one org
 * with one VDC, entities and tasks as lists, one vApp. It writes down every call and fails where
 * told.
 */
#ifndef TESTS_UNIT_FAKE_VCD_H
#define TESTS_UNIT_FAKE_VCD_H

#include "worker/vcd/entity.h"
#include "worker/vcd/network.h"
#include "worker/vcd/org.h"
#include "worker/vcd/task.h"
#include "worker/vcd/vapp.h"

#define FAKE_ORG "urn:vcloud:org:00000000-0000-4000-8000-000000000001"
#define FAKE_USER "urn:vcloud:user:00000000-0000-4000-8000-0000000000aa"
#define FAKE_ENTITY "urn:vcloud:entity:cse:nativeCluster:1.0.0:"

enum { FAKE_TASKS = 16, FAKE_CALLS = 128 };

struct fake {
	struct arena arena;
	/* What the caller is and may. */
	const char *user, *org, *org_name;
	const char *rights[16];
	/* What there is to choose from. */
	int64_t free_addresses;
	const char *network_type;
	bool static_pool, nsxt;
	uint32_t used_last; /* edge addresses 10..used_last are used, of 10..19 */
	const char *prepared;
	/* What was made. */
	struct json_object *entities; /* array of documents */
	struct vcd_task tasks[FAKE_TASKS];
	size_t task_count;
	bool vapp;
	bool cloning; /* the vApp cannot be deleted yet */
	const char *vapp_description;
	size_t vapp_vms;
	const char *marked, *marked_vdc; /* cse.cluster.id and cse.vdc of the vApp */
	struct vcd_extra extra[4];
	size_t extra_count;
	size_t published;
	const char *grant;    /* member with full control of all entities */
	size_t grants_before; /* grants of others that come first in the list */
	/* What happens. */
	const char *fail; /* the first call of that name fails with fail_code… */
	size_t fail_more; /* …and so many after it */
	enum err_code fail_code;
	size_t fail_skip; /* …not the first calls of that name */
	bool fail_after;  /* …after its effect */
	bool dies;	  /* …and every call after it fails without effect: the worker is dead */
	bool dead;
	bool in_doubt; /* what failed had no answer */
	bool bus_dead; /* the broker's connection is gone */
	/* Runs before call number meet_at of a run or, with meet_after, after its effect; once. */
	void (*meet)(void);
	size_t meet_at;
	bool meet_after;
	const char *race; /* href that entity 0 names once the next task was made */
	const char *calls[FAKE_CALLS];
	size_t call_count, writes, requests;
	/* An entity of our name that comes with compose; with rival_goes it is gone a look later.
	 */
	const char *rival, *rival_external, *rival_vdc;
	bool rival_goes;
};
extern struct fake fake;

void fake_reset(void); /* alice, all rights, everything plentiful */
struct vcd_task *fake_task(const char *uuid);
struct json_object *fake_entity(size_t index);
/* A stored cluster "lab7" of alice, resolved and exposed, whose task is final; its URN. */
const char *fake_cluster(struct json_object *entity, const char *task);

#endif
