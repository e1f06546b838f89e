/* SPDX-License-Identifier: MIT */
#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec now;

	if (clock_gettime(id, &now) < 0)
		abort();
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_ms(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

int64_t clock_wall_ms(void)
{
	return read_clock(CLOCK_REALTIME);
}

void clock_sleep_ms(int64_t ms)
{
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	if (ms > 0)
		nanosleep(&time, NULL);
}

void clock_iso(char *out, int64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm parts;
	size_t len;

	gmtime_r(&seconds, &parts);
	len = strftime(out, CLOCK_ISO_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(out + len, CLOCK_ISO_SIZE - len, ".%03dZ", (int)(wall_ms % 1000));
}

bool clock_parse_http(const char *text, int64_t *wall_ms)
{
	struct tm parts = {0};
	const char *end = text ? strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &parts) : NULL;

	if (!end || *end)
		return false;
	*wall_ms = (int64_t)timegm(&parts) * 1000;
	return true;
}

/* "Z", "+02:00" or "-05:30" to minutes east of Greenwich. */
static bool parse_offset(const char *text, int *minutes)
{
	int hours = 0;
	int rest = 0;
	char end;

	*minutes = 0;
	if (strcmp(text, "Z") == 0)
		return true;
	if (sscanf(text + 1, "%2d:%2d%c", &hours, &rest, &end) != 2) /* NOLINT(cert-err34-c) */
		return false;
	*minutes = (hours * 60 + rest) * (*text == '-' ? -1 : 1);
	return *text == '+' || *text == '-';
}

bool clock_parse_iso(const char *text, int64_t *wall_ms)
{
	struct tm parts = {0};
	const char *end = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &parts) : NULL;
	int millis = 0;
	int offset = 0;

	if (!end)
		return false;
	if (*end == '.') {
		int weight = 100;

		for (end++; *end >= '0' && *end <= '9'; end++) {
			millis += (*end - '0') * weight;
			weight /= 10;
		}
	}
	if (!*end || !parse_offset(end, &offset))
		return false;
	*wall_ms = ((int64_t)timegm(&parts) - offset * 60LL) * 1000 + millis;
	return true;
}
