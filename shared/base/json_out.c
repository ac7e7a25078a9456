#include "base/clock.h"
#include "base/json_out.h"

#define INT64_DIGITS 20 /* with a sign */

void
pl_jo_init(struct pl_json_out *o, struct pl_buf *buf)
{
	*o = (struct pl_json_out){.buf = buf};
}

static void
put_value(struct pl_json_out *o, struct pl_str encoded)
{
	char *room = pl_jo_room(o, encoded.len);

	if (room != NULL && encoded.len > 0) {
		memcpy(room, encoded.ptr, encoded.len);
		o->buf->len += encoded.len;
	}
	o->needs_comma = true;
}

/* A string in quotes of len characters that need no escaping: room for them, for the caller
 * to fill; NULL at the limit. */
static char *
quoted_room(struct pl_json_out *o, size_t len)
{
	char *room = pl_jo_room(o, len + 2);

	o->needs_comma = true;
	if (room == NULL)
		return NULL;
	room[0] = room[len + 1] = '"';
	o->buf->len += len + 2;
	return room + 1;
}

static void
put_plain(struct pl_json_out *o, struct pl_str text)
{
	char *room = quoted_room(o, text.len);

	if (room != NULL && text.len > 0)
		memcpy(room, text.ptr, text.len);
}

static void
open_with(struct pl_json_out *o, char bracket)
{
	put_value(o, pl_str_n(&bracket, 1));
	o->needs_comma = false;
}

static void
close_with(struct pl_json_out *o, char bracket)
{
	pl_buf_add_char(o->buf, bracket);
	o->needs_comma = true;
}

void
pl_jo_object(struct pl_json_out *o)
{
	open_with(o, '{');
}

void
pl_jo_end_object(struct pl_json_out *o)
{
	close_with(o, '}');
}

void
pl_jo_array(struct pl_json_out *o)
{
	open_with(o, '[');
}

void
pl_jo_end_array(struct pl_json_out *o)
{
	close_with(o, ']');
}

static bool
needs_escape(char c)
{
	return (unsigned char)c < 0x20 || c == '"' || c == '\\';
}

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

/* Is one of the eight below n (up to 128)? Only such a byte borrows from its high bit. */
static bool
has_below(uint64_t eight, uint8_t n)
{
	return ((eight - EACH_BYTE(n)) & ~eight & EACH_BYTE(0x80)) != 0;
}

/* Of the bytes that need no escape, how many come first? */
static size_t
plain_bytes(const char *text, size_t len)
{
	size_t i = 0;
	uint64_t eight;

	for (; i + sizeof(eight) <= len; i += sizeof(eight)) {
		memcpy(&eight, text + i, sizeof(eight));
		if (has_below(eight, 0x20) || has_below(eight ^ EACH_BYTE('"'), 1) ||
		    has_below(eight ^ EACH_BYTE('\\'), 1))
			break;
	}
	while (i < len && !needs_escape(text[i]))
		i++;
	return i;
}

/* ECMA-262 §25.5.2.3 QuoteJSONString: five short forms, then \u00 and lower-case
 * digits. */
static void
put_escaped(struct pl_buf *b, char c)
{
	static const char plain[] = "\"\\\b\f\n\r\t";
	static const char letter[] = "\"\\bfnrt";
	const char *at = strchr(plain, c);

	if (c != '\0' && at != NULL) {
		pl_buf_add_char(b, '\\');
		pl_buf_add_char(b, letter[at - plain]);
	} else {
		pl_buf_printf(b, "\\u%04x", (unsigned char)c);
	}
}

static void
put_escaped_text(struct pl_buf *b, struct pl_str text)
{
	while (text.len > 0) {
		size_t plain = plain_bytes(text.ptr, text.len);

		pl_buf_add(b, text.ptr, plain);
		if (plain == text.len)
			return;
		put_escaped(b, text.ptr[plain]);
		text = pl_str_n(text.ptr + plain + 1, text.len - plain - 1);
	}
}

void
pl_jo_str(struct pl_json_out *o, struct pl_str value)
{
	size_t plain = plain_bytes(value.ptr, value.len);

	if (plain == value.len) {
		put_plain(o, value);
		return;
	}
	put_value(o, PL_STR("\""));
	put_escaped_text(o->buf, value);
	pl_buf_add_char(o->buf, '"');
}

void
pl_jo_cstr(struct pl_json_out *o, const char *value)
{
	pl_jo_str(o, pl_str(value));
}

void
pl_jo_int(struct pl_json_out *o, int64_t value)
{
	char digits[INT64_DIGITS];
	size_t at = sizeof(digits);
	uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;

	do {
		digits[--at] = (char)('0' + left % 10);
		left /= 10;
	} while (left > 0);
	if (value < 0)
		digits[--at] = '-';
	put_value(o, pl_str_n(digits + at, sizeof(digits) - at));
}

void
pl_jo_bool(struct pl_json_out *o, bool value)
{
	put_value(o, value ? PL_STR("true") : PL_STR("false"));
}

void
pl_jo_oid(struct pl_json_out *o, const struct pl_oid *value)
{
	char *room = quoted_room(o, PL_OID_HEX_LEN);

	if (room == NULL)
		return;
	pl_oid_format(value, room);
	room[PL_OID_HEX_LEN] = '"'; /* in place of a NUL */
}

void
pl_jo_time(struct pl_json_out *o, int64_t unix_ms)
{
	char *room = quoted_room(o, PL_CLOCK_ISO_LEN);

	if (room == NULL)
		return;
	pl_clock_format_iso(unix_ms, room);
	room[PL_CLOCK_ISO_LEN] = '"'; /* in place of a NUL */
}

void
pl_jo_raw(struct pl_json_out *o, struct pl_str json)
{
	put_value(o, json);
}
