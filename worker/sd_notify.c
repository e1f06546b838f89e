/* SPDX-License-Identifier: MIT */
#include "worker/sd_notify.h"

#include "common/mem.h"
#include "common/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int set_address(struct sd_notify *out, const char *name, struct error *err)
{
	size_t len = strlen(name);

	if ((*name != '/' && *name != '@') || len < 2 || len > sizeof(out->address.sun_path) - 1)
		return error_set(err, ERR_INVALID,
			"NOTIFY_SOCKET is \"%s\", expected a path or @name", name);
	out->address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(out->address.sun_path, name, len);
	/* An abstract name begins with a zero byte, and its length counts. */
	if (*name == '@')
		out->address.sun_path[0] = '\0';
	out->address_len =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (*name == '/'));
	return 0;
}

/* The watchdog may be meant for another process of the unit. */
static int64_t watchdog_ms(void)
{
	const char *pid = getenv("WATCHDOG_PID");
	const char *text = getenv("WATCHDOG_USEC");
	int64_t number;

	if (!text || (pid && (!str_to_int(pid, 1, INT64_MAX, &number) || number != getpid())))
		return 0;
	return str_to_int(text, 1, INT64_MAX, &number) ? number / 1000 : 0;
}

int sd_notify_open(struct sd_notify *out, struct error *err)
{
	const char *name = getenv("NOTIFY_SOCKET");

	*out = (struct sd_notify){.fd = -1};
	if (str_empty(name))
		return 0;
	if (set_address(out, name, err))
		return -1;
	out->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (out->fd < 0)
		return error_sys(err, ERR_INVALID, errno, "socket for NOTIFY_SOCKET");
	out->watchdog_ms = watchdog_ms();
	return 0;
}

void sd_notify_close(struct sd_notify *notify)
{
	close_fd(&notify->fd);
}

void sd_notify_send(const struct sd_notify *notify, const char *text)
{
	if (notify->fd < 0)
		return;
	(void)sendto(notify->fd, text, strlen(text), MSG_NOSIGNAL,
		(const struct sockaddr *)&notify->address, notify->address_len);
}
