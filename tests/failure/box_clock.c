/* SPDX-License-Identifier: MIT */
/*
 * A frozen process finds its clock moved on when it wakes up. A test that freezes a worker for a
 * minute need not wait: the milliseconds that stand in the file CSE_BOX_CLOCK are added to the
 * worker's clock (the linker's --wrap).
 */
#include "common/clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int64_t __real_clock_ms(void);
int64_t __wrap_clock_ms(void);

static _Atomic int64_t *ahead;

static void open_clock(void)
{
	const char *path = getenv("CSE_BOX_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *page = MAP_FAILED;

	if (fd >= 0) {
		page = mmap(NULL, sizeof(*ahead), PROT_READ, MAP_SHARED, fd, 0);
		(void)close(fd);
	}
	ahead = page == MAP_FAILED ? NULL : page;
}

int64_t __wrap_clock_ms(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, open_clock);
	return __real_clock_ms() + (ahead ? atomic_load(ahead) : 0);
}
