#include "presence/delivery/recovery.h"

#include <stdio.h>

#include "base/mem.h"

_Static_assert(RECOVERY_PID_MAX <= PARTING_PID_MAX, "a whole pid is noted");
_Static_assert(
    PARTING_KEPT_MS > RECOVERY_AWAY_MAX_MS, "who is late has a note, or had one");
_Static_assert(HELD_KEPT_MS >= RECOVERY_AWAY_MAX_MS + HELD_RENEW_MS,
    "whose process was killed has as long to come back as any other");
_Static_assert(
    HELD_KEPT_MS < PARTING_KEPT_MS, "what a dead process had is forgotten first");

/* What is known, what may be missed, and one that shows that it is more. */
#define READ_MAX (SEEN_OFFSET_MAX + RECOVERY_MESSAGES_MAX + 1)

struct recovery_reading {
	struct pl_fair_job turn;
	struct recovery *recovery;
	struct recovery_call *owner; /* NULL: cancelled */
	struct pl_store_read_call call;
	struct hub_socket *socket;
	struct pl_oid user;
	struct seen_offset has;
	size_t text_bytes_max;
	struct recovery_found found;
	unsigned again; /* how often it began anew */
};

/* ---- asking -------------------------------------------------------------------------- */

void
recovery_pid(
    const struct pl_oid *user, const char *socket_id, char out[RECOVERY_PID_MAX + 1])
{
	char hex[PL_OID_HEX_LEN + 1];

	pl_oid_format(user, hex);
	snprintf(out, RECOVERY_PID_MAX + 1, "%s.%s", hex, socket_id);
}

static bool
is_socket_id(struct pl_str s)
{
	static const char allowed[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789-_";

	if (s.len == 0 || s.len > HUB_SOCKET_ID_LEN)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!memchr(allowed, s.ptr[i], sizeof(allowed) - 1))
			return false;
	return true;
}

static bool
pid_parse(struct pl_str pid, struct recovery_ask *out)
{
	struct pl_str user, socket_id;

	if (pid.len <= PL_OID_HEX_LEN || pid.ptr[PL_OID_HEX_LEN] != '.')
		return false;
	user = pl_str_n(pid.ptr, PL_OID_HEX_LEN);
	socket_id = pl_str_n(pid.ptr + PL_OID_HEX_LEN + 1, pid.len - PL_OID_HEX_LEN - 1);
	if (!pl_oid_parse(user, &out->user) || !is_socket_id(socket_id))
		return false;
	memcpy(out->socket_id, socket_id.ptr, socket_id.len);
	out->socket_id[socket_id.len] = '\0';
	return true;
}

struct recovery_ask *
recovery_asked(const struct pl_json *auth)
{
	struct pl_str pid, offset;
	struct recovery_ask *ask;

	if (!pl_json_str(pl_json_get(auth, "pid"), &pid) ||
	    !pl_json_str(pl_json_get(auth, "offset"), &offset))
		return NULL;
	ask = pl_mem_zalloc(sizeof(*ask));
	if (pid_parse(pid, ask) && seen_offset_parse(offset, &ask->has))
		return ask;
	pl_mem_free(ask);
	return NULL;
}

/* ---- reading ------------------------------------------------------------------------- */

static void
found_fini(struct recovery_found *found)
{
	pl_mem_free(found->places);
	pl_message_list_fini(&found->missed);
	pl_message_list_fini(&found->changed);
	*found = (struct recovery_found){0};
}

static void
reading_free(struct recovery_reading *r)
{
	found_fini(&r->found);
	pl_mem_free(r);
}

static void
reading_end(struct recovery_reading *r, bool is_whole)
{
	struct recovery_call *owner = r->owner;

	if (owner) {
		owner->reading = NULL;
		owner->on_found(owner->arg, is_whole ? &r->found : NULL);
	}
	pl_fair_done(&r->recovery->turns, &r->turn);
	reading_free(r);
}

static void
add_place(struct recovery_reading *r, const struct pl_message_pos *pos,
    const struct pl_oid *message, bool is_change)
{
	if (pl_message_pos_compare(pos, &r->has.floor) <= 0)
		return; /* a change of the floor's millisecond */
	r->found.places[r->found.count++] = (struct recovery_place){
	    .pos = *pos,
	    .message = *message,
	    .is_change = is_change,
	    .is_known = seen_offset_has(&r->has, &pos->id),
	};
}

static bool
is_message_next(const struct pl_pos_list *messages, size_t m,
    const struct pl_pos_list *changes, size_t c)
{
	if (m == messages->count || c == changes->count)
		return c == changes->count;
	return messages->items[m].created_unix_ms <= changes->items[c].created_unix_ms;
}

/* Both are in their order. */
static void
merge_places(struct recovery_reading *r, const struct pl_pos_list *messages,
    const struct pl_pos_list *changes)
{
	size_t m = 0, c = 0;

	r->found.places = pl_mem_alloc(
	    (messages->count + changes->count + 1) * sizeof(*r->found.places));
	while (m < messages->count || c < changes->count) {
		struct pl_message_pos pos;

		if (is_message_next(messages, m, changes, c)) {
			pos = messages->items[m++];
			add_place(r, &pos, &pos.id, false);
		} else {
			pos = changes->items[c++];
			pos = pl_message_change_pos(&pos.id, pos.created_unix_ms);
			add_place(r, &pos, &changes->items[c - 1].id, true);
		}
	}
}

static enum pl_err
read_places(struct recovery_reading *r, struct pl_store *s)
{
	struct pl_message_pos since = {.created_unix_ms = r->has.floor.created_unix_ms};
	struct pl_pos_list messages = {0}, changes = {0};
	enum pl_err err =
	    pl_store_positions_to(s, &r->user, &r->has.floor, READ_MAX, &messages);

	if (err == PL_OK)
		err = pl_store_changes(s, &r->user, &since, READ_MAX, &changes);
	if (err == PL_OK)
		merge_places(r, &messages, &changes);
	pl_pos_list_fini(&messages);
	pl_pos_list_fini(&changes);
	return err;
}

/* The ids of what the client does not have. */
struct missed {
	struct pl_oid ids[RECOVERY_MESSAGES_MAX]; /* those of changes from the end */
	size_t messages;
	size_t changes;
};

/* False if they are too many. */
static bool
find_missed(const struct recovery_reading *r, struct missed *missed)
{
	missed->messages = missed->changes = 0;
	for (size_t i = 0; i < r->found.count; i++) {
		const struct recovery_place *place = &r->found.places[i];

		if (place->is_known)
			continue;
		if (missed->messages + missed->changes == RECOVERY_MESSAGES_MAX)
			return false;
		if (place->is_change)
			missed->ids[RECOVERY_MESSAGES_MAX - ++missed->changes] =
			    place->message;
		else
			missed->ids[missed->messages++] = place->message;
	}
	return true;
}

static size_t
text_bytes(const struct pl_message_list *list)
{
	size_t bytes = 0;

	for (size_t i = 0; i < list->count; i++)
		bytes += list->items[i].text_len;
	return bytes;
}

/* On a thread of the store's. */
static enum pl_err
run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct recovery_reading *r = PL_CONTAINER(call, struct recovery_reading, call);
	struct recovery_found *found = &r->found;
	struct missed missed;
	enum pl_err err = read_places(r, s);

	if (err != PL_OK)
		return err;
	if (!find_missed(r, &missed))
		return PL_E_TOO_BIG;
	err = pl_store_messages_of(
	    s, missed.ids, missed.messages, r->text_bytes_max, &found->missed);
	if (err == PL_OK && missed.changes > 0) {
		err = pl_store_messages_of(s,
		    missed.ids + RECOVERY_MESSAGES_MAX - missed.changes, missed.changes,
		    r->text_bytes_max - text_bytes(&found->missed), &found->changed);
		if (err == PL_OK)
			pl_message_list_reverse(&found->changed);
	}
	return err;
}

static void
read_it(struct recovery_reading *r)
{
	r->socket->has_missed = false;
	found_fini(&r->found);
	if (pl_store_async_read(r->recovery->app->store, &r->call) != PL_OK)
		reading_end(r, false);
}

static void
on_turn(struct pl_fair_job *turn)
{
	read_it(PL_CONTAINER(turn, struct recovery_reading, turn));
}

static void
on_read(struct pl_store_read_call *call)
{
	struct recovery_reading *r = PL_CONTAINER(call, struct recovery_reading, call);

	bool is_good = r->owner && call->err == PL_OK;
	bool is_whole = is_good && !r->socket->has_missed;

	if (is_good && !is_whole && r->again++ < RECOVERY_READS_AGAIN_MAX)
		read_it(r); /* one more was written while this was read */
	else
		reading_end(r, is_whole);
}

void
recovery_read(struct recovery *recovery, struct recovery_call *call,
    struct hub_socket *socket, const struct seen_offset *has, size_t text_bytes_max)
{
	struct recovery_reading *r = pl_mem_zalloc(sizeof(*r));

	r->recovery = recovery;
	r->owner = call;
	r->socket = socket;
	r->user = socket->user->id;
	r->has = *has;
	r->text_bytes_max = text_bytes_max;
	r->call.run = run;
	r->call.done = on_read;
	r->call.user = &r->user;
	call->reading = r;
	pl_fair_add(&recovery->turns, &r->turn, pl_str_n(r->user.bytes, PL_OID_LEN));
}

/* One that waits is freed now; one that is under way, once it was read. */
void
recovery_cancel(struct recovery_call *call)
{
	struct recovery_reading *r = call->reading;

	call->reading = NULL;
	if (!r)
		return;
	r->owner = NULL;
	if (pl_fair_cancel(&r->recovery->turns, &r->turn))
		reading_free(r);
}

void
recovery_start(struct recovery *r)
{
	pl_fair_init(&r->turns, RECOVERY_READS_MAX, RECOVERY_READS_OF_USER_MAX, on_turn);
}
