/* SPDX-License-Identifier: MIT */
#include "config/check.h"

#include "common/str.h"
#include "config/params.h"

#include <arpa/inet.h>
#include <string.h>

enum { VCD_PATIENCE_MS = 10000 };

/* left must be smaller than right, or equal where that is allowed. */
struct rule {
	const char *left_name, *right_name;
	int64_t left, right;
	bool equal;
	const char *path[2]; /* keys to blame: the first that is not a default gives the place */
};

const char *config_origin(const struct config *config, const char *path)
{
	const struct param *param = param_find(path);

	return param && config->origins ? str_or(config->origins[param - params], "default")
					: "default";
}

static int fail(const struct config *config, const struct rule *rule, struct error *err)
{
	const char *where = config_origin(config, rule->path[0]);

	if (str_eq(where, "default"))
		where = config_origin(config, rule->path[1]);
	return error_set(err, ERR_INVALID, "%s: %s is %g, expected %s %s (%g)", where,
		rule->left_name, (double)rule->left / 1000, rule->equal ? "at most" : "less than",
		rule->right_name, (double)rule->right / 1000);
}

#define LESS(left_, right_)                                                                        \
	{                                                                                          \
		.left_name = (left_), .right_name = (right_), .left = time_of(config, left_),      \
		.right = time_of(config, right_), .path = {                                        \
			(left_),                                                                   \
			(right_)                                                                   \
		}                                                                                  \
	}

static int64_t time_of(const struct config *config, const char *path)
{
	const struct param *param = param_find(path);
	int64_t value = 0;

	if (param)
		memcpy(&value, (const char *)config + param->offset, sizeof(value));
	return value;
}

static int check_times(const struct config *config, struct error *err)
{
	const struct rule rules[] = {
		LESS("timing.last_mutation", "timing.pass"),
		LESS("timing.first_write", "timing.reply"),
		LESS("timing.identity_wait", "timing.first_write"),
		LESS("timing.vcd_call", "timing.pass"),
		/* Only a pass that can no longer run may be overtaken. */
		LESS("timing.pass", "timing.delete_wait"),
		LESS("timing.pass", "timing.drain"),
		LESS("timing.reply", "timing.orphan_request"),
		LESS("timing.pass", "timing.deadline_create"),
		LESS("timing.pass", "timing.deadline_update"),
		LESS("timing.pass", "timing.deadline_delete"),
		{.left_name = "timing.request_ttl + timing.reply",
			.right_name = "what VCD waits for an answer",
			.left = config->timing_request_ttl + config->timing_reply,
			.right = VCD_PATIENCE_MS,
			.equal = true,
			.path = {"timing.request_ttl", "timing.reply"}},
		/* The longest silence of an operation that lives. */
		{.left_name = "timing.claim_interval + timing.pass + the last of timing.rungs",
			.right_name = "timing.takeover",
			.left = config->timing_claim_interval + config->timing_pass +
				config->timing_rungs[ARRAY_LEN(config->timing_rungs) - 1],
			.right = config->timing_takeover,
			.path = {"timing.takeover", "timing.claim_interval"}},
		/* A pass must notice that its connection has died before it ends. */
		{.left_name = "twice broker.heartbeat_s",
			.right_name = "timing.pass",
			.left = 2000 * config->broker_heartbeat_s,
			.right = config->timing_pass,
			.path = {"broker.heartbeat_s", "timing.pass"}},
	};

	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		const struct rule *rule = &rules[i];

		if (rule->left > rule->right || (rule->left == rule->right && !rule->equal))
			return fail(config, rule, err);
	}
	return 0;
}

static int check_admin(const struct config *config, struct error *err)
{
	unsigned char address[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, config->admin_address, address) == 1 ||
		inet_pton(AF_INET6, config->admin_address, address) == 1)
		return 0;
	return error_set(err, ERR_INVALID,
		"%s: admin.address is \"%s\", expected an IPv4 or IPv6 address",
		config_origin(config, "admin.address"), config->admin_address);
}

static int check_rungs(const struct config *config, struct error *err)
{
	for (size_t i = 1; i < ARRAY_LEN(config->timing_rungs); i++) {
		if (config->timing_rungs[i] <= config->timing_rungs[i - 1])
			return error_set(err, ERR_INVALID,
				"%s: timing.rungs does not rise at its item %zu, expected rising "
				"times",
				config_origin(config, "timing.rungs"), i + 1);
	}
	return 0;
}

int config_check(const struct config *config, struct error *err)
{
	if (!strchr(config->vcd_user, '@'))
		return error_set(err, ERR_INVALID,
			"%s: vcd.user is \"%.80s\", expected user@organisation",
			config_origin(config, "vcd.user"), config->vcd_user);
	if (!config->broker_tls_cert_file != !config->broker_tls_key_file)
		return error_set(err, ERR_INVALID,
			"%s: broker.tls has only one of cert_file and key_file, expected both",
			config_origin(config, config->broker_tls_cert_file
						      ? "broker.tls.cert_file"
						      : "broker.tls.key_file"));
	/* A body travels as Base64, four characters for three bytes. */
	if (config->limits_body_bytes > config->limits_message_bytes / 4 * 3)
		return error_set(err, ERR_INVALID,
			"%s: limits.body_bytes is %lld, expected at most 3/4 of "
			"limits.message_bytes",
			config_origin(config, "limits.body_bytes"),
			(long long)config->limits_body_bytes);
	if (check_admin(config, err) < 0 || check_rungs(config, err) < 0)
		return -1;
	return check_times(config, err);
}
