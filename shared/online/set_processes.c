#include "base/log.h"
#include "base/mem.h"
#include "bus/events.h"
#include "redis/reply.h"
#include "online/set_impl.h"

PL_REDIS_LUA(list_lua, "online_list");
PL_REDIS_LUA(read_lua, "online_read");

#define PROCESSES_MAX     1000
#define BACKLOG_BYTES_MAX ((size_t)1 << 20)
#define READ_AGAIN_MS     1000
#define LATE_MS           150 /* so late is a timer after a standstill, which holds it */

struct process {
	struct pl_online_set *set;
	char *name;
	struct pl_map users; /* raw id -> the struct pl_online_user */
	uint64_t number;     /* of the last note that users has in it */
	struct pl_buf
	    backlog; /* notes that came while reading, each with '\n' after it */
	struct pl_timer lease_timer;
	struct pl_redis_call reading;
};

static void await_rejoin(struct pl_online_set *set);
static void read_process(struct process *p);
static void on_read(void *arg, enum pl_err err, const struct redisReply *reply);

static bool
is_reading(const struct process *p)
{
	return pl_redis_call_is_waiting(&p->reading);
}

/* ---- users ---- */

static void
user_add(struct process *p, const struct pl_oid *user)
{
	struct pl_online_user *u;

	if (pl_map_get(&p->users, pl_oid_str(user)) != NULL)
		return;
	u = pl_online_user_add(p->set, user);
	pl_map_put(&p->users, pl_oid_str(&u->user), u);
}

static void
user_drop(struct process *p, const struct pl_oid *user)
{
	struct pl_online_user *u = pl_map_del(&p->users, pl_oid_str(user));

	if (u != NULL)
		pl_online_user_drop(p->set, u);
}

static void
users_drop_all(struct pl_online_set *set, struct pl_map *users)
{
	struct pl_online_user *u;
	size_t it = 0;

	while ((u = pl_map_next(users, &it)) != NULL)
		pl_online_user_drop(set, u);
	pl_map_fini(users);
}

/* The new users are added before the old ones go, so that users who stay never count as
 * gone. */
static void
users_replace(struct process *p, const struct redisReply *ids)
{
	struct pl_map old = p->users;
	const struct redisReply *id;
	struct pl_oid user;

	pl_map_init(&p->users);
	for (size_t i = 0; (id = pl_redis_reply_at(ids, i)) != NULL; i++)
		if (pl_oid_parse(pl_redis_reply_str(id), &user))
			user_add(p, &user);
	users_drop_all(p->set, &old);
}

/* ---- the other processes ---- */

static void
process_drop(struct process *p)
{
	struct pl_online_set *set = p->set;

	pl_timer_stop(set->loop, &p->lease_timer);
	pl_map_del(&set->processes, pl_str(p->name));
	users_drop_all(set, &p->users);
	pl_redis_call_cancel(&p->reading);
	pl_buf_fini(&p->backlog);
	pl_mem_free(p->name);
	pl_mem_free(p);
}

/* No renewal was heard for a whole lease: ask Redis before believing it. If we stood
 * still, the machine may have, and Redis' clock went on while nobody renewed a lease. */
static void
on_lease_timer(struct pl_timer *t)
{
	struct process *p = t->arg;
	int64_t late_ms = pl_loop_now_ms(p->set->loop) - t->due_mono_ms;

	if (late_ms >= LATE_MS)
		await_rejoin(p->set);
	read_process(p);
}

static struct process *
process_new(struct pl_online_set *set, struct pl_str name)
{
	struct process *p = pl_mem_zalloc(sizeof(*p));

	p->set = set;
	p->name = pl_mem_strndup(name.ptr, name.len);
	pl_map_init(&p->users);
	pl_buf_init(&p->backlog, BACKLOG_BYTES_MAX);
	pl_redis_call_init(&p->reading, on_read, p);
	p->lease_timer = (struct pl_timer){.on_fire = on_lease_timer, .arg = p};
	pl_map_put(&set->processes, pl_str(p->name), p);
	return p;
}

/* ---- notes ---- */

static void
apply(struct process *p, struct pl_online_note note)
{
	uint64_t due = p->number + (note.changes.len > 0 ? 1 : 0);
	struct pl_oid user;
	bool is_join;

	if (note.number != due) {
		read_process(p);
		return;
	}
	p->number = note.number;
	while (pl_online_note_next(&note.changes, &is_join, &user)) {
		if (is_join)
			user_add(p, &user);
		else
			user_drop(p, &user);
	}
}

static bool
is_us(const struct pl_online_set *set, struct pl_str name)
{
	return pl_str_eq(name, pl_str(set->process));
}

static void
on_note(void *arg, struct pl_str channel, struct pl_str payload)
{
	struct pl_online_set *set = arg;
	struct pl_online_note note;
	struct process *p;

	(void)channel;
	if (!pl_online_note_parse(payload, &note) || is_us(set, note.process))
		return;
	p = pl_map_get(&set->processes, note.process);
	if (note.is_retired) {
		if (p != NULL)
			process_drop(p);
		return;
	}
	if (p == NULL) {
		if (set->processes.count < PROCESSES_MAX)
			read_process(process_new(set, note.process));
		return;
	}
	pl_timer_start(set->loop, &p->lease_timer, set->times.lease_ms);
	if (is_reading(p)) {
		pl_buf_add_str(&p->backlog, payload);
		pl_buf_add_char(&p->backlog, '\n');
	} else {
		apply(p, note);
	}
}

/* ---- reading a set ---- */

/* Apply the notes that came while the set was read and are not in it. */
static void
catch_up(struct process *p)
{
	struct pl_buf backlog = p->backlog;
	struct pl_str rest = pl_buf_str(&backlog);
	struct pl_online_note note;
	struct pl_str line;

	pl_buf_init(&p->backlog, BACKLOG_BYTES_MAX);
	if (backlog.overflowed)
		read_process(p);
	while (!is_reading(p) && pl_str_split(&rest, '\n', &line))
		if (pl_online_note_parse(line, &note) && note.number > p->number)
			apply(p, note);
	pl_buf_fini(&backlog);
}

/* Redis does not list this process. After an outage, its set may be on its way. */
static void
process_missing(struct process *p)
{
	int64_t wait_ms = p->set->rejoin_until_mono_ms - pl_loop_now_ms(p->set->loop);

	if (wait_ms > 0 && p->users.count > 0)
		pl_timer_start(p->set->loop, &p->lease_timer, wait_ms);
	else
		process_drop(p);
}

/* Redis was away, or the machine stood still: give each process time to find it again and
 * to renew its lease. */
static void
await_rejoin(struct pl_online_set *set)
{
	set->rejoin_until_mono_ms = pl_loop_now_ms(set->loop) +
				    PL_REDIS_RECONNECT_MOST_MS + 2 * set->times.renew_ms;
}

static void
take_set(struct process *p, const struct redisReply *reply)
{
	const struct redisReply *left = pl_redis_reply_at(reply, 0);
	struct pl_str number = pl_redis_reply_str(pl_redis_reply_at(reply, 1));
	struct pl_online_set *set = p->set;

	if (!pl_redis_reply_is(left, REDIS_REPLY_INTEGER) ||
	    !pl_str_to_u64(number, PL_ONLINE_NUMBER_MAX, &p->number)) {
		await_rejoin(set);
		pl_timer_start(set->loop, &p->lease_timer, READ_AGAIN_MS);
		return;
	}
	if (left->integer <= 0) {
		process_missing(p);
		return;
	}
	users_replace(p, pl_redis_reply_at(reply, 2));
	pl_timer_start(set->loop, &p->lease_timer, left->integer + 1);
	catch_up(p);
}

static void
on_read(void *arg, enum pl_err err, const struct redisReply *reply)
{
	(void)err;
	take_set(arg, reply);
}

static void
read_process(struct process *p)
{
	struct pl_online_set *set = p->set;
	char users[PL_ONLINE_KEY_MAX + 1], number[PL_ONLINE_KEY_MAX + 1];

	if (is_reading(p))
		return;
	pl_buf_clear(&p->backlog);
	pl_online_key(users, "parley:online:", p->name);
	pl_online_key(number, "parley:number:", p->name);
	pl_redis_eval(set->redis, &set->read_script,
	    (struct pl_str[]){
		PL_STR(PL_ONLINE_KEY_PROCESSES), pl_str(users), pl_str(number)},
	    3, (struct pl_str[]){pl_str(p->name)}, 1, &p->reading);
}

/* ---- who is there ---- */

static void
on_listed(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct pl_online_set *set = arg;
	const struct redisReply *element;

	(void)err;
	for (size_t i = 0; (element = pl_redis_reply_at(reply, i)) != NULL; i++) {
		struct pl_str name = pl_redis_reply_str(element);

		if (!pl_online_name_check(name) || is_us(set, name) ||
		    pl_map_get(&set->processes, name) != NULL ||
		    set->processes.count >= PROCESSES_MAX)
			continue;
		read_process(process_new(set, name));
	}
}

/* From now on notes come, perhaps again after a gap. What was said before is read from
 * the sets. */
static void
on_ready(void *arg, bool is_again)
{
	struct pl_online_set *set = arg;
	struct process *p;
	size_t it = 0;

	if (is_again)
		await_rejoin(set);
	while ((p = pl_map_next(&set->processes, &it)) != NULL)
		read_process(p);
	pl_redis_eval(set->redis, &set->list_script,
	    (struct pl_str[]){PL_STR(PL_ONLINE_KEY_PROCESSES)}, 1, NULL, 0,
	    &set->listing);
	pl_online_set_renew_soon(set);
}

void
pl_online_set_processes_init(struct pl_online_set *set)
{
	pl_map_init(&set->processes);
	pl_redis_call_init(&set->listing, on_listed, set);
	pl_redis_script_init(&set->list_script, list_lua);
	pl_redis_script_init(&set->read_script, read_lua);
	set->notes = (struct pl_bus_listener){
	    .on_message = on_note, .on_ready = on_ready, .arg = set};
	if (set->redis != NULL)
		pl_bus_subscribe(set->bus, PL_STR(PL_CHANNEL_ONLINE), &set->notes);
}

void
pl_online_set_processes_fini(struct pl_online_set *set)
{
	struct process *p;
	size_t it = 0;

	pl_bus_unsubscribe(set->bus, &set->notes);
	pl_redis_call_cancel(&set->listing);
	while ((p = pl_map_next(&set->processes, &it)) != NULL)
		process_drop(p);
	pl_map_fini(&set->processes);
}
