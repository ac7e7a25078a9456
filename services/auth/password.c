#include <crypt.h>
#include <sodium.h>
#include <stdlib.h>

#include "password.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"

#define MEMORY_BYTES    ((size_t)PASSWORD_MEMORY_KIB * 1024)
#define BCRYPT_LEN      60 /* "$2b$10$", 22 characters of salt, 31 of hash */
#define BCRYPT_COST_MAX 14 /* about a second; a hash of a higher cost matches nothing */

/* The slowest check is of a bcrypt hash at a cost of 12 and a password that is not NFC:
 * two hashes, each of which takes as long as four at a cost of 10. A period is ten. */
#define BCRYPT_TIMED      "$2b$10$abcdefghijklmnopqrstuu"
#define BCRYPT_PER_PERIOD 10
#define ARGON2_PER_PERIOD 5

static char dummy_hash[crypto_pwhash_STRBYTES]; /* checked if there is no such user */
static int64_t period_ms;

static bool
argon2_hash(const char *password, size_t len, char out[crypto_pwhash_STRBYTES])
{
	return crypto_pwhash_str_alg(out, password, len, PASSWORD_PASSES, MEMORY_BYTES,
		   crypto_pwhash_ALG_ARGON2ID13) == 0;
}

char *
password_hash(struct pl_str password)
{
	char text[crypto_pwhash_STRBYTES], *hash = NULL, *nfc;
	size_t len;

	nfc = pl_utf8_nfc(password, &len);
	if (nfc == NULL)
		return NULL;
	if (argon2_hash(nfc, len, text))
		hash = pl_mem_strdup(text);
	pl_mem_wipe_free(nfc, len);
	return hash;
}

/* ---- bcrypt, as the MERN app stored it ---- */

static bool
is_bcrypt(const char *hash)
{
	unsigned long cost;

	if (strlen(hash) != BCRYPT_LEN || hash[0] != '$' || hash[1] != '2' ||
	    strchr("aby", hash[2]) == NULL || hash[3] != '$' || hash[6] != '$')
		return false;
	cost = strtoul(hash + 4, NULL, 10);
	return cost >= 4 && cost <= BCRYPT_COST_MAX;
}

static bool
bcrypt_matches(const char *password, const char *hash)
{
	struct crypt_data *data = pl_mem_zalloc(sizeof(*data)); /* 32 KiB */
	/* Not crypt_r(): ASan's own of that name keeps libcrypt from being linked. */
	const char *made = crypt_rn(password, hash, data, (int)sizeof(*data));
	bool ok = made != NULL && strlen(made) == BCRYPT_LEN &&
		  sodium_memcmp(made, hash, BCRYPT_LEN) == 0;

	pl_mem_wipe_free(data, sizeof(*data));
	return ok;
}

/* MERN hashed what the browser sent, NFC or not. */
static bool
bcrypt_verify(struct pl_str password, const char *nfc, const char *hash)
{
	char *as_typed = pl_mem_strndup(password.ptr, password.len);
	bool ok = bcrypt_matches(as_typed, hash) ||
		  (strcmp(as_typed, nfc) != 0 && bcrypt_matches(nfc, hash));

	pl_mem_wipe_free(as_typed, password.len);
	return ok;
}

/* ---- verifying ---- */

static bool
argon2_verify(const char *nfc, size_t len, const char *hash, bool *is_outdated)
{
	if (crypto_pwhash_str_verify(hash, nfc, len) != 0)
		return false;
	*is_outdated =
	    crypto_pwhash_str_needs_rehash(hash, PASSWORD_PASSES, MEMORY_BYTES) != 0;
	return true;
}

bool
password_verify(struct pl_str password, const char *hash, bool *needs_rehash)
{
	bool is_outdated = false, ok;
	size_t len;
	char *nfc;

	nfc = pl_utf8_nfc(password, &len);
	if (nfc == NULL)
		return false;
	if (hash != NULL && is_bcrypt(hash)) {
		ok = bcrypt_verify(password, nfc, hash);
		is_outdated = ok;
	} else {
		bool is_known = hash != NULL && hash[0] == '$';

		ok = argon2_verify(nfc, len, is_known ? hash : dummy_hash, &is_outdated);
		ok = ok && is_known;
	}
	pl_mem_wipe_free(nfc, len);
	if (ok && needs_rehash != NULL)
		*needs_rehash = is_outdated;
	return ok;
}

/* ---- at start ---- */

/* By processor time, so that others on the machine do not count. */
static void
time_hashes(void)
{
	int64_t start_us = pl_clock_thread_us(), argon2_us, bcrypt_us;

	(void)argon2_verify("timed", 5, dummy_hash, &(bool){false});
	argon2_us = pl_clock_thread_us() - start_us;
	start_us = pl_clock_thread_us();
	(void)bcrypt_matches("timed", BCRYPT_TIMED);
	bcrypt_us = pl_clock_thread_us() - start_us;
	period_ms = argon2_us * ARGON2_PER_PERIOD > bcrypt_us * BCRYPT_PER_PERIOD
			? argon2_us * ARGON2_PER_PERIOD
			: bcrypt_us * BCRYPT_PER_PERIOD;
	period_ms = period_ms / 1000 + 1;
}

enum pl_err
password_init(void)
{
	char random[16];

	if (sodium_init() < 0)
		return PL_E_IO;
	randombytes_buf(random, sizeof(random));
	if (!argon2_hash(random, sizeof(random), dummy_hash))
		return PL_E_IO;
	time_hashes();
	return PL_OK;
}

int64_t
password_period_ms(void)
{
	return period_ms;
}
