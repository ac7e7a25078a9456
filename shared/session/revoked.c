#include "session/revoked.h"

#include <stddef.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"

struct revoked_user {
	struct pl_oid id;
	struct pl_revocation all;      /* before a time; expires_unix_s 0: none */
	struct pl_revocation unlisted; /* the same of tokens that no list has */
	struct pl_session_list *list;  /* NULL: nothing was merged */
	struct pl_list tokens;         /* struct revoked_token.link */
	size_t count;                  /* of them */
	size_t crowded_at;
};

struct revoked_token {
	struct pl_list link;
	struct pl_revocation r;
	uint64_t added;   /* by the clock */
	bool is_in_doubt; /* it goes unless it is added again */
};

void
pl_revoked_init(struct pl_revoked *set)
{
	*set = (struct pl_revoked){0};
	pl_map_init(&set->tokens);
	pl_map_init(&set->users);
}

static struct revoked_user *
user_get(struct pl_revoked *set, const struct pl_oid *id)
{
	struct revoked_user *u = pl_map_get(&set->users, pl_oid_str(id));

	if (u != NULL)
		return u;
	u = pl_mem_zalloc(sizeof(*u));
	u->id = *id;
	u->crowded_at = PL_REVOCATIONS_MAX;
	pl_list_init(&u->tokens);
	pl_map_put(&set->users, pl_oid_str(&u->id), u);
	return u;
}

static void
token_free(struct pl_revoked *set, struct revoked_user *u, struct revoked_token *t)
{
	pl_map_del(&set->tokens, pl_str_n(t->r.token_id, PL_JWT_ID_LEN));
	pl_list_unlink(&t->link);
	u->count--;
	pl_mem_free(t);
}

static void
user_free(struct pl_revoked *set, struct revoked_user *u)
{
	pl_list_for_each_safe(it, &u->tokens)
	    token_free(set, u, PL_CONTAINER(it, struct revoked_token, link));
	pl_map_del(&set->users, pl_oid_str(&u->id));
	pl_mem_free(u->list);
	pl_mem_free(u);
}

void
pl_revoked_fini(struct pl_revoked *set)
{
	struct revoked_user *u;

	for (size_t it = 0; (u = pl_map_next(&set->users, &it)) != NULL;)
		user_free(set, u);
	pl_map_fini(&set->tokens);
	pl_map_fini(&set->users);
}

/* ---- adding ---- */

/* A time that is no later tells nothing new; it comes last in the id. */
static bool
replace(struct pl_revocation *last, const struct pl_revocation *r)
{
	if (last->expires_unix_s > 0 &&
	    memcmp(r->token_id, last->token_id, PL_JWT_ID_LEN) <= 0)
		return false;
	*last = *r;
	return true;
}

static bool
add_token(struct pl_revoked *set, const struct pl_revocation *r)
{
	struct pl_str key = pl_str_n(r->token_id, PL_JWT_ID_LEN);
	struct revoked_token *t = pl_map_get(&set->tokens, key);
	struct revoked_user *u;

	if (t != NULL) {
		t->is_in_doubt = false;
		return false;
	}
	u = user_get(set, &r->user);
	t = pl_mem_alloc(sizeof(*t));
	*t = (struct revoked_token){.r = *r, .added = ++set->clock};
	pl_list_push(&u->tokens, &t->link);
	pl_map_put(&set->tokens, pl_str_n(t->r.token_id, PL_JWT_ID_LEN), t);
	if (++u->count > u->crowded_at) {
		u->crowded_at = u->count + PL_REVOCATIONS_LEFT;
		set->is_crowded = true;
	}
	return true;
}

bool
pl_revoked_add(struct pl_revoked *set, const struct pl_revocation *r)
{
	int64_t before;

	if (r->expires_unix_s < pl_clock_unix_ms() / 1000)
		return false;
	if (pl_revocation_is_of_all(r, &before))
		return replace(&user_get(set, &r->user)->all, r);
	if (pl_revocation_is_of_unlisted(r, &before))
		return replace(&user_get(set, &r->user)->unlisted, r);
	return add_token(set, r);
}

bool
pl_revoked_is_crowded(struct pl_revoked *set)
{
	bool is = set->is_crowded;

	set->is_crowded = false;
	return is;
}

/* ---- asking ---- */

bool
pl_revoked_has(const struct pl_revoked *set, const struct pl_jwt_claims *claims)
{
	const struct revoked_user *u;

	if (pl_map_get(&set->tokens, pl_str_n(claims->token_id, PL_JWT_ID_LEN)) != NULL)
		return true;
	u = pl_map_get(&set->users, pl_oid_str(&claims->user));
	if (u == NULL)
		return false;
	return (u->all.expires_unix_s > 0 && pl_revocation_names(&u->all, claims)) ||
	       (u->unlisted.expires_unix_s > 0 &&
		   pl_revocation_names(&u->unlisted, claims)) ||
	       (u->list != NULL && pl_session_list_refuses(u->list, claims));
}

int64_t
pl_revoked_valid_after(const struct pl_revoked *set, const struct pl_oid *user)
{
	const struct revoked_user *u = pl_map_get(&set->users, pl_oid_str(user));
	int64_t all = 0, unlisted = 0;

	if (u != NULL && u->all.expires_unix_s > 0)
		(void)!pl_revocation_is_of_all(&u->all, &all);
	/* A token that is issued now may come to be in no list. */
	if (u != NULL && u->unlisted.expires_unix_s > 0)
		(void)!pl_revocation_is_of_unlisted(&u->unlisted, &unlisted);
	return all > unlisted ? all : unlisted;
}

/* ---- merging ---- */

/* Of the sessions those that the mark would refuse; there is no room for more after them. */
static void
keep_list(struct revoked_user *u, const struct pl_session_list *list)
{
	size_t count = 0;

	while (
	    count < list->count && list->items[count].issued_unix_s < list->before_unix_s)
		count++;
	u->list = pl_mem_realloc(u->list,
	    offsetof(struct pl_session_list, items) + count * sizeof(list->items[0]));
	memcpy(u->list, list,
	    offsetof(struct pl_session_list, items) + count * sizeof(list->items[0]));
	u->list->count = count;
}

bool
pl_revoked_merge(
    struct pl_revoked *set, const struct pl_session_list *list, uint64_t clock)
{
	struct revoked_user *u = user_get(set, &list->user);
	bool is_new = u->list == NULL || u->list->before_unix_s < list->before_unix_s;

	keep_list(u, list);
	pl_list_for_each(it, &u->tokens)
	{
		struct revoked_token *t = PL_CONTAINER(it, struct revoked_token, link);

		t->is_in_doubt = t->added <= clock;
	}
	return is_new;
}

void
pl_revoked_settle(struct pl_revoked *set, const struct pl_oid *user)
{
	struct revoked_user *u = pl_map_get(&set->users, pl_oid_str(user));

	if (u == NULL)
		return;
	pl_list_for_each_safe(it, &u->tokens)
	{
		struct revoked_token *t = PL_CONTAINER(it, struct revoked_token, link);

		if (t->is_in_doubt)
			token_free(set, u, t);
	}
	u->crowded_at = u->count + PL_REVOCATIONS_LEFT > PL_REVOCATIONS_MAX
			    ? u->count + PL_REVOCATIONS_LEFT
			    : PL_REVOCATIONS_MAX;
}

/* ---- time ---- */

static void
forget_of(struct pl_revoked *set, struct revoked_user *u, int64_t then_unix_s)
{
	pl_list_for_each_safe(it, &u->tokens)
	{
		struct revoked_token *t = PL_CONTAINER(it, struct revoked_token, link);

		if (t->r.expires_unix_s < then_unix_s)
			token_free(set, u, t);
	}
	if (u->all.expires_unix_s < then_unix_s)
		u->all = (struct pl_revocation){0};
	if (u->unlisted.expires_unix_s < then_unix_s)
		u->unlisted = (struct pl_revocation){0};
	if (u->list != NULL && u->list->before_unix_s + PL_JWT_LIFETIME_S < then_unix_s) {
		pl_mem_free(u->list);
		u->list = NULL;
	}
	if (u->count == 0 && u->all.expires_unix_s == 0 &&
	    u->unlisted.expires_unix_s == 0 && u->list == NULL)
		user_free(set, u);
}

void
pl_revoked_forget(struct pl_revoked *set, int64_t then_unix_s)
{
	struct revoked_user *u;

	for (size_t it = 0; (u = pl_map_next(&set->users, &it)) != NULL;)
		forget_of(set, u, then_unix_s);
}
