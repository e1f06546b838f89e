/* SPDX-License-Identifier: MIT */
#include "tests/vcdsim/state.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/str.h"
#include "tests/vcdsim/calls.h"
#include "tests/vcdsim/guests.h"
#include "tests/vcdsim/objects.h"
#include "tests/vcdsim/options.h"
#include "tests/vcdsim/seed.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SEED_BYTES_MAX = 4 * 1024 * 1024 };

/* The same look-up for every kind of object that has `next` and `uuid`. */
#define FIND(list, wanted)                                                                         \
	({                                                                                         \
		__typeof__(list) item_ = (list);                                                   \
		while (item_ != NULL && !str_eq(item_->uuid, (wanted)))                            \
			item_ = item_->next;                                                       \
		item_;                                                                             \
	})

struct sim_org *find_org(struct sim *sim, const char *uuid)
{
	return FIND(sim->orgs, uuid);
}

struct sim_org *find_org_named(struct sim *sim, const char *name)
{
	struct sim_org *org = sim->orgs;

	while (org != NULL && !str_eq_ci(org->name, name))
		org = org->next;
	return org;
}

struct sim_user *find_user(struct sim *sim, const char *uuid)
{
	return FIND(sim->users, uuid);
}

struct sim_vdc *find_vdc(struct sim *sim, const char *uuid)
{
	return FIND(sim->vdcs, uuid);
}

struct sim_vapp *find_vapp(struct sim *sim, const char *uuid)
{
	return FIND(sim->vapps, uuid);
}

struct sim_vm *find_vm(struct sim *sim, const char *uuid)
{
	for (struct sim_vapp *vapp = sim->vapps; vapp != NULL; vapp = vapp->next) {
		struct sim_vm *vm = FIND(vapp->vms, uuid);

		if (vm != NULL)
			return vm;
	}
	return NULL;
}

struct sim_task *find_task(struct sim *sim, const char *uuid)
{
	return FIND(sim->tasks, uuid);
}

struct json_object *find_doc(struct json_object *array, const char *id)
{
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		struct json_object *doc = json_object_array_get_idx(array, i);

		if (str_eq(json_str(doc, "id", NULL), id))
			return doc;
	}
	return NULL;
}

bool session_is_system(const struct sim_session *session)
{
	return session != NULL && str_eq(session->user->org->name, "System");
}

bool session_has_right(const struct sim_session *session, const char *right)
{
	if (session == NULL)
		return false;
	for (size_t i = 0; i < json_object_array_length(session->rights); i++) {
		struct json_object *name = json_object_array_get_idx(session->rights, i);

		if (str_eq(json_object_get_string(name), right))
			return true;
	}
	return false;
}

bool session_sees_org(const struct sim_session *session, const struct sim_org *org)
{
	return session_is_system(session) || (session != NULL && session->user->org == org);
}

char *keep(struct sim *sim, const char *text)
{
	return arena_strdup(&sim->kept, text);
}

char *keepf(struct sim *sim, const char *fmt, ...)
{
	CLEANUP(free_str)
	char *text = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		abort();
	va_end(args);
	return keep(sim, text);
}

/* Sets version and variant bits of random or hashed bytes and writes them as a UUID. */
static void uuid_write(char uuid[SIM_ID], unsigned char bytes[16], int version)
{
	char hex[33];

	bytes[6] = (unsigned char)((bytes[6] & 0x0f) | version << 4);
	bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
	str_hex(hex, bytes, 16);
	snprintf(uuid, SIM_ID, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
		hex + 20);
}

void uuid_make(char uuid[SIM_ID])
{
	unsigned char bytes[16];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		abort();
	uuid_write(uuid, bytes, 4);
}

void right_id(const char *name, char urn[64])
{
	uint64_t hash[2] = {14695981039346656037ULL, 0x9e3779b97f4a7c15ULL};
	unsigned char bytes[16];
	char uuid[SIM_ID];

	for (; *name != '\0'; name++) { /* FNV-1a, twice */
		hash[0] = (hash[0] ^ (unsigned char)*name) * 1099511628211ULL;
		hash[1] = (hash[1] ^ (unsigned char)*name) * 1099511628211ULL;
	}
	memcpy(bytes, hash, sizeof(bytes));
	uuid_write(uuid, bytes, 3);
	snprintf(urn, 64, "urn:vcloud:right:%s", uuid);
}

void state_tick(struct sim *sim)
{
	tasks_tick(sim);
	guests_tick(sim);
}

static bool address_is_used(struct sim *sim, const char *network_uuid, const char *ip)
{
	for (struct sim_vapp *vapp = sim->vapps; vapp != NULL; vapp = vapp->next) {
		if (!str_eq(vapp->network_uuid, network_uuid))
			continue;
		for (struct sim_vm *vm = vapp->vms; vm != NULL; vm = vm->next) {
			if (str_eq(vm->ip, ip))
				return true;
		}
	}
	return false;
}

/* ip may be the address field of a VM of that network: it is written last. */
static bool range_take(
	struct sim *sim, const char *network_uuid, struct json_object *range, char ip[16])
{
	struct in_addr first, last;
	char text[INET_ADDRSTRLEN];

	if (inet_pton(AF_INET, json_str(range, "startAddress", ""), &first) != 1 ||
		inet_pton(AF_INET, json_str(range, "endAddress", ""), &last) != 1)
		return false;
	for (uint32_t at = ntohl(first.s_addr); at <= ntohl(last.s_addr); at++) {
		struct in_addr address = {.s_addr = htonl(at)};

		inet_ntop(AF_INET, &address, text, sizeof(text));
		if (address_is_used(sim, network_uuid, text))
			continue;
		memcpy(ip, text, sizeof(text));
		return true;
	}
	return false;
}

bool pool_take(struct sim *sim, const char *network_uuid, char ip[16])
{
	struct json_object *network = find_network(sim, network_uuid);
	struct json_object *subnets = json_at(network, "subnets.values");

	ip[0] = '\0';
	for (size_t i = 0; subnets != NULL && i < json_object_array_length(subnets); i++) {
		struct json_object *ranges =
			json_at(json_object_array_get_idx(subnets, i), "ipRanges.values");

		for (size_t j = 0; ranges != NULL && j < json_object_array_length(ranges); j++) {
			if (range_take(sim, network_uuid, json_object_array_get_idx(ranges, j), ip))
				return true;
		}
	}
	return false;
}

static int read_seed(const char *path, struct buf *content, struct error *err)
{
	CLEANUP(close_file)
	FILE *file = fopen(path, "re");
	char piece[4096];
	size_t got;

	if (file == NULL)
		return error_sys(err, ERR_INVALID, errno, "cannot open %s", path);
	while ((got = fread(piece, 1, sizeof(piece), file)) > 0) {
		if (!buf_add(content, piece, got))
			return error_set(err, ERR_INVALID, "%s is too big", path);
	}
	return 0;
}

int state_load(struct sim *sim, const char *path, struct error *err)
{
	CLEANUP(buf_release)
	struct buf content = {0};

	pthread_mutex_init(&sim->lock, NULL);
	options_init(&sim->options);
	sim->calls = calls_new();
	buf_init(&content, SEED_BYTES_MAX);
	if (read_seed(path, &content, err) != 0)
		return -1;
	sim->seed = json_parse(buf_str(&content), content.len, 32, err);
	if (sim->seed == NULL || seed_apply(sim, err) != 0)
		return error_wrap(err, "seed %s", path);
	return 0;
}

#define FREE_LIST(list)                                                                            \
	while ((list) != NULL) {                                                                   \
		__typeof__(list) gone_ = (list);                                                   \
		(list) = gone_->next;                                                              \
		free(gone_);                                                                       \
	}

static void templates_free(struct sim *sim)
{
	for (struct sim_template *template = sim->templates; template != NULL;
		template = template->next)
		FREE_LIST(template->metadata);
	FREE_LIST(sim->templates);
}

void state_free(struct sim *sim)
{
	struct json_object **documents[] = {&sim->networks, &sim->edges, &sim->nat_rules,
		&sim->port_profiles, &sim->entities, &sim->entity_types, &sim->roles,
		&sim->extension, &sim->seed};

	while (sim->vapps != NULL)
		vapp_free(sim, sim->vapps);
	tasks_free(sim);
	for (struct sim_session *session = sim->sessions; session != NULL; session = session->next)
		json_release(&session->rights);
	FREE_LIST(sim->sessions);
	FREE_LIST(sim->users);
	FREE_LIST(sim->vdcs);
	FREE_LIST(sim->orgs);
	templates_free(sim);
	for (size_t i = 0; i < ARRAY_LEN(documents); i++)
		json_release(documents[i]);
	arena_reset(&sim->kept);
	calls_free(sim->calls);
	pthread_mutex_destroy(&sim->lock);
}
