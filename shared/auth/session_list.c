#include "auth/session_list.h"

#include <stdlib.h>

#define EXPIRED_KEPT_S (2 * PL_JWT_LEEWAY_S) /* an expired token is good for the leeway */

void
pl_session_list_init(struct pl_session_list *l, const struct pl_oid *user)
{
	*l = (struct pl_session_list){.user = *user};
}

static void
remove_at(struct pl_session_list *l, size_t i)
{
	memmove(&l->items[i], &l->items[i + 1], (l->count - i - 1) * sizeof(l->items[0]));
	l->count--;
}

void
pl_session_list_expire(struct pl_session_list *l, int64_t now_unix_s)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++)
		if (l->items[i].expires_unix_s + EXPIRED_KEPT_S > now_unix_s)
			l->items[kept++] = l->items[i];
	l->count = kept;
}

/* ---- beginning and end of a session ---- */

void
pl_session_list_open(const struct pl_session_list *l,
    const uint8_t token_id[PL_JWT_ID_LEN], int64_t *issued_unix_s, struct pl_session *out)
{
	if (*issued_unix_s < l->before_unix_s)
		*issued_unix_s = l->before_unix_s;
	*out = (struct pl_session){.issued_unix_s = *issued_unix_s,
	    .expires_unix_s = *issued_unix_s + PL_JWT_LIFETIME_S,
	    .seen_unix_s = *issued_unix_s};
	memcpy(out->token_id, token_id, PL_JWT_ID_LEN);
}

void
pl_session_list_revocation(const struct pl_session_list *l,
    const struct pl_session *session, struct pl_revocation *out)
{
	*out = (struct pl_revocation){.user = l->user,
	    .issued_unix_s = session->issued_unix_s,
	    .expires_unix_s = session->expires_unix_s};
	memcpy(out->token_id, session->token_id, PL_JWT_ID_LEN);
}

bool
pl_session_list_add(
    struct pl_session_list *l, const struct pl_session *session, struct pl_session *ended)
{
	bool is_full = l->count == PL_SESSIONS_MAX;
	size_t at;

	if (is_full) {
		*ended = l->items[0];
		remove_at(l, 0);
	}
	at = l->count;
	while (at > 0 && l->items[at - 1].issued_unix_s > session->issued_unix_s)
		at--;
	memmove(&l->items[at + 1], &l->items[at], (l->count - at) * sizeof(l->items[0]));
	l->items[at] = *session;
	l->count++;
	return is_full;
}

static bool
find(const struct pl_session_list *l, const uint8_t token_id[PL_JWT_ID_LEN], size_t *at)
{
	for (size_t i = 0; i < l->count; i++) {
		if (memcmp(l->items[i].token_id, token_id, PL_JWT_ID_LEN) == 0) {
			*at = i;
			return true;
		}
	}
	return false;
}

static bool
take(struct pl_session_list *l, const uint8_t token_id[PL_JWT_ID_LEN])
{
	size_t at;

	if (!find(l, token_id, &at))
		return false;
	remove_at(l, at);
	return true;
}

static bool
is_named(const struct pl_session_list *l, size_t i, const struct pl_revocation *r)
{
	struct pl_jwt_claims claims = {.user = l->user,
	    .issued_unix_s = l->items[i].issued_unix_s,
	    .is_listed = true};

	memcpy(claims.token_id, l->items[i].token_id, PL_JWT_ID_LEN);
	return pl_revocation_names(r, &claims);
}

bool
pl_session_list_end(struct pl_session_list *l, const struct pl_revocation *r)
{
	size_t count = l->count, kept = 0;
	bool is_later;
	int64_t time;

	for (size_t i = 0; i < count; i++)
		if (!is_named(l, i, r))
			l->items[kept++] = l->items[i];
	l->count = kept;
	is_later = pl_revocation_is_of_all(r, &time) && time > l->before_unix_s;
	if (is_later)
		l->before_unix_s = time;
	return is_later || kept < count;
}

/* ---- use ---- */

bool
pl_session_list_see(struct pl_session_list *l, const uint8_t token_id[PL_JWT_ID_LEN],
    int64_t seen_unix_s, int64_t step_s, bool *is_new)
{
	size_t at;

	*is_new = false;
	if (!find(l, token_id, &at))
		return false;
	*is_new = seen_unix_s - l->items[at].seen_unix_s >= step_s;
	if (*is_new)
		l->items[at].seen_unix_s = seen_unix_s;
	return true;
}

void
pl_session_list_drop_unused(struct pl_session_list *l, int64_t then_unix_s,
    const uint8_t but_token_id[PL_JWT_ID_LEN])
{
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++)
		if (l->items[i].seen_unix_s >= then_unix_s ||
		    memcmp(l->items[i].token_id, but_token_id, PL_JWT_ID_LEN) == 0)
			l->items[kept++] = l->items[i];
	l->count = kept;
}

/* ---- the mark ---- */

static int
compare_issued(const void *a, const void *b)
{
	const struct pl_revocation *x = a, *y = b;

	return (x->issued_unix_s > y->issued_unix_s) -
	       (x->issued_unix_s < y->issued_unix_s);
}

size_t
pl_session_list_merge(struct pl_session_list *l, struct pl_revocation *revocations,
    size_t count, int64_t now_unix_s)
{
	size_t merged = 0;
	int64_t mark;

	if (count <= PL_REVOCATIONS_MAX)
		return 0;
	qsort(revocations, count, sizeof(revocations[0]), compare_issued);
	mark = revocations[count - PL_REVOCATIONS_LEFT - 1].issued_unix_s + 1;
	if (mark > now_unix_s + 1)
		mark = now_unix_s + 1;
	while (merged < count && revocations[merged].issued_unix_s < mark) {
		/* It is still listed if a process died between two writes. */
		(void)take(l, revocations[merged].token_id);
		merged++;
	}
	if (merged > 0 && mark > l->before_unix_s)
		l->before_unix_s = mark;
	return merged;
}

bool
pl_session_list_refuses(
    const struct pl_session_list *l, const struct pl_jwt_claims *claims)
{
	size_t at;

	return claims->is_listed && claims->issued_unix_s < l->before_unix_s &&
	       !find(l, claims->token_id, &at);
}

int64_t
pl_session_list_expires(const struct pl_session_list *l)
{
	int64_t last = l->before_unix_s > 0 ? l->before_unix_s + PL_JWT_LIFETIME_S : 0;

	for (size_t i = 0; i < l->count; i++)
		if (l->items[i].expires_unix_s > last)
			last = l->items[i].expires_unix_s;
	return last;
}

/* ---- as bytes ---- */

static void
pack_number(struct pl_buf *out, int64_t number)
{
	for (int shift = 56; shift >= 0; shift -= 8)
		pl_buf_add_char(out, (char)((uint64_t)number >> shift));
}

static int64_t
unpack_number(const char *bytes)
{
	uint64_t number = 0;

	for (int i = 0; i < 8; i++)
		number = number << 8 | (uint8_t)bytes[i];
	return (int64_t)number;
}

void
pl_session_list_pack(const struct pl_session_list *l, struct pl_buf *out)
{
	for (size_t i = 0; i < l->count; i++) {
		pl_buf_add(out, l->items[i].token_id, PL_JWT_ID_LEN);
		pack_number(out, l->items[i].issued_unix_s);
		pack_number(out, l->items[i].expires_unix_s);
		pack_number(out, l->items[i].seen_unix_s);
	}
}

static bool
are_times(const char *bytes)
{
	for (size_t i = 0; i < 3; i++) {
		int64_t time = unpack_number(bytes + 8 * i);

		if (time < 0 || time > PL_SESSION_TIME_MAX)
			return false;
	}
	return true;
}

bool
pl_session_list_unpack(struct pl_session_list *l, struct pl_str bytes)
{
	size_t count = bytes.len / PL_SESSION_BYTES;

	if (bytes.len % PL_SESSION_BYTES != 0 || count > PL_SESSIONS_MAX)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!are_times(bytes.ptr + i * PL_SESSION_BYTES + PL_JWT_ID_LEN))
			return false;
	for (size_t i = 0; i < count; i++) {
		const char *at = bytes.ptr + i * PL_SESSION_BYTES;
		struct pl_session *s = &l->items[i];

		memcpy(s->token_id, at, PL_JWT_ID_LEN);
		s->issued_unix_s = unpack_number(at + PL_JWT_ID_LEN);
		s->expires_unix_s = unpack_number(at + PL_JWT_ID_LEN + 8);
		s->seen_unix_s = unpack_number(at + PL_JWT_ID_LEN + 16);
	}
	l->count = count;
	return true;
}
