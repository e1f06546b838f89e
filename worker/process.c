/* SPDX-License-Identifier: MIT */
#include "worker/process.h"

#include "common/log.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

enum { HEAPS = 2, TRIM_BYTES = 64 * 1024 };

void process_harden(void)
{
	const struct rlimit none = {0, 0};

	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)signal(SIGPIPE, SIG_IGN);
	/* A name server that never answers must not hold a thread longer than the drain lasts. */
	(void)setenv("RES_OPTIONS", "timeout:2 attempts:2", 0);
	(void)mallopt(M_ARENA_MAX, HEAPS);
	(void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
}

void process_set_log_level(const char *name)
{
	enum log_level level;

	if (log_level_parse(name, &level))
		log_set_level(level);
}
