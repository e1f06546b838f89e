/* SPDX-License-Identifier: MIT */
#include "common/crypto.h"

#include "common/base64.h"
#include "common/str.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What a command of the openssl program prints when it reads `input`. */
static char *openssl(struct arena *arena, const char *command, const char *input)
{
	char path[] = "/tmp/cse-crypto-XXXXXX";
	char *arguments[16] = {0};
	const char *word;
	size_t count = 0, word_len;
	char *text = arena_alloc(arena, 8192);
	int file = mkstemp(path), out[2], status;
	ssize_t got, len = 0;
	pid_t child;

	assert_true(file >= 0 && pipe(out) == 0);
	assert_int_equal(write(file, input, strlen(input)), (ssize_t)strlen(input));
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	while ((word = str_next(&command, ' ', &word_len)))
		arguments[count++] = arena_strndup(arena, word, word_len);
	child = fork();
	if (child == 0) {
		dup2(file, STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(out[1], STDERR_FILENO);
		close(out[0]);
		execvp("openssl", arguments);
		_exit(127);
	}
	close(out[1]);
	while ((got = read(out[0], text + len, (size_t)(8191 - len))) > 0)
		len += got;
	close(out[0]);
	close(file);
	unlink(path);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	return text;
}

static void digests_match_known_values(void **state)
{
	char hex[CRYPTO_SHA256_HEX];
	struct secret key = secret_new("4a656665", 8); /* "Jefe", RFC 4231 test case 2 */

	(void)state;
	crypto_sha256_hex(hex, "abc", 3);
	assert_string_equal(
		hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	crypto_hmac_hex(hex, &key, "what do ya want for nothing?", 28);
	assert_string_equal(
		hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	secret_release(&key);
}

static void random_values_have_their_form(void **state)
{
	char a[CRYPTO_UUID_SIZE], b[CRYPTO_UUID_SIZE];
	struct secret text = crypto_random_text("abc", 64);

	(void)state;
	crypto_uuid(a);
	crypto_uuid(b);
	assert_string_not_equal(a, b);
	assert_int_equal(strlen(a), 36);
	assert_int_equal(a[14], '4');
	for (size_t i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		assert_int_equal(a[i] == '-', dash);
	}
	assert_int_equal(strlen(secret_reveal(&text)), 64);
	assert_true(str_is_made_of(secret_reveal(&text), "abc", 64));
	secret_release(&text);
}

/* The seconds since 1970 of a line "notBefore=2026-11-22 09:40:00Z". */
static time_t date_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	struct tm tm = {0};

	assert_non_null(at);
	assert_non_null(strptime(at + strlen(name), "=%Y-%m-%d %H:%M:%SZ", &tm));
	return timegm(&tm);
}

/* The pin as kubeadm documents it: SHA-256 over the DER of the public key. */
static const char *pin_of(struct arena *arena, const char *cert_pem)
{
	static const char arguments[] = "openssl x509 -noout -pubkey";
	char *pem = openssl(arena, arguments, cert_pem), *to = pem;
	char hex[CRYPTO_SHA256_HEX];
	const char *der;
	size_t len;

	pem = strchr(pem, '\n');
	assert_non_null(pem);
	*strstr(pem, "-----END") = '\0';
	to = pem;
	for (const char *from = pem; *from; from++) {
		if (*from != '\n')
			*to++ = *from;
	}
	*to = '\0';
	der = base64_decode(arena, pem, &len);
	assert_non_null(der);
	crypto_sha256_hex(hex, der, len);
	return arena_printf(arena, "sha256:%s", hex);
}

static void ca_is_what_kubeadm_takes(void **state)
{
	static const char show[] = "openssl x509 -noout -subject -dates -dateopt iso_8601 -ext "
				   "basicConstraints,keyUsage";
	static const char check[] = "openssl rsa -noout -check";
	struct arena arena = {0};
	struct crypto_ca ca;
	struct error err;
	const char *text, *hash;
	time_t now = time(NULL);

	(void)state;
	assert_int_equal(crypto_ca_make(&ca, &arena, &err), 0);
	text = openssl(&arena, show, ca.cert_pem);
	assert_non_null(strstr(text, "CN = kubernetes"));
	assert_non_null(strstr(text, "CA:TRUE"));
	assert_non_null(strstr(text, "Certificate Sign"));
	/* Valid for a guest whose clock is nearly a day behind. */
	assert_in_range(now - date_of(text, "notBefore"), 23 * 3600, 25 * 3600);
	assert_true(date_of(text, "notAfter") - now > 9 * 365 * 86400L);
	text = openssl(&arena, check, secret_reveal(&ca.key_pem));
	assert_non_null(strstr(text, "RSA key ok"));
	hash = crypto_ca_hash(&arena, ca.cert_pem, &err);
	assert_string_equal(hash, pin_of(&arena, ca.cert_pem));
	assert_null(crypto_ca_hash(&arena, "no certificate", &err));
	crypto_ca_release(&ca);
	arena_reset(&arena);
}

/* Guests seal with the openssl program, so that is what both directions are compared with. */
static void sealing_is_what_openssl_does(void **state)
{
	static const char hex[] = "00112233445566778899aabbccddeeff", hello[] = "hello \1 world\n";
	struct arena arena = {0};
	struct secret key = secret_new(hex, strlen(hex)), other = secret_new("00", 2);
	char passphrase[CRYPTO_SHA256_HEX];
	unsigned char *sealed;
	struct error err;
	size_t len, opened_len;
	const char *command, *opened;

	(void)state;
	crypto_hmac_hex(passphrase, &key, "seal", 4);
	sealed = crypto_seal(&arena, &key, hello, strlen(hello), &len);
	command = arena_printf(
		&arena, "openssl enc -d -a -A -aes-256-cbc -md sha256 -pass pass:%s", passphrase);
	opened = openssl(&arena, command, base64_encode(&arena, sealed, len));
	assert_non_null(strstr(opened, hello));
	opened = crypto_unseal(&arena, &key, sealed, len, &opened_len, &err);
	assert_string_equal(opened, hello);
	assert_int_equal(opened_len, strlen(hello));
	assert_null(crypto_unseal(&arena, &other, sealed, len, &opened_len, &err));
	assert_int_equal(err.code, ERR_INVALID);
	for (size_t cut = 0; cut < len; cut++)
		assert_null(crypto_unseal(&arena, &key, sealed, cut, &opened_len, &err));
	secret_release(&key);
	secret_release(&other);
	arena_reset(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_match_known_values),
		cmocka_unit_test(random_values_have_their_form),
		cmocka_unit_test(ca_is_what_kubeadm_takes),
		cmocka_unit_test(sealing_is_what_openssl_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
