/* SPDX-License-Identifier: MIT */
/*
 * The host's end of vmtoolsd: requests are files "req.<id>" in a folder of the guest, answers files
 * "ans.<id>". Both appear by rename, so neither side sees half of one. A guest's files are hostile
 * input here too: only regular files of limited size are read, and names stay inside the folder.
 */
#include "tests/vcdsim/guest.h"

#include "common/mem.h"
#include "common/str.h"
#include "tests/vcdsim/calls.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MESSAGE_MAX = 64 * 1024 }; /* bytes of one guest message */

/* Reads and removes a request; NULL when there is nothing to answer. Longer ones come back cut. */
static char *request_take(int box, const char *name, size_t *len)
{
	CLEANUP(close_fd)
	int fd = openat(box, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat info;

	if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
		return NULL;
	char *text = xcalloc(1, MESSAGE_MAX + 2);
	*len = 0;
	ssize_t got = 1;
	while (got > 0 && *len <= MESSAGE_MAX) {
		got = read(fd, text + *len, MESSAGE_MAX + 1 - *len);
		*len += got > 0 ? (size_t)got : 0;
	}
	(void)unlinkat(box, name, 0);
	return text;
}

static void answer_give(int box, const char *id, bool ok, const char *text)
{
	CLEANUP(free_str)
	char *draft = xasprintf("draft.%s", id);
	CLEANUP(free_str)
	char *final = xasprintf("ans.%s", id);
	int fd = openat(box, draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	CLEANUP(close_file)
	FILE *stream = fd < 0 ? NULL : fdopen(fd, "w");

	if (stream) {
		(void)fprintf(stream, "%d\n%s", ok, text);
		(void)fflush(stream);
		(void)renameat(box, draft, box, final);
	}
}

/* info-set: "key value"; Tools know no way to remove a key, an empty value is refused. */
static bool info_set(struct sim *sim, struct guest *guest, char *rest, const char **text)
{
	char *value = strchr(rest, ' ');

	*text = "";
	if (!value || !value[1] || !str_starts(rest, "guestinfo.")) {
		*text = "Invalid argument";
		return false;
	}
	*value++ = '\0';
	view_set(guest, rest, value);
	extra_set_by_guest(sim, guest->vm, rest, value);
	return true;
}

/* "sim-event <name> <ms>": a stand-in says how long something is said to last. */
static bool event_take(struct sim *sim, char *rest)
{
	char *number = strchr(rest, ' ');
	int64_t milliseconds = 0;

	if (!number)
		return false;
	*number++ = '\0';
	if (!str_to_int(number, 0, 3600000, &milliseconds))
		return false;
	path_add(sim, str_eq(rest, "init") ? "init" : "join", milliseconds);
	return true;
}

static void request_answer(
	struct sim *sim, struct guest *guest, int box, const char *id, char *text, size_t len)
{
	const char *answer = "Unknown command";
	bool ok = false;

	if (len > MESSAGE_MAX) {
		answer = "Message is too long";
	} else if (str_starts(text, "info-get ")) {
		answer = str_starts(text + 9, "guestinfo.") ? view_get(guest, text + 9) : NULL;
		ok = answer != NULL;
		answer = str_or(answer, "No value found");
	} else if (str_starts(text, "info-set ")) {
		ok = info_set(sim, guest, text + 9, &answer);
	} else if (str_starts(text, "sim-event ")) {
		(void)event_take(sim, text + 10);
		return;
	}
	answer_give(box, id, ok, answer);
}

void box_serve(struct sim *sim, struct guest *guest)
{
	CLEANUP(free_str)
	char *path = disk_box(sim->guests, guest->uuid);
	int box = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = box < 0 ? NULL : fdopendir(box);

	if (!dir)
		return;
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
		size_t len = 0;
		CLEANUP(free_str)
		char *text = str_starts(entry->d_name, "req.")
				     ? request_take(box, entry->d_name, &len)
				     : NULL;
		if (text)
			request_answer(sim, guest, box, entry->d_name + 4, text, len);
	}
	(void)closedir(dir);
}
