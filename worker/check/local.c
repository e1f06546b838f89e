/* SPDX-License-Identifier: MIT */
#include "worker/check/row.h"

#include <sys/stat.h>
#include <unistd.h>

void check_config(struct check *check)
{
	struct check_state *state = check->state;
	struct error err;

	if (config_read(&state->config, state->config_path, &err) < 0) {
		check_add(check, CHECK_FAIL, "",
			access(state->config_path, R_OK) < 0
				? "name it with --config, and let this user read it"
				: "mend it; cse-worker check --print-example shows every key with "
				  "its meaning",
			"%s", err.msg);
		return;
	}
	check_add(
		check, CHECK_OK, state->config_path, "", "deployment %s", state->config.deployment);
}

/* What the worker takes, but an operator would rather not have. */
static void judge_secret(struct check *check, const struct config_file *file)
{
	struct stat st;

	if (stat(file->path, &st) < 0) {
		check_add(check, CHECK_FAIL, file->key, "put it back, and run this again",
			"%s is gone", file->path);
	} else if (st.st_mode & S_IWGRP) {
		check_add(check, CHECK_WARN, file->key,
			arena_printf(&check->arena, "run chmod g-w %s", file->path),
			"%s has mode %04o: its group can change it", file->path,
			(unsigned)(st.st_mode & 07777));
	} else if (st.st_uid != 0 && st.st_uid != geteuid()) {
		check_add(check, CHECK_WARN, file->key,
			arena_printf(&check->arena, "run chown root %s", file->path),
			"%s belongs to user %u, neither root nor who runs this", file->path,
			(unsigned)st.st_uid);
	} else {
		check_add(check, CHECK_OK, file->key, "", "%s has mode %04o", file->path,
			(unsigned)(st.st_mode & 07777));
	}
}

void check_secret_files(struct check *check)
{
	struct config *config = &check->state->config;
	struct config_file file;
	struct error err;

	for (size_t i = 0; config_file_at(config, i, &file); i++) {
		if (config_file_check(&file, &err) < 0)
			check_add(check, CHECK_FAIL, file.key,
				file.secret ? "give a regular file that the worker's user can read "
					      "and others cannot"
					    : "give a regular file that the worker's user can read",
				"%s", err.msg);
		else if (file.secret)
			judge_secret(check, &file);
		else
			check_add(check, CHECK_OK, file.key, "", "%s can be read", file.path);
	}
	if (check_worst(check) < CHECK_FAIL && config_read_secrets(config, &err) < 0)
		check_add(check, CHECK_FAIL, "", "write the password into the file", "%s", err.msg);
}
