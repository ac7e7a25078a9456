#include "auth/jwt_secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "auth/jwt.h"

#define PATTERN_BYTES_MAX 16

/* Secrets that examples and generators print, and that people leave as they are. */
static const char *const well_known[] = {
    "secret",
    "changeme",
    "password",
    "jwt_secret",
    "your-256-bit-secret",
    "a-string-secret-at-least-256-bits-long",
    "your_jwt_secret_key_at_least_32_chars",
    "your-super-secret-jwt-key-change-this-in-production",
    "your-secret-key-change-this-in-production",
    "changeme-changeme-changeme-changeme",
    "please-change-this-secret-please-change",
};

static bool
is_well_known(const char *secret)
{
	for (size_t i = 0; i < sizeof(well_known) / sizeof(well_known[0]); i++)
		if (strcasecmp(secret, well_known[i]) == 0)
			return true;
	return false;
}

/* One short pattern over and over: "aaaa...", "changemechangeme...", "0123456789012...". */
static bool
is_pattern(const char *secret, size_t len)
{
	for (size_t period = 1; period <= PATTERN_BYTES_MAX && period < len; period++)
		if (memcmp(secret, secret + period, len - period) == 0)
			return true;
	return false;
}

const char *
pl_jwt_secret_fault(const char *secret)
{
	if (secret == NULL || secret[0] == '\0')
		return "JWT_SECRET is not set";
	if (is_well_known(secret))
		return "JWT_SECRET is a well-known example, choose a random one";
	if (strlen(secret) < PL_JWT_SECRET_MIN)
		return "JWT_SECRET must be at least 32 bytes long";
	if (is_pattern(secret, strlen(secret)))
		return "JWT_SECRET repeats a short pattern, choose a random one";
	return NULL;
}
