/* SPDX-License-Identifier: MIT */
#include "worker/kubeconfig.h"

#include "common/base64.h"
#include "common/crypto.h"
#include "common/str.h"
#include "common/yaml.h"
#include "worker/names.h"

#include <string.h>

enum { FIELD_MAX = 65536, SEQ_MAX = 1000000000 };

/* The next word of *rest, in the arena; "" when there is none. */
static const char *next_word(struct arena *arena, const char **rest)
{
	size_t len;
	const char *start = str_next(rest, ' ', &len);

	return start ? arena_strndup(arena, start, len) : "";
}

int kubeconfig_open(char **text, size_t *len, struct arena *arena, const struct secret *hex_key,
	const char *vm, const char *message, struct error *err)
{
	const char *rest = message;
	const char *version = next_word(arena, &rest), *seq = next_word(arena, &rest),
		   *body = next_word(arena, &rest), *mac = next_word(arena, &rest);
	char expected[CRYPTO_SHA256_HEX];
	struct secret given, wanted;
	const char *signed_text;
	int64_t number;
	char *sealed;
	bool equal;

	if (!str_eq(version, "v1") || rest || !str_to_int(seq, 0, SEQ_MAX, &number))
		return error_set(err, ERR_INVALID, "the kubeconfig message has another form");
	signed_text = arena_printf(arena, "kubeconfig|%s|%s|%s", vm, seq, body);
	crypto_hmac_hex(expected, hex_key, signed_text, strlen(signed_text));
	given = secret_new(mac, strlen(mac));
	wanted = secret_new(expected, strlen(expected));
	equal = secret_equal(&given, &wanted);
	secret_release(&given);
	secret_release(&wanted);
	if (!equal)
		return error_set(err, ERR_INVALID, "the kubeconfig message is not authentic");
	sealed = base64_decode(arena, body, len);
	if (!sealed)
		return error_set(err, ERR_INVALID, "the kubeconfig message is not Base64");
	*text = crypto_unseal(arena, hex_key, sealed, *len, len, err);
	return *text ? 0 : error_wrap(err, "the kubeconfig message");
}

/* One "-----BEGIN <label>-----" … "-----END <label>-----" block; the place behind it, or NULL. */
static const char *skip_block(const char *text, const char *label)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789+/=\r\n";
	const char *const marks[] = {"-----BEGIN ", "-----END "};

	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		if (!str_starts(text, marks[i]))
			return NULL;
		text += strlen(marks[i]);
		if (!str_starts(text, label) || !str_starts(text + strlen(label), "-----"))
			return NULL;
		text += strlen(label) + strlen("-----");
		text += strspn(text, i ? "\r\n" : alphabet);
	}
	return text;
}

static bool is_pem(const char *text, const char *label, bool many)
{
	do
		text = skip_block(text, label);
	while (many && text && *text);
	return text && *text == '\0';
}

static bool is_certificate(const char *text)
{
	return is_pem(text, "CERTIFICATE", true);
}

static bool is_private_key(const char *text)
{
	static const char *const labels[] = {"RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY"};

	for (size_t i = 0; i < ARRAY_LEN(labels); i++)
		if (is_pem(text, labels[i], false))
			return true;
	return false;
}

/* The field at one exact place, decoded, checked and encoded again. */
static int take_field(const char **out, struct arena *arena, const struct yaml_leaves *leaves,
	const char *path, bool (*is_right)(const char *), struct error *err)
{
	for (size_t i = 0; i < leaves->count; i++) {
		size_t len;
		char *pem;

		if (!str_eq(leaves->items[i].path, path))
			continue;
		pem = base64_decode(arena, leaves->items[i].value, &len);
		if (!pem || len > FIELD_MAX || strlen(pem) != len || !is_right(pem))
			return error_set(err, ERR_INVALID,
				"kubeconfig: %s is not Base64 of the PEM it must be", path);
		*out = base64_encode(arena, pem, len);
		return 0;
	}
	return error_set(err, ERR_INVALID, "kubeconfig: %s is missing", path);
}

int kubeconfig_read(struct kubeconfig *out, struct arena *arena, const char *text, size_t len,
	struct error *err)
{
	struct yaml_leaves leaves;

	if (yaml_read(&leaves, arena, "kubeconfig", text, len, err))
		return -1;
	if (take_field(&out->ca, arena, &leaves, "clusters[0].cluster.certificate-authority-data",
		    is_certificate, err))
		return -1;
	if (take_field(&out->certificate, arena, &leaves, "users[0].user.client-certificate-data",
		    is_certificate, err))
		return -1;
	return take_field(
		&out->key, arena, &leaves, "users[0].user.client-key-data", is_private_key, err);
}

char *kubeconfig_write(struct arena *arena, const struct kubeconfig *fields, const char *cluster,
	const char *address)
{
	return arena_printf(arena,
		"apiVersion: v1\n"
		"kind: Config\n"
		"clusters:\n"
		"- name: %s\n"
		"  cluster:\n"
		"    server: https://%s:%d\n"
		"    certificate-authority-data: %s\n"
		"users:\n"
		"- name: %s-admin\n"
		"  user:\n"
		"    client-certificate-data: %s\n"
		"    client-key-data: %s\n"
		"contexts:\n"
		"- name: %s-admin@%s\n"
		"  context:\n"
		"    cluster: %s\n"
		"    user: %s-admin\n"
		"current-context: %s-admin@%s\n"
		"preferences: {}\n",
		cluster, address, KUBE_API_PORT, fields->ca, cluster, fields->certificate,
		fields->key, cluster, cluster, cluster, cluster, cluster, cluster);
}
