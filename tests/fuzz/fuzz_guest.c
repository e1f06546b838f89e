/* SPDX-License-Identifier: MIT */
#include "common/crypto.h"
#include "tests/fuzz/fuzz.h"
#include "worker/kubeconfig.h"
#include "worker/plans/guest_report.h"
#include "worker/plans/node_data.h"

static const char vm[] = "mstr-a1b2";

/* "v1 <seq> <rest> <mac>" with the right code, as a guest that knows the key could send it. */
static const char *sealed(
	struct arena *arena, const struct secret *key, const char *kind, const char *rest)
{
	char mac[CRYPTO_SHA256_HEX];
	char *said = arena_printf(arena, "%s|%s|1|%s", kind, vm, rest);

	/* What is words on the wire is joined by '|' under the code. */
	for (char *blank = strchr(said, ' '); blank; blank = strchr(blank, ' '))
		*blank = '|';
	crypto_hmac_hex(mac, key, said, strlen(said));
	return arena_printf(arena, "v1 1 %s %s", rest, mac);
}

/* Whoever said it: nothing is missing, and nothing in it could change a terminal or a log. */
static void check_report(struct arena *arena, const struct secret *key, enum role role,
	const struct guest_values *said)
{
	struct guest_report report = guest_report_read(arena, key, vm, role, said);

	FUZZ_REQUIRE(report.error && report.sans && report.nodes && report.kubelet);
	for (const char *c = report.error; *c; c++)
		FUZZ_REQUIRE((unsigned char)*c >= ' ' || *c == '\n' || *c == '\t');
}

static void check_kubeconfig(struct arena *arena, const struct secret *key, const char *value)
{
	struct kubeconfig config;
	struct error err = {0};
	char *text;
	size_t len;

	if (value && kubeconfig_open(&text, &len, arena, key, vm, value, &err) == 0)
		(void)kubeconfig_read(&config, arena, text, len, &err);
}

/*
 * Five lines: the four values a guest may set, and the data it was given. The first byte says
 * whether they are sealed with the cluster's key.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const kinds[] = {"phase", "error", "report", "kubeconfig"};
	struct arena arena = {0};
	const char *rest = size ? fuzz_text(&arena, data + 1, size - 1) : "", *piece;
	bool seal = size && data[0] % 2;
	struct secret key = secret_new("00112233445566778899aabbccddeeff", 32);
	const char *values[5] = {0};
	struct guest_values said;
	struct node_data told;
	size_t len;

	for (size_t i = 0; i < 5 && (piece = str_next(&rest, '\n', &len)); i++) {
		values[i] = arena_strndup(&arena, piece, len);
		if (seal && i < ARRAY_LEN(kinds))
			values[i] = sealed(&arena, &key, kinds[i], values[i]);
	}
	said = (struct guest_values){values[0], values[1], values[2], values[3]};
	check_report(&arena, &key, ROLE_CONTROL_PLANE, &said);
	check_report(&arena, &key, ROLE_WORKER, &said);
	check_kubeconfig(&arena, &key, values[3]);
	if (values[4])
		(void)node_data_decode(&told, &arena, values[4]);
	secret_release(&key);
	arena_reset(&arena);
	return 0;
}
