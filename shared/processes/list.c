#include "processes/list.h"

#include <assert.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "redis/reply.h"

PL_REDIS_LUA(list_lua, "process_list");

struct entry {
	struct pl_str line; /* "presence p1 10.0.0.7:8080 up" */
	struct pl_str key;  /* its beginning, "presence p1" */
	int64_t listed_mono_ms;
	char text[];
};

struct pl_process_list {
	struct pl_loop *loop;
	struct pl_redis *redis;
	struct pl_bus *bus;
	void (*on_change)(void *arg);
	void *arg;
	struct pl_map entries; /* key -> struct entry */
	struct pl_bus_listener listener;
	struct pl_timer timer;
	struct pl_redis_script script;
	struct pl_process_list_times times;
	int64_t rejoin_until_mono_ms; /* until then no process is dropped */
	int64_t turned_mono_ms;       /* when we were last here */
	struct pl_redis_call listing;
};

/* ---- entries ---- */

static void
drop(struct pl_process_list *list, struct entry *e)
{
	pl_map_del(&list->entries, e->key);
	pl_mem_free(e);
}

static struct entry *
add(struct pl_process_list *list, struct pl_str text, size_t key_len)
{
	struct entry *e = pl_mem_zalloc(sizeof(*e) + text.len + 1);

	assert(text.ptr != NULL); /* a line that parses is not empty */
	memcpy(e->text, text.ptr, text.len);
	e->line = pl_str_n(e->text, text.len);
	e->key = pl_str_n(e->text, key_len);
	(void)pl_map_put(&list->entries, e->key, e);
	return e;
}

/* True if this changed something. */
static bool
take_line(struct pl_process_list *list, struct pl_str text)
{
	struct pl_process_line line;
	struct entry *e;
	size_t key_len;
	bool is_new;

	if (!pl_process_line_parse(text, &line))
		return false;
	key_len = (size_t)(line.name.ptr + line.name.len - text.ptr);
	e = pl_map_get(&list->entries, pl_str_n(text.ptr, key_len));
	is_new = e == NULL || !pl_str_eq(e->line, text);
	if (is_new && e != NULL)
		drop(list, e);
	else if (is_new && list->entries.count >= PL_PROCESS_LIST_MAX)
		return false;
	if (is_new)
		e = add(list, text, key_len);
	e->listed_mono_ms = pl_loop_now_ms(list->loop);
	return is_new;
}

/* Drop the processes whose lease has ended; true if there were any. */
static bool
drop_missing(struct pl_process_list *list)
{
	int64_t now = pl_loop_now_ms(list->loop);
	bool is_any = false;
	struct entry *e;

	if (now < list->rejoin_until_mono_ms)
		return false;
	for (size_t it = 0; (e = pl_map_next(&list->entries, &it)) != NULL;) {
		if (now - e->listed_mono_ms < list->times.missing_ms)
			continue;
		drop(list, e);
		is_any = true;
	}
	return is_any;
}

/* ---- asking ---- */

static void
await_rejoin(struct pl_process_list *list)
{
	list->rejoin_until_mono_ms = pl_loop_now_ms(list->loop) + list->times.rejoin_ms;
}

/* If the machine stood still, leases have ended whose processes are there. */
static void
note_standstill(struct pl_process_list *list)
{
	int64_t now = pl_loop_now_ms(list->loop);

	if (now - list->turned_mono_ms >= 2 * list->times.ask_ms)
		await_rejoin(list);
	list->turned_mono_ms = now;
}

static void
on_listed(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct pl_process_list *list = arg;
	bool has_changed = false;

	(void)err;
	note_standstill(list);
	if (!pl_redis_reply_is(reply, REDIS_REPLY_ARRAY)) {
		await_rejoin(list);
		return;
	}
	for (size_t i = 0; i < reply->elements; i++)
		has_changed |=
		    take_line(list, pl_redis_reply_str(pl_redis_reply_at(reply, i)));
	has_changed |= drop_missing(list);
	if (has_changed)
		list->on_change(list->arg);
}

static void
ask(struct pl_timer *t)
{
	struct pl_process_list *list = t->arg;
	struct pl_str key = PL_STR(PL_PROCESSES_KEY);

	pl_timer_start(list->loop, t, list->times.ask_ms);
	note_standstill(list);
	if (!pl_redis_is_up(list->redis)) {
		await_rejoin(list);
		return;
	}
	pl_redis_eval(list->redis, &list->script, &key, 1, NULL, 0, &list->listing);
}

/* The process that said, "presence p1 10.0.0.7:8080", that it left; not one that came
 * after it under its name. */
static struct entry *
who_left(struct pl_process_list *list, struct pl_str said)
{
	const char *space = said.len == 0 ? NULL : memrchr(said.ptr, ' ', said.len);
	struct entry *e;

	if (space == NULL)
		return NULL;
	e = pl_map_get(&list->entries, pl_str_n(said.ptr, (size_t)(space - said.ptr)));
	return e != NULL && pl_str_starts(e->line, said) ? e : NULL;
}

static void
on_message(void *arg, struct pl_str channel, struct pl_str payload)
{
	struct pl_process_list *list = arg;
	struct entry *e = who_left(list, payload);

	(void)channel;
	if (e != NULL) {
		drop(list, e);
		list->on_change(list->arg);
	} else {
		pl_timer_start(list->loop, &list->timer, 0);
	}
}

static void
on_ready(void *arg, bool is_again)
{
	struct pl_process_list *list = arg;

	if (is_again)
		await_rejoin(list);
	pl_timer_start(list->loop, &list->timer, 0);
}

/* ---- life ---- */

static int
by_text(const void *a, const void *b)
{
	const struct entry *const *x = a, *const *y = b;

	return strcmp((*x)->text, (*y)->text);
}

void
pl_process_list_print(const struct pl_process_list *list, struct pl_buf *out)
{
	struct entry **all =
	    pl_mem_alloc((list->entries.count + 1) * sizeof(struct entry *));
	struct entry *e;
	size_t count = 0;

	for (size_t it = 0; (e = pl_map_next(&list->entries, &it)) != NULL;)
		all[count++] = e;
	qsort(all, count, sizeof(struct entry *), by_text);
	for (size_t i = 0; i < count; i++)
		pl_buf_printf(out, "%s\n", all[i]->text);
	pl_mem_free(all);
}

struct pl_process_list *
pl_process_list_new_timed(struct pl_loop *loop, struct pl_redis *redis,
    struct pl_bus *bus, struct pl_process_list_times times, void (*on_change)(void *arg),
    void *arg)
{
	struct pl_process_list *list = pl_mem_zalloc(sizeof(*list));

	list->loop = loop;
	list->redis = redis;
	list->bus = bus;
	list->times = times;
	list->on_change = on_change;
	list->arg = arg;
	pl_map_init(&list->entries);
	pl_redis_call_init(&list->listing, on_listed, list);
	pl_redis_script_init(&list->script, list_lua);
	list->timer = (struct pl_timer){.on_fire = ask, .arg = list};
	list->listener.on_message = on_message;
	list->listener.on_ready = on_ready;
	list->listener.arg = list;
	await_rejoin(list);
	pl_bus_subscribe(bus, PL_STR(PL_PROCESSES_CHANNEL), &list->listener);
	pl_timer_start(loop, &list->timer, 0);
	return list;
}

struct pl_process_list *
pl_process_list_new(struct pl_loop *loop, struct pl_redis *redis, struct pl_bus *bus,
    void (*on_change)(void *arg), void *arg)
{
	struct pl_process_list_times times = {.ask_ms = PL_PROCESS_LIST_ASK_MS,
	    .missing_ms = PL_PROCESS_LIST_MISSING_MS,
	    .rejoin_ms = PL_PROCESS_LIST_REJOIN_MS};

	return pl_process_list_new_timed(loop, redis, bus, times, on_change, arg);
}

void
pl_process_list_free(struct pl_process_list *list)
{
	struct entry *e;

	if (list == NULL)
		return;
	pl_bus_unsubscribe(list->bus, &list->listener);
	pl_timer_stop(list->loop, &list->timer);
	for (size_t it = 0; (e = pl_map_next(&list->entries, &it)) != NULL;)
		drop(list, e);
	pl_map_fini(&list->entries);
	pl_redis_call_cancel(&list->listing);
	pl_mem_free(list);
}
