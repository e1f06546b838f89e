/* SPDX-License-Identifier: MIT */
/*
 * Making a CA takes most of a boxed cluster's time, so a few are made once, kept in the folder
 * CSE_BOX_CA for all workers of a run, and handed out in turn (the linker's --wrap). They are real
 * ones, and two passes never get the same one in a row: each worker of a box has a share of its
 * own, CSE_BOX_CA_SHARE.
 */
#include "common/crypto.h"
#include "common/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PER_SHARE = 3, PEM_MAX = 8192 };

int __real_crypto_ca_make(struct crypto_ca *out, struct arena *arena, struct error *err);
int __wrap_crypto_ca_make(struct crypto_ca *out, struct arena *arena, struct error *err);

static const char *file_name(struct arena *arena, size_t number)
{
	return arena_printf(arena, "%s/%zu", getenv("CSE_BOX_CA"), number);
}

/* The certificate, a NUL, the key. False when it was not made yet. */
static bool load(struct crypto_ca *out, struct arena *arena, size_t number)
{
	CLEANUP(close_file)
	FILE *file = fopen(file_name(arena, number), "re");
	char *text = arena_alloc(arena, PEM_MAX + 1);
	size_t len = file ? fread(text, 1, PEM_MAX, file) : 0;
	size_t cert_len = strlen(text);

	if (cert_len + 1 >= len)
		return false;
	out->cert_pem = text;
	out->key_pem = secret_new(text + cert_len + 1, len - cert_len - 1);
	return true;
}

/* Whole or not at all: other workers read it. */
static void store(const struct crypto_ca *ca, struct arena *arena, size_t number)
{
	const char *name = file_name(arena, number), *key = secret_reveal(&ca->key_pem);
	const char *fresh = arena_printf(arena, "%s.%d", name, (int)getpid());
	FILE *file = fopen(fresh, "we");

	if (!file)
		abort();
	fwrite(ca->cert_pem, 1, strlen(ca->cert_pem) + 1, file);
	fwrite(key, 1, strlen(key), file);
	if (fclose(file) != 0 || rename(fresh, name) != 0)
		abort();
}

int __wrap_crypto_ca_make(struct crypto_ca *out, struct arena *arena, struct error *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* protects what follows */
	static size_t turn;
	size_t number;
	int status = 0;

	pthread_mutex_lock(&lock);
	number = strtoul(getenv("CSE_BOX_CA_SHARE"), NULL, 10) * PER_SHARE + turn++ % PER_SHARE;
	*out = (struct crypto_ca){0};
	if (!load(out, arena, number)) {
		status = __real_crypto_ca_make(out, arena, err);
		if (status == 0)
			store(out, arena, number);
	}
	pthread_mutex_unlock(&lock);
	return status;
}
