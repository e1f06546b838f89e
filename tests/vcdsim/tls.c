/* SPDX-License-Identifier: MIT */
#include "tests/vcdsim/tls.h"

#include "common/buf.h"
#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int run_openssl(const char *key_path, const char *cert_path, struct error *err)
{
	const char *args[] = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
		"ec_paramgen_curve:prime256v1", "-nodes", "-days", "90", "-subj", "/CN=vcdsim",
		"-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", key_path, "-out",
		cert_path, NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status = 0;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	int result = posix_spawnp(
		&pid, "openssl", &actions, NULL, (char *const *)(uintptr_t)args, environ);

	posix_spawn_file_actions_destroy(&actions);
	if (result != 0)
		return error_sys(err, ERR_INTERNAL, result, "cannot start openssl");
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return error_set(err, ERR_INTERNAL, "openssl could not make %s", cert_path);
	return 0;
}

static int read_file(const char *path, struct arena *arena, char **out, struct error *err)
{
	CLEANUP(close_file)
	FILE *file = fopen(path, "re");
	CLEANUP(buf_release)
	struct buf content = {0};
	char piece[4096];
	size_t got;

	if (file == NULL)
		return error_sys(err, ERR_INTERNAL, errno, "cannot open %s", path);
	buf_init(&content, 65536);
	while ((got = fread(piece, 1, sizeof(piece), file)) > 0) {
		if (!buf_add(&content, piece, got))
			return error_set(err, ERR_INTERNAL, "%s is too big", path);
	}
	*out = arena_strdup(arena, buf_str(&content));
	return 0;
}

int tls_make(const char *dir, struct arena *arena, char **cert, char **key, struct error *err)
{
	const char *key_path = arena_printf(arena, "%s/key.pem", dir);
	const char *cert_path = arena_printf(arena, "%s/ca.pem", dir);

	if (run_openssl(key_path, cert_path, err) != 0)
		return -1;
	if (read_file(key_path, arena, key, err) != 0)
		return -1;
	return read_file(cert_path, arena, cert, err);
}
