#include <stdio.h>

#include "base/hex.h"
#include "base/json.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "bus/events.h"

#define CHANNEL_USER    "parley:user:"
#define CHANNEL_SENT    "parley:sent:"
#define NAME_MAX        32
#define SOCKET_ID_MAX   64
#define HEAD_MAX        512 /* the first line */
#define REVOKED_MAX     256
#define HEX_ID          (2 * PL_JWT_ID_LEN)
#define REVOKED_MEMBERS 3

/* A text is no longer here than in the body that brought it: BODY_BYTES_MAX is 1 MiB at
 * most. */
#define PAYLOAD_MAX (((size_t)1 << 20) + 4096)

_Static_assert(sizeof(CHANNEL_SENT) == sizeof(CHANNEL_USER), "one length for both");

static void
write_channel(const char *prefix, const struct pl_oid *user, char *out)
{
	memcpy(out, prefix, sizeof(CHANNEL_USER) - 1);
	pl_oid_format(user, out + sizeof(CHANNEL_USER) - 1);
}

void
pl_channel_user(const struct pl_oid *user, char out[PL_CHANNEL_USER_LEN + 1])
{
	write_channel(CHANNEL_USER, user, out);
}

void
pl_channel_sent(const struct pl_oid *user, char out[PL_CHANNEL_USER_LEN + 1])
{
	write_channel(CHANNEL_SENT, user, out);
}

/* ---- writing ---- */

static bool
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_socket_char(char c)
{
	return is_name_char(c) || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Could one of our sockets have this id? X-Socket-Id brings anything. */
static bool
is_socket_id(struct pl_str s)
{
	if (s.len == 0 || s.len > SOCKET_ID_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_socket_char(s.ptr[i]))
			return false;
	return true;
}

static void
start_head(struct pl_json_out *o, struct pl_buf *out, const char *name)
{
	pl_jo_init(o, out);
	pl_jo_object(o);
	pl_jo_key(o, "name");
	pl_jo_cstr(o, name);
}

/* from: NULL unless it is a change of a message. */
static void
write_head_from(struct pl_buf *out, const char *name, const struct pl_oid *id,
    struct pl_str not_socket, const char *pos, const struct pl_oid *from,
    const struct pl_trace *trace)
{
	struct pl_json_out o;

	start_head(&o, out, name);
	if (id != NULL) {
		pl_jo_key(&o, "id");
		pl_jo_oid(&o, id);
	}
	if (is_socket_id(not_socket)) {
		pl_jo_key(&o, "not");
		pl_jo_str(&o, not_socket);
	}
	if (pos != NULL) {
		pl_jo_key(&o, "pos");
		pl_jo_cstr(&o, pos);
	}
	if (from != NULL) {
		pl_jo_key(&o, "from");
		pl_jo_oid(&o, from);
	}
	if (trace != NULL && !pl_trace_is_none(trace)) {
		pl_jo_key(&o, "trace");
		pl_jo_cstr(&o, trace->text);
	}
	pl_jo_end_object(&o);
	pl_buf_add_char(out, '\n');
}

static void
write_head(struct pl_buf *out, const char *name, const struct pl_oid *id,
    struct pl_str not_socket, const char *pos, const struct pl_trace *trace)
{
	write_head_from(out, name, id, not_socket, pos, NULL, trace);
}

/* Open `2["name",`; the caller adds the arguments and calls end_packet(). */
static void
start_packet(struct pl_buf *out, struct pl_json_out *o, const char *name)
{
	pl_buf_add_char(out, '2');
	pl_jo_init(o, out);
	pl_jo_array(o);
	pl_jo_cstr(o, name);
}

static void
end_packet(struct pl_json_out *o)
{
	pl_jo_end_array(o);
}

static void
write_stem(struct pl_buf *out, struct pl_str json)
{
	struct pl_json_out o;

	start_packet(out, &o, "newMessage");
	pl_jo_raw(&o, json);
}

static void
write_json(struct pl_buf *out, const struct pl_message *m)
{
	struct pl_json_out o;

	pl_buf_init(out, PL_BUF_UNLIMITED);
	pl_jo_init(&o, out);
	pl_message_write(&o, m);
}

void
pl_event_new_message_stem(struct pl_buf *out, const struct pl_message *m)
{
	struct pl_json_out o;

	start_packet(out, &o, "newMessage");
	pl_message_write(&o, m);
}

void
pl_event_new_message_of(struct pl_buf *out, const struct pl_message *m,
    struct pl_str json, const struct pl_trace *trace)
{
	struct pl_message_pos pos = {m->created_unix_ms, m->id};
	char text[PL_MESSAGE_POS_LEN + 1];

	pl_message_pos_format(&pos, text);
	write_head(out, "newMessage", &m->id, PL_STR_NONE, text, trace);
	write_stem(out, json);
	pl_buf_add_str(out, PL_STR(",\""));
	pl_buf_add_cstr(out, text);
	pl_buf_add_str(out, PL_STR("\"]"));
}

void
pl_event_new_message(
    struct pl_buf *out, const struct pl_message *m, const struct pl_trace *trace)
{
	struct pl_buf json;

	write_json(&json, m);
	pl_event_new_message_of(out, m, pl_buf_str(&json), trace);
	pl_buf_fini(&json);
}

static const char *
change_name(const struct pl_message *m)
{
	return m->deleted_unix_ms != 0 ? "messageDeleted" : "messageUpdated";
}

void
pl_event_message_changed_stem(struct pl_buf *out, const struct pl_message *m)
{
	struct pl_json_out o;

	start_packet(out, &o, change_name(m));
	pl_jo_object(&o);
	pl_jo_key(&o, "message");
	pl_message_write(&o, m);
	pl_jo_end_object(&o);
}

void
pl_event_message_changed(struct pl_buf *out, const struct pl_message *m,
    struct pl_str json, const struct pl_trace *trace, struct pl_str not_socket)
{
	struct pl_message_pos pos = pl_message_change_pos(&m->id, pl_message_changed(m));
	char text[PL_MESSAGE_POS_LEN + 1];
	struct pl_json_out o;

	pl_message_pos_format(&pos, text);
	write_head_from(out, change_name(m), &m->id, not_socket, text, &m->sender, trace);
	start_packet(out, &o, change_name(m));
	pl_jo_object(&o);
	pl_jo_key(&o, "message");
	pl_jo_raw(&o, json);
	pl_jo_end_object(&o);
	end_packet(&o);
}

/* No offset: the client would recover from there, though recovery replays no messageSent. */
void
pl_event_message_sent_of(struct pl_buf *out, const struct pl_message *m,
    struct pl_str json, const struct pl_trace *trace, struct pl_str not_socket)
{
	struct pl_json_out o;

	write_head(out, "messageSent", &m->id, not_socket, NULL, trace);
	start_packet(out, &o, "messageSent");
	pl_jo_raw(&o, json);
	end_packet(&o);
}

void
pl_event_message_sent(struct pl_buf *out, const struct pl_message *m,
    const struct pl_trace *trace, struct pl_str not_socket)
{
	struct pl_buf json;

	write_json(&json, m);
	pl_event_message_sent_of(out, m, pl_buf_str(&json), trace, not_socket);
	pl_buf_fini(&json);
}

void
pl_event_status_changed(struct pl_buf *out, const struct pl_oid *user,
    enum pl_status status, struct pl_str note)
{
	struct pl_json_out o;

	write_head(out, "statusChanged", user, PL_STR_NONE, NULL, NULL);
	start_packet(out, &o, "statusChanged");
	pl_jo_object(&o);
	pl_jo_key(&o, "userId");
	pl_jo_oid(&o, user);
	pl_jo_key(&o, "status");
	pl_jo_cstr(&o, pl_status_name(status));
	pl_jo_key(&o, "note");
	pl_jo_str(&o, note);
	pl_jo_end_object(&o);
	end_packet(&o);
}

void
pl_event_user_updated(struct pl_buf *out, const struct pl_user *user)
{
	struct pl_json_out o;

	write_head(out, "userUpdated", &user->id, PL_STR_NONE, NULL, NULL);
	start_packet(out, &o, "userUpdated");
	pl_jo_object(&o);
	pl_jo_key(&o, "user");
	pl_user_write(&o, user, 0);
	pl_jo_end_object(&o);
	end_packet(&o);
}

void
pl_event_user_deleted(struct pl_buf *out, const struct pl_oid *user)
{
	struct pl_json_out o;

	write_head(out, "userDeleted", user, PL_STR_NONE, NULL, NULL);
	start_packet(out, &o, "userDeleted");
	pl_jo_object(&o);
	pl_jo_key(&o, "userId");
	pl_jo_oid(&o, user);
	pl_jo_end_object(&o);
	end_packet(&o);
}

void
pl_event_typing(
    struct pl_buf *out, const struct pl_oid *from, bool is_typing, bool is_auto)
{
	struct pl_json_out o;

	write_head(out, "typing", NULL, PL_STR_NONE, NULL, NULL);
	start_packet(out, &o, "typing");
	pl_jo_object(&o);
	pl_jo_key(&o, "from");
	pl_jo_oid(&o, from);
	pl_jo_key(&o, "isTyping");
	pl_jo_bool(&o, is_typing);
	if (is_auto) {
		pl_jo_key(&o, "auto");
		pl_jo_bool(&o, true);
	}
	pl_jo_end_object(&o);
	end_packet(&o);
}

/* Whoever has come so far, and when that was said. */
static void
write_come_to(struct pl_buf *out, const char *name, const struct pl_oid *reader,
    const struct pl_oid *up_to, int64_t at_unix_ms)
{
	struct pl_json_out o;

	write_head(out, name, NULL, PL_STR_NONE, NULL, NULL);
	start_packet(out, &o, name);
	pl_jo_object(&o);
	pl_jo_key(&o, "userId");
	pl_jo_oid(&o, reader);
	pl_jo_key(&o, "upTo");
	pl_jo_oid(&o, up_to);
	pl_jo_key(&o, "at");
	pl_jo_time(&o, at_unix_ms);
	pl_jo_end_object(&o);
	end_packet(&o);
}

void
pl_event_messages_read(struct pl_buf *out, const struct pl_oid *reader,
    const struct pl_oid *up_to, int64_t at_unix_ms)
{
	write_come_to(out, "messagesRead", reader, up_to, at_unix_ms);
}

void
pl_event_messages_delivered(struct pl_buf *out, const struct pl_oid *reader,
    const struct pl_oid *up_to, int64_t at_unix_ms)
{
	write_come_to(out, "messagesDelivered", reader, up_to, at_unix_ms);
}

void
pl_event_conversation_read(struct pl_buf *out, const struct pl_oid *other,
    const struct pl_oid *up_to, unsigned unread, struct pl_str not_socket)
{
	struct pl_json_out o;

	write_head(out, "conversationRead", NULL, not_socket, NULL, NULL);
	start_packet(out, &o, "conversationRead");
	pl_jo_object(&o);
	pl_jo_key(&o, "userId");
	pl_jo_oid(&o, other);
	pl_jo_key(&o, "upTo");
	pl_jo_oid(&o, up_to);
	pl_jo_key(&o, "unread");
	pl_jo_int(&o, unread);
	pl_jo_end_object(&o);
	end_packet(&o);
}

/* ---- reading: what the writers above write, and those of later versions ---- */

/* Take word off the front of *s. */
static bool
skip(struct pl_str *s, struct pl_str word)
{
	if (!pl_str_starts(*s, word))
		return false;
	*s = pl_str_n(s->ptr + word.len, s->len - word.len);
	return true;
}

/* Take what lies before the next '"', and the quote. */
static bool
take_quoted(struct pl_str *s, struct pl_str *out)
{
	const char *end = s->len > 0 ? memchr(s->ptr, '"', s->len) : NULL;

	if (end == NULL)
		return false;
	*out = pl_str_n(s->ptr, (size_t)(end - s->ptr));
	*s = pl_str_n(end + 1, s->len - out->len - 1);
	return true;
}

static bool
is_name(struct pl_str s)
{
	if (s.len == 0 || s.len > NAME_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_name_char(s.ptr[i]))
			return false;
	return true;
}

static bool
is_out_of_place(struct pl_str key)
{
	return pl_str_eq(key, PL_STR("name")) || pl_str_eq(key, PL_STR("id")) ||
	       pl_str_eq(key, PL_STR("not"));
}

/* Any number of `,"key":"value"`, and the brace. A malformed trace or pos counts as
 * absent. */
static bool
parse_rest(struct pl_str s, struct pl_event *e)
{
	struct pl_str key, value;

	while (skip(&s, PL_STR(",\""))) {
		if (!take_quoted(&s, &key) || !is_name(key) || is_out_of_place(key) ||
		    !skip(&s, PL_STR(":\"")) || !take_quoted(&s, &value))
			return false;
		if (pl_str_eq(key, PL_STR("trace")))
			(void)!pl_trace_parse(value, &e->trace);
		else if (pl_str_eq(key, PL_STR("pos")))
			e->has_pos = pl_message_pos_parse(value, &e->pos);
		else if (pl_str_eq(key, PL_STR("from")))
			(void)!pl_oid_parse(value, &e->from);
	}
	return pl_str_eq(s, PL_STR("}"));
}

static bool
parse_head(struct pl_str s, struct pl_event *e)
{
	struct pl_str hex;

	if (!skip(&s, PL_STR("{\"name\":\"")) || !take_quoted(&s, &e->name) ||
	    !is_name(e->name))
		return false;
	if (skip(&s, PL_STR(",\"id\":\""))) {
		if (!take_quoted(&s, &hex) || !pl_oid_parse(hex, &e->id))
			return false;
		e->has_id = true;
	}
	if (skip(&s, PL_STR(",\"not\":\"")))
		if (!take_quoted(&s, &e->not_socket) || !is_socket_id(e->not_socket))
			return false;
	return parse_rest(s, e);
}

/* `2["<name>",...]`, one line of UTF-8: it goes to the sockets as it is. */
static bool
is_packet(struct pl_str s, struct pl_str name)
{
	struct pl_str rest = s;

	if (!skip(&rest, PL_STR("2[\"")) || !skip(&rest, name) ||
	    !skip(&rest, PL_STR("\",")))
		return false;
	if (rest.len < 2 || rest.ptr[rest.len - 1] != ']')
		return false;
	for (size_t i = 0; i < rest.len; i++)
		if ((unsigned char)rest.ptr[i] < 0x20)
			return false;
	return pl_utf8_is_valid(rest);
}

/* The pos at the end of a newMessage, for events of processes that do not write it in the
 * first line. */
static bool
find_pos(struct pl_str packet, struct pl_message_pos *pos)
{
	size_t end = packet.len - 2; /* before `"]`; is_packet() has checked the length */
	size_t start = end;

	while (start > 0 && end - start <= PL_MESSAGE_POS_LEN &&
	       packet.ptr[start - 1] != '"')
		start--;
	return packet.ptr[end] == '"' &&
	       pl_message_pos_parse(pl_str_n(packet.ptr + start, end - start), pos);
}

/* The packet without its end, in which a later version may leave out the pos. False: it
 * does not end as a message does. */
static bool
cut_stem(struct pl_event *e)
{
	struct pl_str stem = pl_str_n(e->packet.ptr, e->packet.len - 1);
	char text[PL_MESSAGE_POS_LEN + 1], end[PL_MESSAGE_POS_LEN + 4];
	size_t len;

	pl_message_pos_format(&e->pos, text);
	len = (size_t)snprintf(end, sizeof(end), ",\"%s\"", text);
	if (stem.len > len && memcmp(stem.ptr + stem.len - len, end, len) == 0)
		stem.len -= len;
	e->stem = stem;
	return stem.ptr[stem.len - 1] == '}';
}

static bool
place_message(struct pl_event *e)
{
	if (!e->has_pos)
		e->has_pos = find_pos(e->packet, &e->pos);
	return e->has_pos && cut_stem(e);
}

bool
pl_event_parse(struct pl_str payload, struct pl_event *out)
{
	struct pl_event e = {0};
	const char *end;
	size_t head_len;

	if (payload.len == 0 || payload.len > PAYLOAD_MAX)
		return false;
	end = memchr(payload.ptr, '\n', payload.len < HEAD_MAX ? payload.len : HEAD_MAX);
	if (end == NULL)
		return false;
	head_len = (size_t)(end - payload.ptr);
	e.packet = pl_str_n(end + 1, payload.len - head_len - 1);
	if (!parse_head(pl_str_n(payload.ptr, head_len), &e) ||
	    !is_packet(e.packet, e.name))
		return false;
	e.is_change = pl_str_eq(e.name, PL_STR("messageUpdated")) ||
		      pl_str_eq(e.name, PL_STR("messageDeleted"));
	if (pl_str_eq(e.name, PL_STR("newMessage")))
		e.has_pos = place_message(&e);
	else if (e.is_change)
		e.has_pos = e.has_pos && cut_stem(&e);
	else
		e.has_pos = false;
	*out = e;
	return true;
}

/* ---- blocks ---- */

void
pl_event_blocked_write(
    struct pl_buf *out, const struct pl_oid *user, const struct pl_oid *other)
{
	struct pl_json_out o;

	pl_jo_init(&o, out);
	pl_jo_object(&o);
	pl_jo_key(&o, "user");
	pl_jo_oid(&o, user);
	pl_jo_key(&o, "other");
	pl_jo_oid(&o, other);
	pl_jo_end_object(&o);
}

static bool
read_oid(const struct pl_json *root, const char *name, struct pl_oid *out)
{
	struct pl_str text;

	return pl_json_str(pl_json_get(root, name), &text) && pl_oid_parse(text, out);
}

bool
pl_event_blocked_parse(struct pl_str payload, struct pl_oid *user, struct pl_oid *other)
{
	struct pl_oid one, two;
	struct pl_json *root;
	bool is_good;

	if (payload.len > HEAD_MAX || pl_json_parse(payload, &root, NULL) != PL_OK)
		return false;
	is_good = read_oid(root, "user", &one) && read_oid(root, "other", &two);
	pl_json_free(root);
	if (is_good) {
		*user = one;
		*other = two;
	}
	return is_good;
}

/* ---- revocations ---- */

void
pl_event_revoked_write(struct pl_buf *out, const struct pl_revocation *r)
{
	char hex[HEX_ID + 1];
	struct pl_json_out o;

	pl_hex_encode(r->token_id, PL_JWT_ID_LEN, hex);
	pl_jo_init(&o, out);
	pl_jo_object(&o);
	pl_jo_key(&o, "token");
	pl_jo_str(&o, pl_str_n(hex, HEX_ID));
	pl_jo_key(&o, "user");
	pl_jo_oid(&o, &r->user);
	pl_jo_key(&o, "expires");
	pl_jo_int(&o, r->expires_unix_s);
	pl_jo_end_object(&o);
}

static bool
read_revoked(const struct pl_json *root, struct pl_revocation *r)
{
	struct pl_str token, user;

	return pl_json_type(root) == PL_JSON_OBJECT &&
	       pl_json_length(root) == REVOKED_MEMBERS &&
	       pl_json_str(pl_json_get(root, "token"), &token) &&
	       pl_hex_decode(token, r->token_id, PL_JWT_ID_LEN) &&
	       pl_json_str(pl_json_get(root, "user"), &user) &&
	       pl_oid_parse(user, &r->user) &&
	       pl_json_int(pl_json_get(root, "expires"), &r->expires_unix_s) &&
	       r->expires_unix_s >= 0;
}

bool
pl_event_revoked_parse(struct pl_str payload, struct pl_revocation *out)
{
	struct pl_revocation r = {0};
	struct pl_json *root;
	bool is_good;

	if (payload.len > REVOKED_MAX || pl_json_parse(payload, &root, NULL) != PL_OK)
		return false;
	is_good = read_revoked(root, &r);
	pl_json_free(root);
	if (is_good)
		*out = r;
	return is_good;
}
