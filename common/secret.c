/* SPDX-License-Identifier: MIT */
#include "common/secret.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECRET_MAX_BYTES = 4096 };

struct secret secret_new(const char *text, size_t len)
{
	return (struct secret){.hidden_ = xstrndup(text, len)};
}

struct secret secret_copy(const struct secret *from)
{
	return (struct secret){.hidden_ = xstrdup(from->hidden_)};
}

void secret_release(struct secret *secret)
{
	if (secret->hidden_)
		explicit_bzero(secret->hidden_, strlen(secret->hidden_));
	free(secret->hidden_);
	secret->hidden_ = NULL;
}

bool secret_empty(const struct secret *secret)
{
	return !secret->hidden_ || !*secret->hidden_;
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
	const char *x = secret_reveal(a);
	const char *y = secret_reveal(b);
	size_t len = strlen(x);
	unsigned char difference = 0;

	if (len != strlen(y))
		return false;
	for (size_t i = 0; i < len; i++)
		difference |= (unsigned char)(x[i] ^ y[i]);
	return difference == 0;
}

const char *secret_reveal(const struct secret *secret)
{
	return secret->hidden_ ? secret->hidden_ : "";
}

static int check_file(int fd, const char *path, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_sys(err, ERR_INVALID, errno, "secret file %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_INVALID, "secret file %s is not a regular file", path);
	if (st.st_mode & S_IRWXO)
		return error_set(err, ERR_INVALID,
			"secret file %s has mode %04o: others can read it; run chmod o= %s", path,
			(unsigned)(st.st_mode & 07777), path);
	return 0;
}

int secret_read_file(struct secret *out, const char *path, struct error *err)
{
	CLEANUP(close_fd)
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char text[SECRET_MAX_BYTES + 1];
	ssize_t len;

	if (fd < 0)
		return error_sys(err, ERR_INVALID, errno, "secret file %s cannot be opened", path);
	if (check_file(fd, path, err) < 0)
		return -1;
	len = read(fd, text, sizeof(text));
	if (len < 0)
		return error_sys(err, ERR_INVALID, errno, "secret file %s cannot be read", path);
	if (len > SECRET_MAX_BYTES) {
		explicit_bzero(text, sizeof(text));
		return error_set(err, ERR_INVALID, "secret file %s is longer than %d bytes", path,
			SECRET_MAX_BYTES);
	}
	if (len && text[len - 1] == '\n')
		len--;
	if (len && text[len - 1] == '\r')
		len--;
	if (!len || memchr(text, '\0', (size_t)len)) {
		explicit_bzero(text, sizeof(text));
		return error_set(
			err, ERR_INVALID, "secret file %s is empty or holds a NUL byte", path);
	}
	*out = secret_new(text, (size_t)len);
	explicit_bzero(text, sizeof(text));
	return 0;
}
