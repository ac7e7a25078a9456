#include <utf8proc.h>

#include "base/utf8.h"

#define ZERO_WIDTH_NON_JOINER 0x200C
#define ZERO_WIDTH_JOINER     0x200D
#define TAG_FIRST             0xE0020
#define TAG_LAST              0xE007F
#define VIRAMA_CLASS          9 /* Canonical_Combining_Class */

#define HIGH_BITS 0x8080808080808080u

/* A state that no byte can follow. */
static const struct pl_utf8_state broken = {.pending = 1, .low = 1, .high = 0};

/* The state after a byte that starts a character (RFC 3629 §4, the UTF8-octets
 * grammar). */
static struct pl_utf8_state
state_after_lead(uint8_t lead)
{
	if (lead < 0x80)
		return (struct pl_utf8_state){0};
	if (lead >= 0xC2 && lead <= 0xDF)
		return (struct pl_utf8_state){1, 0x80, 0xBF};
	if (lead == 0xE0)
		return (struct pl_utf8_state){2, 0xA0, 0xBF}; /* below: overlong */
	if (lead == 0xED)
		return (struct pl_utf8_state){2, 0x80, 0x9F}; /* above: surrogates */
	if (lead >= 0xE1 && lead <= 0xEF)
		return (struct pl_utf8_state){2, 0x80, 0xBF};
	if (lead == 0xF0)
		return (struct pl_utf8_state){3, 0x90, 0xBF}; /* below: overlong */
	if (lead >= 0xF1 && lead <= 0xF3)
		return (struct pl_utf8_state){3, 0x80, 0xBF};
	if (lead == 0xF4)
		return (struct pl_utf8_state){3, 0x80, 0x8F}; /* above: past U+10FFFF */
	return broken;
}

static struct pl_utf8_state
state_after(struct pl_utf8_state st, uint8_t byte)
{
	if (st.pending == 0)
		return state_after_lead(byte);
	if (byte < st.low || byte > st.high)
		return broken;
	return (struct pl_utf8_state){(uint8_t)(st.pending - 1), 0x80, 0xBF};
}

/* At most 7 bytes before the first byte from `at` on that is not ASCII, or before end. */
static const uint8_t *
skip_ascii(const uint8_t *at, const uint8_t *end)
{
	uint64_t eight;

	while (end - at >= 8) {
		memcpy(&eight, at, sizeof(eight));
		if (eight & HIGH_BITS)
			break;
		at += 8;
	}
	return at;
}

bool
pl_utf8_feed(struct pl_utf8_state *st, const void *data, size_t len)
{
	const uint8_t *at = data, *end = len > 0 ? at + len : at; /* not NULL + 0 */
	struct pl_utf8_state now = *st;

	while (at < end && now.low <= now.high) {
		if (now.pending == 0 && *at < 0x80) {
			at = skip_ascii(at, end);
			if (at == end)
				break;
		}
		now = state_after(now, *at++);
	}
	*st = now;
	return now.low <= now.high;
}

bool
pl_utf8_is_valid(struct pl_str s)
{
	struct pl_utf8_state st = {0};

	return pl_utf8_feed(&st, s.ptr, s.len) && pl_utf8_is_complete(&st);
}

size_t
pl_utf8_count(struct pl_str s)
{
	size_t count = 0;

	for (size_t i = 0; i < s.len; i++)
		count += ((uint8_t)s.ptr[i] & 0xC0) != 0x80;
	return count;
}

bool
pl_utf8_next(struct pl_str *rest, uint32_t *code_point)
{
	uint8_t lead;
	uint32_t value;
	size_t len;

	if (rest->len == 0)
		return false;
	lead = (uint8_t)rest->ptr[0];
	len = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
	if (len > rest->len)
		len = rest->len;
	value = len == 1 ? lead : lead & (0x7Fu >> len);
	for (size_t i = 1; i < len; i++)
		value = value << 6 | ((uint8_t)rest->ptr[i] & 0x3F);
	*code_point = value;
	rest->ptr += len;
	rest->len -= len;
	return true;
}

bool
pl_utf8_is_control(uint32_t code_point)
{
	return code_point < 0x20 || (code_point >= 0x7F && code_point <= 0x9F) ||
	       code_point == 0x2028 || code_point == 0x2029;
}

static const utf8proc_property_t *
properties(uint32_t code_point)
{
	return utf8proc_get_property((utf8proc_int32_t)code_point);
}

bool
pl_utf8_is_format(uint32_t code_point)
{
	return properties(code_point)->category == UTF8PROC_CATEGORY_CF;
}

bool
pl_utf8_is_space(uint32_t code_point)
{
	switch (utf8proc_category((utf8proc_int32_t)code_point)) {
	case UTF8PROC_CATEGORY_ZS:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
		return true;
	default:
		return (code_point >= 0x09 && code_point <= 0x0D) || code_point == 0x85;
	}
}

/* Not assigned yet, but all that will be assigned there is ignorable (Unicode, section
 * 5.21). */
static bool
is_reserved_as_ignorable(uint32_t c)
{
	return properties(c)->category == UTF8PROC_CATEGORY_CN &&
	       ((c >= 0x2060 && c <= 0x206F) || (c >= 0xFFF0 && c <= 0xFFF8) ||
		   (c >= 0xE0000 && c <= 0xE0FFF));
}

bool
pl_utf8_is_ignorable(uint32_t code_point)
{
	return properties(code_point)->ignorable || is_reserved_as_ignorable(code_point);
}

/* The ignorable format characters that have a direction; the others are boundary
 * neutrals. A unit test compares each code point with Unicode's own list. */
bool
pl_utf8_is_bidi_control(uint32_t code_point)
{
	const utf8proc_property_t *of = properties(code_point);

	return of->category == UTF8PROC_CATEGORY_CF && of->ignorable &&
	       of->bidi_class != UTF8PROC_BIDI_CLASS_BN;
}

bool
pl_utf8_is_blank(uint32_t code_point)
{
	switch (code_point) {
	case 0x2800:  /* BRAILLE PATTERN BLANK */
	case 0x13441: /* EGYPTIAN HIEROGLYPH FULL BLANK */
	case 0x13442: /* EGYPTIAN HIEROGLYPH HALF BLANK */
	case 0x16FE4: /* KHITAN SMALL SCRIPT FILLER */
	case 0x1D159: /* MUSICAL SYMBOL NULL NOTEHEAD */
		return true;
	default:
		return false;
	}
}

bool
pl_utf8_is_visible(uint32_t code_point)
{
	/* Format characters that are drawn; they stand before digits or letters. */
	if (pl_utf8_is_format(code_point))
		return properties(code_point)->boundclass == UTF8PROC_BOUNDCLASS_PREPEND;
	return !pl_utf8_is_space(code_point) && !pl_utf8_is_ignorable(code_point) &&
	       !pl_utf8_is_blank(code_point);
}

bool
pl_utf8_has_visible(struct pl_str s)
{
	uint32_t c;

	while (pl_utf8_next(&s, &c))
		if (pl_utf8_is_visible(c))
			return true;
	return false;
}

/* A letter or sign that something can be joined to. 0, which stands for none, is a
 * control. */
static bool
is_sign(uint32_t c)
{
	return pl_utf8_is_visible(c) && !pl_utf8_is_control(c);
}

static bool
is_tag(uint32_t c)
{
	return c >= TAG_FIRST && c <= TAG_LAST;
}

static bool
is_ignorable_mark(uint32_t c)
{
	const utf8proc_property_t *of = properties(c);

	return of->category == UTF8PROC_CATEGORY_MN && of->ignorable;
}

bool
pl_utf8_is_at_work(uint32_t code_point, uint32_t before, uint32_t after)
{
	const utf8proc_property_t *of_before = properties(before);

	if (code_point == ZERO_WIDTH_JOINER || code_point == ZERO_WIDTH_NON_JOINER) {
		if (of_before->combining_class == VIRAMA_CLASS)
			return true;
		return (is_sign(before) || is_ignorable_mark(before)) && is_sign(after);
	}
	if (is_tag(code_point))
		return is_tag(before) ||
		       of_before->boundclass == UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC;
	return is_ignorable_mark(code_point) && is_sign(before);
}

char *
pl_utf8_nfc(struct pl_str s, size_t *len)
{
	utf8proc_uint8_t *form = NULL;
	utf8proc_ssize_t form_len;

	if (!pl_utf8_is_valid(s))
		return NULL;
	form_len = utf8proc_map((const utf8proc_uint8_t *)s.ptr, (utf8proc_ssize_t)s.len,
	    &form, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
	if (form_len < 0)
		return NULL;
	*len = (size_t)form_len;
	return (char *)form; /* from malloc(), as pl_mem_free() wants it */
}
