#include "show.h"

#include "base/utf8.h"

static bool
is_obeyed(uint32_t code_point)
{
	return pl_utf8_is_control(code_point) || pl_utf8_is_bidi_control(code_point);
}

/* Calls escape for each code point that it is true of; the others are appended as they
 * are. */
static void
show(struct pl_buf *out, struct pl_str text,
    bool (*escape)(struct pl_buf *out, uint32_t code_point))
{
	struct pl_str rest = text;
	const char *from = rest.ptr;
	uint32_t code_point;

	while (pl_utf8_next(&rest, &code_point)) {
		if (!escape(out, code_point))
			(void)pl_buf_add(out, from, (size_t)(rest.ptr - from));
		from = rest.ptr;
	}
}

static bool
escape_text(struct pl_buf *out, uint32_t code_point)
{
	if (code_point == '\\')
		(void)pl_buf_add_cstr(out, "\\\\");
	else if (is_obeyed(code_point))
		(void)pl_buf_printf(out, "\\u{%x}", (unsigned)code_point);
	else
		return false;
	return true;
}

/* All that is_obeyed() has fewer than 17 bits. */
static bool
escape_json(struct pl_buf *out, uint32_t code_point)
{
	if (code_point == '\\' || code_point == '"')
		(void)pl_buf_printf(out, "\\%c", (char)code_point);
	else if (is_obeyed(code_point))
		(void)pl_buf_printf(out, "\\u%04x", (unsigned)code_point);
	else
		return false;
	return true;
}

void
show_text(struct pl_buf *out, struct pl_str text)
{
	show(out, text, escape_text);
}

void
show_json(struct pl_buf *out, struct pl_str text)
{
	(void)pl_buf_add_char(out, '"');
	show(out, text, escape_json);
	(void)pl_buf_add_char(out, '"');
}
