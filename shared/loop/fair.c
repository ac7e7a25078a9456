#include "loop/fair.h"

#include "base/mem.h"

struct pl_fair_group {
	struct pl_list link; /* among the ready */
	struct pl_list waiting;
	unsigned under_way;
	size_t key_len;
	char key[];
};

static struct pl_str
key_of(const struct pl_fair_group *g)
{
	return pl_str_n(g->key, g->key_len);
}

static struct pl_fair_group *
group_get(struct pl_fair *f, struct pl_str key)
{
	struct pl_fair_group *g = pl_map_get(&f->groups, key);

	if (g)
		return g;
	g = pl_mem_zalloc(sizeof(*g) + key.len);
	memcpy(g->key, key.ptr, key.len);
	g->key_len = key.len;
	pl_list_init(&g->link);
	pl_list_init(&g->waiting);
	(void)pl_map_put(&f->groups, key_of(g), g);
	return g;
}

/* A job of g has come to wait, begun, or is over: g stands after the others now, or is
 * not ready, or is gone. */
static void
group_changed(struct pl_fair *f, struct pl_fair_group *g)
{
	bool waits = !pl_list_is_empty(&g->waiting);

	pl_list_unlink(&g->link);
	if (waits && g->under_way < f->group_max) {
		pl_list_push(&f->ready, &g->link);
	} else if (!waits && g->under_way == 0) {
		(void)pl_map_del(&f->groups, key_of(g));
		pl_mem_free(g);
		if (f->groups.count == 0)
			pl_map_fini(&f->groups);
	}
}

/* Not from within a begin(): the loop that called it goes on instead, so that many that
 * are done at once are no deep recursion. */
static void
begin_next(struct pl_fair *f)
{
	struct pl_list *link;

	if (f->is_beginning)
		return;
	f->is_beginning = true;
	while (f->under_way < f->all_max && (link = pl_list_pop(&f->ready)) != NULL) {
		struct pl_fair_group *g = PL_CONTAINER(link, struct pl_fair_group, link);
		struct pl_list *first = pl_list_pop(&g->waiting);

		f->under_way++;
		g->under_way++;
		group_changed(f, g);
		f->begin(PL_CONTAINER(first, struct pl_fair_job, link));
	}
	f->is_beginning = false;
}

void
pl_fair_init(struct pl_fair *f, unsigned all_max, unsigned group_max,
    void (*begin)(struct pl_fair_job *job))
{
	*f = (struct pl_fair){.all_max = all_max, .group_max = group_max, .begin = begin};
	pl_map_init(&f->groups);
	pl_list_init(&f->ready);
}

void
pl_fair_add(struct pl_fair *f, struct pl_fair_job *job, struct pl_str key)
{
	job->group = group_get(f, key);
	pl_list_init(&job->link);
	pl_list_push(&job->group->waiting, &job->link);
	/* A group that is ready keeps its place. */
	if (pl_list_is_empty(&job->group->link))
		group_changed(f, job->group);
	begin_next(f);
}

void
pl_fair_done(struct pl_fair *f, struct pl_fair_job *job)
{
	f->under_way--;
	job->group->under_way--;
	if (pl_list_is_empty(&job->group->link))
		group_changed(f, job->group);
	job->group = NULL;
	begin_next(f);
}

bool
pl_fair_cancel(struct pl_fair *f, struct pl_fair_job *job)
{
	struct pl_fair_group *g = job->group;

	if (g == NULL || pl_list_is_empty(&job->link))
		return false;
	pl_list_unlink(&job->link);
	job->group = NULL;
	/* A group whose others wait keeps its place. */
	if (pl_list_is_empty(&g->waiting))
		group_changed(f, g);
	return true;
}
