/* SPDX-License-Identifier: MIT */
/*
 * The programs that run in a cluster's nodes, as text. Values never go into them: the nodes read
 * those from ExtraConfig.
 */
#ifndef WORKER_GUEST_GUEST_H
#define WORKER_GUEST_GUEST_H

#include <stddef.h>

/* Guest customization script, NUL-terminated, at most 1 KB: fetches and starts the program. */
extern const char guest_stub[];
extern const size_t guest_stub_size; /* without the NUL */

/* Value of guestinfo.cse.program: Base64 of the gzip-packed bash program, NUL-terminated. */
extern const char guest_program[];
extern const size_t guest_program_size; /* without the NUL */

#endif
