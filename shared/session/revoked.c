#include "session/revoked.h"

#include "base/clock.h"
#include "base/mem.h"

void
pl_revoked_init(struct pl_revoked *set)
{
	pl_map_init(&set->entries);
}

void
pl_revoked_fini(struct pl_revoked *set)
{
	struct pl_revocation *r;

	for (size_t it = 0; (r = pl_map_next(&set->entries, &it)) != NULL;)
		pl_mem_free(r);
	pl_map_fini(&set->entries);
}

static struct pl_str
token_key(const uint8_t token_id[PL_JWT_ID_LEN])
{
	return pl_str_n(token_id, PL_JWT_ID_LEN);
}

static struct pl_str
key_of(const struct pl_revocation *r)
{
	int64_t before;

	return pl_revocation_is_of_all(r, &before) ? pl_oid_str(&r->user)
						   : token_key(r->token_id);
}

bool
pl_revoked_add(struct pl_revoked *set, const struct pl_revocation *r)
{
	struct pl_revocation *known = pl_map_get(&set->entries, key_of(r));

	if (r->expires_unix_s < pl_clock_unix_ms() / 1000)
		return false;
	/* The same token; or a time of the same user that is no later: the time comes
	 * last. */
	if (known != NULL && memcmp(r->token_id, known->token_id, PL_JWT_ID_LEN) <= 0)
		return false;
	if (known == NULL)
		known = pl_mem_alloc(sizeof(*known));
	*known = *r;
	pl_map_put(&set->entries, key_of(known), known);
	return true;
}

bool
pl_revoked_has(const struct pl_revoked *set, const struct pl_jwt_claims *claims)
{
	return pl_map_get(&set->entries, token_key(claims->token_id)) != NULL ||
	       claims->issued_unix_s < pl_revoked_valid_after(set, &claims->user);
}

int64_t
pl_revoked_valid_after(const struct pl_revoked *set, const struct pl_oid *user)
{
	const struct pl_revocation *r = pl_map_get(&set->entries, pl_oid_str(user));
	int64_t before;

	return r != NULL && pl_revocation_is_of_all(r, &before) ? before : 0;
}

void
pl_revoked_forget(struct pl_revoked *set, int64_t then_unix_s)
{
	struct pl_revocation *r;

	for (size_t it = 0; (r = pl_map_next(&set->entries, &it)) != NULL;) {
		if (r->expires_unix_s >= then_unix_s)
			continue;
		pl_map_del(&set->entries, key_of(r));
		pl_mem_free(r);
	}
}
