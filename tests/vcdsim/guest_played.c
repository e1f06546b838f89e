/* SPDX-License-Identifier: MIT */
/*
 * Guests without processes (option played_guests): the simulator itself says what the bootstrap of
 * a healthy guest would say, for tests that are about the worker. What decides whether a cluster
 * comes up is kept: a worker joins only through a control plane that is up, with its token and its
 * CA; stamps, keys and the message number outlive a power cycle; secrets are blanked once they are
 * read.
 */
#include "tests/vcdsim/guest.h"

#include "common/base64.h"
#include "common/clock.h"
#include "common/crypto.h"
#include "common/mem.h"
#include "common/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Both "init" and "join" are the third phase. */
enum { STAMPS_JOINED = 3 };
enum { PHASES_MAX = 7, PLAYED_CONTROL_PLANE_FAILS = 1, PLAYED_WORKERS_FAIL = 2 };

/* A played guest's disk. */
struct played {
	struct played *next;
	char uuid[SIM_ID];
	char *data,
		*secret; /* lines "key base64", as the bootstrap keeps them; NULL: not yet read */
	char *ca;	 /* hash of the CA it was made a control plane with */
	int64_t seq;
	size_t stamps; /* phases done for good */
	bool installed, token_removed, failed;
};

enum outcome { WAITING, DONE, FAILED };

struct play {
	struct sim *sim;
	struct guest *guest;
	struct played *disk;
	struct arena *arena;
	const char *why; /* of FAILED */
};

typedef enum outcome phase_fn(struct play *play);

void played_forget(struct sim_guests *guests, const char *uuid)
{
	struct played **link = &guests->played;

	while (*link && (uuid && !str_eq((*link)->uuid, uuid)))
		link = &(*link)->next;
	if (!*link)
		return;
	struct played *gone = *link;

	*link = gone->next;
	free(gone->data);
	free(gone->secret);
	free(gone->ca);
	free(gone);
	if (!uuid)
		played_forget(guests, NULL);
}

static struct played *disk_of(struct sim_guests *guests, const char *uuid)
{
	struct played *disk = guests->played;

	while (disk && !str_eq(disk->uuid, uuid))
		disk = disk->next;
	if (disk)
		return disk;
	disk = xcalloc(1, sizeof(*disk));
	(void)snprintf(disk->uuid, sizeof(disk->uuid), "%s", uuid);
	disk->next = guests->played;
	guests->played = disk;
	return disk;
}

/* The decoded value of a line "key base64"; "" when there is none. */
static const char *field(struct arena *arena, const char *lines, const char *key)
{
	const char *line;
	size_t len, key_len = strlen(key), decoded;

	while ((line = str_next(&lines, '\n', &len)) != NULL) {
		if (len <= key_len || strncmp(line, key, key_len) != 0 || line[key_len] != ' ')
			continue;
		char *text = arena_strndup(arena, line + key_len + 1, len - key_len - 1);

		return str_or(base64_decode(arena, text, &decoded), "");
	}
	return "";
}

static const char *data(const struct play *play, const char *key)
{
	return field(play->arena, play->disk->data, key);
}

/* vmtoolsd's info-set. */
static void tools_set(const struct play *play, const char *key, const char *value)
{
	view_set(play->guest, key, value);
	extra_set_by_guest(play->sim, play->guest->vm, key, value);
}

/* As message.sh does: `text` is what the code is made over, `words` what is sent. */
static void message(const struct play *play, const char *kind, const char *text, const char *words)
{
	const char *key = field(play->arena, play->disk->secret, "key");
	CLEANUP(secret_release)
	struct secret secret = secret_new(key, strlen(key));
	char mac[CRYPTO_SHA256_HEX];
	int64_t seq = ++play->disk->seq;
	const char *whole = arena_printf(
		play->arena, "%s|%s|%" PRId64 "|%s", kind, data(play, "name"), seq, text);

	crypto_hmac_hex(mac, &secret, whole, strlen(whole));
	tools_set(play, arena_printf(play->arena, "guestinfo.cse.%s", kind),
		arena_printf(play->arena, "v1 %" PRId64 " %s %s", seq, words, mac));
}

static void say_phase(const struct play *play, const char *phase, const char *status)
{
	message(play, "phase", arena_printf(play->arena, "%s|%s", phase, status),
		arena_printf(play->arena, "%s %s", phase, status));
}

static void say_text(const struct play *play, const char *kind, const char *text)
{
	const char *encoded = base64_encode(play->arena, text, strlen(text));

	message(play, kind, encoded, encoded);
}

/* A text that only who knows the cluster's key may read. */
static void say_sealed(const struct play *play, const char *kind, const char *text)
{
	const char *key = field(play->arena, play->disk->secret, "key");
	CLEANUP(secret_release)
	struct secret secret = secret_new(key, strlen(key));
	size_t len;
	unsigned char *sealed = crypto_seal(play->arena, &secret, text, strlen(text), &len);
	const char *encoded = base64_encode(play->arena, sealed, len);

	message(play, kind, encoded, encoded);
}

static enum outcome failed(struct play *play, const char *why)
{
	play->why = why;
	return FAILED;
}

static enum outcome at_once(struct play *play)
{
	(void)play;
	return DONE;
}

static const char *ca_pem(const struct play *play)
{
	size_t len;
	const char *value = view_get(play->guest, "guestinfo.cse.ca");

	return value ? str_or(base64_decode(play->arena, value, &len), "") : "";
}

static enum outcome phase_init(struct play *play)
{
	struct error err;
	const char *hash = crypto_ca_hash(play->arena, ca_pem(play), &err);

	if (play->sim->options.played_fail == PLAYED_CONTROL_PLANE_FAILS)
		return failed(play, "kubeadm init: as the test ordered");
	if (!hash || !str_eq(hash, data(play, "ca_hash")))
		return failed(play, "the CA is not the announced one");
	if (str_empty(field(play->arena, play->disk->secret, "ca_key")))
		return failed(play, "external CA mode: certificates are missing");
	play->disk->ca = xstrdup(hash);
	return DONE;
}

/* The control plane at this address that is up, NULL when nothing listens there. */
static struct played *control_plane_at(const struct play *play, const char *endpoint)
{
	size_t len = strcspn(endpoint, ":");

	for (struct guest *guest = play->sim->guests->alive; guest; guest = guest->next) {
		if (guest->state != GUEST_RUNNING || strlen(guest->vm->ip) != len ||
			strncmp(guest->vm->ip, endpoint, len) != 0 ||
			!str_eq(guest->vm->vapp->network_uuid, play->guest->vm->vapp->network_uuid))
			continue;
		struct played *disk = disk_of(play->sim->guests, guest->uuid);

		return disk->ca ? disk : NULL;
	}
	return NULL;
}

static enum outcome phase_join(struct play *play)
{
	const struct played *there = control_plane_at(play, data(play, "endpoint"));
	const char *token = field(play->arena, play->disk->secret, "token");
	int64_t limit_s = 0;

	if (play->sim->options.played_fail == PLAYED_WORKERS_FAIL)
		return failed(play, "kubeadm join: as the test ordered");
	if (there && !there->token_removed && str_eq(there->ca, data(play, "ca_hash")) &&
		!str_empty(token) && str_eq(field(play->arena, there->secret, "token"), token)) {
		play->disk->ca = xstrdup(there->ca);
		return DONE;
	}
	if (!str_to_int(data(play, "deadline_s"), 0, INT32_MAX, &limit_s) ||
		clock_ms() > play->guest->due_ms + limit_s * 1000)
		return failed(play, "not joined before the deadline");
	return WAITING;
}

/* Names of this control plane's nodes that are up, itself first. */
static const char *nodes_ready(const struct play *play, size_t *count)
{
	const char *names = data(play, "name");

	*count = 1;
	for (struct guest *guest = play->sim->guests->alive; guest; guest = guest->next) {
		const struct played *disk = disk_of(play->sim->guests, guest->uuid);

		if (guest == play->guest || guest->state != GUEST_RUNNING || !disk->ca ||
			!str_eq(disk->ca, play->disk->ca))
			continue;
		names = arena_printf(
			play->arena, "%s,%s", names, field(play->arena, disk->data, "name"));
		*count += 1;
	}
	return names;
}

static enum outcome phase_nodes(struct play *play)
{
	size_t ready;
	int64_t workers;

	(void)nodes_ready(play, &ready);
	if (!str_to_int(data(play, "workers"), 0, INT32_MAX, &workers))
		return failed(play, "guest data: workers is not valid");
	if (ready < 1 + (size_t)workers)
		return WAITING;
	play->disk->token_removed = true;
	return DONE;
}

/* A client certificate is not made here: the CA's own stands for it, with a key that is none. */
static const char *kubeconfig(const struct play *play)
{
	static const char key[] = "-----BEGIN PRIVATE KEY-----\ncGxheWVk\n"
				  "-----END PRIVATE KEY-----\n";
	const char *pem = ca_pem(play);
	const char *ca = base64_encode(play->arena, pem, strlen(pem));

	return arena_printf(play->arena,
		"apiVersion: v1\nkind: Config\nclusters:\n- name: kubernetes\n  cluster:\n"
		"    certificate-authority-data: %s\n    server: https://%s\n"
		"users:\n- name: kubernetes-admin\n  user:\n    client-certificate-data: %s\n"
		"    client-key-data: %s\n",
		ca, data(play, "endpoint"), ca, base64_encode(play->arena, key, strlen(key)));
}

static enum outcome phase_publish(struct play *play)
{
	const char *external = data(play, "external");
	size_t count;

	say_sealed(play, "kubeconfig", kubeconfig(play));
	say_text(play, "report",
		arena_printf(play->arena,
			"sans=DNS:kubernetes,DNS:%s,IP:%s%s%s\nnodes=%s\nkubelet=v%s\n",
			data(play, "name"), data(play, "ip"), *external ? ",IP:" : "", external,
			nodes_ready(play, &count), data(play, "kubernetes")));
	return DONE;
}

static const struct phase {
	const char *name;
	phase_fn *run;
	bool every_boot;
} phases[][PHASES_MAX] = {
	{{"system", at_once, false}, {"images", at_once, false}, {"init", phase_init, false},
		{"cni", at_once, false}, {"nodes", phase_nodes, false},
		{"publish", phase_publish, true}, {0}},
	{{"system", at_once, false}, {"images", at_once, false}, {"join", phase_join, false}, {0}},
};

static const struct phase *phases_of(const struct play *play)
{
	return phases[str_eq(data(play, "role"), "worker")];
}

/* The text of a key; NULL while it is absent, blank or no Base64. */
static char *input(const struct play *play, const char *key)
{
	const char *value = view_get(play->guest, key);
	size_t len;
	const char *text =
		value && value[strspn(value, " ")] ? base64_decode(play->arena, value, &len) : NULL;

	return text ? xstrdup(text) : NULL;
}

static bool inputs_take(const struct play *play)
{
	struct played *disk = play->disk;
	CLEANUP(free_str)
	char *text = input(play, "guestinfo.cse.data");
	CLEANUP(free_str)
	char *secret = input(play, "guestinfo.cse.secret");

	if (text) {
		/* Told of another CA before it was initialised or has joined. */
		if (disk->data && disk->stamps < STAMPS_JOINED &&
			!str_eq(data(play, "ca_hash"), field(play->arena, text, "ca_hash"))) {
			free(disk->secret);
			disk->secret = NULL;
		}
		free(disk->data);
		disk->data = xstrdup(text);
	}
	if (secret) {
		if (!disk->secret)
			disk->secret = xstrdup(secret);
		tools_set(play, "guestinfo.cse.secret", " ");
	}
	return disk->data && disk->secret &&
	       str_eq(data(play, "name"), play->guest->vm->computer_name) &&
	       str_eq(data(play, "ip"), play->guest->vm->ip);
}

static void give_up(const struct play *play, const struct phase *phase)
{
	play->disk->failed = true;
	say_text(play, "error",
		arena_printf(play->arena, "phase %s, exit code 1\n%s\n", phase->name, play->why));
	say_phase(play, phase->name, "failed");
}

/* What main.sh says at a later boot, when all phases have their stamps. */
static void boot_begin(struct play *play)
{
	const struct phase *row = phases_of(play);

	play->guest->played_begun = true;
	play->guest->phase = play->disk->stamps;
	if (play->disk->stamps > 0 && row[play->disk->stamps].name == NULL)
		say_phase(play, row[play->disk->stamps - 1].name, "done");
}

static void phase_step(struct play *play)
{
	struct guest *guest = play->guest;
	const struct phase *row = &phases_of(play)[guest->phase];

	if (!row->name || play->disk->failed)
		return;
	if (!guest->phase_begun)
		say_phase(play, row->name, "running");
	guest->phase_begun = true;
	switch (row->run(play)) {
	case WAITING:
		return;
	case FAILED:
		give_up(play, row);
		return;
	case DONE:
		guest->phase_begun = false;
		guest->phase++;
		play->disk->stamps += !row->every_boot;
		say_phase(play, row->name, "done");
	}
}

void played_boot(struct sim *sim, struct guest *guest)
{
	struct played *disk = disk_of(sim->guests, guest->uuid);

	/* Only the call of the script after the reboot of customization installs anything. */
	if (guest->vm->customized && !str_empty(guest->vm->script) &&
		view_get(guest, "guestinfo.cse.program"))
		disk->installed = true;
}

void played_step(struct sim *sim, struct guest *guest)
{
	CLEANUP(arena_reset)
	struct arena arena = {0};
	struct play play = {.sim = sim,
		.guest = guest,
		.disk = disk_of(sim->guests, guest->uuid),
		.arena = &arena};

	if (!play.disk->installed)
		return;
	if (!guest->played_begun) {
		if (!inputs_take(&play))
			return;
		boot_begin(&play);
	}
	phase_step(&play);
}
