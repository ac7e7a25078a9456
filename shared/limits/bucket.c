#include "base/list.h"
#include "base/mem.h"
#include "limits/bucket.h"

struct pl_bucket_rule
pl_bucket_rule(int64_t count, int64_t period_ms, int64_t burst)
{
	if (count <= 0)
		return (struct pl_bucket_rule){0};
	return (struct pl_bucket_rule){
	    .interval_us = period_ms * 1000 / count,
	    .burst = burst > 0 ? burst : 1,
	};
}

static int64_t
take(struct pl_bucket *b, const struct pl_bucket_rule *rule, int64_t count,
    int64_t now_mono_ms)
{
	int64_t now_us = now_mono_ms * 1000;
	int64_t full_at_us, ahead_us;

	if (rule->interval_us == 0)
		return 0;
	full_at_us =
	    (b->full_at_us > now_us ? b->full_at_us : now_us) + count * rule->interval_us;
	ahead_us = full_at_us - now_us - rule->burst * rule->interval_us;
	if (ahead_us > 0)
		return (ahead_us + 999) / 1000;
	b->full_at_us = full_at_us;
	return 0;
}

int64_t
pl_bucket_take(
    struct pl_bucket *b, const struct pl_bucket_rule *rule, int64_t now_mono_ms)
{
	return take(b, rule, 1, now_mono_ms);
}

/* One whose full_at_us has passed is full, however long ago that was. */
void
pl_bucket_give(struct pl_bucket *b, const struct pl_bucket_rule *rule)
{
	b->full_at_us -= rule->interval_us;
}

/* ---- one bucket a key ---- */

/* by_use holds all entries; the one that was asked for longest ago is first. */
struct pl_bucket_table {
	struct pl_bucket_rule rule;
	size_t keys_max;
	struct pl_map by_key;
	struct pl_list by_use;
};

struct entry {
	struct pl_list link;
	struct pl_bucket bucket;
	size_t key_len;
	char key[];
};

struct pl_bucket_table *
pl_bucket_table_new(struct pl_bucket_rule rule, size_t keys_max)
{
	struct pl_bucket_table *t = pl_mem_zalloc(sizeof(*t));

	t->rule = rule;
	t->keys_max = keys_max;
	pl_map_init(&t->by_key);
	pl_list_init(&t->by_use);
	return t;
}

static void
entry_free(struct pl_bucket_table *t, struct entry *e)
{
	pl_map_del(&t->by_key, pl_str_n(e->key, e->key_len));
	pl_list_unlink(&e->link);
	pl_mem_free(e);
}

void
pl_bucket_table_free(struct pl_bucket_table *t)
{
	if (t == NULL)
		return;
	pl_list_for_each_safe(it, &t->by_use)
	    entry_free(t, PL_CONTAINER(it, struct entry, link));
	pl_map_fini(&t->by_key);
	pl_mem_free(t);
}

/* Forget a few that are full again: they are as good as new ones. If all keys_max are
 * still in use, the one that was asked for longest ago has to go. */
static void
make_room(struct pl_bucket_table *t, int64_t now_us)
{
	for (int i = 0; i < 2 && !pl_list_is_empty(&t->by_use); i++) {
		struct entry *oldest = PL_CONTAINER(t->by_use.next, struct entry, link);

		if (oldest->bucket.full_at_us > now_us && t->by_key.count < t->keys_max)
			return;
		entry_free(t, oldest);
	}
}

static struct entry *
entry_new(struct pl_bucket_table *t, struct pl_str key)
{
	struct entry *e = pl_mem_zalloc(sizeof(*e) + key.len + 1);

	memcpy(e->key, key.ptr, key.len);
	e->key_len = key.len;
	pl_list_init(&e->link);
	pl_map_put(&t->by_key, pl_str_n(e->key, e->key_len), e);
	return e;
}

int64_t
pl_bucket_table_take_many(
    struct pl_bucket_table *t, struct pl_str key, int64_t count, int64_t now_mono_ms)
{
	struct entry *e;

	if (t->rule.interval_us == 0)
		return 0;
	e = pl_map_get(&t->by_key, key);
	if (e == NULL) {
		make_room(t, now_mono_ms * 1000);
		e = entry_new(t, key);
	}
	pl_list_unlink(&e->link);
	pl_list_push(&t->by_use, &e->link);
	return take(&e->bucket, &t->rule, count, now_mono_ms);
}

int64_t
pl_bucket_table_take(struct pl_bucket_table *t, struct pl_str key, int64_t now_mono_ms)
{
	return pl_bucket_table_take_many(t, key, 1, now_mono_ms);
}

int64_t
pl_bucket_table_wait_ms(
    const struct pl_bucket_table *t, struct pl_str key, int64_t now_mono_ms)
{
	const struct entry *e = pl_map_get(&t->by_key, key);
	struct pl_bucket copy = e != NULL ? e->bucket : (struct pl_bucket){0};

	return take(&copy, &t->rule, 1, now_mono_ms);
}
