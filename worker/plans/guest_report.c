/* SPDX-License-Identifier: MIT */
#include "worker/plans/guest_report.h"

#include "common/base64.h"
#include "common/crypto.h"
#include "common/redact.h"
#include "common/str.h"
#include "worker/kubeconfig.h"

#include <string.h>

enum {
	PHASE_MAX = 256,
	ERROR_MAX = 4096,
	REPORT_MAX = 32 * 1024,
	KUBECONFIG_MAX = 64 * 1024,
	EVIDENCE_MAX = 400,
};

static const char *const phase_names[] = {
	[GUEST_NONE] = "",
	[GUEST_SYSTEM] = "system",
	[GUEST_IMAGES] = "images",
	[GUEST_INIT] = "init",
	[GUEST_CNI] = "cni",
	[GUEST_NODES] = "nodes",
	[GUEST_PUBLISH] = "publish",
	[GUEST_JOIN] = "join",
};
static const char *const status_names[] = {
	[GUEST_RUNNING] = "running",
	[GUEST_DONE] = "done",
	[GUEST_FAILED] = "failed",
};

const char *guest_phase_name(enum guest_phase phase)
{
	return phase_names[phase];
}

/* "v1 <seq> <rest…> <mac>": the words between, NULL when the code does not fit. */
static char *value_verified(struct arena *arena, const struct secret *key, const char *kind,
	const char *vm, const char *value, size_t max)
{
	CLEANUP(secret_release)
	struct secret said = {0};
	CLEANUP(secret_release)
	struct secret ours = {0};
	char expected[CRYPTO_SHA256_HEX];
	const char *seq, *mac, *text;
	char *rest;
	int64_t number;

	if (!value || strnlen(value, max + 1) > max || !str_starts(value, "v1 "))
		return NULL;
	rest = arena_strdup(arena, value + strlen("v1 "));
	seq = rest;
	rest = strchr(rest, ' ');
	if (!rest)
		return NULL;
	*rest++ = '\0';
	mac = strrchr(rest, ' ');
	if (!mac || !str_to_int(seq, 1, INT64_MAX, &number))
		return NULL;
	rest[mac - rest] = '\0';
	mac++;
	/* A phase is two words on the wire and "phase|status" under the code. */
	text = arena_strdup(arena, rest);
	for (char *blank = strchr(rest, ' '); blank; blank = strchr(blank, ' '))
		*blank = '|';
	rest = arena_strdup(arena, rest);
	value = arena_printf(arena, "%s|%s|%s|%s", kind, vm, seq, rest);
	crypto_hmac_hex(expected, key, value, strlen(value));
	said = secret_new(mac, strlen(mac));
	ours = secret_new(expected, strlen(expected));
	return secret_equal(&said, &ours) ? arena_strdup(arena, text) : NULL;
}

/* The decoded text of an authentic value; NULL otherwise. */
static char *text_verified(struct arena *arena, const struct secret *key, const char *kind,
	const char *vm, const char *value, size_t max)
{
	char *text = value_verified(arena, key, kind, vm, value, max);
	size_t len = 0;

	if (!text)
		return NULL;
	text = base64_decode(arena, text, &len);
	return text && len && strlen(text) == len ? text : NULL;
}

static bool phase_of_role(enum guest_phase phase, enum role role)
{
	if (phase == GUEST_NONE)
		return false;
	if (phase == GUEST_JOIN)
		return role == ROLE_WORKER;
	return role == ROLE_CONTROL_PLANE || phase <= GUEST_IMAGES;
}

static void phase_read(struct guest_report *out, enum role role, const char *text)
{
	size_t word = strcspn(text, " ");

	for (size_t i = 0; i < ARRAY_LEN(phase_names); i++) {
		if (strlen(phase_names[i]) != word || strncmp(text, phase_names[i], word) != 0)
			continue;
		if (!phase_of_role((enum guest_phase)i, role) || !text[word])
			return;
		for (size_t j = 0; j < ARRAY_LEN(status_names); j++) {
			if (str_eq(text + word + 1, status_names[j])) {
				out->phase = (enum guest_phase)i;
				out->status = (enum guest_status)j;
			}
		}
	}
}

/* "v1 <seq> <phase> <status> <mac>", whoever it is from: has the node become one of a cluster? */
static bool says_made(struct arena *arena, enum role role, const char *value)
{
	enum guest_phase made = role == ROLE_CONTROL_PLANE ? GUEST_INIT : GUEST_JOIN;
	struct guest_report said = {.phase = GUEST_NONE};
	const char *start;
	char *text, *mac;

	if (!value || strnlen(value, PHASE_MAX + 1) > PHASE_MAX || !str_starts(value, "v1 "))
		return false;
	start = strchr(value + strlen("v1 "), ' ');
	text = arena_strdup(arena, start ? start + 1 : "");
	mac = strrchr(text, ' ');
	if (mac)
		*mac = '\0';
	phase_read(&said, role, text);
	return guest_finished(&said, made);
}

/* A copy with '?' for what is no printable ASCII, and blanks for line breaks unless they stay. */
static char *printable(struct arena *arena, const char *text, bool lines)
{
	char *copy = arena_strdup(arena, text);

	for (char *at = copy; *at; at++) {
		if (*at == '\n')
			*at = lines ? '\n' : ' ';
		else if (*at < ' ' || *at > '~')
			*at = '?';
	}
	return copy;
}

/* One line: the last part, which names the failure, is what is kept. */
static const char *last_part(struct arena *arena, const char *text)
{
	size_t len = strlen(text);

	return printable(arena, len > EVIDENCE_MAX ? text + len - EVIDENCE_MAX : text, false);
}

/* What follows the mark in its first line: the innermost command, as the bootstrap's trap names it.
 */
static const char *failing_command(struct arena *arena, const char *text)
{
	static const char mark[] = "cse: failed: ";
	const char *at = strstr(text, mark);

	if (!at)
		return "";
	at += strlen(mark);
	return arena_strndup(arena, at, strcspn(at, "\n"));
}

/* The value of a line "key=value"; "" when there is none. */
static const char *line_value(struct arena *arena, const char *text, const char *key)
{
	size_t len, key_len = strlen(key);
	const char *line;

	while ((line = str_next(&text, '\n', &len))) {
		if (len > key_len && !strncmp(line, key, key_len) && line[key_len] == '=')
			return arena_strndup(arena, line + key_len + 1, len - key_len - 1);
	}
	return "";
}

/* One that can be opened: it is handed out only later. */
static bool has_kubeconfig(
	struct arena *arena, const struct secret *key, const char *vm, const char *value)
{
	struct error ignored;
	size_t len = 0;
	char *text;

	if (!value || strnlen(value, KUBECONFIG_MAX + 1) > KUBECONFIG_MAX)
		return false;
	return kubeconfig_open(&text, &len, arena, key, vm, value, &ignored) == 0 && len > 0;
}

struct guest_report guest_report_read(struct arena *arena, const struct secret *key, const char *vm,
	enum role role, const struct guest_values *values)
{
	struct guest_report out = {
		.error = "", .command = "", .evidence = "", .sans = "", .nodes = "", .kubelet = ""};
	const char *text;

	out.says_made = says_made(arena, role, values->phase);
	if (secret_empty(key))
		return out;
	text = value_verified(arena, key, "phase", vm, values->phase, PHASE_MAX);
	if (text)
		phase_read(&out, role, text);
	text = text_verified(arena, key, "error", vm, values->error, ERROR_MAX);
	if (text) {
		out.evidence = printable(arena, redact(arena, text), true);
		out.error = last_part(arena, out.evidence);
		out.command = failing_command(arena, out.evidence);
	}
	text = text_verified(arena, key, "report", vm, values->report, REPORT_MAX);
	if (text) {
		out.has_report = true;
		out.sans = line_value(arena, text, "sans");
		out.nodes = line_value(arena, text, "nodes");
		out.kubelet = line_value(arena, text, "kubelet");
	}
	out.has_kubeconfig = has_kubeconfig(arena, key, vm, values->kubeconfig);
	return out;
}

bool guest_finished(const struct guest_report *report, enum guest_phase phase)
{
	if (report->phase == phase)
		return report->status == GUEST_DONE;
	return report->phase > phase;
}

bool guest_list_has(const char *list, const char *item)
{
	size_t len, item_len = strlen(item);
	const char *start;

	while ((start = str_next(&list, ',', &len))) {
		if (len == item_len && !strncmp(start, item, len))
			return true;
	}
	return false;
}
