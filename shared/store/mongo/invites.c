/*
 * Invites, one document each; auth/invite.h says what they are.
 *
 *   parley_invites  {_id: <code id>, uses, left, createdAt, expiresAt, taking: [{user, at}]}
 *
 * Nothing joins an invite and a user in one write. So a sign-up takes a use first, in the
 * name of the user to be, and says afterwards what became of it:
 *
 *   left 1, taking []  --take-->  left 0, taking [user]  --stored-->   left 0, taking []
 *                                                        --refused-->  left 1, taking []
 *
 * If the process dies in between, the next one that finds nothing left looks whether
 * there is such a user, once the time of that sign-up is over.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/mongo/query.h"

#define F_USES        "uses"
#define F_LEFT        "left"
#define F_TAKING      "taking"
#define F_AT          "at"
#define P_TAKING_USER F_TAKING "." PL_MONGO_F_USER

static void
put_code(bson_t *doc, const uint8_t code_id[PL_INVITE_ID_LEN])
{
	bson_append_binary(
	    doc, PL_USER_F_ID, -1, BSON_SUBTYPE_BINARY, code_id, PL_INVITE_ID_LEN);
}

/* ---- documents ---- */

void
pl_mongo_invite_write(bson_t *doc, const struct pl_invite *invite)
{
	bson_t none;

	put_code(doc, invite->code_id);
	bson_append_int64(doc, F_USES, -1, invite->uses);
	bson_append_int64(doc, F_LEFT, -1, invite->uses - invite->used);
	pl_mongo_put_time(doc, PL_USER_F_CREATED_AT, invite->created_unix_ms);
	pl_mongo_put_time(doc, PL_MONGO_F_EXPIRES_AT, invite->expires_unix_ms);
	bson_append_array_begin(doc, F_TAKING, -1, &none);
	bson_append_array_end(doc, &none);
}

bool
pl_mongo_invite_read(const bson_t *doc, struct pl_invite *out)
{
	struct pl_invite found = {0};
	bson_subtype_t subtype;
	const uint8_t *data;
	int64_t left;
	bson_iter_t it;
	uint32_t len;

	if (!bson_iter_init_find(&it, doc, PL_USER_F_ID) || !BSON_ITER_HOLDS_BINARY(&it))
		return false;
	bson_iter_binary(&it, &subtype, &len, &data);
	if (len != PL_INVITE_ID_LEN || !pl_mongo_get_int(doc, F_USES, &found.uses) ||
	    !pl_mongo_get_int(doc, F_LEFT, &left) ||
	    !pl_mongo_get_time(doc, PL_USER_F_CREATED_AT, &found.created_unix_ms) ||
	    !pl_mongo_get_time(doc, PL_MONGO_F_EXPIRES_AT, &found.expires_unix_ms))
		return false;
	memcpy(found.code_id, data, len);
	found.used = found.uses - left;
	*out = found;
	return true;
}

/* ---- the uses that are being taken ---- */

/* One element of taking; false: it is none of ours. */
static bool
read_taking(const bson_iter_t *it, struct pl_oid *user, int64_t *at_unix_ms)
{
	const uint8_t *data;
	uint32_t len;
	bson_t doc;

	if (!BSON_ITER_HOLDS_DOCUMENT(it))
		return false;
	bson_iter_document(it, &len, &data);
	return bson_init_static(&doc, data, len) &&
	       pl_mongo_get_oid(&doc, PL_MONGO_F_USER, user) &&
	       pl_mongo_get_time(&doc, F_AT, at_unix_ms);
}

/* The first use that was taken so long ago that its sign-up is over; false: none. */
static bool
find_stale(const bson_t *doc, int64_t now_unix_ms, struct pl_oid *user)
{
	bson_iter_t it, taking;
	int64_t at_unix_ms;

	if (!bson_iter_init_find(&it, doc, F_TAKING) || !BSON_ITER_HOLDS_ARRAY(&it) ||
	    !bson_iter_recurse(&it, &taking))
		return false;
	while (bson_iter_next(&taking))
		if (read_taking(&taking, user, &at_unix_ms) &&
		    at_unix_ms <= now_unix_ms - PL_STORE_INVITE_HELD_MS)
			return true;
	return false;
}

/* {_id, left: {$gt: 0}, expiresAt: {$gt: now}} -> {$inc: {left: -1}, $push: {taking:
 * {userId, at}}} */
static enum pl_err
take(struct pl_mongo *s, const struct pl_write_invited *invited)
{
	bson_t selector = BSON_INITIALIZER, update = BSON_INITIALIZER, part, item;
	int64_t matched = 0;
	enum pl_err err;

	put_code(&selector, invited->code_id);
	bson_append_document_begin(&selector, F_LEFT, -1, &part);
	pl_mongo_put_int(&part, "$gt", 0);
	bson_append_document_end(&selector, &part);
	pl_mongo_put_bound(&selector, PL_MONGO_F_EXPIRES_AT, "$gt", s->now_unix_ms);
	bson_append_document_begin(&update, "$inc", -1, &part);
	bson_append_int64(&part, F_LEFT, -1, -1);
	bson_append_document_end(&update, &part);
	bson_append_document_begin(&update, "$push", -1, &part);
	bson_append_document_begin(&part, F_TAKING, -1, &item);
	pl_mongo_put_oid(&item, PL_MONGO_F_USER, &invited->user->id);
	pl_mongo_put_time(&item, F_AT, s->now_unix_ms);
	bson_append_document_end(&part, &item);
	bson_append_document_end(&update, &part);
	err = pl_mongo_update_one(s, s->invites, &selector, &update, &matched);
	bson_destroy(&selector);
	bson_destroy(&update);
	return err == PL_OK && matched == 0 ? PL_E_NOT_FOUND : err;
}

/* It is not being taken any more; given back: there is one more left. Of two that do so
 * the second changes nothing. */
static enum pl_err
end_taking(struct pl_mongo *s, const uint8_t code_id[PL_INVITE_ID_LEN],
    const struct pl_oid *user, bool is_given_back)
{
	bson_t selector = BSON_INITIALIZER, update = BSON_INITIALIZER, part, item;
	enum pl_err err;

	put_code(&selector, code_id);
	pl_mongo_put_oid(&selector, P_TAKING_USER, user);
	if (is_given_back) {
		bson_append_document_begin(&update, "$inc", -1, &part);
		bson_append_int64(&part, F_LEFT, -1, 1);
		bson_append_document_end(&update, &part);
	}
	bson_append_document_begin(&update, "$pull", -1, &part);
	bson_append_document_begin(&part, F_TAKING, -1, &item);
	pl_mongo_put_oid(&item, PL_MONGO_F_USER, user);
	bson_append_document_end(&part, &item);
	bson_append_document_end(&update, &part);
	err = pl_mongo_update_one(s, s->invites, &selector, &update, NULL);
	bson_destroy(&selector);
	bson_destroy(&update);
	return err;
}

/* *found: there was one that is stale, and it is ended. */
static enum pl_err
end_one_stale(struct pl_mongo *s, const uint8_t code_id[PL_INVITE_ID_LEN], bool *found)
{
	struct pl_user taker;
	struct pl_oid user;
	struct pl_find f;
	const bson_t *doc;
	enum pl_err err;

	*found = false;
	pl_find_start(&f, s, s->invites);
	put_code(&f.filter, code_id);
	pl_find_limit(&f, 1);
	while (pl_find_row(&f, &doc))
		*found = find_stale(doc, s->now_unix_ms, &user);
	err = pl_find_end(&f);
	if (err != PL_OK || !*found)
		return err;
	err = pl_mongo_user_find(s, &user, &taker);
	if (err == PL_OK)
		pl_user_fini(&taker);
	if (err != PL_OK && err != PL_E_NOT_FOUND)
		return err;
	pl_log_info("use of an invite that a broken sign-up had taken was settled",
	    PL_L_OID("user", &user));
	return end_taking(s, code_id, &user, err == PL_E_NOT_FOUND);
}

static enum pl_err
take_or_settle(struct pl_mongo *s, const struct pl_write_invited *invited)
{
	enum pl_err err = take(s, invited);
	bool found = err == PL_E_NOT_FOUND;

	while (err == PL_E_NOT_FOUND && found) {
		enum pl_err ended = end_one_stale(s, invited->code_id, &found);

		if (ended != PL_OK)
			return ended;
		if (found)
			err = take(s, invited);
	}
	return err;
}

/* ---- signing up by one ---- */

enum pl_err
pl_mongo_invite_look(struct pl_store *store, const uint8_t code_id[PL_INVITE_ID_LEN])
{
	struct pl_mongo *s = pl_mongo_start(store);
	int64_t now_unix_ms = pl_clock_unix_ms();
	bool is_good = false;
	struct pl_invite invite;
	struct pl_oid user;
	struct pl_find f;
	const bson_t *doc;
	enum pl_err err;

	pl_find_start(&f, s, s->invites);
	put_code(&f.filter, code_id);
	pl_mongo_put_bound(&f.filter, PL_MONGO_F_EXPIRES_AT, "$gt", now_unix_ms);
	pl_find_limit(&f, 1);
	while (pl_find_row(&f, &doc))
		is_good =
		    pl_mongo_invite_read(doc, &invite) &&
		    (invite.used < invite.uses || find_stale(doc, now_unix_ms, &user));
	err = pl_find_end(&f);
	return err == PL_OK && !is_good ? PL_E_NOT_FOUND : err;
}

/* If the store does not answer, the user may be there or not: whoever looks later knows. */
enum pl_err
pl_mongo_user_insert_invited(struct pl_mongo *s, const struct pl_write_invited *invited)
{
	struct pl_write insert = {.kind = PL_WRITE_USER, .u.user = invited->user};
	struct pl_write *one = &insert;
	enum pl_err err = take_or_settle(s, invited);

	if (err != PL_OK)
		return err;
	pl_mongo_users_insert(s, &one, 1);
	if ((insert.err == PL_OK || insert.err == PL_E_CONFLICT) &&
	    end_taking(s, invited->code_id, &invited->user->id,
		insert.err == PL_E_CONFLICT) != PL_OK)
		pl_log_warn("use of an invite was left open, a later sign-up settles it");
	return insert.err;
}

/* ---- keeping them ---- */

static enum pl_err
purge(struct pl_mongo *s)
{
	bson_t selector = BSON_INITIALIZER;
	enum pl_err err;

	pl_mongo_put_bound(&selector, PL_MONGO_F_EXPIRES_AT, "$lte", s->now_unix_ms);
	err = pl_mongo_delete_many(s, s->invites, &selector);
	bson_destroy(&selector);
	return err;
}

/* The only way in which they get more, so that expired ones need no other end. */
enum pl_err
pl_mongo_invite_keep(struct pl_mongo *s, const struct pl_invite *invite)
{
	enum pl_err err = purge(s);
	bson_t *doc;

	if (err != PL_OK)
		return err;
	doc = bson_new();
	pl_mongo_invite_write(doc, invite);
	pl_mongo_insert(s, s->invites, &doc, 1, &err);
	bson_destroy(doc);
	return err;
}
