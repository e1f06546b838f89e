/* SPDX-License-Identifier: MIT */
/* What the tests of the client against a running simulator share. */
#ifndef TESTS_VCD_LIVE_H
#define TESTS_VCD_LIVE_H

#include "config/config.h"
#include "worker/vcd/vcd.h"

#include <json-c/json.h>

/* VCD_LIVE_HOST, VCD_LIVE_CA and VCD_LIVE_ADMIN of the environment. False when they are not set. */
bool live_start(void);

/* A configuration with the service account's password, or another one. */
struct config live_config(const char *password, const char *password_file);

/* A session token of a tenant's user, "alice@tenant1". */
struct secret live_token(const char *user, const char *password);

/* One request to the admin port; the answer, NULL when it is no JSON. The caller releases it. */
struct json_object *live_admin(const char *method, const char *path, const char *body);

/*
 * Is this call of the client, made by that user, in worker/vcd/rights.def? `uri` is the path with
 * its query.
 */
bool live_call_is_known(const char *method, const char *uri, const char *user);

/* Fails the test with the error's text when result is not 0. */
#define OK(call)                                                                                   \
	do {                                                                                       \
		struct error *seen_ = &err;                                                        \
		*seen_ = (struct error){0};                                                        \
		if ((call) != 0)                                                                   \
			fail_msg("%s: %s", error_name(seen_->code), seen_->msg);                   \
	} while (0)

/* Fails unless the call fails with that class. */
#define FAILS(call, expected)                                                                      \
	do {                                                                                       \
		err = (struct error){0};                                                           \
		if ((call) == 0)                                                                   \
			fail_msg("no failure of: %s", #call);                                      \
		if (err.code != (expected))                                                        \
			fail_msg("%s: %s", error_name(err.code), err.msg);                         \
	} while (0)

#endif
