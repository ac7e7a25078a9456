#include "limits/share.h"

#include "base/mem.h"

struct pl_share_user {
	struct pl_share *share;
	struct pl_oid id;
	unsigned holding;
	unsigned waiting;
	struct pl_list line; /* struct pl_share_turn.link, the first to come first */
	struct pl_budget budget;
	int64_t passed_us;    /* when all that was passed on is, at an even pace */
	struct pl_timer paid; /* started while this user does nothing, and owes */
};

static struct pl_str
key_of(const struct pl_oid *id)
{
	return pl_str_n((const char *)id->bytes, sizeof(id->bytes));
}

/* ---- users --------------------------------------------------------------------------- */

static void
user_free(struct pl_share_user *u)
{
	pl_timer_stop(u->share->loop, &u->paid);
	pl_map_del(&u->share->users, key_of(&u->id));
	pl_mem_free(u);
}

static void
on_paid(struct pl_timer *t)
{
	user_free(t->arg);
}

static struct pl_share_user *
user_get(struct pl_share *s, const struct pl_oid *id)
{
	struct pl_share_user *u = pl_map_get(&s->users, key_of(id));

	if (u != NULL) {
		pl_timer_stop(s->loop, &u->paid);
		return u;
	}
	u = pl_mem_zalloc(sizeof(*u));
	u->share = s;
	u->id = *id;
	pl_list_init(&u->line);
	u->paid = (struct pl_timer){.on_fire = on_paid, .arg = u};
	(void)pl_map_put(&s->users, key_of(&u->id), u);
	return u;
}

static int64_t
later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Forget a user who does nothing, once nothing is owed. */
static void
user_rest(struct pl_share_user *u)
{
	int64_t paid_us = later(u->budget.bytes_paid_us, u->budget.cpu_paid_us);
	int64_t left_us =
	    later(paid_us, u->passed_us) - pl_loop_now_ms(u->share->loop) * 1000;

	if (u->holding > 0 || u->waiting > 0)
		return;
	if (left_us > 0)
		pl_timer_start(u->share->loop, &u->paid, left_us / 1000 + 1);
	else
		user_free(u);
}

static bool
has_room(const struct pl_share_user *u)
{
	int64_t at_once = u->share->rule.at_once;

	return at_once == 0 || u->holding < at_once;
}

/* ---- turns --------------------------------------------------------------------------- */

static void
leave_line(struct pl_share_turn *t)
{
	pl_timer_stop(t->share->loop, &t->deadline);
	pl_list_unlink(&t->link);
	t->user->waiting--;
}

static void
refuse(struct pl_share_turn *t)
{
	struct pl_share_user *u = t->user;

	t->user = NULL;
	user_rest(u);
	t->on_turn(t, false);
}

static void
on_deadline(struct pl_timer *timer)
{
	struct pl_share_turn *t = timer->arg;

	leave_line(t);
	refuse(t);
}

static void
wait_in_line(struct pl_share_turn *t)
{
	pl_list_push(&t->user->line, &t->link);
	t->user->waiting++;
	t->has_waited = true;
	t->deadline = (struct pl_timer){.on_fire = on_deadline, .arg = t};
	pl_timer_start(t->share->loop, &t->deadline, PL_SHARE_WAIT_MS);
}

void
pl_share_ask(struct pl_share *s, const struct pl_oid *user, struct pl_share_turn *t,
    void (*on_turn)(struct pl_share_turn *t, bool may))
{
	struct pl_share_user *u = user_get(s, user);

	*t = (struct pl_share_turn){.share = s, .user = u, .on_turn = on_turn};
	if (has_room(u)) {
		u->holding++;
		on_turn(t, true);
	} else if (u->waiting < PL_SHARE_WAITING_MAX) {
		wait_in_line(t);
	} else {
		refuse(t);
	}
}

int64_t
pl_share_spend(struct pl_share_turn *t, int64_t bytes, int64_t cpu_us)
{
	const struct pl_budget_rule *rule = &t->share->rule.budget;
	int64_t now_ms = pl_loop_now_ms(t->share->loop);

	pl_budget_spend(&t->user->budget, rule, bytes, cpu_us, now_ms);
	return pl_budget_wait_ms(&t->user->budget, rule, now_ms);
}

int64_t
pl_share_pace(struct pl_share_turn *t, int64_t bytes)
{
	struct pl_share_user *u = t->user;
	int64_t rate = t->share->rule.budget.bytes.per_second;
	int64_t now_us = pl_loop_now_ms(t->share->loop) * 1000;

	if (rate == 0)
		return 0;
	u->passed_us = later(u->passed_us, now_us) + bytes * 1000000 / rate;
	return (u->passed_us - now_us) / 1000;
}

void
pl_share_end(struct pl_share_turn *t)
{
	struct pl_share_user *u = t->user;
	struct pl_share_turn *next;

	if (u == NULL)
		return;
	t->user = NULL;
	u->holding--;
	if (u->waiting == 0 || !has_room(u)) {
		user_rest(u);
		return;
	}
	next = PL_CONTAINER(u->line.next, struct pl_share_turn, link);
	leave_line(next);
	u->holding++;
	next->on_turn(next, true);
}

/* ---- life ---------------------------------------------------------------------------- */

void
pl_share_init(struct pl_share *s, struct pl_loop *loop, const struct pl_share_rule *rule)
{
	*s = (struct pl_share){.loop = loop, .rule = *rule};
	pl_map_init(&s->users);
}

void
pl_share_fini(struct pl_share *s)
{
	struct pl_share_user *u;

	for (size_t it = 0; (u = pl_map_next(&s->users, &it)) != NULL;)
		user_free(u);
	pl_map_fini(&s->users);
}
