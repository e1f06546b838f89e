/* SPDX-License-Identifier: MIT */
#include "worker/names.h"

#include "common/crypto.h"
#include "common/str.h"

#include <ctype.h>
#include <string.h>

static const char rule_suffix[] = "_expose_dnat";

enum { SUFFIX_LEN = 4 };

static const char *const prefixes[] = {
	[ROLE_CONTROL_PLANE] = "mstr-",
	[ROLE_WORKER] = "node-",
	[ROLE_NFS] = "nfsd-",
};
static const char *const role_words[] = {
	[ROLE_CONTROL_PLANE] = "control-plane",
	[ROLE_WORKER] = "worker",
	[ROLE_NFS] = "nfs",
};
static const char base36[] = "0123456789abcdefghijklmnopqrstuvwxyz";

bool cluster_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > CLUSTER_NAME_MAX || !isascii(name[0]) || !isalpha(name[0]))
		return false;
	for (size_t i = 1; i < len; i++) {
		if (!isascii(name[i]) || (!isalnum(name[i]) && name[i] != '-'))
			return false;
	}
	return true;
}

static uint64_t digest_number(const char *text)
{
	unsigned char digest[32];
	uint64_t number = 0;

	crypto_sha256(digest, text, strlen(text));
	for (size_t i = 0; i < sizeof(number); i++)
		number = number << 8 | digest[i];
	return number;
}

static bool is_taken(const char *name, const char *const *taken)
{
	for (; taken && *taken; taken++) {
		if (str_eq(name, *taken))
			return true;
	}
	return false;
}

const char *vm_name(struct arena *arena, const char *cluster_urn, enum role role,
	const char *operation_id, unsigned index, const char *const *taken)
{
	for (unsigned counter = 0;; counter++) {
		uint64_t number = digest_number(arena_printf(arena, "%s|%s|%s|%u|%u", cluster_urn,
			role_words[role], operation_id, index, counter));
		char suffix[SUFFIX_LEN + 1] = "";
		const char *name;

		for (size_t i = 0; i < SUFFIX_LEN; i++, number /= 36)
			suffix[i] = base36[number % 36];
		name = arena_printf(arena, "%s%s", prefixes[role], suffix);
		if (!is_taken(name, taken))
			return name;
	}
}

void vm_names(struct arena *arena, const char *cluster_urn, const char *operation_id,
	unsigned workers, const char **out)
{
	const char **taken = arena_alloc(arena, (workers + 2) * sizeof(*taken));

	for (unsigned i = 0; i <= workers; i++) {
		out[i] = vm_name(arena, cluster_urn, i ? ROLE_WORKER : ROLE_CONTROL_PLANE,
			operation_id, i ? i - 1 : 0, taken);
		taken[i] = out[i];
	}
}

bool vm_role(const char *name, enum role *out)
{
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		if (str_starts(name, prefixes[i])) {
			*out = (enum role)i;
			return true;
		}
	}
	return false;
}

const char *nat_rule_name(struct arena *arena, const char *cluster, const char *entity_urn)
{
	return arena_printf(arena, "%s_%s%s", cluster, entity_urn, rule_suffix);
}

const char *nat_rule_entity(const char *name, size_t *len)
{
	static const char opening[] = "_urn:vcloud:entity:";
	const char *last = NULL;

	for (const char *at = strstr(name, opening); at; at = strstr(at + 1, opening))
		last = at;
	if (!last || !str_ends(name, rule_suffix))
		return NULL;
	*len = strlen(last + 1) - strlen(rule_suffix);
	return last + 1;
}

bool nat_rule_is_of(const char *name, const char *entity_urn)
{
	size_t len;
	const char *urn = nat_rule_entity(name, &len);

	return urn && len == strlen(entity_urn) && !strncmp(urn, entity_urn, len);
}

uint32_t address_seed(const char *cluster_urn)
{
	return (uint32_t)digest_number(cluster_urn);
}
