#include <stdlib.h>

#include "base/hex.h"
#include "base/utf8.h"
#include "loose.h"

#define REPLACEMENT      0xFFFD
#define NUMBER_BYTES_MAX 64

/* ---- stepping over ---- */

static bool
is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
advance(struct pl_str *s, size_t count)
{
	s->ptr += count;
	s->len -= count;
}

static void
skip_white(struct pl_str *s)
{
	while (s->len > 0 && is_white(*s->ptr))
		advance(s, 1);
}

static bool
skip_char(struct pl_str *s, char c)
{
	skip_white(s);
	if (s->len == 0 || *s->ptr != c)
		return false;
	advance(s, 1);
	return true;
}

/* s begins with the opening quote. The string's length with both quotes; 0: it has no
 * end. */
static size_t
string_len(struct pl_str s)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.ptr[i] == '"')
			return i + 1;
		if (s.ptr[i] == '\\')
			i++;
	}
	return 0;
}

/* Both kinds of bracket count as one, because what is between them is not looked at. */
static size_t
nested_len(struct pl_str s)
{
	size_t depth = 0, i = 0;

	while (i < s.len) {
		char c = s.ptr[i];
		size_t step = c == '"' ? string_len(pl_str_n(s.ptr + i, s.len - i)) : 1;

		if (step == 0)
			return 0;
		i += step;
		if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && --depth == 0)
			return i;
	}
	return 0;
}

/* A number or a word, whatever it is: 1e999, NaN, -Infinity, undefined. */
static size_t
word_len(struct pl_str s)
{
	size_t len = 0;

	while (len < s.len && !is_white(s.ptr[len]) && s.ptr[len] != '\0' &&
	       strchr(",:[]{}\"", s.ptr[len]) == NULL)
		len++;
	return len;
}

bool
loose_take(struct pl_str *rest, struct pl_str *value)
{
	struct pl_str s = *rest;
	size_t len = 0;

	skip_white(&s);
	if (s.len == 0)
		return false;
	if (*s.ptr == '"')
		len = string_len(s);
	else if (*s.ptr == '{' || *s.ptr == '[')
		len = nested_len(s);
	else
		len = word_len(s);
	if (len == 0)
		return false;
	*value = pl_str_n(s.ptr, len);
	advance(&s, len);
	*rest = s;
	return true;
}

/* ---- looking into ---- */

struct pl_str
loose_get(struct pl_str object, const char *key)
{
	struct pl_str found = PL_STR_NONE, name, value;
	struct pl_str wanted = pl_str(key);

	if (!skip_char(&object, '{'))
		return found;
	do {
		if (!loose_take(&object, &name) || !skip_char(&object, ':') ||
		    !loose_take(&object, &value))
			break;
		if (loose_is_string(name) &&
		    pl_str_eq(pl_str_n(name.ptr + 1, name.len - 2), wanted))
			found = value;
	} while (skip_char(&object, ','));
	return found;
}

bool
loose_each(struct pl_str *rest, struct pl_str *item)
{
	return (skip_char(rest, '[') || skip_char(rest, ',')) && loose_take(rest, item);
}

struct pl_str
loose_first(struct pl_str array)
{
	struct pl_str item = PL_STR_NONE;

	return loose_is(array, "[") && loose_each(&array, &item) ? item : PL_STR_NONE;
}

/* ---- a value ---- */

bool
loose_is(struct pl_str value, const char *literal)
{
	if ((*literal == '{' || *literal == '[') && literal[1] == '\0')
		return value.len > 0 && *value.ptr == *literal;
	return pl_str_eq(value, pl_str(literal));
}

bool
loose_says_something(struct pl_str value)
{
	struct pl_str inside;

	if (value.len == 0 || loose_is(value, "null") || loose_is(value, "false") ||
	    loose_is(value, "0") || loose_is(value, "\"\""))
		return false;
	if (*value.ptr != '{' && *value.ptr != '[')
		return true;
	inside = pl_str_n(value.ptr + 1, value.len - 2);
	skip_white(&inside);
	return inside.len > 0;
}

bool
loose_is_string(struct pl_str value)
{
	return value.len >= 2 && *value.ptr == '"';
}

bool
loose_str_is(struct pl_str value, const char *text)
{
	return loose_is_string(value) &&
	       pl_str_eq(pl_str_n(value.ptr + 1, value.len - 2), pl_str(text));
}

bool
loose_real(struct pl_str value, double *out)
{
	char text[NUMBER_BYTES_MAX];
	char *end;
	double real;

	if (value.len == 0 || value.len >= sizeof(text) ||
	    strchr("-0123456789", *value.ptr) == NULL)
		return false;
	memcpy(text, value.ptr, value.len);
	text[value.len] = '\0';
	real = strtod(text, &end);
	if (end != text + value.len)
		return false;
	*out = real;
	return true;
}

/* ---- a string's text ---- */

static void
add_code_point(struct pl_buf *out, uint32_t c)
{
	if (c < 0x80) {
		pl_buf_add_char(out, (char)c);
		return;
	}
	if (c < 0x800) {
		pl_buf_add_char(out, (char)(0xC0 | c >> 6));
	} else if (c < 0x10000) {
		pl_buf_add_char(out, (char)(0xE0 | c >> 12));
		pl_buf_add_char(out, (char)(0x80 | (c >> 6 & 0x3F)));
	} else {
		pl_buf_add_char(out, (char)(0xF0 | c >> 18));
		pl_buf_add_char(out, (char)(0x80 | (c >> 12 & 0x3F)));
		pl_buf_add_char(out, (char)(0x80 | (c >> 6 & 0x3F)));
	}
	pl_buf_add_char(out, (char)(0x80 | (c & 0x3F)));
}

/* Take "\uXXXX" off. */
static bool
take_unit(struct pl_str *s, uint32_t *unit)
{
	uint8_t bytes[2];

	if (s->len < 6 || s->ptr[0] != '\\' || s->ptr[1] != 'u' ||
	    !pl_hex_decode(pl_str_n(s->ptr + 2, 4), bytes, 2))
		return false;
	*unit = (uint32_t)bytes[0] << 8 | bytes[1];
	advance(s, 6);
	return true;
}

/* unit was taken off. If it is half of a pair, the other half is taken off, too. */
static uint32_t
join_surrogates(struct pl_str *s, uint32_t unit)
{
	struct pl_str ahead = *s;
	uint32_t low;

	if (unit < 0xD800 || unit > 0xDFFF)
		return unit;
	if (unit > 0xDBFF || !take_unit(&ahead, &low) || low < 0xDC00 || low > 0xDFFF)
		return REPLACEMENT;
	*s = ahead;
	return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
}

/* s begins with a backslash and has a character after it. */
static void
take_escape(struct pl_str *s, struct pl_buf *out)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *at;
	uint32_t unit;

	if (take_unit(s, &unit)) {
		add_code_point(out, join_surrogates(s, unit));
		return;
	}
	at = s->ptr[1] != '\0' ? strchr(from, s->ptr[1]) : NULL;
	pl_buf_add_char(out, at != NULL ? to[at - from] : s->ptr[1]);
	advance(s, 2);
}

bool
loose_str(struct pl_str value, struct pl_buf *out)
{
	struct pl_str s;
	size_t before = out->len, len;

	if (!loose_is_string(value))
		return false;
	s = pl_str_n(value.ptr + 1, value.len - 2);
	while (s.len > 0) {
		const char *escape = memchr(s.ptr, '\\', s.len);

		len = escape != NULL ? (size_t)(escape - s.ptr) : s.len;
		pl_buf_add(out, s.ptr, len);
		advance(&s, len);
		if (s.len == 1)
			break;
		if (s.len > 0)
			take_escape(&s, out);
	}
	return out->len == before ||
	       pl_utf8_is_valid(pl_str_n(out->data + before, out->len - before));
}
