#include "proto/trace.h"

#include "base/hex.h"
#include "base/random.h"

/* The indexes at which the fields begin. */
#define AT_ID        3
#define AT_PARENT    36
#define AT_FLAGS     53
#define ID_BYTES     16
#define PARENT_BYTES 8

/* len digits at the front of text, in lower case. */
static bool
is_hex(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (pl_hex_value(text[i]) < 0 || (text[i] >= 'A' && text[i] <= 'F'))
			return false;
	return true;
}

/* An id of zeros alone is invalid. */
static bool
is_id(const char *text, size_t len)
{
	bool is_zero = true;

	for (size_t i = 0; i < len; i++)
		is_zero = is_zero && text[i] == '0';
	return is_hex(text, len) && !is_zero;
}

/* A later version may have more fields, after one more dash. */
static bool
is_version(struct pl_str s)
{
	if (!is_hex(s.ptr, 2) || pl_str_starts(s, PL_STR("ff")))
		return false;
	if (pl_str_starts(s, PL_STR("00")))
		return s.len == PL_TRACE_LEN;
	return s.len == PL_TRACE_LEN || s.ptr[PL_TRACE_LEN] == '-';
}

bool
pl_trace_parse(struct pl_str header, struct pl_trace *out)
{
	const char *s = header.ptr;

	if (header.len < PL_TRACE_LEN || !is_version(header) || s[AT_ID - 1] != '-' ||
	    !is_id(s + AT_ID, PL_TRACE_ID_LEN) || s[AT_PARENT - 1] != '-' ||
	    !is_id(s + AT_PARENT, 2 * PARENT_BYTES) || s[AT_FLAGS - 1] != '-' ||
	    !is_hex(s + AT_FLAGS, 2))
		return false;
	memcpy(out->text, s, AT_FLAGS);
	memcpy(out->text, "00", 2);
	out->text[AT_FLAGS] = '0';
	out->text[AT_FLAGS + 1] = pl_hex_value(s[AT_FLAGS + 1]) % 2 != 0 ? '1' : '0';
	out->text[PL_TRACE_LEN] = '\0';
	return true;
}

void
pl_trace_new(struct pl_trace *out)
{
	uint8_t drawn[ID_BYTES + PARENT_BYTES];

	pl_random_bytes(drawn, sizeof(drawn));
	drawn[0] |= 1; /* an id must not be all zero */
	drawn[ID_BYTES] |= 1;
	memcpy(out->text, "00-", 3);
	pl_hex_encode(drawn, ID_BYTES, out->text + AT_ID);
	out->text[AT_PARENT - 1] = '-';
	pl_hex_encode(drawn + ID_BYTES, PARENT_BYTES, out->text + AT_PARENT);
	memcpy(out->text + AT_FLAGS - 1, "-00", sizeof("-00"));
}
