/*
 * watched: the users whom sockets here watch, and what these sockets are told of them.
 *
 *   socket ──► set ─┬─ watch ──┐
 *                   └─ watch ──┼──► watched (a user) ◄── index, by id
 *   socket ──► set ─── watch ──┘
 *
 *   presence {userId, online, status, statusNote?}     to each who watches that user
 *
 * A change costs by the number of sockets that watch its user: nobody else is looked at.
 * It is noted, and told in a round: the store is read for the statuses of all who
 * changed, each is encoded once, and goes to those who have not been told what is true
 * now. The first round begins at once, the next WATCHED_EVERY_MS later; who comes and
 * goes in between is told as they are then, or not at all if nothing is different.
 *
 * What is known of a user has a version, and each watch the one that its socket was told:
 * so a socket whose set was read from the store while something changed is told neither
 * old news nor the same twice. If the store does not answer, who came and went is told
 * all the same, with the status that was known; statuses follow when it does.
 *
 * A set is answered from what is known of its users if the store says that nothing of any
 * user has changed since (pl_store_users_tag()); else, and of those of whom nothing is
 * known, it is read. So most of who comes costs the store one row. Reads run side by side,
 * and one that began later may have read earlier: so a status counts as of the tag that its
 * own read found, and what a round has read, as of none.
 *
 * A watch takes 40 bytes, and a user who is watched some 150 bytes and their
 * note.  Threads: the loop's.
 */
#ifndef PRESENCE_ONLINE_WATCHED_H
#define PRESENCE_ONLINE_WATCHED_H

#include "base/json_out.h"
#include "presence/hub.h"

#define WATCHED_EVERY_MS 500
#define WATCHED_READ_MAX 500 /* users, in one read */
#define WATCHED_SENDS_MAX                                                                \
	10000 /* in one turn of the loop; one user's always go out together */

struct watch_set;

/* A read of the users of a set; watched_reading_begin() sets it all. */
struct watched_reading {
	uint64_t number;
	const struct pl_oid *ids;
	size_t count;
	struct pl_oid *missing; /* those of ids that must be read in any case */
	size_t missing_count;
	uint8_t known[PL_STORE_TAG_LEN]; /* the others are known as of this tag */
	/* once it is read */
	uint8_t tag[PL_STORE_TAG_LEN]; /* what it was before */
	bool has_tag;
	bool is_as_known; /* and so only those that are missing were read */
	struct pl_user_state_list found;
};

/* The caller's; zero it and set the first four. */
struct watched_index {
	const struct pl_app *app;
	bool (*is_online)(void *arg, const struct pl_oid *user);
	/* Do events wait for their turn to go out? */
	bool (*is_behind)(void *arg);
	void *arg;
	/* inside */
	struct pl_map users;  /* id -> struct watched */
	size_t watch_count;   /* what sets have room for */
	uint64_t reads;       /* the number of the last read */
	struct pl_list noted; /* watched.noted, in the order of their changes */
	/* That of users, as the store last said it; its number is one more with each
	 * other one, 0: none is known. */
	uint8_t tag[PL_STORE_TAG_LEN];
	uint32_t tag_number;
	struct pl_timer telling;
	/* a round */
	enum { WATCHED_IDLE, WATCHED_READING, WATCHED_TELLING } state;
	struct pl_store_read_call call;
	uint64_t reading; /* its number */
	struct pl_oid ids[WATCHED_READ_MAX];
	size_t id_count;
	struct pl_user_state_list found; /* by the order of ids */
	size_t told;                     /* of ids */
	size_t passed;                   /* of found */
};

void watched_start(struct watched_index *x);
void watched_stop(struct watched_index *x); /* after the store, and all sets */
/* The user of this id changed in some way; all may have. */
void watched_note(struct watched_index *x, const struct pl_oid *id);
void watched_note_all(struct watched_index *x);
/* Send packet to all who watch that user. */
void watched_tell(
    struct watched_index *x, const struct pl_oid *id, struct pl_ref *packet);

/* ---- a socket's set, in order of life ---- */

/* From now on changes of ids are noted for socket; ids twice count once: *count of them
 * are left, in their order. */
struct watch_set *watch_set_new(struct watched_index *x, struct hub_socket *socket,
    struct pl_oid *ids, size_t *count);
/* A read of ids, those of set, begins now. missing has room for all of them; both are
 * borrowed until it ends. */
void watched_reading_begin(struct watch_set *set, struct watched_reading *r,
    const struct pl_oid *ids, struct pl_oid *missing);
/* Read it. From any thread; perhaps twice. */
enum pl_err watched_reading_run(struct watched_reading *r, struct pl_store *s);
void watched_reading_fini(struct watched_reading *r);
/* It found these of the users of set, in its order: they are written, as many objects,
 * and the others are watched no longer. The socket is told what changes from now on. */
void watch_set_begin(
    struct watch_set *set, struct watched_reading *r, struct pl_json_out *o);
void watch_set_free(struct watch_set *set); /* NULL is fine */

#endif
