/* SPDX-License-Identifier: MIT */
/*
 * The configuration: one table (params.def) parses, ranges, documents and prints every key. The
 * only reader of configuration files and of the environment. Constant once loaded.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "common/arena.h"
#include "common/error.h"
#include "common/secret.h"

#include <stdio.h>

struct config_strings {
	const char **items;
	size_t count;
};

/* One member per row of params.def, named after its path with '.' turned into '_'. */
struct config {
	struct arena arena;   /* owns every string */
	const char **origins; /* where each row's value came from, in the order of the table */
	const char *deployment;
	const char *log_level;

	struct config_strings broker_hosts;
	const char *broker_vhost, *broker_user, *broker_password_file;
	int64_t broker_heartbeat_s;
	bool broker_tls_enabled;
	const char *broker_tls_ca_file, *broker_tls_cert_file, *broker_tls_key_file;
	struct secret broker_password; /* read from its file at load */

	const char *queues_exchange, *queues_routing_key, *queues_prefix;
	const char *queues_declare; /* "active" or "passive" */

	const char *vcd_host, *vcd_ca_file, *vcd_user, *vcd_password_file, *vcd_api_version;
	struct secret vcd_password;

	const char *catalog_org, *catalog_name, *catalog_default_template;
	int64_t catalog_default_revision;

	int64_t threads_request, threads_operation;
	int64_t limits_message_bytes, limits_body_bytes, limits_json_depth;

	int64_t admin_port; /* 0: none */
	const char *admin_address;

	/* timing: all in milliseconds here; the file gives seconds, fractions allowed ("4.5"). */
	int64_t timing_pass, timing_last_mutation, timing_claim_interval, timing_takeover,
		timing_orphan_request, timing_delete_wait, timing_reply, timing_first_write,
		timing_request_ttl, timing_identity_wait, timing_cache, timing_vcd_call,
		timing_resync, timing_drain, timing_deadline_create, timing_deadline_update,
		timing_deadline_delete;
	int64_t timing_rungs[4]; /* "1 5 15 60" */
};

/* Loads file (defaults < file < environment CSE_WORKER_<PATH>). INVALID: file, line, column,
 * expected. */
int config_load(struct config *out, const char *path, struct error *err) MUST_CHECK;
void config_release(struct config *config);

/*
 * The two halves of config_load: values only, without opening a file that they name; then those
 * files, and the secrets out of them.
 */
int config_read(struct config *out, const char *path, struct error *err) MUST_CHECK;
int config_read_secrets(struct config *config, struct error *err) MUST_CHECK;

/* A file that a key names. Borrowed from the configuration. */
struct config_file {
	const char *key, *path, *origin;
	bool secret; /* others must not be able to read it */
};
/* The index-th key that names a file and is set; false behind the last. */
bool config_file_at(const struct config *config, size_t index, struct config_file *out) MUST_CHECK;
/* INVALID: it cannot be read, is no regular file, or is a secret that others can use. */
int config_file_check(const struct config_file *file, struct error *err) MUST_CHECK;

/* Every key with its value and where it came from; secrets are not in the table. */
void config_print(const struct config *config, FILE *out);
/* The annotated example, generated from the table: config/cse-worker.yaml is this output. */
void config_print_example(FILE *out);

#endif
