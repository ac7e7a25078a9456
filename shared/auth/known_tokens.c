#include "auth/known_tokens.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

struct known {
	struct pl_list link; /* in by_use */
	struct pl_jwt_claims claims;
	size_t len;
	char token[];
};

struct pl_known_tokens {
	struct pl_map by_text;
	struct pl_list by_use; /* who was used longest ago is first */
};

struct pl_known_tokens *
pl_known_tokens_new(void)
{
	struct pl_known_tokens *k = pl_mem_zalloc(sizeof(*k));

	pl_map_init(&k->by_text);
	pl_list_init(&k->by_use);
	return k;
}

static struct pl_str
text_of(const struct known *known)
{
	return pl_str_n(known->token, known->len);
}

static void
forget(struct pl_known_tokens *k, struct known *known)
{
	(void)pl_map_del(&k->by_text, text_of(known));
	pl_list_unlink(&known->link);
	pl_mem_wipe_free(known, sizeof(*known) + known->len);
}

static struct known *
oldest(const struct pl_known_tokens *k)
{
	return PL_CONTAINER(k->by_use.next, struct known, link);
}

void
pl_known_tokens_free(struct pl_known_tokens *k)
{
	if (k == NULL)
		return;
	while (!pl_list_is_empty(&k->by_use))
		forget(k, oldest(k));
	pl_map_fini(&k->by_text);
	pl_mem_free(k);
}

static void
learn(struct pl_known_tokens *k, struct pl_str token, const struct pl_jwt_claims *claims)
{
	struct known *known;

	if (token.len > PL_KNOWN_TOKEN_BYTES_MAX)
		return;
	if (k->by_text.count == PL_KNOWN_TOKENS_MAX)
		forget(k, oldest(k));
	known = pl_mem_alloc(sizeof(*known) + token.len);
	*known = (struct known){.claims = *claims, .len = token.len};
	memcpy(known->token, token.ptr, token.len);
	pl_list_init(&known->link);
	pl_list_push(&k->by_use, &known->link);
	(void)pl_map_put(&k->by_text, text_of(known), known);
}

static enum pl_err
recall(struct pl_known_tokens *k, struct known *known, int64_t now_unix_s,
    struct pl_jwt_claims *claims)
{
	if (pl_jwt_is_over(&known->claims, now_unix_s)) {
		forget(k, known);
		return PL_E_TIMEOUT;
	}
	pl_list_unlink(&known->link);
	pl_list_push(&k->by_use, &known->link);
	*claims = known->claims;
	return PL_OK;
}

enum pl_err
pl_known_tokens_verify(struct pl_known_tokens *k, struct pl_str token, int64_t now_unix_s,
    struct pl_jwt_claims *claims)
{
	struct known *known = k == NULL ? NULL : pl_map_get(&k->by_text, token);
	enum pl_err err;

	if (known != NULL)
		return recall(k, known, now_unix_s, claims);
	err = pl_jwt_verify(token, now_unix_s, claims);
	if (err == PL_OK && k != NULL)
		learn(k, token, claims);
	return err;
}
