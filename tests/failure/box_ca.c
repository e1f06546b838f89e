/* SPDX-License-Identifier: MIT */
/*
 * Making a CA takes most of a boxed cluster's time, so the box makes a few and hands them out in
 * turn (the linker's --wrap): real ones, and two clusters or passes never get the same one in a
 * row.
 */
#include "common/crypto.h"

#include <pthread.h>

enum { POOL = 3 };

int __real_crypto_ca_make(struct crypto_ca *out, struct arena *arena, struct error *err);
int __wrap_crypto_ca_make(struct crypto_ca *out, struct arena *arena, struct error *err);

int __wrap_crypto_ca_make(struct crypto_ca *out, struct arena *arena, struct error *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* protects what follows */
	static struct crypto_ca made[POOL];
	static struct arena keep;
	static size_t next;
	const struct crypto_ca *ca;
	int status = 0;

	pthread_mutex_lock(&lock);
	ca = &made[next++ % POOL];
	if (!ca->cert_pem)
		status = __real_crypto_ca_make(&made[(next - 1) % POOL], &keep, err);
	if (status == 0)
		*out = (struct crypto_ca){.cert_pem = arena_strdup(arena, ca->cert_pem),
			.key_pem = secret_copy(&ca->key_pem)};
	pthread_mutex_unlock(&lock);
	return status;
}
