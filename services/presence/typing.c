#include "presence/typing.h"

#include "base/map.h"
#include "base/mem.h"
#include "bus/events.h"

/* One user typing to another. */
struct pair {
	struct pl_list link;
	struct typing *typing;
	struct hub_user *user; /* the first */
	struct pl_oid from;
	struct pl_oid to;
	const struct hub_socket *socket; /* where it was said last; only compared */
	struct pl_timer end;
	struct check *check; /* under way; NULL: it is told */
};

/* May the first write to the second? */
struct check {
	struct pl_store_read_call call;
	struct typing *typing;
	struct pair *pair; /* NULL: it has ended meanwhile */
	struct pl_oid from;
	struct pl_oid to;
};

static void
tell(const struct pair *p, bool is_typing)
{
	char channel[PL_CHANNEL_USER_LEN + 1];
	struct pl_buf buf;

	pl_buf_init(&buf, PL_BUF_UNLIMITED);
	pl_channel_user(&p->to, channel);
	pl_event_typing(&buf, &p->from, is_typing, false);
	pl_bus_publish(p->typing->app->bus, pl_str(channel), pl_buf_str(&buf), NULL);
	pl_buf_fini(&buf);
}

/* Of one that is not told yet nobody has to know. */
static void
end_pair(struct pair *p)
{
	if (p->check != NULL)
		p->check->pair = NULL;
	else
		tell(p, false);
	pl_timer_stop(p->typing->app->loop, &p->end);
	pl_list_unlink(&p->link);
	hub_drop_sent(p->user);
	pl_mem_free(p);
}

static void
on_over(struct pl_timer *t)
{
	end_pair(t->arg);
}

static struct pair *
pair_find(
    struct typing *t, const struct pl_oid *from, const struct pl_oid *to, unsigned *count)
{
	struct pair *found = NULL;

	*count = 0;
	pl_list_for_each(link, &t->pairs)
	{
		struct pair *p = PL_CONTAINER(link, struct pair, link);

		if (!pl_oid_eq(&p->from, from))
			continue;
		++*count;
		if (pl_oid_eq(&p->to, to))
			found = p;
	}
	return found;
}

/* ---- may one write to the other? ----------------------------------------------------- */

static enum pl_err
check_run(struct pl_store_read_call *call, struct pl_store *s)
{
	const struct check *c = PL_CONTAINER(call, struct check, call);

	return pl_store_may_write(s, &c->from, &c->to);
}

/* A store that does not answer refuses nobody: it lets no message pass either, and typing
 * alone says nothing. */
static void
check_done(struct pl_store_read_call *call)
{
	struct check *c = PL_CONTAINER(call, struct check, call);
	struct pair *p = c->pair;

	c->typing->checks--;
	if (p != NULL && (call->err == PL_E_DENIED || call->err == PL_E_NOT_FOUND)) {
		end_pair(p);
	} else if (p != NULL) {
		p->check = NULL;
		tell(p, true);
	}
	pl_mem_free(c);
}

static void
check(struct pair *p)
{
	struct check *c = pl_mem_zalloc(sizeof(*c));

	*c = (struct check){.call = {.run = check_run, .done = check_done},
	    .typing = p->typing,
	    .pair = p,
	    .from = p->from,
	    .to = p->to};
	p->check = c;
	p->typing->checks++;
	pl_store_async_read_or_done(p->typing->app->store, &c->call);
}

/* ---- what is said -------------------------------------------------------------------- */

static void
begin_pair(struct typing *t, const struct hub_socket *socket, const struct pl_oid *to)
{
	struct pair *p = pl_mem_zalloc(sizeof(*p));

	p->typing = t;
	p->user = socket->user;
	p->from = socket->user->id;
	p->to = *to;
	p->socket = socket;
	p->end.on_fire = on_over;
	p->end.arg = p;
	pl_list_push(&t->pairs, &p->link);
	pl_timer_start(t->app->loop, &p->end, TYPING_MS);
	hub_hear_sent(p->user); /* its message ends it */
	check(p);
}

static bool
read_said(const struct pl_json *said, struct pl_oid *to, bool *is_typing,
    struct pl_invalid *why)
{
	struct pl_str text;

	if (!pl_json_str(pl_json_get(said, "to"), &text) || !pl_oid_parse(text, to)) {
		pl_invalid_set(why, "BAD_ID", "to must be 24 hexadecimal digits");
		return false;
	}
	if (!pl_json_bool(pl_json_get(said, "isTyping"), is_typing)) {
		pl_invalid_set(why, "INVALID_FIELD", "isTyping must be true or false");
		return false;
	}
	return true;
}

static void
on_blocked(void *arg, struct pl_str channel, struct pl_str payload)
{
	struct typing *t = arg;
	struct pl_oid user, other;

	(void)channel;
	if (!pl_event_blocked_parse(payload, &user, &other))
		return;
	typing_end(t, &user, &other);
	typing_end(t, &other, &user);
}

void
typing_start(struct typing *t)
{
	pl_list_init(&t->pairs);
	t->begins = pl_bucket_table_new(
	    pl_bucket_rule(TYPING_BEGINS_PER_SECOND, 1000, TYPING_BEGINS_BURST),
	    TYPING_USERS_MAX);
	t->blocks = (struct pl_bus_listener){.on_message = on_blocked, .arg = t};
	pl_bus_subscribe(t->app->bus, PL_STR(PL_CHANNEL_BLOCKS), &t->blocks);
}

static bool
may_begin(struct typing *t, const struct pl_oid *user)
{
	return pl_bucket_table_take(
		   t->begins, pl_oid_str(user), pl_loop_now_ms(t->app->loop)) == 0;
}

bool
typing_said(struct typing *t, struct hub_socket *socket, const struct pl_json *said,
    struct pl_invalid *why)
{
	struct pl_oid to;
	bool is_typing;
	unsigned count;
	struct pair *p;

	if (!read_said(said, &to, &is_typing, why))
		return false;
	p = pair_find(t, &socket->user->id, &to, &count);
	if (p && is_typing) {
		p->socket = socket;
		pl_timer_start(t->app->loop, &p->end, TYPING_MS);
	} else if (p) {
		end_pair(p);
	} else if (is_typing && count >= TYPING_PAIRS_MAX) {
		pl_invalid_set(why, "TOO_MANY_REQUESTS",
		    "You cannot type to more than %d people at once", TYPING_PAIRS_MAX);
		return false;
	} else if (is_typing && may_begin(t, &socket->user->id)) {
		begin_pair(t, socket, &to);
	}
	return true;
}

void
typing_end(struct typing *t, const struct pl_oid *from, const struct pl_oid *to)
{
	unsigned count;
	struct pair *p = pair_find(t, from, to, &count);

	if (p != NULL)
		end_pair(p);
}

void
typing_end_all(struct typing *t, const struct pl_oid *from)
{
	pl_list_for_each_safe(link, &t->pairs)
	{
		struct pair *p = PL_CONTAINER(link, struct pair, link);

		if (pl_oid_eq(&p->from, from))
			end_pair(p);
	}
}

void
typing_end_socket(struct typing *t, const struct hub_socket *socket)
{
	pl_list_for_each_safe(link, &t->pairs)
	{
		struct pair *p = PL_CONTAINER(link, struct pair, link);

		if (p->socket == socket)
			end_pair(p);
	}
}

void
typing_stop(struct typing *t)
{
	pl_bus_unsubscribe(t->app->bus, &t->blocks);
	pl_list_for_each_safe(link, &t->pairs)
	{
		end_pair(PL_CONTAINER(link, struct pair, link));
	}
	pl_bucket_table_free(t->begins);
	t->begins = NULL;
}
