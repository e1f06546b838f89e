/* SPDX-License-Identifier: MIT */
#include "common/crypto.h"

#include "common/mem.h"
#include "common/str.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CA_BITS = 2048, DAY_S = 24 * 60 * 60, CA_DAYS = 3650 };

static void free_key(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static void free_cert(X509 **cert)
{
	X509_free(*cert);
}

static void free_bio(BIO **bio)
{
	BIO_free(*bio);
}

static int crypto_failed(struct error *err, const char *what)
{
	char text[160] = "no reason given";
	unsigned long code = ERR_get_error();

	if (code)
		ERR_error_string_n(code, text, sizeof(text));
	ERR_clear_error();
	return error_set(err, ERR_INTERNAL, "%s failed: %s", what, text);
}

void crypto_random(void *out, size_t len)
{
	assert(len <= INT32_MAX);
	if (RAND_bytes(out, (int)len) != 1)
		abort();
}

void crypto_uuid(char out[CRYPTO_UUID_SIZE])
{
	static const size_t dash_before[] = {4, 6, 8, 10};
	unsigned char bytes[16];
	char *at = out;
	size_t dash = 0;

	crypto_random(bytes, sizeof(bytes));
	bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
	bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		if (dash < ARRAY_LEN(dash_before) && dash_before[dash] == i) {
			*at++ = '-';
			dash++;
		}
		str_hex(at, &bytes[i], 1);
		at += 2;
	}
}

struct secret crypto_random_text(const char *alphabet, size_t len)
{
	size_t letters = strlen(alphabet);
	char *text = xcalloc(1, len + 1);
	struct secret out;

	assert(letters > 1 && letters <= 256);
	for (size_t i = 0; i < len;) {
		unsigned char byte;

		crypto_random(&byte, 1);
		/* Values above the last full round would make the first letters likelier. */
		if (byte < 256 / letters * letters)
			text[i++] = alphabet[byte % letters];
	}
	out = secret_new(text, len);
	OPENSSL_cleanse(text, len);
	free(text);
	return out;
}

void crypto_sha256(unsigned char out[32], const void *data, size_t len)
{
	unsigned size = 0;

	if (!EVP_Digest(data, len, out, &size, EVP_sha256(), NULL) || size != 32)
		abort();
}

void crypto_sha256_hex(char out[CRYPTO_SHA256_HEX], const void *data, size_t len)
{
	unsigned char digest[32];

	crypto_sha256(digest, data, len);
	str_hex(out, digest, sizeof(digest));
}

void crypto_hmac_hex(
	char out[CRYPTO_SHA256_HEX], const struct secret *hex_key, const void *data, size_t len)
{
	unsigned char key[EVP_MAX_MD_SIZE];
	unsigned char digest[EVP_MAX_MD_SIZE];
	size_t key_len = 0;
	unsigned size = 0;

	/* A key that is not hex gives the code of an empty key: it matches nothing a guest sends.
	 */
	if (!OPENSSL_hexstr2buf_ex(key, sizeof(key), &key_len, secret_reveal(hex_key), '\0')) {
		ERR_clear_error();
		key_len = 0;
	}
	if (!HMAC(EVP_sha256(), key, (int)key_len, data, len, digest, &size) || size != 32)
		abort();
	OPENSSL_cleanse(key, sizeof(key));
	str_hex(out, digest, size);
}

/* How `openssl enc` begins what it writes: these bytes, then the salt. */
static const char seal_magic[] = "Salted__";
enum { SEAL_MAGIC = 8, SEAL_SALT = 8, SEAL_HEAD = SEAL_MAGIC + SEAL_SALT, SEAL_BLOCK = 16 };

static void free_cipher(EVP_CIPHER_CTX **cipher)
{
	EVP_CIPHER_CTX_free(*cipher);
}

/* A cipher ready to go; NULL when OpenSSL refuses. */
static EVP_CIPHER_CTX *seal_cipher(
	const struct secret *hex_key, const unsigned char *salt, bool encrypt)
{
	unsigned char key[EVP_MAX_KEY_LENGTH], iv[EVP_MAX_IV_LENGTH];
	char passphrase[CRYPTO_SHA256_HEX];
	EVP_CIPHER_CTX *out = EVP_CIPHER_CTX_new();
	bool ready;

	crypto_hmac_hex(passphrase, hex_key, "seal", strlen("seal"));
	ready = out &&
		EVP_BytesToKey(EVP_aes_256_cbc(), EVP_sha256(), salt, (unsigned char *)passphrase,
			(int)strlen(passphrase), 1, key, iv) > 0 &&
		EVP_CipherInit_ex(out, EVP_aes_256_cbc(), NULL, key, iv, encrypt) == 1;
	OPENSSL_cleanse(passphrase, sizeof(passphrase));
	OPENSSL_cleanse(key, sizeof(key));
	if (ready)
		return out;
	EVP_CIPHER_CTX_free(out);
	return NULL;
}

/* Runs all bytes through the cipher; -1 when the end does not fit. */
static int seal_run(
	EVP_CIPHER_CTX *cipher, unsigned char *out, const unsigned char *data, size_t len)
{
	int first = 0, last = 0;

	if (!cipher || len > INT32_MAX - SEAL_BLOCK ||
		EVP_CipherUpdate(cipher, out, &first, data, (int)len) != 1 ||
		EVP_CipherFinal_ex(cipher, out + first, &last) != 1) {
		ERR_clear_error();
		return -1;
	}
	return first + last;
}

unsigned char *crypto_seal(struct arena *arena, const struct secret *hex_key, const void *data,
	size_t len, size_t *out_len)
{
	unsigned char *out = arena_alloc(arena, SEAL_HEAD + len + SEAL_BLOCK + 1);
	CLEANUP(free_cipher)
	EVP_CIPHER_CTX *cipher = NULL;
	int done;

	memcpy(out, seal_magic, SEAL_MAGIC);
	crypto_random(out + SEAL_MAGIC, SEAL_SALT);
	cipher = seal_cipher(hex_key, out + SEAL_MAGIC, true);
	done = seal_run(cipher, out + SEAL_HEAD, data, len);
	if (done < 0)
		abort();
	*out_len = SEAL_HEAD + (size_t)done;
	return out;
}

char *crypto_unseal(struct arena *arena, const struct secret *hex_key, const void *data, size_t len,
	size_t *out_len, struct error *err)
{
	const unsigned char *bytes = data;
	CLEANUP(free_cipher)
	EVP_CIPHER_CTX *cipher = NULL;
	unsigned char *out;
	int done;

	if (len < SEAL_HEAD || memcmp(bytes, seal_magic, SEAL_MAGIC) != 0) {
		error_set(err, ERR_INVALID, "the text is not sealed");
		return NULL;
	}
	out = arena_alloc(arena, len + SEAL_BLOCK + 1);
	cipher = seal_cipher(hex_key, bytes + SEAL_MAGIC, false);
	done = seal_run(cipher, out, bytes + SEAL_HEAD, len - SEAL_HEAD);
	if (done < 0) {
		error_set(err, ERR_INVALID, "the text is sealed with another key");
		return NULL;
	}
	out[done] = '\0';
	*out_len = (size_t)done;
	return (char *)out;
}

static bool cert_extend(X509 *cert, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	bool ok;

	X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	if (!extension)
		return false;
	ok = X509_add_ext(cert, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return ok;
}

static bool cert_fill(X509 *cert, EVP_PKEY *key)
{
	unsigned char serial[8];
	uint64_t number = 0;
	X509_NAME *name = X509_get_subject_name(cert);

	crypto_random(serial, sizeof(serial));
	serial[0] &= 0x7f; /* positive */
	for (size_t i = 0; i < sizeof(serial); i++)
		number = number << 8 | serial[i];
	return X509_set_version(cert, X509_VERSION_3) &&
	       ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), number) &&
	       X509_gmtime_adj(X509_getm_notBefore(cert), -DAY_S) &&
	       X509_gmtime_adj(X509_getm_notAfter(cert), (long)CA_DAYS * DAY_S) &&
	       X509_NAME_add_entry_by_txt(
		       name, "CN", MBSTRING_ASC, (const unsigned char *)"kubernetes", -1, -1, 0) &&
	       X509_set_issuer_name(cert, name) && X509_set_pubkey(cert, key) &&
	       cert_extend(cert, NID_basic_constraints, "critical,CA:TRUE") &&
	       cert_extend(cert, NID_key_usage,
		       "critical,digitalSignature,keyEncipherment,keyCertSign") &&
	       cert_extend(cert, NID_subject_key_identifier, "hash");
}

int crypto_ca_make(struct crypto_ca *out, struct arena *arena, struct error *err)
{
	CLEANUP(free_key)
	EVP_PKEY *key = EVP_RSA_gen(CA_BITS);
	CLEANUP(free_cert)
	X509 *cert = X509_new();
	CLEANUP(free_bio)
	BIO *cert_pem = BIO_new(BIO_s_mem());
	/* Wiped when freed, unlike BIO_s_mem. */
	CLEANUP(free_bio)
	BIO *key_pem = BIO_new(BIO_s_secmem());
	char *text;
	long len;

	*out = (struct crypto_ca){0};
	if (!key || !cert || !cert_pem || !key_pem || !cert_fill(cert, key) ||
		!X509_sign(cert, key, EVP_sha256()) || !PEM_write_bio_X509(cert_pem, cert) ||
		!PEM_write_bio_PrivateKey_traditional(key_pem, key, NULL, NULL, 0, NULL, NULL))
		return crypto_failed(err, "Making the cluster's certificate authority");
	len = BIO_get_mem_data(cert_pem, &text);
	out->cert_pem = arena_strndup(arena, text, (size_t)len);
	len = BIO_get_mem_data(key_pem, &text);
	out->key_pem = secret_new(text, (size_t)len);
	return 0;
}

void crypto_ca_release(struct crypto_ca *ca)
{
	secret_release(&ca->key_pem);
	ca->cert_pem = NULL;
}

char *crypto_ca_hash(struct arena *arena, const char *cert_pem, struct error *err)
{
	CLEANUP(free_bio)
	BIO *bio = BIO_new_mem_buf(cert_pem, -1);
	CLEANUP(free_cert)
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	unsigned char *der = NULL;
	char hex[CRYPTO_SHA256_HEX];
	int len;

	if (!cert) {
		crypto_failed(err, "Reading the cluster's CA certificate");
		return NULL;
	}
	len = i2d_PUBKEY(X509_get0_pubkey(cert), &der);
	if (len <= 0) {
		crypto_failed(err, "Encoding the CA's public key");
		return NULL;
	}
	crypto_sha256_hex(hex, der, (size_t)len);
	OPENSSL_free(der);
	return arena_printf(arena, "sha256:%s", hex);
}
