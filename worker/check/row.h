/* SPDX-License-Identifier: MIT */
/* What the files of check/ share: one row of the table, and what a row finds. */
#ifndef WORKER_CHECK_ROW_H
#define WORKER_CHECK_ROW_H

#include "common/amqp.h"
#include "config/config.h"
#include "worker/cluster.h"
#include "worker/vcd/org.h"

#include <stdio.h>

enum check_result { CHECK_OK, CHECK_WARN, CHECK_FAIL, CHECK_SKIPPED, CHECK_RESULTS };
enum check_group { CHECK_LOCAL, CHECK_BROKER, CHECK_VCD, CHECK_GROUPS };

struct check;
struct check_task;

struct check_row {
	const char *name, *needs;
	enum check_group group;
	int64_t limit_ms;
	bool always;
	void (*run)(struct check *check);
};

/* One line of the report. Strings live in the check's arena or longer. */
struct check_finding {
	struct check_finding *next;
	enum check_result result;
	const char *object; /* what it is about; "" when the name of the check says it */
	const char *found, *remedy;
};

/* What a check leaves for those that need it. Only they read it, so no two threads do. */
struct check_state {
	const char *config_path;
	struct config config;
	struct bus *bus; /* NULL until broker.login */
	struct vcd_shared *vcd_shared;
	struct vcd *vcd;
	struct vcd_session session;
	struct vcd_ref *items; /* of the catalog */
	size_t item_count;
	struct cluster_template *templates; /* the usable ones among them */
	size_t template_count;
	struct check_task *tasks; /* unfinished ones */
	size_t task_count;
};

/* One row at work; its findings, and the arena that they and its part of the state live in. */
struct check {
	const struct check_row *row;
	struct check_state *state;
	struct arena arena;
	int64_t end_ms; /* clock_ms(): no later */
	struct check_finding *first, **last;
};

extern const struct check_row check_rows[];
extern const size_t check_row_count;

/* Adds a finding; object and remedy are borrowed. A warning or a failure always has a remedy. */
void check_add(struct check *check, enum check_result result, const char *object,
	const char *remedy, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* The worst of its findings; a check without any is ok. */
enum check_result check_worst(const struct check *check);
int check_left_ms(const struct check *check); /* at least 1 */

/*
 * Runs the rows in their order, each within its limit and in a thread of its own, and hands each to
 * `done` when it is over. False when one did not come back: its thread still runs, so nothing that
 * rows share may be freed.
 */
bool check_rows_run(struct check **checks, const struct check_row *rows, size_t count,
	struct check_state *state, bool extra, void (*done)(const struct check *check, void *data),
	void *data) MUST_CHECK;
void check_free(struct check **check);

/* report.c: one line per finding; then the totals, or everything as one JSON object. */
void check_print_lines(const struct check *check, FILE *out);
void check_print_totals(struct check *const *checks, size_t count, FILE *out);
void check_print_json(
	struct check *const *checks, size_t count, const struct config *config, FILE *out);
const char *check_result_name(enum check_result result);
void check_count(struct check *const *checks, size_t count, size_t totals[CHECK_RESULTS]);

/* local.c */
void check_config(struct check *check);
void check_secret_files(struct check *check);

/* admin.c */
void check_admin(struct check *check);

/* broker.c */
void check_broker_tls(struct check *check);
void check_broker_login(struct check *check);
void check_exchanges(struct check *check);
void check_queues(struct check *check);

/* vcd.c */
void check_vcd_tls(struct check *check);
void check_vcd_version(struct check *check);
void check_clock(struct check *check);
void check_vcd_login(struct check *check);
void check_rights(struct check *check);
void check_entity_type(struct check *check);
/* The client, bounded by the check's limit; no call that changes anything is started with it. */
struct vcd *check_vcd(struct check *check);
/* What to do about a call that failed without a remedy of its own. */
const char *check_vcd_remedy(const struct error *err);

/* templates.c */
void check_catalog(struct check *check);
void check_templates(struct check *check);
void check_default_template(struct check *check);

/* tasks.c */
void check_tasks(struct check *check);
void check_orphans(struct check *check);

/* tls.c: one finding about the certificate at host:port; false with `worst` when it is no good. */
bool check_certificate(
	struct check *check, const char *address, const char *ca_file, enum check_result worst);

#endif
