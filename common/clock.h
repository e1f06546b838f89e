/* SPDX-License-Identifier: MIT */
/*
 * Time. Durations use the clock that also counts while the machine is suspended, so a frozen
 * worker that wakes up knows how late it is. Wall time is for logs and messages only.
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include "common/base.h"

/* Milliseconds of CLOCK_BOOTTIME; only differences mean something. */
int64_t clock_ms(void);

/* Milliseconds since 1970, local clock: never compare it with a time of a peer. */
int64_t clock_wall_ms(void);

/* Sleeps; ends early on a signal. Blocks for at most ms milliseconds. */
void clock_sleep_ms(int64_t ms);

/* "2021-03-04T05:06:07.089Z"; out holds at least CLOCK_ISO_SIZE bytes. */
enum { CLOCK_ISO_SIZE = 32 };
void clock_iso(char *out, int64_t wall_ms);

/* Parses an HTTP date ("Mon, 23 Nov 2026 08:47:00 GMT") or xs:dateTime to ms since 1970. */
bool clock_parse_http(const char *text, int64_t *wall_ms) MUST_CHECK;
bool clock_parse_iso(const char *text, int64_t *wall_ms) MUST_CHECK;

#endif
