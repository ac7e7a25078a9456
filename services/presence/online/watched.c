#include "presence/online/watched.h"

#include <assert.h>

#include "base/mem.h"
#include "proto/eio_packet.h"

#define BEHIND_AGAIN_MS 100
#define FAILED_AGAIN_MS 1000

/* A user whom somebody here watches. */
struct watched {
	struct pl_oid id;
	uint32_t version; /* one more each time that what follows is different */
	struct pl_list watches;
	struct pl_list noted; /* in the index's */
	char *note;           /* NULL: none */
	uint64_t read; /* the number of the read that told the status; 0: none has */
	enum pl_status status;
	/* Of the tag that the same read found before the status; 0: it found none. */
	uint32_t tag_number;
	bool is_online;
};

struct watch {
	struct pl_list link;  /* in its user's */
	struct watched *user; /* NULL: it is over */
	struct watch_set *set;
	uint32_t told; /* the version that the socket knows */
};

struct watch_set {
	struct watched_index *index;
	struct hub_socket *socket;
	bool has_begun;
	size_t count;
	struct watch items[];
};

_Static_assert(sizeof(struct watch) == 40, "10,000 sockets may have 64 each");

/* ---- users --------------------------------------------------------------------------- */

static struct watched *
user_find(const struct watched_index *x, const struct pl_oid *id)
{
	return pl_map_get(&x->users, pl_oid_str(id));
}

static struct watched *
user_get(struct watched_index *x, const struct pl_oid *id)
{
	struct watched *user = user_find(x, id);

	if (user)
		return user;
	user = pl_mem_zalloc(sizeof(*user));
	user->id = *id;
	pl_list_init(&user->watches);
	pl_list_init(&user->noted);
	(void)pl_map_put(&x->users, pl_oid_str(&user->id), user);
	return user;
}

static void
user_free(struct watched_index *x, struct watched *user)
{
	(void)pl_map_del(&x->users, pl_oid_str(&user->id));
	pl_list_unlink(&user->noted);
	pl_mem_free(user->note);
	pl_mem_free(user);
}

static bool
is_same_note(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Take what a read found, whose number is higher than that of the last one. found: NULL
 * if there is no such user (any more), who counts as one without a status. True: it is
 * something else. */
static bool
take_status(struct watched *user, struct pl_user_state *found, uint64_t number)
{
	enum pl_status status = found ? found->status : PL_STATUS_AVAILABLE;
	char *note = found ? found->note : NULL;
	bool is_other =
	    user->read == 0 || user->status != status || !is_same_note(user->note, note);

	pl_mem_free(user->note);
	user->note = note;
	if (found)
		found->note = NULL; /* it has moved */
	user->status = status;
	user->read = number;
	user->tag_number = 0; /* unless the read knows it */
	return is_other;
}

/* Are they online now? True: it is something else than was known. */
static bool
take_online(const struct watched_index *x, struct watched *user)
{
	bool was_online = user->is_online;

	user->is_online = x->is_online(x->arg, &user->id);
	return user->is_online != was_online;
}

static bool
learn(struct watched_index *x, struct watched *user, struct pl_user_state *found,
    uint64_t number)
{
	bool is_other = take_online(x, user);

	if (number > user->read)
		is_other = take_status(user, found, number) || is_other;
	user->version += is_other;
	return is_other;
}

static void
write_user(struct pl_json_out *o, const struct watched *user)
{
	pl_jo_object(o);
	pl_jo_key(o, "userId");
	pl_jo_oid(o, &user->id);
	pl_jo_key(o, "online");
	pl_jo_bool(o, user->is_online);
	pl_jo_key(o, PL_USER_F_STATUS);
	pl_jo_cstr(o, pl_status_name(user->status));
	if (user->note) {
		pl_jo_key(o, PL_USER_F_NOTE);
		pl_jo_cstr(o, user->note);
	}
	pl_jo_end_object(o);
}

/* ---- noting ---------------------------------------------------------------------------- */

static void
tell_soon(struct watched_index *x)
{
	if (x->state == WATCHED_IDLE && !pl_timer_is_started(&x->telling))
		pl_timer_start(x->app->loop, &x->telling, 0);
}

static void
note_user(struct watched_index *x, struct watched *user)
{
	if (pl_list_is_empty(&user->noted))
		pl_list_push(&x->noted, &user->noted);
	tell_soon(x);
}

void
watched_note(struct watched_index *x, const struct pl_oid *id)
{
	struct watched *user = user_find(x, id);

	if (user)
		note_user(x, user);
}

void
watched_note_all(struct watched_index *x)
{
	struct watched *user;

	for (size_t it = 0; (user = pl_map_next(&x->users, &it));)
		note_user(x, user);
}

/* ---- telling --------------------------------------------------------------------------- */

static struct pl_ref *
encode(const struct watched *user)
{
	struct pl_json_out o;
	struct pl_buf buf;
	struct pl_ref *packet;

	pl_buf_init(&buf, PL_BUF_UNLIMITED);
	(void)pl_buf_add_cstr(&buf, "2");
	pl_jo_init(&o, &buf);
	pl_jo_array(&o);
	pl_jo_cstr(&o, "presence");
	write_user(&o, user);
	pl_jo_end_array(&o);
	packet = pl_eio_packet_encode(PL_EIO_MESSAGE, pl_buf_str(&buf));
	pl_buf_fini(&buf);
	return packet;
}

/* Tell those who do not know it yet; how many those were. */
static size_t
tell_user(const struct watched *user)
{
	struct pl_ref *packet = NULL;
	size_t count = 0;

	pl_list_for_each(link, &user->watches)
	{
		struct watch *w = PL_CONTAINER(link, struct watch, link);

		if (!w->set->has_begun || w->told == user->version)
			continue;
		if (!packet)
			packet = encode(user);
		w->told = user->version;
		hub_send(w->set->socket, packet);
		count++;
	}
	pl_ref_drop(packet);
	return count;
}

void
watched_tell(struct watched_index *x, const struct pl_oid *id, struct pl_ref *packet)
{
	struct watched *user = user_find(x, id);

	if (!user)
		return;
	pl_list_for_each(link, &user->watches)
	{
		struct watch *w = PL_CONTAINER(link, struct watch, link);

		if (w->set->has_begun)
			hub_send(w->set->socket, packet);
	}
}

static void
end_round(struct watched_index *x, int64_t next_ms)
{
	pl_user_state_list_fini(&x->found);
	x->state = WATCHED_IDLE;
	pl_timer_start(x->app->loop, &x->telling, next_ms);
}

static struct pl_user_state *
next_found(struct watched_index *x, const struct pl_oid *id)
{
	struct pl_user_state *user = &x->found.items[x->passed];

	if (x->passed == x->found.count || !pl_oid_eq(&user->id, id))
		return NULL;
	x->passed++;
	return user;
}

/* As many as one turn of the loop may; the others have the next. */
static void
tell_some(struct watched_index *x)
{
	size_t sends = 0;

	while (x->told < x->id_count && sends < WATCHED_SENDS_MAX) {
		const struct pl_oid *id = &x->ids[x->told++];
		struct pl_user_state *found = next_found(x, id);
		struct watched *user = user_find(x, id);

		if (!user)
			continue; /* watched no longer */
		(void)learn(x, user, found, x->reading);
		sends += tell_user(user);
	}
	if (x->told < x->id_count)
		pl_timer_start(x->app->loop, &x->telling, 0);
	else
		end_round(x, x->id_count == WATCHED_READ_MAX ? 0 : WATCHED_EVERY_MS);
}

/* The store did not answer: who is online is known without it. */
static void
tell_what_is_known(struct watched_index *x)
{
	for (size_t i = 0; i < x->id_count; i++) {
		struct watched *user = user_find(x, &x->ids[i]);

		if (!user)
			continue;
		user->version += take_online(x, user);
		(void)tell_user(user);
		note_user(x, user);
	}
	end_round(x, FAILED_AGAIN_MS);
}

static enum pl_err
run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct watched_index *x = PL_CONTAINER(call, struct watched_index, call);

	return pl_store_user_states(s, x->ids, x->id_count, &x->found);
}

static void
done(struct pl_store_read_call *call)
{
	struct watched_index *x = PL_CONTAINER(call, struct watched_index, call);

	if (call->err != PL_OK) {
		tell_what_is_known(x);
		return;
	}
	x->state = WATCHED_TELLING;
	tell_some(x);
}

static void
begin_round(struct watched_index *x)
{
	struct pl_list *link;

	x->id_count = x->told = x->passed = 0;
	while (x->id_count < WATCHED_READ_MAX && (link = pl_list_pop(&x->noted)))
		x->ids[x->id_count++] = PL_CONTAINER(link, struct watched, noted)->id;
	x->reading = ++x->reads;
	x->state = WATCHED_READING;
	x->call = (struct pl_store_read_call){.run = run, .done = done};
	pl_store_async_read_or_done(x->app->store, &x->call);
}

static void
on_telling(struct pl_timer *t)
{
	struct watched_index *x = t->arg;

	if (x->state == WATCHED_TELLING)
		tell_some(x);
	else if (pl_list_is_empty(&x->noted))
		return; /* the next change begins a round at once */
	else if (x->is_behind(x->arg))
		pl_timer_start(x->app->loop, t, BEHIND_AGAIN_MS);
	else
		begin_round(x);
}

/* ---- sets ------------------------------------------------------------------------------ */

/* Is set, to which watches are being added, the last that watches user? */
static bool
is_in(const struct watched *user, const struct watch_set *set)
{
	return !pl_list_is_empty(&user->watches) &&
	       PL_CONTAINER(user->watches.prev, struct watch, link)->set == set;
}

struct watch_set *
watch_set_new(
    struct watched_index *x, struct hub_socket *socket, struct pl_oid *ids, size_t *count)
{
	struct watch_set *set =
	    pl_mem_alloc(sizeof(*set) + *count * sizeof(set->items[0]));

	*set = (struct watch_set){.index = x, .socket = socket};
	for (size_t i = 0; i < *count; i++) {
		struct watched *user = user_get(x, &ids[i]);
		struct watch *w = &set->items[set->count];

		if (is_in(user, set))
			continue;
		ids[set->count++] = ids[i];
		*w = (struct watch){.user = user, .set = set};
		pl_list_push(&user->watches, &w->link);
	}
	*count = set->count;
	x->watch_count += set->count;
	return set;
}

static void
unwatch(struct watch *w)
{
	struct watched *user = w->user;

	if (!user)
		return;
	w->user = NULL;
	pl_list_unlink(&w->link);
	if (pl_list_is_empty(&user->watches))
		user_free(w->set->index, user);
}

/* If it is news, those who watch them already are told it in a round. */
static void
begin(
    struct watch *w, struct pl_user_state *found, uint64_t number, struct pl_json_out *o)
{
	struct watched_index *x = w->set->index;
	bool is_alone = w->link.next == w->link.prev;

	if (learn(x, w->user, found, number) && !is_alone)
		note_user(x, w->user);
	w->told = w->user->version;
	write_user(o, w->user);
}

/* What is known of the user is as the store has it. */
static void
begin_known(struct watch *w, struct pl_json_out *o)
{
	struct watched_index *x = w->set->index;

	if (take_online(x, w->user)) {
		w->user->version++;
		note_user(x, w->user);
	}
	w->told = w->user->version;
	write_user(o, w->user);
}

/* The number of the tag that r found; 0: it found none. */
static uint32_t
tag_number_of(struct watched_index *x, const struct watched_reading *r)
{
	if (!r->has_tag)
		return 0;
	if (x->tag_number == 0 || memcmp(x->tag, r->tag, sizeof(x->tag)) != 0) {
		memcpy(x->tag, r->tag, sizeof(x->tag));
		x->tag_number++;
	}
	return x->tag_number;
}

static bool
is_next(const struct pl_oid *id, const struct pl_oid *of, size_t at, size_t count)
{
	return at < count && pl_oid_eq(&of[at], id);
}

void
watch_set_begin(struct watch_set *set, struct watched_reading *r, struct pl_json_out *o)
{
	uint32_t tag_number = tag_number_of(set->index, r);
	size_t next = 0, missing = 0;

	assert(!set->has_begun);
	for (size_t i = 0; i < set->count; i++) {
		struct watch *w = &set->items[i];
		const struct pl_oid *id = &w->user->id;
		struct pl_user_state *user = &r->found.items[next];
		bool is_missing = is_next(id, r->missing, missing, r->missing_count);

		missing += is_missing;
		if (next < r->found.count && pl_oid_eq(&user->id, id)) {
			begin(w, user, r->number, o);
			if (w->user->read == r->number) /* else the status is another's */
				w->user->tag_number = tag_number;
			next++;
		} else if (r->is_as_known && !is_missing) {
			begin_known(w, o);
		} else {
			unwatch(w);
		}
	}
	set->has_begun = true;
}

void
watched_reading_begin(struct watch_set *set, struct watched_reading *r,
    const struct pl_oid *ids, struct pl_oid *missing)
{
	struct watched_index *x = set->index;

	*r = (struct watched_reading){
	    .number = ++x->reads, .ids = ids, .count = set->count, .missing = missing};
	memcpy(r->known, x->tag, sizeof(x->tag));
	for (size_t i = 0; i < set->count; i++)
		if (x->tag_number == 0 || set->items[i].user->tag_number != x->tag_number)
			missing[r->missing_count++] = ids[i];
}

enum pl_err
watched_reading_run(struct watched_reading *r, struct pl_store *s)
{
	enum pl_err err = pl_store_users_tag(s, r->tag);

	if (err != PL_OK && err != PL_E_NOT_FOUND)
		return err;
	r->has_tag = err == PL_OK;
	/* If none was known, all are missing. */
	r->is_as_known = r->has_tag && memcmp(r->tag, r->known, sizeof(r->tag)) == 0;
	return r->is_as_known
		   ? pl_store_user_states(s, r->missing, r->missing_count, &r->found)
		   : pl_store_user_states(s, r->ids, r->count, &r->found);
}

void
watched_reading_fini(struct watched_reading *r)
{
	pl_user_state_list_fini(&r->found);
}

void
watch_set_free(struct watch_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->count; i++)
		unwatch(&set->items[i]);
	set->index->watch_count -= set->count;
	pl_mem_free(set);
}

/* ---- life ------------------------------------------------------------------------------ */

void
watched_start(struct watched_index *x)
{
	pl_map_init(&x->users);
	pl_list_init(&x->noted);
	x->telling = (struct pl_timer){.on_fire = on_telling, .arg = x};
}

void
watched_stop(struct watched_index *x)
{
	assert(x->users.count == 0);
	pl_timer_stop(x->app->loop, &x->telling);
	pl_user_state_list_fini(&x->found);
	pl_map_fini(&x->users);
}
