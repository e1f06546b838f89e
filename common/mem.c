/* SPDX-License-Identifier: MIT */
#include "common/mem.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *require(void *ptr)
{
	if (!ptr) {
		static const char text[] = "out of memory\n";

		(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
		abort();
	}
	return ptr;
}

void *xcalloc(size_t count, size_t size)
{
	return require(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *ptr, size_t size)
{
	return require(realloc(ptr, size ? size : 1));
}

char *xstrdup(const char *text)
{
	return text ? require(strdup(text)) : NULL;
}

char *xstrndup(const char *text, size_t len)
{
	return require(strndup(text, len));
}

char *xasprintf(const char *fmt, ...)
{
	va_list args;
	char *text = NULL;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	return require(text);
}

void free_str(char **text)
{
	free(*text);
	*text = NULL;
}

void close_file(FILE **file)
{
	if (*file)
		fclose(*file);
	*file = NULL;
}

void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
