/* SPDX-License-Identifier: MIT */
/*
 * A control plane and a worker in sandboxes, with the real bootstrap, until kubectl sees both Ready
 * through the DNAT relay; then a power cycle, and what must be refused. Needs bubblewrap and
 * kubectl.
 */
#include "tests/unit/unit.h"

#include "common/base64.h"
#include "common/clock.h"
#include "common/crypto.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/str.h"
#include "tests/vcdsim/calls.h"
#include "tests/vcdsim/guest.h"
#include "worker/guest/guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define CONTROL_PLANE "127.52.0.10"
#define WORKER "127.52.0.11"
#define EXTERNAL "127.62.0.10"
#define TOKEN "abcdef.0123456789abcdef"
#define SSH_KEY "ssh-rsa AAAA first\nno-pty ssh-ed25519 BBBB second\n"

static char folder[] = "/tmp/vcdsim-guests-XXXXXX";
static struct sim sim;
static struct sim_template template;
static struct sim_vapp vapp = {.network_uuid = "0a000000-0000-4000-8000-000000000001"};
static struct sim_vm machines[2];
static struct arena arena;
static int64_t imposed_init, imposed_join, imposed_boot;

/* The two functions that guests call outside their own files. */
void path_add(struct sim *of, const char *name, int64_t ms)
{
	(void)of;
	*(str_eq(name, "init")	       ? &imposed_init
		: str_eq(name, "join") ? &imposed_join
				       : &imposed_boot) = ms;
}

struct json_object *find_doc(struct json_object *array, const char *id)
{
	struct json_object *first = json_object_array_get_idx(array, 0);

	return str_eq(json_str(first, "id", ""), id) ? first : NULL;
}

static struct json_object *parse(const char *text)
{
	struct json_object *out = json_tokener_parse(text);

	assert_non_null(out);
	return out;
}

static void add_field(char **lines, const char *key, const char *value)
{
	char *before = *lines;

	*lines = arena_printf(
		&arena, "%s%s %s\n", before, key, base64_encode(&arena, value, strlen(value)));
}

static void give(struct sim_vm *vm, const char *key, const char *text)
{
	extra_set(&sim, vm, key, base64_encode(&arena, text, strlen(text)));
}

static void give_inputs(
	struct sim_vm *vm, const char *role, const struct crypto_ca *ca, const char *version)
{
	struct error err;
	char *data = arena_strdup(&arena, ""), *secret = data;
	const char *const fields[][2] = {{"version", "1"}, {"role", role}, {"name", vm->name},
		{"ip", vm->ip}, {"cluster", "urn:vcloud:entity:cse:nativeCluster:1"},
		{"endpoint", CONTROL_PLANE ":6443"}, {"external", EXTERNAL},
		{"ca_hash", crypto_ca_hash(&arena, ca->cert_pem, &err)},
		{"pod_cidr", "100.66.0.0/16"}, {"service_cidr", "100.77.0.0/16"},
		{"token_ttl_s", "3600"}, {"deadline_s", "120"}, {"kubernetes", version},
		{"workers", "1"}, {"ssh_key", SSH_KEY}};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		add_field(&data, fields[i][0], fields[i][1]);
	add_field(&secret, "token", TOKEN);
	add_field(&secret, "key", KEY);
	if (str_eq(role, "control-plane")) {
		add_field(&secret, "ca_key", secret_reveal(&ca->key_pem));
		give(vm, "guestinfo.cse.ca", ca->cert_pem);
		extra_set(&sim, vm, "cse.key", KEY);
	}
	extra_set(&sim, vm, "guestinfo.cse.program", guest_program);
	give(vm, "guestinfo.cse.data", data);
	give(vm, "guestinfo.cse.secret", secret);
}

static void make_machine(size_t index, const char *uuid, const char *name, const char *ip)
{
	struct sim_vm *vm = &machines[index];

	(void)snprintf(vm->uuid, sizeof(vm->uuid), "%s", uuid);
	(void)snprintf(vm->ip, sizeof(vm->ip), "%s", ip);
	vm->name = vm->computer_name = name;
	vm->vapp = &vapp;
	vm->template = &template;
	vm->script = guest_stub;
	vm->needs_customization = vm->customization_enabled = true;
}

static void prepare_cluster(const char *version)
{
	struct crypto_ca ca;
	struct error err;

	assert_int_equal(crypto_ca_make(&ca, &arena, &err), 0);
	give_inputs(&machines[0], "control-plane", &ca, version);
	give_inputs(&machines[1], "worker", &ca, version);
	crypto_ca_release(&ca);
}

static int setup(void **state)
{
	struct error err = {0};

	(void)state;
	assert_non_null(mkdtemp(folder));
	sim.dir = folder;
	sim.options = (struct sim_options){.boot_ms = 300, .extra_latency_ms = 500};
	template.guest = parse("{\"init_ms\": 1000, \"join_ms\": 400}");
	sim.networks =
		parse("[{\"id\": \"urn:vcloud:network:0a000000-0000-4000-8000-000000000001\","
		      "\"subnets\": {\"values\": [{\"gateway\": \"127.52.0.1\","
		      "\"prefixLength\": 24}]}}]");
	sim.port_profiles = parse("[{\"id\": \"urn:profile:1\", \"applicationPorts\": ["
				  "{\"protocol\": \"TCP\", \"destinationPorts\": [\"6443\"]}]}]");
	sim.nat_rules = json_object_new_array();
	if (guests_start(&sim, &err) != 0) {
		print_error("%s\n", err.msg);
		return -1;
	}
	make_machine(0, "11111111-1111-4111-8111-111111111111", "mstr-aaaa", CONTROL_PLANE);
	make_machine(1, "22222222-2222-4222-8222-222222222222", "node-bbbb", WORKER);
	prepare_cluster("1.20.4-vmware.1");
	return 0;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
	(void)info;
	(void)kind;
	(void)place;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	guests_stop(&sim);
	extra_free(&machines[0]);
	extra_free(&machines[1]);
	json_release(&template.guest);
	json_release(&sim.networks);
	json_release(&sim.port_profiles);
	json_release(&sim.nat_rules);
	arena_reset(&arena);
	return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *shown(const struct sim_vm *vm, const char *key)
{
	for (const struct sim_extra *entry = vm->extra; entry; entry = entry->next) {
		const char *value = str_eq(entry->key, key) ? extra_shown(vm, entry) : NULL;
		if (value)
			return value;
	}
	return "";
}

static bool phase_is(const struct sim_vm *vm, const char *phase)
{
	return strstr(shown(vm, "guestinfo.cse.phase"), phase) != NULL;
}

static void print_guests(void)
{
	struct json_object *all = guests_json(&sim);

	print_error("%s\n", json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY));
	json_release(&all);
}

static void wait_phase(const struct sim_vm *vm, const char *phase)
{
	int64_t end = clock_ms() + 40000;

	while (!phase_is(vm, phase)) {
		guests_tick(&sim);
		clock_sleep_ms(10);
		if (clock_ms() > end || phase_is(vm, " failed ")) {
			print_guests();
			fail_msg("%s: no \"%s\" but \"%s\"", vm->name, phase,
				shown(vm, "guestinfo.cse.phase"));
		}
	}
}

/* Runs a command while guests move on; its exit status, with what it printed in *output. */
static int run(char *const argv[], char **output)
{
	posix_spawn_file_actions_t actions;
	char *path = arena_printf(&arena, "%s/output", folder);
	pid_t pid;
	int status = 0;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	posix_spawn_file_actions_adddup2(&actions, 1, 2);
	assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		guests_tick(&sim);
		clock_sleep_ms(10);
	}
	CLEANUP(close_file)
	FILE *file = fopen(path, "re");
	*output = arena_alloc(&arena, 8192);
	(*output)[fread(*output, 1, 8191, file)] = '\0';
	return WEXITSTATUS(status);
}

/* Checks number and MAC of a message and returns its text: decoded, and a kubeconfig opened. */
static const char *message_text(const struct sim_vm *vm, const char *kind)
{
	char *copy =
		arena_strdup(&arena, shown(vm, arena_printf(&arena, "guestinfo.cse.%s", kind)));
	char *rest = NULL, mac[CRYPTO_SHA256_HEX];
	struct secret key = secret_new(KEY, strlen(KEY));

	assert_string_equal(strtok_r(copy, " ", &rest), "v1");
	const char *seq = strtok_r(NULL, " ", &rest);
	const char *text = strtok_r(NULL, " ", &rest);
	const char *made = arena_printf(&arena, "%s|%s|%s|%s", kind, vm->name, seq, text);
	crypto_hmac_hex(mac, &key, made, strlen(made));
	assert_string_equal(strtok_r(NULL, " ", &rest), mac);
	size_t len;
	const char *out = base64_decode(&arena, text, &len);
	if (out && str_eq(kind, "kubeconfig")) {
		struct error err;
		out = crypto_unseal(&arena, &key, out, len, &len, &err);
	}
	secret_release(&key);
	return out;
}

/* kubectl get nodes against a server with the kubeconfig that the guest published. */
static int get_nodes(const char *server, char **output)
{
	char *path = arena_printf(&arena, "%s/kubeconfig", folder);
	const char *config = message_text(&machines[0], "kubeconfig");
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_non_null(config);
	(void)fputs(config, file);
	(void)fclose(file);
	char kubeconfig[] = "--kubeconfig", option[] = "--server", cache[] = "--cache-dir",
	     kubectl[] = "kubectl", get[] = "get", nodes[] = "nodes",
	     limit[] = "--request-timeout=5s";
	char *const argv[] = {kubectl, kubeconfig, path, option,
		arena_printf(&arena, "https://%s:6443", server), cache,
		arena_printf(&arena, "%s/cache", folder), limit, get, nodes, NULL};
	return run(argv, output);
}

static void test_nodes_get_ready(void **state)
{
	char *output;

	(void)state;
	guest_power_on(&sim, &machines[1]);
	guest_power_on(&sim, &machines[0]);
	assert_int_equal(imposed_boot, 600);
	wait_phase(&machines[0], " publish done ");
	wait_phase(&machines[1], " join done ");
	assert_int_equal(imposed_init, 1000);
	assert_int_equal(imposed_join, 400);
	json_object_array_add(
		sim.nat_rules, parse("{\"id\": \"1\", \"ruleType\": \"DNAT\", \"enabled\": true,"
				     "\"externalAddresses\": \"" EXTERNAL
				     "\", \"internalAddresses\": \"" CONTROL_PLANE
				     "\", \"dnatExternalPort\": \"6443\","
				     "\"applicationPortProfile\": {\"id\": \"urn:profile:1\"}}"));
	relay_sync(&sim);
	int status = get_nodes(EXTERNAL, &output);
	print_message("%s", output);
	assert_int_equal(status, 0);
	assert_non_null(strstr(output, "mstr-aaaa   Ready    control-plane,master"));
	assert_non_null(strstr(output, "node-bbbb   Ready    <none>"));
	assert_null(strstr(output, "NotReady"));
}

static void test_report(void **state)
{
	const char *report = message_text(&machines[0], "report");

	(void)state;
	assert_non_null(strstr(report, "IP:" EXTERNAL));
	assert_non_null(strstr(report, "IP:" CONTROL_PLANE));
	assert_non_null(strstr(report, "DNS:kubernetes,"));
	assert_non_null(strstr(report, "\nnodes=mstr-aaaa,node-bbbb\nkubelet=v1.20.4+vmware.1\n"));
}

static const char *guest_file(const struct sim_vm *vm, const char *path)
{
	CLEANUP(free_str)
	char *name = xasprintf("disk%s", path);
	CLEANUP(free_str)
	char *text = disk_tail(sim.guests, vm->uuid, name);

	return arena_strdup(&arena, str_or(text, "(absent)"));
}

static void test_secrets_stay_few(void **state)
{
	struct stat info;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(view_get(machines[i].guest, "guestinfo.cse.secret"), " ");
		assert_string_equal(shown(&machines[i], "guestinfo.cse.secret"), " ");
		assert_null(view_get(machines[i].guest, "cse.key"));
		assert_string_equal(
			guest_file(&machines[i], "/root/.ssh/authorized_keys"), SSH_KEY);
		const char *secret = guest_file(&machines[i], "/var/lib/cse/secret");
		assert_true(str_starts(secret, "key "));
		assert_null(strstr(secret, "token"));
		assert_null(strstr(secret, "ca_key"));
		assert_string_equal(
			guest_file(&machines[i], "/var/lib/cse/kubeadm.yaml"), "(absent)");
		assert_string_equal(guest_file(&machines[i], "/etc/cloud/cloud.cfg.d/99-cse.cfg"),
			"network: {config: disabled}\npreserve_hostname: true\n");
	}
	assert_int_equal(stat(arena_printf(&arena, "%s/guests/%s/disk/root/.ssh/authorized_keys",
				      folder, machines[0].uuid),
				 &info),
		0);
	assert_int_equal(info.st_mode & 0777, 0600);
}

/* Whether a peer at `from` that connects to `to` is served at all. */
static bool is_served(const char *from, const char *to)
{
	struct sockaddr_in own = {.sin_family = AF_INET};
	struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(6443)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char byte;

	assert_int_equal(inet_pton(AF_INET, from, &own.sin_addr), 1);
	assert_int_equal(inet_pton(AF_INET, to, &peer.sin_addr), 1);
	assert_int_equal(bind(fd, (const struct sockaddr *)&own, sizeof(own)), 0);
	bool served = connect(fd, (const struct sockaddr *)&peer, sizeof(peer)) == 0;
	if (served) {
		/* A server that closes at once says 0 bytes or a reset; one that serves waits for
		 * us. */
		struct timeval limit = {.tv_usec = 300000};
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		served = recv(fd, &byte, 1, 0) < 0 && errno == EAGAIN;
	}
	(void)close(fd);
	return served;
}

static void test_reachability(void **state)
{
	(void)state;
	assert_true(is_served(WORKER, CONTROL_PLANE));
	assert_true(is_served("127.0.0.1", EXTERNAL));
	assert_false(is_served("127.0.0.1", CONTROL_PLANE));
	assert_false(is_served(EXTERNAL, CONTROL_PLANE));
	assert_false(is_served(WORKER, EXTERNAL));
}

static void test_power_cycle(void **state)
{
	char *output;

	(void)state;
	guest_power_off(&sim, &machines[0]);
	assert_string_equal(shown(&machines[0], "guestinfo.cse.phase"), "");
	/* What VCD had stored is back, for the worker to empty. */
	assert_true(strlen(shown(&machines[0], "guestinfo.cse.secret")) > 1);
	guest_power_on(&sim, &machines[0]);
	assert_int_equal(imposed_boot, 300);
	wait_phase(&machines[0], " publish done ");
	assert_string_equal(view_get(machines[0].guest, "guestinfo.cse.secret"), " ");
	assert_string_equal(guest_file(&machines[0], "/etc/hostname"), "mstr-aaaa\n");
	for (int i = 0; i < 40; i++) {
		assert_int_equal(get_nodes(EXTERNAL, &output), 0);
		if (!strstr(output, "NotReady"))
			break;
	}
	assert_null(strstr(output, "NotReady"));
}

static void destroy_all(void)
{
	guest_destroy(&sim, &machines[0]);
	guest_destroy(&sim, &machines[1]);
	for (int i = 0; i < 200 && guests_process_count(&sim) > 0; i++) {
		guests_tick(&sim);
		clock_sleep_ms(10);
	}
	assert_int_equal(guests_process_count(&sim), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_not_equal(
			access(arena_printf(&arena, "%s/guests/%s", folder, machines[i].uuid),
				F_OK),
			0);
	}
}

static void test_nothing_is_left(void **state)
{
	char *output;

	(void)state;
	json_object_array_del_idx(sim.nat_rules, 0, 1);
	relay_sync(&sim);
	assert_int_not_equal(get_nodes(EXTERNAL, &output), 0);
	assert_int_equal(relay_socket_count(&sim), 0);
	destroy_all();
}

/* Cuts the power when the file has appeared and the phase has no stamp, and gives it back. */
static void cut_when(struct sim_vm *vm, const char *file, const char *stamp)
{
	int64_t end = clock_ms() + 30000;

	while (str_eq(guest_file(vm, file), "(absent)")) {
		guests_tick(&sim);
		clock_sleep_ms(5);
		assert_true(clock_ms() < end);
	}
	assert_string_equal(guest_file(vm, stamp), "(absent)");
	guest_power_off(&sim, vm);
	guest_power_on(&sim, vm);
}

/* Another runtime and form of configuration, and both nodes lose power within their longest phase.
 */
static void test_cut_nodes_of_a_newer_version(void **state)
{
	(void)state;
	json_release(&template.guest);
	template.guest = parse("{\"runtime\": \"containerd\", \"kubeadm\": \"v1.32.4+vmware.1\","
			       "\"prepared\": \"1.32.4-vmware.1\", \"cgroup_driver\": \"systemd\","
			       "\"init_ms\": 500, \"join_ms\": 500}");
	prepare_cluster("1.32.4-vmware.1");
	machines[0].customized = machines[1].customized = false;
	guest_power_on(&sim, &machines[0]);
	cut_when(&machines[0], "/etc/kubernetes/manifests/kube-apiserver.yaml",
		"/var/lib/cse/done.init");
	guest_power_on(&sim, &machines[1]);
	cut_when(&machines[1], "/var/lib/kubelet/config.yaml", "/var/lib/cse/done.join");
	wait_phase(&machines[1], " join done ");
	wait_phase(&machines[0], " publish done ");
	assert_non_null(strstr(message_text(&machines[0], "report"),
		"\nnodes=mstr-aaaa,node-bbbb\nkubelet=v1.32.4+vmware.1\n"));
	destroy_all();
}

/* A clock that lags behind the CA's validity: tried again, then reported with kubeadm's words. */
static void test_a_failure_is_reported(void **state)
{
	int64_t end = clock_ms() + 40000;

	(void)state;
	json_release(&template.guest);
	template.guest = parse("{\"clock_skew_s\": -172800, \"sleep_s\": 0.1}");
	prepare_cluster("1.20.4-vmware.1");
	machines[0].customized = false;
	guest_power_on(&sim, &machines[0]);
	while (!phase_is(&machines[0], " init failed ") && clock_ms() < end) {
		guests_tick(&sim);
		clock_sleep_ms(10);
	}
	const char *error = message_text(&machines[0], "error");
	assert_true(str_starts(error, "phase init, exit code 1\n"));
	assert_non_null(strstr(error, "the certificate is not valid yet"));
	assert_null(strstr(error, TOKEN));
	destroy_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nodes_get_ready),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_secrets_stay_few),
		cmocka_unit_test(test_reachability),
		cmocka_unit_test(test_power_cycle),
		cmocka_unit_test(test_nothing_is_left),
		cmocka_unit_test(test_cut_nodes_of_a_newer_version),
		cmocka_unit_test(test_a_failure_is_reported),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
