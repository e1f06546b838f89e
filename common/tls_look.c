/* SPDX-License-Identifier: MIT */
#include "common/tls_look.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/str.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { NAME_MAX_BYTES = 256 };

static void free_context(SSL_CTX **context)
{
	SSL_CTX_free(*context);
}

static void free_ssl(SSL **ssl)
{
	SSL_free(*ssl);
}

static void free_addresses(struct addrinfo **list)
{
	if (*list)
		freeaddrinfo(*list);
}

/* "host:port" or "[host]:port" in two. */
static bool split_address(struct arena *arena, const char *address, char **host, char **port)
{
	const char *colon = strrchr(address, ':');
	size_t len = colon ? (size_t)(colon - address) : 0;

	if (len == 0 || !colon[1])
		return false;
	*port = arena_strdup(arena, colon + 1);
	if (address[0] == '[' && address[len - 1] == ']')
		*host = arena_strndup(arena, address + 1, len - 2);
	else
		*host = arena_strndup(arena, address, len);
	return **host != '\0';
}

static bool wait_for(int fd, short events, int64_t until_ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = events};
	int64_t left = until_ms - clock_ms();

	return left > 0 && poll(&poll_fd, 1, (int)left) == 1;
}

/* A connected socket that does not block; -1 with errno. */
static int connect_to(const struct addrinfo *address, int64_t until_ms)
{
	int fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
		address->ai_protocol);
	int problem = 0;
	socklen_t len = sizeof(problem);

	if (fd < 0)
		return -1;
	if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
		return fd;
	problem = errno;
	if (problem == EINPROGRESS) {
		problem = ETIMEDOUT;
		if (wait_for(fd, POLLOUT, until_ms) &&
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &len) == 0 && problem == 0)
			return fd;
	}
	close(fd);
	errno = problem;
	return -1;
}

static int open_socket(const char *host, const char *port, int64_t until_ms, struct error *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	CLEANUP(free_addresses)
	struct addrinfo *list = NULL;
	int status = getaddrinfo(host, port, &hints, &list);
	int fd = -1;

	if (status != 0)
		return error_set(err, ERR_TRANSIENT, "%s: %s", host, gai_strerror(status));
	for (struct addrinfo *at = list; at && fd < 0; at = at->ai_next)
		fd = connect_to(at, until_ms);
	if (fd < 0)
		return error_sys(err, ERR_TRANSIENT, errno, "connect to %s:%s", host, port);
	return fd;
}

static int set_trust(SSL_CTX *context, const char *ca_file, struct error *err)
{
	if (str_empty(ca_file)) {
		SSL_CTX_set_default_verify_paths(context);
		return 0;
	}
	if (SSL_CTX_load_verify_locations(context, ca_file, NULL) == 1)
		return 0;
	ERR_clear_error();
	return error_set(err, ERR_INVALID, "CA file %s cannot be used", ca_file);
}

/* What the certificate must be for: the host's name, or its address. */
static bool set_host(SSL *ssl, const char *host)
{
	unsigned char number[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, host, number) == 1 || inet_pton(AF_INET6, host, number) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static int shake_hands(SSL *ssl, int fd, int64_t until_ms, struct error *err)
{
	for (;;) {
		int status = SSL_connect(ssl);
		int reason = SSL_get_error(ssl, status);
		unsigned long code = ERR_get_error();

		ERR_clear_error();
		if (status == 1)
			return 0;
		if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE)
			return error_set(err, ERR_TRANSIENT, "no TLS there: %s",
				code ? str_or(ERR_reason_error_string(code), "unknown reason")
				     : "the connection was closed");
		if (!wait_for(fd, reason == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, until_ms))
			return error_set(err, ERR_TRANSIENT, "the TLS handshake takes too long");
	}
}

static const char *name_of(struct arena *arena, const X509 *cert)
{
	char text[NAME_MAX_BYTES];

	return arena_strdup(arena,
		X509_NAME_oneline(X509_get_subject_name(cert), text, sizeof(text)) ? text : "");
}

static int64_t end_of(const X509 *cert)
{
	struct tm end;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &end) != 1)
		return 0;
	return (int64_t)timegm(&end) * 1000;
}

static void take_end(struct tls_look *out, struct arena *arena, const X509 *cert)
{
	int64_t end_ms = end_of(cert);

	if (end_ms == 0 || (out->ends_ms != 0 && end_ms >= out->ends_ms))
		return;
	out->ends_ms = end_ms;
	out->ends = name_of(arena, cert);
}

static int describe(struct tls_look *out, struct arena *arena, SSL *ssl, struct error *err)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);
	/* The verified one: the peer may send more, or less, than is used. */
	STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
	long result = SSL_get_verify_result(ssl);

	if (!cert)
		return error_set(err, ERR_TRANSIENT, "the peer shows no certificate");
	*out = (struct tls_look){
		.problem = result == X509_V_OK
				   ? NULL
				   : arena_strdup(arena, X509_verify_cert_error_string(result)),
		.subject = name_of(arena, cert),
		.protocol = arena_strdup(arena, SSL_get_version(ssl)),
		.ends = "",
	};
	take_end(out, arena, cert);
	for (int i = 0; result == X509_V_OK && chain && i < sk_X509_num(chain); i++)
		take_end(out, arena, sk_X509_value(chain, i));
	return 0;
}

int tls_look(struct tls_look *out, struct arena *arena, const char *address, const char *ca_file,
	int timeout_ms, struct error *err)
{
	int64_t until_ms = clock_ms() + timeout_ms;
	CLEANUP(free_context)
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	CLEANUP(close_fd)
	int fd = -1;
	CLEANUP(free_ssl)
	SSL *ssl = NULL;
	char *host, *port;

	if (!split_address(arena, address, &host, &port))
		return error_set(err, ERR_INVALID, "'%s' is no host:port", address);
	if (!context || set_trust(context, ca_file, err))
		return context ? -1 : error_set(err, ERR_TRANSIENT, "TLS cannot be set up");
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	/* Judged below instead: the handshake goes on, so that the certificate can be described. */
	SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
	fd = open_socket(host, port, until_ms, err);
	if (fd < 0)
		return -1;
	ssl = SSL_new(context);
	if (!ssl || SSL_set_fd(ssl, fd) != 1 || !set_host(ssl, host))
		return error_set(err, ERR_TRANSIENT, "TLS cannot be set up");
	if (shake_hands(ssl, fd, until_ms, err))
		return error_wrap(err, "%s", address);
	(void)SSL_shutdown(ssl);
	return describe(out, arena, ssl, err);
}
