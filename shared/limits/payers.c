#include "limits/payers.h"

#include <assert.h>

#include "base/mem.h"

static struct pl_str
key_of(const struct pl_payer *payer)
{
	return pl_str_n(payer->key, payer->key_len);
}

static void
forget_first(struct pl_payers *p)
{
	struct pl_list *first = pl_list_pop(&p->gone);
	struct pl_payer *payer = PL_CONTAINER(first, struct pl_payer, link);

	assert(first != NULL);
	p->gone_count--;
	(void)pl_map_del(&p->by_key, key_of(payer));
	pl_mem_free(payer);
}

static void
forget_old(struct pl_payers *p, int64_t now_mono_ms)
{
	while (p->gone_count > 0) {
		struct pl_payer *first =
		    PL_CONTAINER(p->gone.next, struct pl_payer, link);

		if (p->gone_count <= PL_PAYERS_GONE_MAX &&
		    now_mono_ms - first->left_mono_ms < PL_PAYER_KEPT_MS)
			return;
		forget_first(p);
	}
}

void
pl_payers_init(struct pl_payers *p)
{
	*p = (struct pl_payers){0};
	pl_map_init(&p->by_key);
	pl_list_init(&p->gone);
}

void
pl_payers_fini(struct pl_payers *p)
{
	while (p->gone_count > 0)
		forget_first(p);
	pl_map_fini(&p->by_key);
}

struct pl_payer *
pl_payers_join(struct pl_payers *p, struct pl_str key, int64_t now_mono_ms)
{
	struct pl_payer *payer;

	forget_old(p, now_mono_ms);
	payer = pl_map_get(&p->by_key, key);
	if (payer == NULL) {
		payer = pl_mem_zalloc(sizeof(*payer) + key.len);
		memcpy(payer->key, key.ptr, key.len);
		payer->key_len = key.len;
		pl_list_init(&payer->link);
		(void)pl_map_put(&p->by_key, key_of(payer), payer);
	} else if (payer->sockets == 0) {
		pl_list_unlink(&payer->link);
		p->gone_count--;
	}
	payer->sockets++;
	return payer;
}

void
pl_payers_leave(struct pl_payers *p, struct pl_payer *payer, int64_t now_mono_ms)
{
	if (payer == NULL || --payer->sockets > 0)
		return;
	payer->left_mono_ms = now_mono_ms;
	pl_list_push(&p->gone, &payer->link);
	p->gone_count++;
	forget_old(p, now_mono_ms);
}
