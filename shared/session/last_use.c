#include "session/last_use.h"

#include "base/mem.h"

#define FORGET_MS 60000 /* between two walks: there may be as many as users in an hour */

struct use {
	uint8_t token_id[PL_JWT_ID_LEN];
	int64_t seen_unix_s;  /* the last use that this process knows of */
	int64_t told_unix_s;  /* the last one that the store knows of; 0: unknown */
	int64_t read_mono_ms; /* when the store said so; INT64_MIN / 2: never */
	int64_t kept_to_mono_ms;
};

void
pl_last_use_init(struct pl_last_use *l, int64_t limit_s)
{
	l->limit_s = limit_s;
	pl_map_init(&l->uses);
}

void
pl_last_use_fini(struct pl_last_use *l)
{
	struct use *u;

	for (size_t it = 0; (u = pl_map_next(&l->uses, &it)) != NULL;)
		pl_mem_free(u);
	pl_map_fini(&l->uses);
}

int64_t
pl_last_use_step_s(int64_t limit_s)
{
	int64_t step_s = limit_s / 20;

	if (step_s < 1)
		return 1;
	return step_s < PL_LAST_USE_STEP_MAX_S ? step_s : PL_LAST_USE_STEP_MAX_S;
}

/* Another program that has the secret may have given its token any time. */
static int64_t
issued_unix_s(const struct pl_jwt_claims *claims)
{
	return claims->issued_unix_s > 0 ? claims->issued_unix_s : 0;
}

static struct use *
find(const struct pl_last_use *l, const uint8_t token_id[PL_JWT_ID_LEN])
{
	return pl_map_get(&l->uses, pl_str_n(token_id, PL_JWT_ID_LEN));
}

static struct use *
get(struct pl_last_use *l, const struct pl_jwt_claims *claims)
{
	struct use *u = find(l, claims->token_id);

	if (u != NULL)
		return u;
	u = pl_mem_alloc(sizeof(*u));
	*u = (struct use){
	    .seen_unix_s = issued_unix_s(claims), .read_mono_ms = INT64_MIN / 2};
	memcpy(u->token_id, claims->token_id, PL_JWT_ID_LEN);
	pl_map_put(&l->uses, pl_str_n(u->token_id, PL_JWT_ID_LEN), u);
	return u;
}

static void
keep_for(struct use *u, int64_t now_mono_ms, int64_t time_ms)
{
	if (u->kept_to_mono_ms < now_mono_ms + time_ms)
		u->kept_to_mono_ms = now_mono_ms + time_ms;
}

/* Times are whole seconds, cut: what is over has not been used for longer than the limit. */
static bool
is_over(const struct pl_last_use *l, int64_t seen_unix_s, int64_t now_unix_s)
{
	return now_unix_s - seen_unix_s > l->limit_s;
}

enum pl_last_use_verdict
pl_last_use_judge(const struct pl_last_use *l, const struct pl_jwt_claims *claims,
    int64_t now_unix_s, int64_t now_mono_ms)
{
	const struct use *u;

	if (l->limit_s == 0 || !is_over(l, issued_unix_s(claims), now_unix_s))
		return PL_LAST_USE_GOOD;
	if (!claims->is_listed)
		return PL_LAST_USE_OVER;
	u = find(l, claims->token_id);
	if (u == NULL)
		return PL_LAST_USE_ASK;
	if (!is_over(l, u->seen_unix_s, now_unix_s))
		return PL_LAST_USE_GOOD;
	return now_mono_ms - u->read_mono_ms < PL_LAST_USE_KNOWN_MS ? PL_LAST_USE_OVER
								    : PL_LAST_USE_ASK;
}

void
pl_last_use_learn(struct pl_last_use *l, const struct pl_jwt_claims *claims,
    const struct pl_session_list *list, int64_t now_mono_ms)
{
	struct use *u = get(l, claims);

	u->read_mono_ms = now_mono_ms;
	keep_for(u, now_mono_ms, PL_LAST_USE_KNOWN_MS);
	for (size_t i = 0; i < list->count; i++) {
		const struct pl_session *s = &list->items[i];

		if (memcmp(s->token_id, u->token_id, PL_JWT_ID_LEN) != 0)
			continue;
		u->told_unix_s = s->seen_unix_s;
		if (u->seen_unix_s < s->seen_unix_s)
			u->seen_unix_s = s->seen_unix_s;
	}
}

bool
pl_last_use_note(struct pl_last_use *l, const struct pl_jwt_claims *claims,
    int64_t now_unix_s, int64_t now_mono_ms)
{
	int64_t step_s = pl_last_use_step_s(l->limit_s);
	struct use *u;

	/* One that just began was told as it was listed. */
	if (l->limit_s == 0 || !claims->is_listed ||
	    now_unix_s - issued_unix_s(claims) < step_s)
		return false;
	u = get(l, claims);
	if (u->seen_unix_s < now_unix_s)
		u->seen_unix_s = now_unix_s;
	if (now_unix_s - u->told_unix_s < step_s)
		return false;
	u->told_unix_s = now_unix_s;
	keep_for(u, now_mono_ms, step_s * 1000);
	return true;
}

void
pl_last_use_untold(struct pl_last_use *l, const uint8_t token_id[PL_JWT_ID_LEN])
{
	struct use *u = find(l, token_id);

	if (u != NULL)
		u->told_unix_s = 0;
}

int64_t
pl_last_use_end_unix_s(const struct pl_last_use *l, const struct pl_jwt_claims *claims)
{
	if (l->limit_s == 0 || claims->is_listed)
		return INT64_MAX;
	return issued_unix_s(claims) + l->limit_s;
}

void
pl_last_use_forget(struct pl_last_use *l, int64_t now_mono_ms)
{
	struct use *u;

	if (now_mono_ms < l->forget_mono_ms)
		return;
	l->forget_mono_ms = now_mono_ms + FORGET_MS;
	for (size_t it = 0; (u = pl_map_next(&l->uses, &it)) != NULL;) {
		if (u->kept_to_mono_ms > now_mono_ms)
			continue;
		pl_map_del(&l->uses, pl_str_n(u->token_id, PL_JWT_ID_LEN));
		pl_mem_free(u);
	}
}
