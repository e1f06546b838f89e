/* SPDX-License-Identifier: MIT */
/* Addresses, and what a NAT rule forwards. Pure. */
#include "worker/vcd/network.h"

#include "common/str.h"

#include <arpa/inet.h>

bool ip4_parse(const char *text, uint32_t *out)
{
	struct in_addr address;

	if (!text || inet_pton(AF_INET, text, &address) != 1)
		return false;
	*out = ntohl(address.s_addr);
	return true;
}

const char *ip4_text(struct arena *arena, uint32_t ip)
{
	return arena_printf(
		arena, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 0xff, ip >> 8 & 0xff, ip & 0xff);
}

bool nat_rule_forwards(const struct vcd_nat_rule *rule, const char *internal, int port)
{
	uint32_t address;
	int64_t number;

	return rule->enabled && str_eq(rule->type, "DNAT") && str_eq(rule->internal, internal) &&
	       ip4_parse(rule->external, &address) &&
	       str_to_int(rule->external_port, port, port, &number);
}
