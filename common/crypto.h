/* SPDX-License-Identifier: MIT */
/* The few things taken from OpenSSL: randomness, digests, and a cluster's certificate authority. */
#ifndef COMMON_CRYPTO_H
#define COMMON_CRYPTO_H

#include "common/arena.h"
#include "common/error.h"
#include "common/secret.h"

enum { CRYPTO_SHA256_HEX = 65, CRYPTO_UUID_SIZE = 37 };

/* Cryptographically strong. Aborts when the system has no randomness. */
void crypto_random(void *out, size_t len);
void crypto_uuid(char out[CRYPTO_UUID_SIZE]); /* version 4 */
/* len characters of `alphabet`, evenly distributed, as a heap secret. */
struct secret crypto_random_text(const char *alphabet, size_t len) MUST_CHECK;

void crypto_sha256_hex(char out[CRYPTO_SHA256_HEX], const void *data, size_t len);
void crypto_sha256(unsigned char out[32], const void *data, size_t len);
/* Key bytes given as lower-case hex, as a cluster's key is stored. */
void crypto_hmac_hex(
	char out[CRYPTO_SHA256_HEX], const struct secret *hex_key, const void *data, size_t len);

/*
 * Sealing with a cluster's key, in the form of `openssl enc -aes-256-cbc -md sha256` with the text
 * HMAC(key, "seal") in hex as the passphrase: guests have no other tool. It hides, but proves
 * nothing: who wrote it is told by the MAC around it. Bytes live in the arena, with a NUL behind
 * them. Unsealing fails with INVALID: not sealed, or with another key.
 */
unsigned char *crypto_seal(struct arena *arena, const struct secret *hex_key, const void *data,
	size_t len, size_t *out_len) MUST_CHECK;
char *crypto_unseal(struct arena *arena, const struct secret *hex_key, const void *data, size_t len,
	size_t *out_len, struct error *err) MUST_CHECK;

/*
 * A cluster's CA for kubeadm: RSA 2048, CN kubernetes, CA:TRUE, keyCertSign, not before now - 24 h
 * (a guest's clock may lag), ten years. PEM texts. Takes up to a second of CPU.
 */
struct crypto_ca {
	char *cert_pem; /* in the arena, public */
	struct secret key_pem;
};
int crypto_ca_make(struct crypto_ca *out, struct arena *arena, struct error *err) MUST_CHECK;
void crypto_ca_release(struct crypto_ca *ca);

/* "sha256:<hex>" of the certificate's SubjectPublicKeyInfo, as kubeadm pins it; in the arena. */
char *crypto_ca_hash(struct arena *arena, const char *cert_pem, struct error *err) MUST_CHECK;

#endif
