#include "base/mem.h"
#include "base/utf8.h"
#include "model/message.h"

#define TIME_DIGITS 16 /* of 64 bits */

const char *
pl_reply_kind_name(enum pl_reply_kind kind)
{
	switch (kind) {
	case PL_REPLY_LLM:
		return "llm";
	case PL_REPLY_FALLBACK:
		return "fallback";
	case PL_REPLY_NONE:
		break;
	}
	return NULL;
}

bool
pl_reply_kind_parse(struct pl_str text, enum pl_reply_kind *out)
{
	if (pl_str_eq(text, PL_STR("llm")))
		*out = PL_REPLY_LLM;
	else if (pl_str_eq(text, PL_STR("fallback")))
		*out = PL_REPLY_FALLBACK;
	else
		return false;
	return true;
}

void
pl_message_fini(struct pl_message *m)
{
	if (m == NULL)
		return;
	pl_mem_free(m->text);
	*m = (struct pl_message){0};
}

void
pl_message_init(struct pl_message *m, const struct pl_oid *sender,
    const struct pl_oid *receiver, struct pl_str text, int64_t now_unix_ms)
{
	*m = (struct pl_message){
	    .sender = *sender,
	    .receiver = *receiver,
	    .text = pl_mem_strndup(text.ptr, text.len),
	    .text_len = text.len,
	    .created_unix_ms = now_unix_ms,
	    .updated_unix_ms = now_unix_ms,
	};
	pl_oid_new(&m->id);
}

enum pl_err
pl_message_parse(const struct pl_json *body, size_t text_bytes_max, struct pl_str *text,
    struct pl_invalid *why)
{
	struct pl_str found;

	if (!pl_json_str(pl_json_get(body, PL_MESSAGE_F_TEXT), &found)) {
		pl_invalid_set(why, "INVALID_FIELD", "message must be a string");
		return PL_E_INVALID;
	}
	if (found.len == 0 || found.len > text_bytes_max) {
		pl_invalid_set(why, "INVALID_FIELD",
		    "message must be 1 to %zu bytes of UTF-8 long", text_bytes_max);
		return PL_E_INVALID;
	}
	if (!pl_utf8_has_visible(found)) {
		pl_invalid_set(why, "INVALID_FIELD",
		    "message must not be only white space or invisible characters");
		return PL_E_INVALID;
	}
	*text = found;
	return PL_OK;
}

void
pl_message_write(struct pl_json_out *o, const struct pl_message *m)
{
	pl_jo_object(o);
	pl_jo_key(o, PL_MESSAGE_F_SENDER);
	pl_jo_oid(o, &m->sender);
	pl_jo_key(o, PL_MESSAGE_F_RECEIVER);
	pl_jo_oid(o, &m->receiver);
	pl_jo_key(o, PL_MESSAGE_F_TEXT);
	pl_jo_str(o, pl_str_n(m->text, m->text_len));
	pl_jo_key(o, PL_MESSAGE_F_ID);
	pl_jo_oid(o, &m->id);
	pl_jo_key(o, PL_MESSAGE_F_CREATED_AT);
	pl_jo_time(o, m->created_unix_ms);
	pl_jo_key(o, PL_MESSAGE_F_UPDATED_AT);
	pl_jo_time(o, m->updated_unix_ms);
	pl_jo_key(o, PL_MESSAGE_F_VERSION);
	pl_jo_int(o, 0);
	if (m->reply_kind != PL_REPLY_NONE) {
		pl_jo_key(o, PL_MESSAGE_F_AUTO_REPLY);
		pl_jo_object(o);
		pl_jo_key(o, PL_MESSAGE_F_KIND);
		pl_jo_cstr(o, pl_reply_kind_name(m->reply_kind));
		pl_jo_key(o, PL_MESSAGE_F_IN_REPLY_TO);
		pl_jo_oid(o, &m->in_reply_to);
		pl_jo_end_object(o);
	}
	if (m->edited_unix_ms != 0) {
		pl_jo_key(o, PL_MESSAGE_F_EDITED_AT);
		pl_jo_time(o, m->edited_unix_ms);
	}
	if (m->deleted_unix_ms != 0) {
		pl_jo_key(o, PL_MESSAGE_F_DELETED_AT);
		pl_jo_time(o, m->deleted_unix_ms);
	}
	pl_jo_end_object(o);
}

/* ---- a place in the order ---- */

/* The time goes into the end of the id, by which offsets tell ids. */
struct pl_message_pos
pl_message_change_pos(const struct pl_oid *id, int64_t changed_unix_ms)
{
	uint64_t bits = ((uint64_t)changed_unix_ms + 1) * UINT64_C(0x9e3779b97f4a7c15);
	struct pl_message_pos pos = {changed_unix_ms, *id};

	for (size_t i = PL_OID_LEN / 2; i < PL_OID_LEN; i++, bits >>= 8)
		pos.id.bytes[i] ^= (unsigned char)(bits >> 16);
	return pos;
}

void
pl_message_pos_format(const struct pl_message_pos *pos, char out[PL_MESSAGE_POS_LEN + 1])
{
	uint64_t time = (uint64_t)pos->created_unix_ms;
	size_t digits = 1;

	while (digits < TIME_DIGITS && time >> (4 * digits) != 0)
		digits++;
	for (size_t i = digits; i > 0; i--, time >>= 4)
		out[i - 1] = "0123456789abcdef"[time & 15];
	out[digits] = '-';
	pl_oid_format(&pos->id, out + digits + 1);
}

/* Canonical lower-case hex, as "%x" writes it. */
static bool
parse_hex(struct pl_str text, int64_t *out)
{
	uint64_t value = 0;

	if (text.len == 0 || text.len > 16 || (text.ptr[0] == '0' && text.len > 1))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c >= '0' && c <= '9')
			value = value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	if (value > INT64_MAX)
		return false;
	*out = (int64_t)value;
	return true;
}

static bool
has_upper(struct pl_str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] >= 'A' && text.ptr[i] <= 'F')
			return true;
	return false;
}

bool
pl_message_pos_parse(struct pl_str text, struct pl_message_pos *out)
{
	struct pl_message_pos pos;
	struct pl_str time, id;

	if (text.len < 1 + 1 + PL_OID_HEX_LEN || text.len > PL_MESSAGE_POS_LEN)
		return false;
	time = pl_str_n(text.ptr, text.len - PL_OID_HEX_LEN - 1);
	id = pl_str_n(text.ptr + time.len + 1, PL_OID_HEX_LEN);
	if (text.ptr[time.len] != '-' || has_upper(id) ||
	    !parse_hex(time, &pos.created_unix_ms) || !pl_oid_parse(id, &pos.id))
		return false;
	*out = pos;
	return true;
}
