/*
 * json_out: writing JSON straight into a buffer, in the order of the calls; commas are
 * set for the caller.
 *
 *   pl_jo_object(&o); pl_jo_key(&o, "id"); pl_jo_oid(&o, &id); pl_jo_end_object(&o);
 *
 * Strings must be valid UTF-8; they come out as JSON.stringify() writes them: only ",
 * \ and control characters escaped. A buffer at its limit sets its `overflowed`. Threads:
 * one at a time.
 */
#ifndef PL_BASE_JSON_OUT_H
#define PL_BASE_JSON_OUT_H

#include "base/buf.h"
#include "base/oid.h"

struct pl_json_out {
	struct pl_buf *buf; /* borrowed */
	bool needs_comma;
};

void pl_jo_init(struct pl_json_out *o, struct pl_buf *buf);
void pl_jo_object(struct pl_json_out *o);
void pl_jo_end_object(struct pl_json_out *o);
void pl_jo_array(struct pl_json_out *o);
void pl_jo_end_array(struct pl_json_out *o);
/* Every value and every key starts here: room for it, after a comma if one is due. NULL
 * at the limit. The caller fills it, and adds len to the buffer's. */
static inline char *
pl_jo_room(struct pl_json_out *o, size_t len)
{
	char *room = pl_buf_reserve(o->buf, len + o->needs_comma);

	if (room == NULL || !o->needs_comma)
		return room;
	*room = ',';
	o->buf->len++;
	return room + 1;
}
/* key needs no escaping. In the header, so that a key that the compiler knows becomes a few
 * stores. */
static inline void
pl_jo_key_n(struct pl_json_out *o, const char *key, size_t len)
{
	char *room = pl_jo_room(o, len + 3);

	if (room != NULL) {
		room[0] = '"';
		memcpy(room + 1, key, len);
		memcpy(room + 1 + len, "\":", 2);
		o->buf->len += len + 3;
	}
	o->needs_comma = false;
}
static inline void
pl_jo_key(struct pl_json_out *o, const char *key)
{
	pl_jo_key_n(o, key, strlen(key));
}
void pl_jo_str(struct pl_json_out *o, struct pl_str value);
void pl_jo_cstr(struct pl_json_out *o, const char *value);
void pl_jo_int(struct pl_json_out *o, int64_t value);
void pl_jo_bool(struct pl_json_out *o, bool value);
void pl_jo_oid(struct pl_json_out *o, const struct pl_oid *value); /* 24 hex digits */
void pl_jo_time(struct pl_json_out *o, int64_t unix_ms);   /* as base/clock writes it */
void pl_jo_raw(struct pl_json_out *o, struct pl_str json); /* JSON already encoded */

#endif
