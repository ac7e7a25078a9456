#include "presence/delivered.h"

#include <assert.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bus/events.h"
#include "model/conversation.h"

struct pair {
	struct delivered *delivered;
	struct {
		struct pl_oid reader; /* whose client got it */
		struct pl_oid writer;
	} key;
	struct pl_store_write_call call;
	struct hub_socket *asker; /* waits for ack while WRITING; NULL: nobody does */
	struct ack ack;
	struct pl_list link;  /* with an asker */
	struct pl_timer rest; /* started while RESTING */
	bool has_next;        /* one is kept */
	struct pl_oid next;
	unsigned tries;
};
_Static_assert(sizeof(((struct pair *)0)->key) == 2 * PL_OID_LEN, "a map's key");

/* What was said of a pair that is WRITING or RESTING, by somebody who asks for an answer. */
struct look {
	struct delivered *delivered;
	struct pl_list link; /* in its looks */
	struct pl_store_read_call call;
	struct hub_socket *asker; /* NULL: it has left */
	struct ack ack;
	struct pl_oid reader, writer, up_to;
};

static struct pl_str
key_of(const struct pair *p)
{
	return pl_str_n((const char *)&p->key, sizeof(p->key));
}

static void
pair_free(struct pair *p)
{
	pl_timer_stop(p->delivered->app->loop, &p->rest);
	(void)pl_map_del(&p->delivered->pairs, key_of(p));
	pl_mem_free(p);
}

/* ---- who waits ----------------------------------------------------------------------- */

static void
ask(struct pair *p, struct hub_socket *socket, const struct ack *ack)
{
	if (socket == NULL || ack->id == PL_SIO_NO_ACK)
		return;
	p->asker = socket;
	p->ack = *ack;
	pl_list_push(&p->delivered->asking, &p->link);
}

static struct hub_socket *
take_asker(struct pair *p)
{
	struct hub_socket *asker = p->asker;

	if (asker != NULL)
		pl_list_unlink(&p->link);
	p->asker = NULL;
	return asker;
}

/* What failed is tried again, and nobody waits for that. asker: NULL if nobody asks. */
static void
answer(struct hub_socket *asker, const struct ack *ack, enum pl_err err)
{
	struct pl_invalid why;

	if (asker == NULL)
		return;
	if (err != PL_E_NOT_FOUND) {
		ack_send(asker, ack, PL_STR("[]"));
		return;
	}
	pl_invalid_set(&why, "BAD_MESSAGE",
	    "upTo must be the _id of a message of this conversation");
	ack_refuse(asker, ack, &why);
}

void
delivered_end_socket(struct delivered *d, const struct hub_socket *socket)
{
	pl_list_for_each_safe(link, &d->asking)
	{
		struct pair *p = PL_CONTAINER(link, struct pair, link);

		if (p->asker == socket)
			(void)take_asker(p);
	}
	pl_list_for_each(link, &d->looks)
	{
		struct look *l = PL_CONTAINER(link, struct look, link);

		if (l->asker == socket)
			l->asker = NULL;
	}
}

/* ---- what is kept -------------------------------------------------------------------- */

static bool
is_older(const struct pl_oid *a, const struct pl_oid *b)
{
	const size_t seconds = 4, process = 5; /* base/oid */
	bool is_same_second = memcmp(a->bytes, b->bytes, seconds) == 0;
	bool is_same_process =
	    memcmp(a->bytes + seconds, b->bytes + seconds, process) == 0;

	return (!is_same_second || is_same_process) && pl_oid_compare(a, b) < 0;
}

static void
keep(struct pair *p, const struct pl_oid *up_to)
{
	if (p->has_next && is_older(up_to, &p->next))
		return;
	p->has_next = true;
	p->next = *up_to;
}

/* What was said meanwhile is the newer one, unless the _ids say otherwise. */
static void
keep_for_another_try(struct pair *p)
{
	const struct pl_oid failed = p->call.write.u.mark.up_to;

	if (++p->tries >= DELIVERED_TRIES)
		return;
	if (!p->has_next || is_older(&p->next, &failed))
		p->next = failed;
	p->has_next = true;
}

/* ---- writing ------------------------------------------------------------------------- */

static void
rest(struct pair *p, int64_t ms)
{
	pl_timer_start(p->delivered->app->loop, &p->rest, ms);
}

static void
write_next(struct pair *p)
{
	p->has_next = false;
	p->call.write = (struct pl_write){.kind = PL_WRITE_MARK};
	p->call.write.u.mark = (struct pl_write_mark){
	    .reader = p->key.reader, .writer = p->key.writer, .up_to = p->next};
	p->delivered->writing++;
	pl_store_async_write_or_done(p->delivered->app->store, &p->call);
}

static int64_t
wait_ms(struct delivered *d, const struct pl_oid *reader)
{
	return pl_bucket_table_take(
	    d->rates, pl_oid_str(reader), pl_loop_now_ms(d->app->loop));
}

static void
go_on(struct pair *p)
{
	int64_t wait;

	if (!p->has_next) {
		pair_free(p);
		return;
	}
	wait = wait_ms(p->delivered, &p->key.reader);
	if (wait == 0)
		write_next(p);
	else if (++p->tries < DELIVERED_TRIES)
		rest(p, wait > DELIVERED_REST_MS ? wait : DELIVERED_REST_MS);
	else
		pair_free(p);
}

static void
on_rested(struct pl_timer *t)
{
	go_on(t->arg);
}

static void
tell(const struct pair *p)
{
	const struct pl_write_mark *mark = &p->call.write.u.mark;
	char channel[PL_CHANNEL_USER_LEN + 1];
	struct pl_buf event;

	pl_buf_init(&event, PL_BUF_UNLIMITED);
	pl_event_messages_delivered(
	    &event, &mark->reader, &mark->pos.id, pl_clock_unix_ms());
	pl_channel_user(&mark->writer, channel);
	pl_bus_publish(p->delivered->app->bus, pl_str(channel), pl_buf_str(&event), NULL);
	pl_buf_fini(&event);
	pl_metrics_count(PL_M_MARK_EVENTS, "messagesDelivered", 1);
}

/* As the metric calls it. */
static const char *
take_outcome(struct pair *p)
{
	switch (p->call.write.err) {
	case PL_OK:
		p->tries = 0;
		if (!p->call.write.u.mark.moved)
			return "known";
		if (!p->call.write.u.mark.is_blocked)
			tell(p);
		return "moved";
	case PL_E_NOT_FOUND:
		return "refused";
	default:
		keep_for_another_try(p);
		return "failed";
	}
}

static void
on_written(struct pl_store_write_call *call)
{
	struct pair *p = PL_CONTAINER(call, struct pair, call);
	struct delivered *d = p->delivered;
	enum pl_err err = call->write.err;

	d->writing--;
	answer(take_asker(p), &p->ack, err);
	pl_metrics_count(PL_M_DELIVERED_MARKS, take_outcome(p), 1);
	if (!d->is_leaving && err == PL_E_NOT_FOUND)
		go_on(p);
	else if (!d->is_leaving)
		rest(p, DELIVERED_REST_MS);
	else if (p->has_next && (err == PL_OK || err == PL_E_NOT_FOUND))
		write_next(p);
	else
		pair_free(p);
}

/* ---- what is said -------------------------------------------------------------------- */

static bool
read_said(const struct pl_json *said, struct pl_oid *from, struct pl_oid *up_to,
    struct pl_invalid *why)
{
	struct pl_str text;

	if (pl_json_str(pl_json_get(said, "from"), &text) && pl_oid_parse(text, from))
		return pl_mark_parse(said, up_to, why);
	pl_invalid_set(why, "BAD_ID", "from must be 24 hexadecimal digits");
	return false;
}

static struct pair *
pair_find(struct delivered *d, const struct pl_oid *reader, const struct pl_oid *writer)
{
	const struct pair wanted = {.key = {.reader = *reader, .writer = *writer}};

	return pl_map_get(&d->pairs, key_of(&wanted));
}

static struct pair *
pair_new(struct delivered *d, const struct pl_oid *reader, const struct pl_oid *writer)
{
	struct pair *p = pl_mem_zalloc(sizeof(*p));

	p->delivered = d;
	p->key.reader = *reader;
	p->key.writer = *writer;
	p->call.done = on_written;
	p->rest = (struct pl_timer){.on_fire = on_rested, .arg = p};
	(void)pl_map_put(&d->pairs, key_of(p), p);
	return p;
}

/* Of a pair that is not there. socket: NULL if nobody asks. False: *why says why not. */
static bool
begin(struct delivered *d, const struct pl_oid *reader, const struct pl_oid *writer,
    const struct pl_oid *up_to, struct hub_socket *socket, const struct ack *ack,
    struct pl_invalid *why)
{
	struct pair *p;

	if (d->pairs.count >= DELIVERED_PAIRS_MAX || wait_ms(d, reader) > 0) {
		pl_invalid_set(why, "TOO_MANY_REQUESTS",
		    "Too many conversations at once, try again later");
		return false;
	}
	p = pair_new(d, reader, writer);
	keep(p, up_to);
	ask(p, socket, ack);
	write_next(p);
	return true;
}

/* ---- looks --------------------------------------------------------------------------- */

static enum pl_err
look_run(struct pl_store_read_call *call, struct pl_store *s)
{
	const struct look *l = PL_CONTAINER(call, struct look, call);
	struct pl_message_pos pos;

	return pl_store_message_pos(s, &l->reader, &l->writer, &l->up_to, &pos);
}

/* It is a message of the two, or the store did not say. */
static void
take_looked(struct look *l)
{
	struct pair *p = pair_find(l->delivered, &l->reader, &l->writer);
	struct pl_invalid why;

	if (p != NULL) {
		keep(p, &l->up_to);
		answer(l->asker, &l->ack, PL_OK);
	} else if (!begin(l->delivered, &l->reader, &l->writer, &l->up_to, l->asker,
		       &l->ack, &why) &&
		   l->asker != NULL) {
		ack_refuse(l->asker, &l->ack, &why);
	}
}

static void
look_done(struct pl_store_read_call *call)
{
	struct look *l = PL_CONTAINER(call, struct look, call);

	pl_list_unlink(&l->link);
	if (call->err == PL_E_NOT_FOUND)
		answer(l->asker, &l->ack, PL_E_NOT_FOUND);
	else if (call->err != PL_E_CANCELLED) /* then the process ends */
		take_looked(l);
	pl_mem_free(l);
}

static bool
may_look(struct delivered *d, const struct pl_oid *reader)
{
	return pl_bucket_table_take(
		   d->look_rates, pl_oid_str(reader), pl_loop_now_ms(d->app->loop)) == 0;
}

static void
look(struct delivered *d, struct hub_socket *socket, const struct ack *ack,
    const struct pl_oid *writer, const struct pl_oid *up_to)
{
	struct look *l = pl_mem_zalloc(sizeof(*l));

	*l = (struct look){.delivered = d,
	    .call = {.run = look_run, .done = look_done},
	    .asker = socket,
	    .ack = *ack,
	    .reader = socket->user->id,
	    .writer = *writer,
	    .up_to = *up_to};
	pl_list_push(&d->looks, &l->link);
	pl_store_async_read_or_done(d->app->store, &l->call);
}

bool
delivered_said(struct delivered *d, struct hub_socket *socket, const struct pl_json *said,
    const struct ack *ack, struct pl_invalid *why)
{
	const struct pl_oid *reader = &socket->user->id;
	struct pl_oid writer, up_to;
	struct pair *p;

	if (!read_said(said, &writer, &up_to, why))
		return false;
	p = pair_find(d, reader, &writer);
	if (p == NULL)
		return begin(d, reader, &writer, &up_to, socket, ack, why);
	if (ack->id != PL_SIO_NO_ACK && may_look(d, reader)) {
		look(d, socket, ack, &writer, &up_to);
		return true;
	}
	keep(p, &up_to);
	ack_send(socket, ack, PL_STR("[]"));
	return true;
}

/* ---- life ---------------------------------------------------------------------------- */

static void
collect(void *arg)
{
	const struct delivered *d = arg;

	pl_metrics_set(PL_M_DELIVERED_WAITING, NULL, (int64_t)d->pairs.count);
}

void
delivered_start(struct delivered *d)
{
	int64_t per_second = pl_settings.limit_marks_per_second;
	struct pl_bucket_rule rule =
	    pl_bucket_rule(per_second, 1000, DELIVERED_BURST_S * per_second);

	pl_map_init(&d->pairs);
	pl_list_init(&d->asking);
	pl_list_init(&d->looks);
	d->rates = pl_bucket_table_new(rule, DELIVERED_USERS_MAX);
	d->look_rates = pl_bucket_table_new(rule, DELIVERED_USERS_MAX);
	d->metrics = (struct pl_metrics_source){.collect = collect, .arg = d};
	pl_metrics_add_source(&d->metrics);
}

void
delivered_leave(struct delivered *d)
{
	struct pair *p;

	d->is_leaving = true;
	for (size_t it = 0; (p = pl_map_next(&d->pairs, &it)) != NULL;) {
		if (!pl_timer_is_started(&p->rest))
			continue; /* WRITING */
		pl_timer_stop(d->app->loop, &p->rest);
		if (p->has_next)
			write_next(p);
		else
			pair_free(p);
	}
}

bool
delivered_has_left(const struct delivered *d)
{
	return d->writing == 0 && pl_list_is_empty(&d->looks);
}

void
delivered_stop(struct delivered *d)
{
	struct pair *p;

	pl_metrics_remove_source(&d->metrics);
	for (size_t it = 0; (p = pl_map_next(&d->pairs, &it)) != NULL;)
		pair_free(p);
	pl_map_fini(&d->pairs);
	assert(pl_list_is_empty(&d->looks));
	pl_bucket_table_free(d->rates);
	pl_bucket_table_free(d->look_rates);
	d->rates = d->look_rates = NULL;
}
