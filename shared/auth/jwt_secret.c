#include "auth/jwt_secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "auth/jwt.h"

#define PATTERN_BYTES_MAX 16
#define FOLDED_MAX        64 /* longer than any of them */

/* Secrets that examples and generators print, and that people leave as they are. Of each
 * only the letters and digits are here, in lower case: whoever guesses tries the other
 * forms. */
static const char *const well_known[] = {
    "secret",
    "secretkey",
    "mysecret",
    "mysecretkey",
    "yoursecret",
    "yoursecretkey",
    "yoursecrethere",
    "yoursecretkeyhere",
    "supersecret",
    "supersecretkey",
    "topsecret",
    "verysecret",
    "sosecret",
    "shhhhh",
    "jwt",
    "jwtsecret",
    "jwtsecretkey",
    "jwtkey",
    "myjwtsecret",
    "myjwtsecretkey",
    "yourjwtsecret",
    "yourjwtsecretkey",
    "supersecretjwtkey",
    "tokensecret",
    "accesstokensecret",
    "changeme",
    "changethis",
    "changeit",
    "replaceme",
    "password",
    "passw0rd",
    "mypassword",
    "default",
    "example",
    "test",
    "testing",
    "testsecret",
    "dev",
    "devsecret",
    "development",
    "admin",
    "root",
    "key",
    "token",
    "chatapp",
    "mern",
    "mernchat",
    "keyboardcat",
    "qwerty",
    "letmein",
    "abc",
    "your256bitsecret",
    "astringsecretatleast256bitslong",
    "yourjwtsecretkeyatleast32chars",
    "yoursupersecretjwtkeychangethisinproduction",
    "yoursecretkeychangethisinproduction",
    "changemechangemechangemechangeme",
    "pleasechangethissecretpleasechange",
};

/* In lower case, letters and digits alone; false if that is too long to be one of ours. */
static bool
fold(const char *secret, char out[FOLDED_MAX])
{
	size_t len = 0;

	for (; *secret != '\0'; secret++) {
		char c = *secret;

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if ((c < 'a' || c > 'z') && (c < '0' || c > '9'))
			continue;
		if (len == FOLDED_MAX - 1)
			return false;
		out[len++] = c;
	}
	out[len] = '\0';
	return true;
}

static bool
is_listed(const char *folded)
{
	for (size_t i = 0; i < sizeof(well_known) / sizeof(well_known[0]); i++)
		if (strcmp(folded, well_known[i]) == 0)
			return true;
	return false;
}

/* Is it one of the list? A short one may also end in digits, as "secret123" does; a long
 * one that was drawn at random may do so by chance. */
static bool
is_well_known(const char *secret)
{
	char folded[FOLDED_MAX];
	bool is_one;
	size_t len;

	if (!fold(secret, folded))
		return false;
	is_one = is_listed(folded);
	len = strlen(folded);
	while (len > 0 && folded[len - 1] >= '0' && folded[len - 1] <= '9')
		len--;
	folded[len] = '\0';
	if (strlen(secret) < PL_JWT_SECRET_MIN)
		is_one = is_one || len == 0 || is_listed(folded);
	explicit_bzero(folded, sizeof(folded));
	return is_one;
}

/* One short pattern over and over: "aaaa...", "changemechangeme...", "0123456789012...". */
static bool
is_pattern(const char *secret, size_t len)
{
	for (size_t period = 1; period <= PATTERN_BYTES_MAX && 2 * period <= len;
	     period++)
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

const char *
pl_jwt_secret_previous_fault(const char *secret)
{
	if (secret == NULL || secret[0] == '\0')
		return NULL;
	if (is_well_known(secret))
		return "JWT_SECRET_PREVIOUS is a well-known example, which lets anybody "
		       "in: leave it unset";
	if (is_pattern(secret, strlen(secret)))
		return "JWT_SECRET_PREVIOUS repeats a short pattern, which lets anybody "
		       "in: leave it unset";
	return NULL;
}
