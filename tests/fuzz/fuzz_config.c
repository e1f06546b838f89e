/* SPDX-License-Identifier: MIT */
#include "config/config.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config;
	struct error err = {0};
	char path[64];
	int file = memfd_create("config", 0);

	FUZZ_REQUIRE(file >= 0 && write(file, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	if (config_load(&config, path, &err) == 0)
		config_release(&config);
	else
		FUZZ_REQUIRE(err.msg[0]);
	close(file);
	return 0;
}
