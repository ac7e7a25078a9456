#include "base/typable.h"

#include "base/random.h"

static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";

void
pl_typable_draw(char *out, size_t groups)
{
	for (size_t i = 0; i < PL_TYPABLE_LEN(groups); i++)
		if (i % (PL_TYPABLE_GROUP + 1) == PL_TYPABLE_GROUP)
			out[i] = '-';
		else
			out[i] = letters[pl_random_below(sizeof(letters) - 1)];
	out[PL_TYPABLE_LEN(groups)] = '\0';
}

/* The letter that is meant; NUL: none is. */
static char
letter_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		c = (char)(c - 'A' + 'a');
	if (c == 'o')
		return '0';
	if (c == 'i' || c == 'l')
		return '1';
	return c != '\0' && strchr(letters, c) != NULL ? c : '\0';
}

bool
pl_typable_read(struct pl_str typed, char *bare, size_t groups)
{
	size_t len = 0;

	for (size_t i = 0; i < typed.len; i++) {
		char letter = letter_of(typed.ptr[i]);

		if (typed.ptr[i] == '-' || typed.ptr[i] == ' ')
			continue;
		if (letter == '\0' || len == PL_TYPABLE_BARE(groups))
			return false;
		bare[len++] = letter;
	}
	bare[len] = '\0';
	return len == PL_TYPABLE_BARE(groups);
}
