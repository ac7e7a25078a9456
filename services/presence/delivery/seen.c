#include "presence/delivery/seen.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"

#define CLOCKS_DIFFER_MS 200
#define RING_FIRST       8
#define ID_TEXT_LEN      PL_BASE64_LEN(SEEN_ID_BYTES) /* no padding: a multiple of three */

/* ---- the ring ------------------------------------------------------------------------ */

static const struct pl_message_pos *
at(const struct seen *s, unsigned i) /* 0: the oldest */
{
	return &s->ring[(s->first + i) & (s->cap - 1)];
}

/* The newest first: what comes twice mostly comes soon. */
static bool
has(const struct seen *s, const struct pl_oid *id)
{
	for (unsigned i = s->count; i > 0; i--)
		if (pl_oid_eq(&at(s, i - 1)->id, id))
			return true;
	return false;
}

static void
raise(struct pl_message_pos *floor, const struct pl_message_pos *to)
{
	if (pl_message_pos_compare(to, floor) > 0)
		*floor = *to;
}

static void
drop_oldest(struct seen *s)
{
	raise(&s->floor, at(s, 0));
	s->first = (s->first + 1) & (s->cap - 1);
	s->count--;
}

static void
grow(struct seen *s)
{
	unsigned cap = s->cap ? s->cap * 2 : RING_FIRST;
	struct pl_message_pos *ring = pl_mem_alloc(cap * sizeof(*ring));

	for (unsigned i = 0; i < s->count; i++)
		ring[i] = *at(s, i);
	pl_mem_free(s->ring);
	s->ring = ring;
	s->cap = cap;
	s->first = 0;
}

bool
seen_add(struct seen *s, const struct pl_message_pos *pos)
{
	int64_t keep_from = pos->created_unix_ms - SEEN_KEEP_MS;

	if (pos->created_unix_ms <= s->newest_unix_ms && has(s, &pos->id))
		return false;
	while (s->count == SEEN_MAX ||
	       (s->count > 0 && at(s, 0)->created_unix_ms < keep_from))
		drop_oldest(s);
	if (s->count == s->cap)
		grow(s);
	s->ring[(s->first + s->count) & (s->cap - 1)] = *pos;
	s->count++;
	if (s->count > SEEN_OFFSET_MAX)
		raise(&s->offset_floor, at(s, s->count - SEEN_OFFSET_MAX - 1));
	if (pos->created_unix_ms > s->newest_unix_ms)
		s->newest_unix_ms = pos->created_unix_ms;
	return true;
}

bool
seen_has(const struct seen *s, const struct pl_oid *message)
{
	return has(s, message);
}

bool
seen_has_change(const struct seen *s, const struct pl_oid *message, int64_t after_unix_ms)
{
	if (after_unix_ms >= s->newest_unix_ms)
		return false;
	for (unsigned i = s->count; i > 0; i--) {
		const struct pl_message_pos *one = at(s, i - 1);
		struct pl_message_pos change;

		if (one->created_unix_ms <= after_unix_ms)
			continue;
		change = pl_message_change_pos(message, one->created_unix_ms);
		if (pl_oid_eq(&change.id, &one->id))
			return true;
	}
	return false;
}

void
seen_floor_now(struct pl_message_pos *floor)
{
	*floor = (struct pl_message_pos){
	    .created_unix_ms = pl_clock_unix_ms() - CLOCKS_DIFFER_MS};
}

void
seen_start(struct seen *s, const struct pl_message_pos *floor)
{
	seen_fini(s);
	s->floor = *floor;
}

void
seen_fini(struct seen *s)
{
	pl_mem_free(s->ring);
	*s = (struct seen){0};
}

/* ---- the offset ---------------------------------------------------------------------- */

static const uint8_t *
id_end(const struct pl_oid *id)
{
	return id->bytes + PL_OID_LEN - SEEN_ID_BYTES;
}

size_t
seen_offset_room(const struct seen *s)
{
	unsigned ids = s->count < SEEN_OFFSET_MAX ? s->count : SEEN_OFFSET_MAX;

	return PL_MESSAGE_POS_LEN + sizeof(".") + ids * ID_TEXT_LEN;
}

void
seen_write_offset(const struct seen *s, struct pl_buf *out)
{
	unsigned first = s->count > SEEN_OFFSET_MAX ? s->count - SEEN_OFFSET_MAX : 0;
	struct pl_message_pos floor = s->floor;
	uint8_t ids[SEEN_OFFSET_MAX][SEEN_ID_BYTES];
	char text[PL_MESSAGE_POS_LEN + 1];
	size_t count = 0;

	raise(&floor, &s->offset_floor);
	for (unsigned i = first; i < s->count; i++)
		if (pl_message_pos_compare(at(s, i), &floor) > 0)
			memcpy(ids[count++], id_end(&at(s, i)->id), SEEN_ID_BYTES);
	pl_message_pos_format(&floor, text);
	(void)pl_buf_add_cstr(out, text);
	if (count == 0)
		return;
	(void)pl_buf_add_char(out, '.');
	(void)pl_base64url_encode(out, ids, count * SEEN_ID_BYTES);
}

static bool
parse_ids(struct pl_str text, struct seen_offset *out)
{
	struct pl_buf bytes;
	bool is_good;

	if (text.len == 0 || text.len % ID_TEXT_LEN != 0 ||
	    text.len > SEEN_OFFSET_MAX * ID_TEXT_LEN)
		return false;
	pl_buf_init(&bytes, sizeof(out->ids));
	is_good = pl_base64url_decode(&bytes, text) == PL_OK;
	if (is_good) {
		out->count = (unsigned)(text.len / ID_TEXT_LEN);
		memcpy(out->ids, bytes.data, bytes.len);
	}
	pl_buf_fini(&bytes);
	return is_good;
}

bool
seen_offset_parse(struct pl_str text, struct seen_offset *out)
{
	const char *dot = text.len > 0 ? memchr(text.ptr, '.', text.len) : NULL;
	size_t floor_len = dot ? (size_t)(dot - text.ptr) : text.len;
	struct seen_offset offset = {0};

	if (!pl_message_pos_parse(pl_str_n(text.ptr, floor_len), &offset.floor))
		return false;
	if (dot && !parse_ids(pl_str_n(dot + 1, text.len - floor_len - 1), &offset))
		return false;
	*out = offset;
	return true;
}

bool
seen_offset_has(const struct seen_offset *offset, const struct pl_oid *id)
{
	for (unsigned i = 0; i < offset->count; i++)
		if (memcmp(offset->ids[i], id_end(id), SEEN_ID_BYTES) == 0)
			return true;
	return false;
}
