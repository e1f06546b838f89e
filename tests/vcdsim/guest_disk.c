/* SPDX-License-Identifier: MIT */
/*
 * A guest's disk is a folder, which its sandbox sees as the root. /usr comes from the host,
 * read-only; /usr/local, /etc and all else are the guest's own. The network is the host's: that
 * endpoints judge their peers by address takes its place.
 */
#include "tests/vcdsim/guest.h"

#include "common/json.h"
#include "common/mem.h"
#include "common/str.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef VCDSIM_GUEST_DIR
#error "VCDSIM_GUEST_DIR must name the folder with the stand-ins"
#endif

extern char **environ;

enum { ARGS_MAX = 64, TAIL_BYTES = 4000 };

struct argv {
	const char *words[ARGS_MAX];
	size_t count;
};

static void argv_add(struct argv *argv, const char *const *words)
{
	for (; *words && argv->count < ARGS_MAX - 1; words++)
		argv->words[argv->count++] = *words;
}

#define ARGV_ADD(argv, ...) argv_add((argv), (const char *const[]){__VA_ARGS__, NULL})

static void argv_common(struct argv *argv, bool user_namespace)
{
	ARGV_ADD(argv, "bwrap", "--unshare-pid", "--unshare-uts", "--unshare-ipc", "--new-session",
		"--die-with-parent", "--cap-drop", "ALL", "--clearenv", "--setenv", "PATH",
		"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	if (user_namespace)
		ARGV_ADD(argv, "--unshare-user", "--uid", "0", "--gid", "0");
}

/* Files under /etc that the host's programs need. */
static void argv_host(struct argv *argv)
{
	ARGV_ADD(argv, "--ro-bind", "/usr", "/usr", "--ro-bind-try", "/etc/ssl", "/etc/ssl",
		"--ro-bind-try", "/etc/alternatives", "/etc/alternatives", "--ro-bind-try",
		"/etc/ld.so.cache", "/etc/ld.so.cache", "--proc", "/proc", "--dev", "/dev");
}

/* Starts bubblewrap with its output in a file; pid or -1 with errno. */
static pid_t bwrap_start(struct argv *argv, const char *output)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	pid_t pid = -1;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0600);
	posix_spawn_file_actions_adddup2(&actions, 1, 2);
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	posix_spawnattr_init(&attr);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(
		&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);

	char *words[ARGS_MAX];
	for (size_t i = 0; i < argv->count; i++)
		words[i] = xstrdup(argv->words[i]);
	words[argv->count] = NULL;
	int failed = posix_spawnp(&pid, words[0], &actions, &attr, words, environ);
	for (size_t i = 0; i < argv->count; i++)
		free(words[i]);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	errno = failed;
	return failed ? -1 : pid;
}

/* Runs `true` in a sandbox. */
static bool probe_runs(bool user_namespace, const char *output)
{
	struct argv argv = {.count = 0};
	int status = 0;

	argv_common(&argv, user_namespace);
	ARGV_ADD(&argv, "--hostname", "probe", "--tmpfs", "/");
	argv_host(&argv);
	ARGV_ADD(&argv, "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
		"/usr/bin/true");
	pid_t pid = bwrap_start(&argv, output);
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

int sandbox_probe(struct sim_guests *guests, struct error *err)
{
	CLEANUP(free_str)
	char *output = xasprintf("%s/probe.log", guests->root);

	/* Root gets along without a user namespace, which many containers forbid. */
	for (int user_namespace = geteuid() != 0; user_namespace <= 1; user_namespace++) {
		if (probe_runs(user_namespace, output)) {
			guests->user_namespace = user_namespace;
			return 0;
		}
	}
	CLEANUP(free_str)
	char *why = disk_tail(guests, ".", "probe.log");
	return error_set(err, ERR_INTERNAL,
		"guests need bubblewrap (package bubblewrap), which does not start here: %s",
		str_empty(why) ? "command bwrap not found" : why);
}

static char *vm_path(const struct sim_guests *guests, const char *uuid, const char *rest)
{
	return xasprintf("%s/%s/%s", guests->root, uuid, rest);
}

char *disk_box(const struct sim_guests *guests, const char *uuid)
{
	return vm_path(guests, uuid, "disk/run/vmtools");
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
	(void)info;
	(void)kind;
	(void)place;
	return remove(path);
}

static void tree_remove(const char *path)
{
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void disk_remove(const struct sim_guests *guests, const char *uuid)
{
	CLEANUP(free_str)
	char *path = vm_path(guests, uuid, "");

	tree_remove(path);
}

char *disk_tail(const struct sim_guests *guests, const char *uuid, const char *file)
{
	CLEANUP(free_str)
	char *path = vm_path(guests, uuid, file);
	CLEANUP(close_file)
	FILE *stream = fopen(path, "re");
	char text[TAIL_BYTES + 1];

	if (!stream || fseek(stream, 0, SEEK_END) != 0)
		return NULL;
	long size = ftell(stream);
	if (size < 0 || fseek(stream, size > TAIL_BYTES ? size - TAIL_BYTES : 0, SEEK_SET) != 0)
		return NULL;
	size_t len = fread(text, 1, TAIL_BYTES, stream);
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)text[i];
		if (byte >= 0x80 || (byte < 0x20 && byte != '\n' && byte != '\t'))
			text[i] = '?';
	}
	return xstrndup(text, len);
}

/* The VM's network document, NULL when there is none. */
static struct json_object *vm_network(struct sim *sim, const struct sim_vm *vm)
{
	for (size_t i = 0; sim->networks && i < json_object_array_length(sim->networks); i++) {
		struct json_object *network = json_object_array_get_idx(sim->networks, i);
		if (str_eq(str_urn_uuid(json_str(network, "id", "")), vm->vapp->network_uuid))
			return network;
	}
	return NULL;
}

/* What init.py reads: who this machine is and what its template holds. */
static int machine_write(struct sim *sim, const struct guest *guest)
{
	const struct sim_vm *vm = guest->vm;
	CLEANUP(free_str)
	char *path = vm_path(sim->guests, guest->uuid, "disk/etc/sim/vm.json");
	CLEANUP(json_release)
	struct json_object *out = json_object_new_object();
	struct json_object *values = json_at(vm_network(sim, vm), "subnets.values");
	struct json_object *subnet = values ? json_object_array_get_idx(values, 0) : NULL;

	json_set_str(out, "uuid", vm->uuid);
	json_set_str(out, "name", vm->name);
	json_set_str(out, "computer_name", str_or(vm->computer_name, vm->name));
	json_set_str(out, "ip", vm->ip);
	json_set_str(out, "gateway", json_str(subnet, "gateway", ""));
	json_set_int(out, "prefix", json_int(subnet, "prefixLength", 24));
	json_set_str(out, "script", str_or(vm->script, ""));
	json_set_bool(out, "customize", guest->customizing);
	json_set(out, "template",
		vm->template && vm->template->guest ? json_copy(vm->template->guest)
						    : json_object_new_object());
	return json_object_to_file_ext(path, out, JSON_C_TO_STRING_PLAIN);
}

static void make_dir(const struct sim_guests *guests, const char *uuid, const char *name)
{
	CLEANUP(free_str)
	char *path = vm_path(guests, uuid, name);

	(void)mkdir(path, 0755);
}

/* Skeleton of the disk; /run is empty after every boot. */
static void disk_make(const struct sim_guests *guests, const char *uuid)
{
	static const char *const dirs[] = {"", "disk", "disk/etc", "disk/etc/sim", "disk/usr",
		"disk/local", "disk/run", "disk/run/vmtools", "disk/sim", "disk/tmp"};
	CLEANUP(free_str)
	char *run = vm_path(guests, uuid, "disk/run");

	tree_remove(run);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		make_dir(guests, uuid, dirs[i]);
}

/* /bin and its like: the same symbolic link as on the host, or the host's folder. */
static void argv_folder(struct argv *argv, const char *disk, const char *name)
{
	CLEANUP(free_str)
	char *link = xasprintf("%s%s", disk, name);
	char target[128];
	ssize_t len = readlink(name, target, sizeof(target) - 1);

	if (len > 0) {
		target[len] = '\0';
		(void)!symlink(target, link);
	} else {
		ARGV_ADD(argv, "--ro-bind-try", name, name);
	}
}

/* The name that the disk says: customization changes it, like the template it came from. */
static char *host_name(const struct sim_guests *guests, const char *uuid)
{
	char *name = disk_tail(guests, uuid, "disk/etc/hostname");

	if (name)
		name[strcspn(name, "\n")] = '\0';
	return name ? name : xstrdup("template");
}

pid_t sandbox_start(struct sim *sim, const struct guest *guest)
{
	static const char *const folders[] = {"/bin", "/sbin", "/lib", "/lib64", "/lib32"};
	struct argv argv = {.count = 0};

	disk_make(sim->guests, guest->uuid);
	if (machine_write(sim, guest) != 0) {
		errno = EIO;
		return -1;
	}
	CLEANUP(free_str)
	char *disk = vm_path(sim->guests, guest->uuid, "disk");
	CLEANUP(free_str)
	char *local = vm_path(sim->guests, guest->uuid, "disk/local");
	CLEANUP(free_str)
	char *console = vm_path(sim->guests, guest->uuid, "console.log");
	CLEANUP(free_str)
	char *name = host_name(sim->guests, guest->uuid);

	argv_common(&argv, sim->guests->user_namespace);
	ARGV_ADD(&argv, "--hostname", name, "--bind", disk, "/");
	argv_host(&argv);
	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		argv_folder(&argv, disk, folders[i]);
	ARGV_ADD(&argv, "--bind", local, "/usr/local", "--ro-bind", VCDSIM_GUEST_DIR, "/sim",
		"/usr/bin/python3", "-sE", "/sim/init.py");
	return bwrap_start(&argv, console);
}
