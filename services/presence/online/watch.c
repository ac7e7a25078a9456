#include "presence/online/watch.h"

#include "base/mem.h"

/* What one socket watches. */
struct watcher {
	struct hub_socket *socket;
	struct watch_set *set; /* NULL: nobody yet */
	struct pl_list asks;   /* from the oldest */
	unsigned ask_count;
};

/* One event, until it is answered. */
struct watch_ask {
	struct pl_list link; /* in its watcher */
	struct pl_fair_job turn;
	struct watches *all;
	struct watcher *watcher; /* NULL: its socket has left */
	struct ack ack;
	/* from its turn on */
	struct watch_set *set;
	struct pl_store_read_call call;
	struct watched_reading reading;
	size_t count;
	struct pl_oid ids[]; /* and as many more, for the reading */
};

/* ---- what is said ---------------------------------------------------------------------- */

static bool
read_ids(const struct pl_json *users, struct pl_oid *ids, struct pl_invalid *why)
{
	size_t count = pl_json_length(users);
	struct pl_str text;

	for (size_t i = 0; i < count; i++)
		if (!pl_json_str(pl_json_at(users, i), &text) ||
		    !pl_oid_parse(text, &ids[i])) {
			pl_invalid_set(
			    why, "BAD_ID", "each of users must be 24 hexadecimal digits");
			return false;
		}
	return true;
}

/* NULL: *why says why not. */
static struct watch_ask *
read_said(const struct pl_json *said, struct pl_invalid *why)
{
	const struct pl_json *users = pl_json_get(said, "users");
	size_t count = pl_json_length(users);
	struct watch_ask *ask;

	if (pl_json_type(users) != PL_JSON_ARRAY || count > WATCH_USERS_MAX) {
		pl_invalid_set(why, "INVALID_FIELD",
		    "users must be an array of at most %d ids", WATCH_USERS_MAX);
		return NULL;
	}
	ask = pl_mem_zalloc(sizeof(*ask) + 2 * count * sizeof(ask->ids[0]));
	ask->count = count;
	if (read_ids(users, ask->ids, why))
		return ask;
	pl_mem_free(ask);
	return NULL;
}

/* ---- its answer ------------------------------------------------------------------------ */

static void
ask_free(struct watch_ask *ask)
{
	pl_list_unlink(&ask->link);
	watched_reading_fini(&ask->reading);
	pl_mem_free(ask);
}

static void
refuse(struct watch_ask *ask, const char *code, const char *text)
{
	struct pl_invalid why;

	pl_invalid_set(&why, code, "%s", text);
	ack_refuse(ask->watcher->socket, &ask->ack, &why);
	watch_set_free(ask->set);
	pl_metrics_count(PL_M_WATCH_SETS, "failed", 1);
}

/* Would the answer end the socket, because its queue does not take so much? */
static bool
is_too_large(const struct watch_ask *ask, const struct pl_buf *args)
{
	return ask->ack.id != PL_SIO_NO_ACK &&
	       args->len > (size_t)pl_settings.send_queue_bytes_max / 2;
}

static void
answer(struct watch_ask *ask)
{
	struct watcher *watcher = ask->watcher;
	struct pl_json_out o;
	struct pl_buf args;

	pl_buf_init(&args, PL_BUF_UNLIMITED);
	pl_jo_init(&o, &args);
	pl_jo_array(&o);
	pl_jo_array(&o);
	watch_set_begin(ask->set, &ask->reading, &o);
	pl_jo_end_array(&o);
	pl_jo_end_array(&o);
	if (is_too_large(ask, &args)) {
		refuse(ask, "TOO_LARGE", "The answer is too large, name fewer users");
	} else {
		watch_set_free(watcher->set);
		watcher->set = ask->set;
		ack_send(watcher->socket, &ask->ack, pl_buf_str(&args));
		pl_metrics_count(PL_M_WATCH_SETS, "ok", 1);
	}
	pl_buf_fini(&args);
}

static void
finish(struct watch_ask *ask, enum pl_err err)
{
	struct watches *all = ask->all;

	if (ask->watcher) {
		ask->watcher->ask_count--;
		if (err == PL_OK)
			answer(ask);
		else
			refuse(ask, "UNAVAILABLE", "Service unavailable, try again");
	}
	pl_fair_done(&all->turns, &ask->turn);
	ask_free(ask);
}

/* ---- its turn -------------------------------------------------------------------------- */

static enum pl_err
run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct watch_ask *ask = PL_CONTAINER(call, struct watch_ask, call);

	return watched_reading_run(&ask->reading, s);
}

static void
done(struct pl_store_read_call *call)
{
	finish(PL_CONTAINER(call, struct watch_ask, call), call->err);
}

static bool
has_room(const struct watches *w, size_t count)
{
	return w->index->watch_count + count <=
	       (size_t)pl_settings.connections_max * WATCH_PER_CONNECTION;
}

static void
on_turn(struct pl_fair_job *turn)
{
	struct watch_ask *ask = PL_CONTAINER(turn, struct watch_ask, turn);
	struct watched_index *index = ask->all->index;

	if (!has_room(ask->all, ask->count)) {
		finish(ask, PL_E_BUSY);
		return;
	}
	ask->set = watch_set_new(index, ask->watcher->socket, ask->ids, &ask->count);
	watched_reading_begin(ask->set, &ask->reading, ask->ids, ask->ids + ask->count);
	ask->call = (struct pl_store_read_call){
	    .run = run, .done = done, .user = &ask->watcher->socket->user->id};
	pl_store_async_read_or_done(ask->all->app->store, &ask->call);
}

/* ---- the socket ------------------------------------------------------------------------ */

static struct watcher *
watcher_get(struct hub_socket *socket)
{
	struct watcher *watcher = socket->watcher;

	if (watcher)
		return watcher;
	watcher = pl_mem_zalloc(sizeof(*watcher));
	watcher->socket = socket;
	pl_list_init(&watcher->asks);
	socket->watcher = watcher;
	return watcher;
}

static bool
may_ask(struct watches *w, const struct hub_socket *socket, struct pl_invalid *why)
{
	const struct watcher *watcher = socket->watcher;
	int64_t now = pl_loop_now_ms(w->app->loop);

	if ((!watcher || watcher->ask_count < WATCH_WAITING_MAX) &&
	    pl_bucket_table_take(w->said, pl_oid_str(&socket->user->id), now) == 0)
		return true;
	pl_invalid_set(why, "TOO_MANY_REQUESTS", "Too many requests, try again later");
	pl_metrics_count(PL_M_WATCH_SETS, "limited", 1);
	return false;
}

bool
watch_said(struct watches *w, struct hub_socket *socket, const struct pl_json *said,
    const struct ack *ack, struct pl_invalid *why)
{
	struct watch_ask *ask;

	if (socket->wants != HUB_WATCH) {
		pl_invalid_set(why, "NOT_WATCHING",
		    "Connect with auth {presence: \"watch\"} to watch users");
		return false;
	}
	ask = read_said(said, why);
	if (ask && !may_ask(w, socket, why)) {
		pl_mem_free(ask);
		return false;
	}
	if (!ask) {
		pl_metrics_count(PL_M_WATCH_SETS, "refused", 1);
		return false;
	}
	ask->all = w;
	ask->ack = *ack;
	ask->watcher = watcher_get(socket);
	ask->watcher->ask_count++;
	pl_list_push(&ask->watcher->asks, &ask->link);
	pl_fair_add(&w->turns, &ask->turn, pl_oid_str(&socket->user->id));
	return true;
}

/* One that waits is freed now; one that is read, when that is done. */
static void
forget(struct watch_ask *ask)
{
	pl_list_unlink(&ask->link);
	ask->watcher = NULL;
	watch_set_free(ask->set);
	ask->set = NULL;
	if (pl_fair_cancel(&ask->all->turns, &ask->turn))
		ask_free(ask);
}

void
watch_end_socket(struct watches *w, struct hub_socket *socket)
{
	struct watcher *watcher = socket->watcher;

	(void)w;
	if (!watcher)
		return;
	socket->watcher = NULL;
	pl_list_for_each_safe(link, &watcher->asks)
	{
		forget(PL_CONTAINER(link, struct watch_ask, link));
	}
	watch_set_free(watcher->set);
	pl_mem_free(watcher);
}

/* ---- life ------------------------------------------------------------------------------ */

static void
collect(void *arg)
{
	const struct watches *w = arg;

	pl_metrics_set(PL_M_WATCHES, NULL, (int64_t)w->index->watch_count);
}

void
watch_start(struct watches *w)
{
	pl_fair_init(&w->turns, WATCH_READS_MAX, 1, on_turn);
	w->said = pl_bucket_table_new(
	    pl_bucket_rule(WATCH_PER_SECOND, 1000, WATCH_BURST), WATCH_LIMIT_USERS_MAX);
	w->metrics = (struct pl_metrics_source){.collect = collect, .arg = w};
	pl_metrics_add_source(&w->metrics);
}

void
watch_stop(struct watches *w)
{
	pl_metrics_remove_source(&w->metrics);
	pl_bucket_table_free(w->said);
}
