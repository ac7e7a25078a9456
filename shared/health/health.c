#include "health/health.h"

#include "base/json_out.h"
#include "base/mem.h"

/* One question to the database; its answer may come after ours was given. */
struct probe {
	struct pl_health_question question;
	struct pl_store_read_call call;
	struct pl_timer deadline;
	bool is_answered;
};

static void
answer(const struct pl_health_question *q, bool db_is_up)
{
	bool redis_is_up = pl_bus_is_up(q->bus);
	struct pl_json_out o;
	struct pl_buf body;

	pl_buf_init(&body, 1024);
	pl_jo_init(&o, &body);
	pl_jo_object(&o);
	pl_jo_key(&o, "status");
	pl_jo_cstr(&o, q->is_draining ? "draining"
		       : !db_is_up    ? "unavailable"
		       : redis_is_up  ? "ok"
				      : "degraded:redis");
	pl_jo_key(&o, "db");
	pl_jo_cstr(&o, db_is_up ? "up" : "down");
	pl_jo_key(&o, "redis");
	pl_jo_cstr(&o, redis_is_up ? "up" : "down");
	pl_jo_end_object(&o);
	q->on_answer(q->arg, db_is_up && !q->is_draining ? 200 : 503, pl_buf_str(&body));
	pl_buf_fini(&body);
}

static void
answer_once(struct probe *p, bool db_is_up)
{
	if (p->is_answered)
		return;
	p->is_answered = true;
	pl_timer_stop(p->question.loop, &p->deadline);
	answer(&p->question, db_is_up);
}

static enum pl_err
run(struct pl_store_read_call *call, struct pl_store *s)
{
	(void)call;
	return pl_store_ping(s);
}

static void
done(struct pl_store_read_call *call)
{
	struct probe *p = PL_CONTAINER(call, struct probe, call);
	bool is_current = p->question.is_current == NULL || p->question.is_current();

	answer_once(p, call->err == PL_OK && is_current);
	pl_mem_free(p);
}

static void
on_deadline(struct pl_timer *t)
{
	answer_once(t->arg, false);
}

void
pl_health_ask(const struct pl_health_question *question)
{
	struct probe *p;

	if (question->is_draining) {
		answer(question, pl_store_async_is_up(question->store));
		return;
	}
	p = pl_mem_zalloc(sizeof(*p));
	p->question = *question;
	p->call.run = run;
	p->call.done = done;
	p->deadline.on_fire = on_deadline;
	p->deadline.arg = p;
	if (pl_store_async_read(question->store, &p->call) == PL_OK) {
		pl_timer_start(question->loop, &p->deadline, PL_HEALTH_DB_MS);
		return;
	}
	pl_mem_free(p);
	answer(question, false);
}
