/* SPDX-License-Identifier: MIT */
/*
 * What systemd is told, over the socket it names in the environment. Without systemd everything
 * here does nothing.
 */
#ifndef WORKER_SD_NOTIFY_H
#define WORKER_SD_NOTIFY_H

#include "common/error.h"

#include <sys/socket.h>
#include <sys/un.h>

struct sd_notify {
	int fd; /* -1: nobody listens */
	struct sockaddr_un address;
	socklen_t address_len;
	int64_t watchdog_ms; /* killed when silent for so long; 0: never */
};

/*
 * Takes NOTIFY_SOCKET (a path, or "@name" for an abstract socket), WATCHDOG_USEC and WATCHDOG_PID
 * from the environment. INVALID: the socket's name is of no use; *out then does nothing.
 */
int sd_notify_open(struct sd_notify *out, struct error *err) MUST_CHECK;
void sd_notify_close(struct sd_notify *notify);

/* Sends assignments, one a line ("READY=1\nSTATUS=…"). Never blocks; what cannot be sent is lost.
 */
void sd_notify_send(const struct sd_notify *notify, const char *text);

#endif
