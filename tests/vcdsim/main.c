/* SPDX-License-Identifier: MIT */
/* vcdsim: VMware Cloud Director, its edge and its guests in one program, for demo and tests. */
#include "common/clock.h"
#include "common/mem.h"
#include "common/str.h"
#include "common/xml.h"
#include "tests/vcdsim/admin.h"
#include "tests/vcdsim/body.h"
#include "tests/vcdsim/bridge.h"
#include "tests/vcdsim/guests.h"
#include "tests/vcdsim/http.h"
#include "tests/vcdsim/options.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { TICK_MS = 20, SETTINGS_MAX = 32 };

struct arguments {
	const char *seed, *dir, *listen, *public_address, *admin;
	struct sim_amqp amqp;
	const char *settings[SETTINGS_MAX]; /* NAME=VALUE */
	size_t setting_count;
};

static const char usage[] =
	"usage: vcdsim --seed FILE --dir DIR [--listen 127.0.0.1:PORT] [--admin 127.0.0.1:PORT]\n"
	"              [--public HOST:PORT (in links, where clients meet a proxy)]\n"
	"              [--amqp-host HOST --amqp-port N --amqp-user U --amqp-password-file F\n"
	"               --amqp-vhost V] [--set NAME=VALUE]...\n";

static int parse_arguments(int argc, char **argv, struct arguments *out, struct error *err)
{
	static const struct option names[] = {{"seed", 1, NULL, 's'}, {"dir", 1, NULL, 'd'},
		{"listen", 1, NULL, 'l'}, {"admin", 1, NULL, 'a'}, {"amqp-host", 1, NULL, 'h'},
		{"amqp-port", 1, NULL, 'p'}, {"amqp-user", 1, NULL, 'u'},
		{"amqp-password-file", 1, NULL, 'f'}, {"amqp-vhost", 1, NULL, 'v'},
		{"set", 1, NULL, 'o'}, {"public", 1, NULL, 'b'}, {0}};
	const char **const targets[128] = {['s'] = &out->seed,
		['d'] = &out->dir,
		['l'] = &out->listen,
		['a'] = &out->admin,
		['b'] = &out->public_address,
		['h'] = &out->amqp.host,
		['u'] = &out->amqp.user,
		['f'] = &out->amqp.password_file,
		['v'] = &out->amqp.vhost};
	int64_t port;
	int name;

	while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (name == 'p' && str_to_int(optarg, 1, 65535, &port))
			out->amqp.port = (int)port;
		else if (name == 'o' && out->setting_count < SETTINGS_MAX)
			out->settings[out->setting_count++] = optarg;
		else if (name > 0 && name < 128 && targets[name] != NULL)
			*targets[name] = optarg;
		else
			return error_set(err, ERR_INVALID, "wrong arguments");
	}
	if (optind != argc || out->seed == NULL || out->dir == NULL)
		return error_set(err, ERR_INVALID, "--seed and --dir are needed");
	return 0;
}

static int apply_settings(struct sim *sim, const struct arguments *arguments, struct error *err)
{
	for (size_t i = 0; i < arguments->setting_count; i++) {
		const char *equals = strchr(arguments->settings[i], '=');
		int64_t value;

		if (equals == NULL || !str_to_int(equals + 1, 0, INT64_MAX, &value))
			return error_set(err, ERR_INVALID, "'%s' is not NAME=NUMBER",
				arguments->settings[i]);
		CLEANUP(free_str)
		char *name =
			xstrndup(arguments->settings[i], (size_t)(equals - arguments->settings[i]));

		if (options_set(&sim->options, name, value, err) != 0)
			return -1;
	}
	return 0;
}

static int start(struct sim *sim, const struct arguments *arguments, struct error *err)
{
	if (mkdir(arguments->dir, 0700) != 0 && errno != EEXIST)
		return error_sys(err, ERR_INTERNAL, errno, "cannot make %s", arguments->dir);
	sim->dir = arguments->dir;
	sim->amqp = arguments->amqp;
	sim->public_address = arguments->public_address;
	if (state_load(sim, arguments->seed, err) != 0 ||
		apply_settings(sim, arguments, err) != 0 || xsd_load(err) != 0)
		return -1;
	if (guests_start(sim, err) != 0)
		return error_wrap(err, "guests");
	if (sim->amqp.host != NULL && bridge_start(sim, err) != 0)
		return error_wrap(err, "bridge");
	if (http_start(sim, arguments->listen, err) != 0)
		return error_wrap(err, "API");
	return admin_start(sim, arguments->admin, err);
}

/* The handlers of the open connections may still wait for something: `stopping` ends that. */
static void stop(struct sim *sim)
{
	pthread_mutex_lock(&sim->lock);
	sim->stopping = true;
	pthread_mutex_unlock(&sim->lock);
	admin_stop(sim);
	if (sim->amqp.host != NULL)
		bridge_stop(sim);
	http_stop(sim);
	guests_stop(sim);
	xsd_unload();
	state_free(sim);
}

/* Moves tasks and guests on until a signal says to end. */
static void run(struct sim *sim, const sigset_t *ends)
{
	const struct timespec tick = {.tv_nsec = TICK_MS * 1000000L};

	while (sigtimedwait(ends, NULL, &tick) < 0) {
		pthread_mutex_lock(&sim->lock);
		state_tick(sim);
		pthread_mutex_unlock(&sim->lock);
	}
}

int main(int argc, char **argv)
{
	struct arguments arguments = {.listen = "127.0.0.1:0",
		.admin = "127.0.0.1:0",
		.amqp = {.port = 5672, .user = "guest", .vhost = "/"}};
	struct sim sim = {0};
	struct error err;
	sigset_t ends;

	if (parse_arguments(argc, argv, &arguments, &err) != 0) {
		fprintf(stderr, "vcdsim: %s\n%s", err.msg, usage);
		return 2;
	}
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	xml_startup();
	int result = start(&sim, &arguments, &err);

	if (result == 0) {
		printf("{\"url\":\"%s\",\"direct\":\"%s\",\"admin\":\"http://127.0.0.1:%d\","
		       "\"ca_file\":\"%s/ca.pem\"}\n",
			sim_base_url(&sim), sim.own_url, admin_port(&sim), arguments.dir);
		fflush(stdout);
		run(&sim, &ends);
	} else {
		fprintf(stderr, "vcdsim: %s\n", err.msg);
	}
	stop(&sim);
	return result == 0 ? 0 : 1;
}
