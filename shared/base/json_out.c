#include "base/clock.h"
#include "base/json_out.h"

void
pl_jo_init(struct pl_json_out *o, struct pl_buf *buf)
{
	*o = (struct pl_json_out){.buf = buf};
}

/* Every value and every key starts here. */
static void
put_comma(struct pl_json_out *o)
{
	if (o->needs_comma)
		pl_buf_add_char(o->buf, ',');
}

static void
put_value(struct pl_json_out *o, struct pl_str encoded)
{
	put_comma(o);
	pl_buf_add_str(o->buf, encoded);
	o->needs_comma = true;
}

static void
open_with(struct pl_json_out *o, char bracket)
{
	put_comma(o);
	pl_buf_add_char(o->buf, bracket);
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

void
pl_jo_key(struct pl_json_out *o, const char *key)
{
	put_comma(o);
	pl_buf_add_char(o->buf, '"');
	pl_buf_add_cstr(o->buf, key);
	pl_buf_add(o->buf, "\":", 2);
	o->needs_comma = false;
}

static bool
needs_escape(char c)
{
	return (unsigned char)c < 0x20 || c == '"' || c == '\\';
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

void
pl_jo_str(struct pl_json_out *o, struct pl_str value)
{
	size_t from = 0;

	put_comma(o);
	pl_buf_add_char(o->buf, '"');
	for (size_t i = 0; i < value.len; i++) {
		if (!needs_escape(value.ptr[i]))
			continue;
		pl_buf_add(o->buf, value.ptr + from, i - from);
		put_escaped(o->buf, value.ptr[i]);
		from = i + 1;
	}
	pl_buf_add(o->buf, value.ptr + from, value.len - from);
	pl_buf_add_char(o->buf, '"');
	o->needs_comma = true;
}

void
pl_jo_cstr(struct pl_json_out *o, const char *value)
{
	pl_jo_str(o, pl_str(value));
}

void
pl_jo_int(struct pl_json_out *o, int64_t value)
{
	put_comma(o);
	pl_buf_printf(o->buf, "%lld", (long long)value);
	o->needs_comma = true;
}

void
pl_jo_bool(struct pl_json_out *o, bool value)
{
	put_value(o, value ? PL_STR("true") : PL_STR("false"));
}

void
pl_jo_oid(struct pl_json_out *o, const struct pl_oid *value)
{
	char hex[PL_OID_HEX_LEN + 1];

	pl_oid_format(value, hex);
	pl_jo_cstr(o, hex);
}

void
pl_jo_time(struct pl_json_out *o, int64_t unix_ms)
{
	char iso[PL_CLOCK_ISO_LEN + 1];

	pl_clock_format_iso(unix_ms, iso);
	pl_jo_cstr(o, iso);
}

void
pl_jo_raw(struct pl_json_out *o, struct pl_str json)
{
	put_value(o, json);
}
