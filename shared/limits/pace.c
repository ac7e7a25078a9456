#include "limits/pace.h"

#define AT_ONCE_MS 50 /* how much may begin together: what the rate gives in this time */
#define STEP_MS    10 /* those in line begin together, as many as the rate gives */

static void
start(struct pl_pace *p, int64_t wait_ms)
{
	pl_timer_start(p->loop, &p->timer, wait_ms > STEP_MS ? wait_ms : STEP_MS);
}

static void
on_timer(struct pl_timer *timer)
{
	struct pl_pace *p = timer->arg;
	int64_t wait_ms;

	while (p->waiting > 0) {
		wait_ms = pl_bucket_take(&p->bucket, &p->rule, pl_loop_now_ms(p->loop));
		if (wait_ms > 0) {
			start(p, wait_ms);
			return;
		}
		p->on_turn(p, pl_pace_pop(p));
	}
}

void
pl_pace_init(struct pl_pace *p, struct pl_loop *loop, int64_t count,
    void (*on_turn)(struct pl_pace *p, struct pl_turn *t))
{
	*p = (struct pl_pace){.loop = loop, .on_turn = on_turn};
	p->rule = pl_bucket_rule(count, 1000, count * AT_ONCE_MS / 1000);
	p->timer = (struct pl_timer){.on_fire = on_timer, .arg = p};
	pl_list_init(&p->line);
}

struct pl_turn *
pl_pace_pop(struct pl_pace *p)
{
	struct pl_list *link = pl_list_pop(&p->line);

	if (link == NULL)
		return NULL;
	p->waiting--;
	return PL_CONTAINER(link, struct pl_turn, link);
}

void
pl_pace_fini(struct pl_pace *p)
{
	pl_timer_stop(p->loop, &p->timer);
}

bool
pl_pace_begin(struct pl_pace *p)
{
	return p->waiting == 0 &&
	       pl_bucket_take(&p->bucket, &p->rule, pl_loop_now_ms(p->loop)) == 0;
}

bool
pl_pace_wait(struct pl_pace *p, struct pl_turn *t, int64_t limit_ms)
{
	if ((int64_t)p->waiting * p->rule.interval_us >= limit_ms * 1000)
		return false;
	pl_list_push(&p->line, &t->link);
	if (p->waiting++ == 0)
		start(p, 0);
	return true;
}

void
pl_pace_leave(struct pl_pace *p, struct pl_turn *t)
{
	pl_list_unlink(&t->link);
	p->waiting--;
}
