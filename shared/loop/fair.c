#include "loop/fair.h"

#include "base/mem.h"

struct pl_fair_group {
	struct pl_list link;
	struct pl_list *line; /* in which its link is: the ready, the full, or NULL */
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

static struct pl_list *
line_for(struct pl_fair *f, const struct pl_fair_group *g)
{
	if (pl_list_is_empty(&g->waiting))
		return NULL;
	return g->under_way < f->group_max ? &f->ready : &f->full;
}

/* A job of g has come to wait, begun, or is over, or waits no more: g keeps its place,
 * stands at the end of another line, or of none, or is gone. */
static void
group_changed(struct pl_fair *f, struct pl_fair_group *g)
{
	struct pl_list *line = line_for(f, g);

	if (line != NULL && line == g->line)
		return;
	pl_list_unlink(&g->link);
	g->line = line;
	if (line != NULL) {
		pl_list_push(line, &g->link);
	} else if (g->under_way == 0) {
		(void)pl_map_del(&f->groups, key_of(g));
		pl_mem_free(g);
		if (f->groups.count == 0)
			pl_map_fini(&f->groups);
	}
}

/* Whose turn it is, out of its line; NULL: nobody's. */
static struct pl_fair_group *
next_group(struct pl_fair *f)
{
	struct pl_list *link = pl_list_pop(&f->ready);
	struct pl_fair_group *g;

	if (link == NULL && f->lends)
		link = pl_list_pop(&f->full);
	if (link == NULL)
		return NULL;
	g = PL_CONTAINER(link, struct pl_fair_group, link);
	g->line = NULL;
	return g;
}

/* Not from within a begin(): the loop that called it goes on instead, so that many that
 * are done at once are no deep recursion. */
static void
begin_next(struct pl_fair *f)
{
	struct pl_fair_group *g;

	if (f->is_beginning)
		return;
	f->is_beginning = true;
	while (f->under_way < f->all_max && (g = next_group(f)) != NULL) {
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
	pl_list_init(&f->full);
}

void
pl_fair_lend(struct pl_fair *f)
{
	f->lends = true;
}

void
pl_fair_add(struct pl_fair *f, struct pl_fair_job *job, struct pl_str key)
{
	job->group = group_get(f, key);
	pl_list_init(&job->link);
	pl_list_push(&job->group->waiting, &job->link);
	group_changed(f, job->group);
	begin_next(f);
}

void
pl_fair_done(struct pl_fair *f, struct pl_fair_job *job)
{
	f->under_way--;
	job->group->under_way--;
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
	group_changed(f, g);
	return true;
}
