#include "base/utf8.h"
#include "model/name.h"

static bool
has_char(struct pl_str text, bool (*is_such)(uint32_t code_point))
{
	uint32_t c;

	while (pl_utf8_next(&text, &c))
		if (is_such(c))
			return true;
	return false;
}

/* The rules of both. */
static const char *
fault(struct pl_str name)
{
	if (has_char(name, pl_utf8_is_control))
		return "must not hold control characters";
	if (has_char(name, pl_utf8_is_bidi_control))
		return "must not hold characters that turn the direction of text";
	if (!pl_utf8_has_visible(name))
		return "must show something";
	return NULL;
}

const char *
pl_full_name_fault(struct pl_str name)
{
	if (name.len == 0 || pl_utf8_count(name) > PL_FULL_NAME_CHARS_MAX)
		return "must be 1 to 100 characters long";
	return fault(name);
}

static bool
is_empty_looking(uint32_t c)
{
	return pl_utf8_is_space(c) || pl_utf8_is_blank(c);
}

static bool
has_space_at_end(struct pl_str text)
{
	uint32_t first = 0, last;

	(void)pl_utf8_next(&text, &first);
	last = first;
	while (pl_utf8_next(&text, &last))
		;
	return is_empty_looking(first) || is_empty_looking(last);
}

/* An invisible character that changes nothing that is seen. */
static bool
has_idle_char(struct pl_str text)
{
	uint32_t before, c = 0, after = 0;
	bool has_next = pl_utf8_next(&text, &after);

	while (has_next) {
		before = c;
		c = after;
		after = 0;
		has_next = pl_utf8_next(&text, &after);
		if ((pl_utf8_is_format(c) || pl_utf8_is_ignorable(c)) &&
		    !pl_utf8_is_at_work(c, before, after))
			return true;
	}
	return false;
}

const char *
pl_username_fault(struct pl_str name)
{
	const char *found;

	if (name.len == 0 || pl_utf8_count(name) > PL_USERNAME_CHARS_MAX)
		return "must be 1 to 64 characters long";
	found = fault(name);
	if (found != NULL)
		return found;
	if (has_idle_char(name))
		return "must not hold invisible characters";
	if (has_space_at_end(name))
		return "must not begin or end with white space";
	return NULL;
}
