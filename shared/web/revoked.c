#include "web/revoked.h"

#include "base/clock.h"
#include "base/mem.h"

/* A token that is refused, or the time that a user's tokens have to be from. */
struct entry {
	struct pl_revocation revocation;
	int64_t valid_after_unix_s;
};

void
pl_revoked_init(struct pl_revoked *set)
{
	pl_map_init(&set->tokens);
	pl_map_init(&set->users);
}

static void
free_all(struct pl_map *m)
{
	void *entry;

	for (size_t it = 0; (entry = pl_map_next(m, &it)) != NULL;)
		pl_mem_free(entry);
	pl_map_fini(m);
}

void
pl_revoked_fini(struct pl_revoked *set)
{
	free_all(&set->tokens);
	free_all(&set->users);
}

static struct pl_str
token_key(const uint8_t token_id[PL_JWT_ID_LEN])
{
	return pl_str_n(token_id, PL_JWT_ID_LEN);
}

static struct entry *
entry_new(const struct pl_revocation *r)
{
	struct entry *e = pl_mem_zalloc(sizeof(*e));

	e->revocation = *r;
	return e;
}

static bool
add_token(struct pl_revoked *set, const struct pl_revocation *r)
{
	struct entry *e;

	if (pl_map_get(&set->tokens, token_key(r->token_id)) != NULL)
		return false;
	e = entry_new(r);
	pl_map_put(&set->tokens, token_key(e->revocation.token_id), e);
	return true;
}

static bool
add_all(struct pl_revoked *set, const struct pl_revocation *r, int64_t valid_after_unix_s)
{
	struct entry *e = pl_map_get(&set->users, pl_oid_str(&r->user));

	if (e == NULL) {
		e = entry_new(r);
		pl_map_put(&set->users, pl_oid_str(&e->revocation.user), e);
	}
	if (e->valid_after_unix_s >= valid_after_unix_s)
		return false;
	e->valid_after_unix_s = valid_after_unix_s;
	e->revocation.expires_unix_s = r->expires_unix_s;
	return true;
}

bool
pl_revoked_add(struct pl_revoked *set, const struct pl_revocation *r)
{
	int64_t before;

	if (r->expires_unix_s < pl_clock_unix_ms() / 1000)
		return false;
	return pl_revocation_is_of_all(r, &before) ? add_all(set, r, before)
						   : add_token(set, r);
}

bool
pl_revoked_has(const struct pl_revoked *set, const struct pl_jwt_claims *claims)
{
	return pl_map_get(&set->tokens, token_key(claims->token_id)) != NULL ||
	       claims->issued_unix_s < pl_revoked_valid_after(set, &claims->user);
}

int64_t
pl_revoked_valid_after(const struct pl_revoked *set, const struct pl_oid *user)
{
	const struct entry *e = pl_map_get(&set->users, pl_oid_str(user));

	return e != NULL ? e->valid_after_unix_s : 0;
}

static void
forget(struct pl_map *m, int64_t then_unix_s, struct pl_str (*key)(const struct entry *e))
{
	struct entry *e;

	for (size_t it = 0; (e = pl_map_next(m, &it)) != NULL;) {
		if (e->revocation.expires_unix_s >= then_unix_s)
			continue;
		pl_map_del(m, key(e));
		pl_mem_free(e);
	}
}

static struct pl_str
token_of(const struct entry *e)
{
	return token_key(e->revocation.token_id);
}

static struct pl_str
user_of(const struct entry *e)
{
	return pl_oid_str(&e->revocation.user);
}

void
pl_revoked_forget(struct pl_revoked *set, int64_t then_unix_s)
{
	forget(&set->tokens, then_unix_s, token_of);
	forget(&set->users, then_unix_s, user_of);
}
