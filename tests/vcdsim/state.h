/* SPDX-License-Identifier: MIT */
/*
 * What the simulated VCD knows. One lock guards all of it (sim->lock); every pointer below is valid
 * only while it is held. Objects of the cloudapi (networks, edges, rules, profiles, entities) are
 * kept as the JSON documents that VCD would show, objects of the legacy API as structs.
 */
#ifndef VCDSIM_STATE_H
#define VCDSIM_STATE_H

#include "common/arena.h"
#include "common/base.h"
#include "common/error.h"
#include "tests/vcdsim/model.h"

#include <json-c/json.h>
#include <pthread.h>

struct sim_options { /* milliseconds; --set NAME=VALUE on the command line, POST /options later */
	int64_t clone_ms, task_ms, boot_ms, extra_latency_ms, reply_timeout_ms, session_idle_ms;
	/* Does a running guest see keys that VCD wrote: 0 at once, 1 at its next boot, 2 never. */
	int64_t extra_mode;
	int64_t rde_nulls_strict, firewall_drop;
	int64_t duplicate_requests; /* more copies of each extension request */
	int64_t ns_prefix; /* 1: legacy answers carry the prefix ns2: and no default namespace */
	int64_t played_guests; /* 1: guests are played (guests.h); counts at the start only */
	int64_t played_fail;   /* of played guests: 1 kubeadm init fails, 2 each worker's join */
	/* VCD's clock is ahead of the true one: Date headers and all stamps of tasks. */
	int64_t clock_ahead_s;
};

struct sim_amqp { /* the bridge's broker; host NULL: no bridge */
	const char *host, *user, *password_file, *vhost;
	int port;
};

/*
 * Documents: members whose name starts with "_" are never shown.
 * roles: {"id": urn, "name", "description", "_org": uuid, "_rights": [names]}. A right's id is
 * urn:vcloud:right:<uuid>, made of its name by right_id().
 */
struct sim {
	pthread_mutex_t lock; /* protects everything below it */
	struct sim_options options;
	struct sim_org *orgs;
	struct sim_user *users;
	struct sim_session *sessions;
	struct sim_task *tasks; /* newest first */
	struct sim_vdc *vdcs;
	struct sim_vapp *vapps;
	struct sim_template *templates;
	struct json_object *networks, *edges, *nat_rules, *port_profiles, *entities, *entity_types,
		*roles; /* arrays of documents; a rule also carries "_edge", never shown */
	struct json_object *extension; /* {name, enabled, exchange, routingKey, filters[]} */
	struct sim_amqp amqp;
	const char *dir;	    /* private folder: certificates, guests */
	const char *own_url;	    /* where it listens */
	const char *base_url;	    /* in links */
	const char *public_address; /* of base_url; NULL: the one listened on */
	struct sim_http *http;
	struct sim_admin *admin;
	struct sim_bridge *bridge;
	struct sim_guests *guests;
	struct sim_calls *calls;
	struct json_object *seed; /* owns the strings borrowed above */
	struct arena kept;	  /* of keep() */
	bool stopping;
};

/* Loads the seed. INVALID names the member that is wrong. */
int state_load(struct sim *sim, const char *path, struct error *err) MUST_CHECK;
void state_free(struct sim *sim);

/* Look-ups; NULL when there is none. ids are bare UUIDs. */
struct sim_org *find_org(struct sim *sim, const char *uuid);
struct sim_org *find_org_named(struct sim *sim, const char *name);
struct sim_user *find_user(struct sim *sim, const char *uuid);
struct sim_vdc *find_vdc(struct sim *sim, const char *uuid);
struct sim_vapp *find_vapp(struct sim *sim, const char *uuid);
struct sim_vm *find_vm(struct sim *sim, const char *uuid);
struct sim_task *find_task(struct sim *sim, const char *uuid);
struct json_object *find_doc(struct json_object *array, const char *id); /* by member "id" */

bool session_is_system(const struct sim_session *session);
bool session_has_right(const struct sim_session *session, const char *right);
/* May this session see objects of that org? System users see all. */
bool session_sees_org(const struct sim_session *session, const struct sim_org *org);

/*
 * Starts a native task that ends after delay_ms and then calls done (may be NULL); a negative delay
 * means that only task_finish() ends it. The caller fills owner and locks at once, still under the
 * lock. session NULL: nobody's task.
 */
struct sim_task *task_start(struct sim *sim, struct sim_session *session,
	const char *operation_name, const char *operation, int64_t delay_ms,
	void (*done)(struct sim *, struct sim_task *), void *object);
void task_finish(struct sim *sim, struct sim_task *task); /* now, whatever its time */
bool task_is_final(const struct sim_task *task);
void task_fail(struct sim_task *task, const char *minor, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The running task that locks this id, NULL when it is free. */
struct sim_task *lock_holder(struct sim *sim, const char *id);
/* The newest native task that worked on that object and failed. */
struct sim_task *failed_task(struct sim *sim, const char *id);

/*
 * Answers whether `session` may use the object `id` now: when a running task locks it, this is
 * VCD's BUSY_ENTITY text ("The entity … is busy completing an operation …") in the arena, else
 * NULL.
 */
char *lock_busy_text(struct sim *sim, struct arena *arena, const char *type, const char *id);

/* The URN of a right, always the same for the same name. */
void right_id(const char *name, char urn[64]);

/* VCD's clock, in milliseconds since 1970. */
int64_t sim_wall_ms(const struct sim *sim);

/* Fills a fresh random UUID. */
void uuid_make(char uuid[SIM_ID]);

/* A string that lives as long as the simulator (freed by state_free). */
char *keep(struct sim *sim, const char *text);
char *keepf(struct sim *sim, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Ends due tasks and lets guests move on; called by the ticker thread every 20 ms under the lock.
 */
void state_tick(struct sim *sim);

/* Pool addresses of a network document that are in use by VMs, and taking the next free one. */
bool pool_take(struct sim *sim, const char *network_uuid, char ip[16]);

#endif
