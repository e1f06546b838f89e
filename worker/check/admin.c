/* SPDX-License-Identifier: MIT */
#include "common/buf.h"
#include "common/mem.h"
#include "common/str.h"
#include "worker/check/row.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { ANSWER_MAX_BYTES = 4096, ANSWER_LIMIT_S = 2 };

static void free_address(struct addrinfo **address)
{
	if (*address)
		freeaddrinfo(*address);
}

static int open_socket(const struct addrinfo *address)
{
	return socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC, 0);
}

/* 0 when nobody listens there, else errno. */
static int try_to_listen(const struct addrinfo *address)
{
	CLEANUP(close_fd)
	int fd = open_socket(address);
	int yes = 1;

	/* As the admin port's own server: connections that end there just now do not matter. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
		bind(fd, address->ai_addr, address->ai_addrlen) < 0)
		return errno;
	return 0;
}

/* The status of GET /healthz; 0 when nobody speaks HTTP there. */
static int ask_health(const struct addrinfo *address)
{
	static const char request[] = "GET /healthz HTTP/1.0\r\n\r\n";
	const struct timeval limit = {.tv_sec = ANSWER_LIMIT_S};
	CLEANUP(close_fd)
	int fd = open_socket(address);
	char answer[ANSWER_MAX_BYTES] = "";
	int64_t status;
	ssize_t len;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
		connect(fd, address->ai_addr, address->ai_addrlen) < 0 ||
		send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		return 0;
	len = recv(fd, answer, sizeof(answer) - 1, 0);
	/* "HTTP/1.1 200 OK" */
	if (len < 12 || !str_starts(answer, "HTTP/1."))
		return 0;
	answer[12] = '\0';
	return str_to_int(answer + 9, 100, 599, &status) ? (int)status : 0;
}

static void judge_occupied(struct check *check, const char *where, const struct addrinfo *address)
{
	int status = ask_health(address);

	if (status == 200)
		check_add(check, CHECK_OK, where, "", "a worker answers, and is well");
	else if (status == 503)
		check_add(check, CHECK_WARN, where, "its log says why",
			"a worker answers, and is not well");
	else
		check_add(check, CHECK_FAIL, where, "choose another admin.port",
			"something else listens there");
}

void check_admin(struct check *check)
{
	const struct config *config = &check->state->config;
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	CLEANUP(free_address)
	struct addrinfo *address = NULL;
	const char *where;
	char port[8];
	int problem;

	if (config->admin_port == 0) {
		check_add(check, CHECK_OK, "", "", "not configured");
		return;
	}
	snprintf(port, sizeof(port), "%d", (int)config->admin_port);
	where = arena_printf(&check->arena, "%s:%s", config->admin_address, port);
	if (getaddrinfo(config->admin_address, port, &hints, &address) != 0) {
		check_add(check, CHECK_FAIL, where, "give an IPv4 or IPv6 address",
			"admin.address is no address");
		return;
	}
	problem = try_to_listen(address);
	if (problem == EADDRINUSE)
		judge_occupied(check, where, address);
	else if (problem)
		check_add(check, CHECK_FAIL, where, "check admin.address and admin.port", "%s",
			strerror(problem));
	else
		check_add(check, CHECK_OK, where, "", "free");
}
