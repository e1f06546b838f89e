/* SPDX-License-Identifier: MIT */
/*
 * The worker's own session with VCD, one for all threads. A thread that finds no token logs in
 * while the others wait; the lock is never held during that call.
 */
#include "worker/vcd/client.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/str.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * After a refused login nobody tries again for a while: VCD locks an account after a few wrong
 * passwords, and dozens of threads would see to that within a second.
 */
enum { REFUSED_PAUSE_MS = 30000, LOGOUT_MS = 2000, WAIT_STEP_MS = 250 };

struct vcd_shared {
	const struct config *config;
	struct vcd_watch watch; /* constant once threads run */
	pthread_mutex_t lock; /* protects everything below it; nothing is called while it is held */
	pthread_cond_t changed;
	struct secret token;   /* empty: not logged in */
	unsigned generation;   /* of the token: counts the logins */
	bool logging_in;       /* a thread is at it */
	unsigned failures;     /* counts failed logins, so that waiters see one */
	struct error failure;  /* of the latest failed login */
	int64_t refused_until; /* clock_ms(); 0: never refused */
	struct secret password;
};

struct vcd_shared *vcd_shared_new(const struct config *config)
{
	struct vcd_shared *shared = xcalloc(1, sizeof(*shared));
	pthread_condattr_t attributes;

	shared->config = config;
	shared->password = secret_copy(&config->vcd_password);
	pthread_mutex_init(&shared->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&shared->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	return shared;
}

const struct config *session_config(const struct vcd_shared *shared)
{
	return shared->config;
}

const struct vcd_watch *session_watch(const struct vcd_shared *shared)
{
	return &shared->watch;
}

void vcd_shared_watch(struct vcd_shared *shared, const struct vcd_watch *watch)
{
	shared->watch = *watch;
}

int vcd_shared_ready(struct vcd_shared *shared, struct error *err)
{
	int status = 0;

	pthread_mutex_lock(&shared->lock);
	if (secret_empty(&shared->token)) {
		*err = shared->failure;
		status = -1;
	}
	pthread_mutex_unlock(&shared->lock);
	if (status && err->code == ERR_NONE)
		return error_set(err, ERR_TRANSIENT, "service session: not logged in yet");
	return status;
}

/* Best effort: a session that stays behind ends by itself when idle. */
static void log_out(struct vcd_shared *shared)
{
	CLEANUP(vcd_free)
	struct vcd *vcd = vcd_new(shared, NULL, NULL);
	struct arena arena = {0};
	struct http_request request = {.method = "DELETE", .bearer = &shared->token};
	struct http_response response;
	struct error err;
	int64_t end_ms = clock_ms() + LOGOUT_MS;

	vcd_begin(vcd, &arena, end_ms, end_ms);
	request.accept = vcd_accept_xml(vcd);
	if (vcd_exchange(
		    vcd, "/api/session", &request, "service session: log out", &response, &err) < 0)
		log_event(LOG_WARN, "session.logout_failed", LOG_STR("reason", err.msg));
	arena_reset(&arena);
}

void vcd_shared_free(struct vcd_shared **shared)
{
	struct vcd_shared *own = *shared;

	if (!own)
		return;
	if (!secret_empty(&own->token))
		log_out(own);
	secret_release(&own->token);
	secret_release(&own->password);
	pthread_cond_destroy(&own->changed);
	pthread_mutex_destroy(&own->lock);
	free(own);
	*shared = NULL;
}

/* Users of the System org have a login of their own; VCD refuses each at the other's. */
static const char *login_path(const struct config *config)
{
	const char *org = strrchr(config->vcd_user, '@');

	return org && str_eq_ci(org + 1, "System") ? "/cloudapi/1.0.0/sessions/provider"
						   : "/cloudapi/1.0.0/sessions";
}

/* POST …/sessions[/provider]. DENIED when VCD refuses user or password. */
static int log_in(
	struct vcd *vcd, const struct secret *password, struct secret *out, struct error *err)
{
	static const char what[] = "service session: log in";
	CLEANUP(free_str)
	char *text = xasprintf("%s:%s", vcd->config->vcd_user, secret_reveal(password));
	CLEANUP(secret_release)
	struct secret basic = secret_new(text, strlen(text));
	struct http_request request = {
		.method = "POST",
		.accept = vcd_accept_json(vcd),
		.basic = &basic,
	};
	struct http_response response;
	int64_t mutate_until_ms = vcd->mutate_until_ms;
	int failed;

	explicit_bzero(text, strlen(text));
	/* A login changes nothing that the limit on changes is there for. */
	vcd->mutate_until_ms = vcd->end_ms;
	failed = vcd_exchange(vcd, login_path(vcd->config), &request, what, &response, err);
	vcd->mutate_until_ms = mutate_until_ms;
	if (failed)
		return -1;
	if (response.status == 401)
		return error_set(err, ERR_DENIED,
			"%s: VCD refuses the worker's own user or its password", what);
	if (vcd->fault.status)
		return fault_set(vcd, what, err);
	if (!*response.token)
		return error_set(err, ERR_TRANSIENT, "%s: the answer has no token", what);
	*out = secret_new(response.token, strlen(response.token));
	explicit_bzero(response.token, strlen(response.token));
	return 0;
}

/* Is there a new password in the file? Takes it. */
static bool reread_password(const struct config *config, struct secret *password)
{
	struct error err;
	struct secret fresh = {0};

	if (str_empty(config->vcd_password_file))
		return false;
	if (secret_read_file(&fresh, config->vcd_password_file, &err) < 0) {
		log_event(LOG_WARN, "session.password_unreadable", LOG_STR("reason", err.msg));
		return false;
	}
	if (secret_equal(&fresh, password)) {
		secret_release(&fresh);
		return false;
	}
	secret_release(password);
	*password = fresh;
	return true;
}

static struct secret copy_password(struct vcd_shared *shared)
{
	struct secret copy;

	pthread_mutex_lock(&shared->lock);
	copy = secret_copy(&shared->password);
	pthread_mutex_unlock(&shared->lock);
	return copy;
}

/* Stores what a login has brought and wakes the waiters; takes token and password. */
static void publish(struct vcd_shared *shared, struct secret *token, struct secret *password,
	const struct error *failure)
{
	pthread_mutex_lock(&shared->lock);
	shared->logging_in = false;
	secret_release(&shared->password);
	shared->password = *password;
	if (failure) {
		shared->failures++;
		shared->failure = *failure;
		/* Whoever needed the session may succeed once somebody has mended it. */
		shared->failure.code = ERR_TRANSIENT;
		if (failure->code == ERR_DENIED)
			shared->refused_until = clock_ms() + REFUSED_PAUSE_MS;
	} else {
		secret_release(&shared->token);
		shared->token = *token;
		shared->generation++;
		shared->refused_until = 0;
	}
	pthread_cond_broadcast(&shared->changed);
	pthread_mutex_unlock(&shared->lock);
}

static void renew(struct vcd *vcd)
{
	const struct vcd_watch *watch = session_watch(vcd->shared);
	struct secret password = copy_password(vcd->shared);
	struct secret token = {0};
	struct error err = {0};
	int failed = log_in(vcd, &password, &token, &err);

	if (failed && err.code == ERR_DENIED && reread_password(vcd->config, &password)) {
		log_event(LOG_INFO, "session.password_reread",
			LOG_STR("user", vcd->config->vcd_user));
		failed = log_in(vcd, &password, &token, &err);
	}
	if (failed)
		log_event(err.code == ERR_DENIED ? LOG_ERROR : LOG_WARN, "session.login_failed",
			LOG_STR("user", vcd->config->vcd_user), LOG_STR("reason", err.msg));
	else
		log_event(LOG_DEBUG, "session.started", LOG_STR("user", vcd->config->vcd_user));
	if (watch->login)
		watch->login(watch->data, !failed);
	publish(vcd->shared, &token, &password, failed ? &err : NULL);
}

/* Waits a moment for another thread's login; the lock is held before and after. */
static void wait_a_moment(struct vcd_shared *shared)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += WAIT_STEP_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_cond_timedwait(&shared->changed, &shared->lock, &until);
}

enum look { LOOK_TOKEN, LOOK_LOGIN, LOOK_WAIT, LOOK_FAILED };

/* What is to be done for a token; `failures` is the number of failed logins at the start. */
static enum look look_for_token(struct vcd_shared *shared, unsigned failures, struct secret *out,
	unsigned *generation, struct error *err)
{
	enum look result = LOOK_WAIT;

	pthread_mutex_lock(&shared->lock);
	if (shared->logging_in)
		wait_a_moment(shared);
	if (!secret_empty(&shared->token)) {
		*out = secret_copy(&shared->token);
		*generation = shared->generation;
		result = LOOK_TOKEN;
	} else if (shared->failures != failures || clock_ms() < shared->refused_until) {
		*err = shared->failure;
		result = LOOK_FAILED;
	} else if (!shared->logging_in) {
		shared->logging_in = true;
		result = LOOK_LOGIN;
	}
	pthread_mutex_unlock(&shared->lock);
	return result;
}

static unsigned count_failures(struct vcd_shared *shared)
{
	unsigned failures;

	pthread_mutex_lock(&shared->lock);
	failures = shared->failures;
	pthread_mutex_unlock(&shared->lock);
	return failures;
}

int session_token(struct vcd *vcd, struct secret *out, unsigned *generation, struct error *err)
{
	unsigned failures = count_failures(vcd->shared);

	while (clock_ms() < vcd->end_ms) {
		switch (look_for_token(vcd->shared, failures, out, generation, err)) {
		case LOOK_TOKEN:
			return 0;
		case LOOK_FAILED:
			return -1;
		case LOOK_LOGIN:
			renew(vcd);
			break;
		case LOOK_WAIT:
			if (!vcd_tick(vcd))
				return error_set(err, ERR_TRANSIENT,
					"service session: given up while waiting for the login");
			break;
		}
	}
	return error_set(err, ERR_TRANSIENT, "service session: out of time before the login");
}

int vcd_log_in(struct vcd *vcd, struct error *err)
{
	CLEANUP(secret_release)
	struct secret token = {0};
	unsigned generation;

	return session_token(vcd, &token, &generation, err);
}

void session_forget(struct vcd_shared *shared, unsigned generation)
{
	pthread_mutex_lock(&shared->lock);
	if (shared->generation == generation)
		secret_release(&shared->token);
	pthread_mutex_unlock(&shared->lock);
}
