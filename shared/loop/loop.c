#include <assert.h>

#include "loop/loop_impl.h"

void
pl_loop_init(struct pl_loop *loop, const struct pl_loop_ops *ops)
{
	*loop = (struct pl_loop){.ops = ops};
	pthread_mutex_init(&loop->lock, NULL);
	pl_list_init(&loop->posted);
}

void
pl_loop_fini(struct pl_loop *loop)
{
	assert(loop->timers.count == 0);
	pl_timer_heap_fini(&loop->timers);
	pthread_mutex_destroy(&loop->lock);
}

void
pl_loop_fd_watch(struct pl_loop *loop, struct pl_loop_fd *w, unsigned wanted)
{
	if (wanted == w->wanted)
		return;
	loop->ops->fd_watch(loop, w, wanted);
	w->wanted = wanted;
}

void
pl_timer_start(struct pl_loop *loop, struct pl_timer *t, int64_t delay_ms)
{
	pl_timer_start_at(
	    loop, t, loop->ops->start_ms(loop) + (delay_ms > 0 ? delay_ms : 0));
}

void
pl_timer_start_at(struct pl_loop *loop, struct pl_timer *t, int64_t due_mono_ms)
{
	const struct pl_timer *first = pl_timer_heap_first(&loop->timers);
	int64_t first_due = first ? first->due_mono_ms : INT64_MAX;

	pl_timer_heap_set(&loop->timers, t, due_mono_ms);
	first = pl_timer_heap_first(&loop->timers);
	assert(first != NULL); /* t, or one before it */
	if (first->due_mono_ms < first_due)
		loop->ops->timers_changed(loop);
}

/* The loop may then wake for a timer that was stopped: cheaper than telling the kernel
 * each time. */
void
pl_timer_stop(struct pl_loop *loop, struct pl_timer *t)
{
	pl_timer_heap_remove(&loop->timers, t);
}

int64_t
pl_loop_now_ms(struct pl_loop *loop)
{
	return loop->ops->now_ms(loop);
}

void
pl_loop_run_timers(struct pl_loop *loop)
{
	int64_t now = loop->ops->now_ms(loop);

	/* Only as many as are started now: a timer that starts itself with no delay would
	 * keep the loop here for ever. */
	for (size_t left = loop->timers.count; left > 0; left--) {
		struct pl_timer *t = pl_timer_heap_first(&loop->timers);

		if (t == NULL || t->due_mono_ms > now)
			break;
		pl_timer_heap_remove(&loop->timers, t);
		t->on_fire(t);
	}
}

void
pl_loop_post(struct pl_loop *loop, struct pl_task *task)
{
	bool was_empty;

	pthread_mutex_lock(&loop->lock);
	was_empty = pl_list_is_empty(&loop->posted);
	pl_list_push(&loop->posted, &task->link);
	pthread_mutex_unlock(&loop->lock);
	if (was_empty)
		loop->ops->wake(loop);
}

void
pl_loop_unpost(struct pl_loop *loop, struct pl_task *task)
{
	pthread_mutex_lock(&loop->lock);
	pl_list_unlink(&task->link);
	pthread_mutex_unlock(&loop->lock);
}

bool
pl_loop_run_posted(struct pl_loop *loop)
{
	struct pl_list now;
	struct pl_list *link;
	bool any = false;

	pl_list_init(&now);
	pthread_mutex_lock(&loop->lock);
	pl_list_splice(&now, &loop->posted);
	pthread_mutex_unlock(&loop->lock);
	while ((link = pl_list_pop(&now)) != NULL) {
		struct pl_task *task = PL_CONTAINER(link, struct pl_task, link);

		any = true;
		task->run(task);
	}
	return any;
}
