#include "session/credentials.h"

#include "base/mem.h"
#include "proto/http_cookie.h"

bool
pl_bearer_token(struct pl_str text, struct pl_str *token)
{
	struct pl_str scheme, rest = pl_str_trim(text);

	/* RFC 9110 §11.4: a scheme, and after it one or more spaces. */
	if (!pl_str_split(&rest, ' ', &scheme) ||
	    !pl_str_eq_nocase(scheme, PL_STR("bearer")))
		return false;
	*token = pl_str_trim(rest);
	return true;
}

void
pl_credentials_init(struct pl_credentials *c)
{
	*c = (struct pl_credentials){0};
}

void
pl_credentials_fini(struct pl_credentials *c)
{
	pl_mem_free(c->items);
	*c = (struct pl_credentials){0};
}

static bool
has(const struct pl_credentials *c, const struct pl_jwt_claims *claims)
{
	for (size_t i = 0; i < c->count; i++)
		if (pl_oid_eq(&c->items[i].claims.user, &claims->user) &&
		    memcmp(c->items[i].claims.token_id, claims->token_id,
			PL_JWT_ID_LEN) == 0)
			return true;
	return false;
}

static void
add_token(struct pl_credentials *c, enum pl_credential_place place, struct pl_str token,
    int64_t now_unix_s)
{
	struct pl_jwt_claims claims;
	enum pl_err err;

	if (token.len == 0)
		return; /* a cookie that was cleared */
	c->has_token = true;
	if (!pl_jwt_has_form(token))
		return;
	if (place != PL_CREDENTIAL_BEARER && c->verified++ >= PL_CREDENTIALS_VERIFIED_MAX)
		return;
	err = pl_known_tokens_verify(c->known, token, now_unix_s, &claims);
	c->has_expired = c->has_expired || err == PL_E_TIMEOUT;
	if (err != PL_OK || has(c, &claims))
		return;
	c->items = pl_mem_realloc(c->items, (c->count + 1) * sizeof(*c->items));
	c->items[c->count++] = (struct pl_credential){claims, place};
}

void
pl_credentials_add_cookies(struct pl_credentials *c, enum pl_credential_place place,
    struct pl_str name, struct pl_str header, int64_t now_unix_s)
{
	struct pl_str value;

	while (pl_http_cookie_next(&header, name, &value))
		add_token(c, place, value, now_unix_s);
}

void
pl_credentials_add_bearer(
    struct pl_credentials *c, struct pl_str authorization, int64_t now_unix_s)
{
	struct pl_str token;

	if (pl_bearer_token(authorization, &token))
		add_token(c, PL_CREDENTIAL_BEARER, token, now_unix_s);
}

void
pl_credentials_drop(struct pl_credentials *c,
    bool (*names)(const void *arg, const struct pl_jwt_claims *claims), const void *arg)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->count; i++)
		if (!names(arg, &c->items[i].claims))
			c->items[kept++] = c->items[i];
	c->count = kept;
}

bool
pl_credentials_name(const struct pl_credentials *c, const struct pl_oid *user)
{
	for (size_t i = 0; i < c->count && c->items[i].place == c->items[0].place; i++)
		if (pl_oid_eq(&c->items[i].claims.user, user))
			return true;
	return false;
}

bool
pl_credentials_meet(const struct pl_credentials *c, const struct pl_credentials *other)
{
	for (size_t i = 0; i < c->count && c->items[i].place == c->items[0].place; i++)
		if (pl_credentials_name(other, &c->items[i].claims.user))
			return true;
	return false;
}
