#include <assert.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/mongo/blocks.h"
#include "store/mongo/idem.h"

/*
 * Keys and jobs are in their messages. They are walked by the sparse indexes over them,
 * so that messages without any cost nothing.
 */
enum { T_BINARY = 5, T_DATE = 9 }; /* BSON's numbers of types, for $type */

static mongoc_collection_t *
home_of(struct pl_mongo *s, enum pl_record_kind kind)
{
	switch (kind) {
	case PL_RECORD_USER:
		return s->users;
	case PL_RECORD_REVOCATION:
		return s->revocations;
	case PL_RECORD_SESSIONS:
		return s->sessions;
	case PL_RECORD_MARKS:
		return s->correspondents;
	case PL_RECORD_INVITE:
		return s->invites;
	case PL_RECORD_AVATAR:
		return s->avatars;
	case PL_RECORD_BLOCK:
		return s->blocks;
	case PL_RECORD_ERASURE:
		return s->erasures;
	default:
		return s->messages;
	}
}

/* ---- documents ---- */

/* As idem.h says: "<senderId>:<key>". The caller frees it. */
static char *
idem_name(const struct pl_record_idem *idem)
{
	char hex[PL_OID_HEX_LEN + 1];
	struct pl_buf name;

	pl_oid_format(&idem->sender, hex);
	pl_buf_init(&name, PL_BUF_UNLIMITED);
	pl_buf_printf(&name, "%s:%s", hex, idem->key);
	return pl_buf_take(&name);
}

static bool
read_idem(const bson_t *doc, struct pl_record_idem *out)
{
	struct pl_str name;
	int64_t until;

	if (!pl_mongo_get_oid(doc, PL_MESSAGE_F_ID, &out->message) ||
	    !pl_mongo_get_str(doc, PL_MONGO_F_IDEM_KEY, &name) ||
	    !pl_mongo_get_time(doc, PL_MONGO_F_IDEM_UNTIL, &until) ||
	    name.len <= PL_OID_HEX_LEN || name.ptr[PL_OID_HEX_LEN] != ':' ||
	    !pl_oid_parse(pl_str_n(name.ptr, PL_OID_HEX_LEN), &out->sender))
		return false;
	out->created_unix_ms = until - PL_STORE_IDEM_KEPT_MS;
	out->first_text = pl_first_text_read(doc);
	out->key =
	    pl_mem_strndup(name.ptr + PL_OID_HEX_LEN + 1, name.len - PL_OID_HEX_LEN - 1);
	return true;
}

static bool
read_sessions(const bson_t *doc, struct pl_record *out)
{
	struct pl_session_list list;

	if (!pl_mongo_list_read(doc, &list))
		return false;
	out->u.sessions = pl_mem_alloc(sizeof(list));
	*out->u.sessions = list;
	return true;
}

/* False: the document holds no record of this kind. */
static bool
read_record(const bson_t *doc, enum pl_record_kind kind, struct pl_record *out)
{
	*out = (struct pl_record){.kind = kind};
	switch (kind) {
	case PL_RECORD_USER:
		return pl_mongo_user_read(doc, &out->u.user);
	case PL_RECORD_MESSAGE:
		return pl_mongo_message_read(doc, &out->u.message);
	case PL_RECORD_IDEM:
		return read_idem(doc, &out->u.idem);
	case PL_RECORD_JOB:
		return pl_mongo_get_oid(doc, PL_MESSAGE_F_ID, &out->u.job.message) &&
		       pl_mongo_job_read(doc, &out->u.job.deadline_unix_ms,
			   &out->u.job.attempt, &out->u.job.trace);
	case PL_RECORD_SESSIONS:
		return read_sessions(doc, out);
	case PL_RECORD_MARKS:
		return pl_marks_read(doc, &out->u.marks) &&
		       out->u.marks.delivered.created_unix_ms != 0;
	case PL_RECORD_INVITE:
		return pl_mongo_invite_read(doc, &out->u.invite);
	case PL_RECORD_AVATAR:
		return pl_mongo_avatar_read(doc, &out->u.avatar);
	case PL_RECORD_BLOCK:
		return pl_block_read(doc, &out->u.block);
	case PL_RECORD_ERASURE:
		return pl_mongo_get_oid(doc, PL_USER_F_ID, &out->u.erasure.user) &&
		       pl_mongo_get_time(
			   doc, PL_MONGO_F_NOTED_AT, &out->u.erasure.noted_unix_ms);
	default:
		return pl_mongo_revocation_read(doc, &out->u.revocation);
	}
}

/* All records that f gives; ends it. */
static enum pl_err
read_list(struct pl_find *f, enum pl_record_kind kind, struct pl_record_list *out)
{
	struct pl_record_list list = {0};
	const bson_t *doc;
	enum pl_err err;

	while (pl_find_row(f, &doc)) {
		list.items = pl_store_grow(list.items, list.count, sizeof(*list.items));
		list.count += read_record(doc, kind, &list.items[list.count]);
	}
	err = pl_find_end(f);
	if (err == PL_OK)
		*out = list;
	else
		pl_record_list_fini(&list);
	return err;
}

/* ---- out ---- */

static void
put_key(bson_t *doc, const char *option, const char *key)
{
	bson_t part;

	bson_append_document_begin(doc, option, -1, &part);
	pl_mongo_put_int(&part, key, 1);
	bson_append_document_end(doc, &part);
}

static void
put_by_id(struct pl_find *f)
{
	put_key(&f->opts, "sort", PL_MESSAGE_F_ID);
	put_key(&f->opts, "hint", PL_MESSAGE_F_ID);
}

static void
put_keys_behind(struct pl_find *f, const struct pl_record *after)
{
	char *name = after != NULL ? idem_name(&after->u.idem) : NULL;
	bson_t bound;

	bson_append_document_begin(&f->filter, PL_MONGO_F_IDEM_KEY, -1, &bound);
	pl_mongo_put_str(&bound, "$gt", pl_str(name));
	bson_append_document_end(&f->filter, &bound);
	pl_mongo_put_bound(&f->filter, PL_MONGO_F_IDEM_UNTIL, "$gt", pl_clock_unix_ms());
	put_key(&f->opts, "sort", PL_MONGO_F_IDEM_KEY);
	put_key(&f->opts, "hint", PL_MONGO_F_IDEM_KEY);
	pl_mem_free(name);
}

static void
put_jobs_behind(struct pl_find *f, const struct pl_record *after)
{
	bson_t bound;

	pl_find_type(f, PL_MONGO_P_DEADLINE, T_DATE);
	if (after != NULL) {
		bson_append_document_begin(&f->filter, PL_MESSAGE_F_ID, -1, &bound);
		pl_mongo_put_oid(&bound, "$gt", &after->u.job.message);
		bson_append_document_end(&f->filter, &bound);
	}
	put_key(&f->opts, "sort", PL_MESSAGE_F_ID);
	put_key(&f->opts, "hint", PL_MONGO_P_DEADLINE);
}

static void
put_revocations_behind(struct pl_find *f, const struct pl_record *after)
{
	bson_t bound;

	bson_append_document_begin(&f->filter, PL_MESSAGE_F_ID, -1, &bound);
	if (after != NULL)
		bson_append_binary(&bound, "$gt", -1, BSON_SUBTYPE_BINARY,
		    after->u.revocation.token_id, PL_JWT_ID_LEN);
	else
		pl_mongo_put_int(&bound, "$type", T_BINARY);
	bson_append_document_end(&f->filter, &bound);
	pl_mongo_put_bound(&f->filter, PL_MONGO_F_EXPIRES_AT, "$gt",
	    pl_clock_unix_ms() - PL_STORE_REVOKED_SLACK_S * INT64_C(1000));
	put_by_id(f);
}

static void
put_sessions_behind(struct pl_find *f, const struct pl_record *after)
{
	bson_t bound;

	bson_append_document_begin(&f->filter, PL_MESSAGE_F_ID, -1, &bound);
	if (after != NULL)
		pl_mongo_put_oid(&bound, "$gt", &after->u.sessions->user);
	else
		pl_mongo_put_int(&bound, "$type", PL_MONGO_T_OID);
	bson_append_document_end(&f->filter, &bound);
	pl_mongo_put_bound(&f->filter, PL_MONGO_F_EXPIRES_AT, "$gt",
	    pl_clock_unix_ms() - PL_STORE_REVOKED_SLACK_S * INT64_C(1000));
	put_by_id(f);
}

/* Only what a picture can be read from, so that a page is short only at the end. */
static void
put_avatars_behind(struct pl_find *f, const struct pl_record *after)
{
	bson_t bound;

	bson_append_document_begin(&f->filter, PL_MESSAGE_F_ID, -1, &bound);
	if (after != NULL)
		pl_mongo_put_oid(&bound, "$gt", &after->u.avatar.user);
	else
		pl_mongo_put_int(&bound, "$type", PL_MONGO_T_OID);
	bson_append_document_end(&f->filter, &bound);
	pl_find_type(f, PL_MONGO_F_TYPE, PL_MONGO_T_STRING);
	pl_find_type(f, PL_MONGO_F_BYTES, T_BINARY);
	put_by_id(f);
}

/* {path: {$type: Date, $ne: 0}}: a mark that is one, so that a page is short only at the
 * end. */
static void
put_is_set(bson_t *list, const char *at, const char *path)
{
	bson_t item, is;

	bson_append_document_begin(list, at, -1, &item);
	bson_append_document_begin(&item, path, -1, &is);
	pl_mongo_put_int(&is, "$type", T_DATE);
	pl_mongo_put_time(&is, "$ne", 0);
	bson_append_document_end(&item, &is);
	bson_append_document_end(list, &item);
}

/* Only pairs with a mark. */
static void
put_marks_behind(struct pl_find *f, const struct pl_record *after)
{
	struct pl_pair last;
	bson_t bound, either;

	bson_append_document_begin(&f->filter, PL_MESSAGE_F_ID, -1, &bound);
	if (after != NULL) {
		last = (struct pl_pair){after->u.marks.user, after->u.marks.other};
		pl_pair_put(&bound, "$gt", &last);
	} else {
		pl_mongo_put_int(&bound, "$type", T_BINARY);
	}
	bson_append_document_end(&f->filter, &bound);
	bson_append_array_begin(&f->filter, "$or", -1, &either);
	put_is_set(&either, "0", PL_MONGO_F_READ "." PL_MONGO_F_AT);
	put_is_set(&either, "1", PL_MONGO_F_DELIVERED "." PL_MONGO_F_AT);
	bson_append_array_end(&f->filter, &either);
	put_by_id(f);
}

static void
put_invites_behind(struct pl_find *f, const struct pl_record *after)
{
	bson_t bound;

	bson_append_document_begin(&f->filter, PL_MESSAGE_F_ID, -1, &bound);
	if (after != NULL)
		bson_append_binary(&bound, "$gt", -1, BSON_SUBTYPE_BINARY,
		    after->u.invite.code_id, PL_INVITE_ID_LEN);
	else
		pl_mongo_put_int(&bound, "$type", T_BINARY);
	bson_append_document_end(&f->filter, &bound);
	pl_mongo_put_bound(&f->filter, PL_MONGO_F_EXPIRES_AT, "$gt", pl_clock_unix_ms());
	put_by_id(f);
}

static void
put_blocks_behind(struct pl_find *f, const struct pl_record *after)
{
	struct pl_pair last;
	bson_t bound;

	bson_append_document_begin(&f->filter, PL_MESSAGE_F_ID, -1, &bound);
	if (after != NULL) {
		last = (struct pl_pair){after->u.block.user, after->u.block.other};
		pl_pair_put(&bound, "$gt", &last);
	} else {
		pl_mongo_put_int(&bound, "$type", T_BINARY);
	}
	bson_append_document_end(&f->filter, &bound);
	pl_find_type(f, PL_MONGO_F_AT, T_DATE);
	put_by_id(f);
}

/* Those that are not done. */
static void
put_erasures_behind(struct pl_find *f, const struct pl_record *after)
{
	bson_t bound;

	pl_find_type(f, PL_MONGO_F_DUE_AT, T_DATE);
	if (after != NULL) {
		bson_append_document_begin(&f->filter, PL_USER_F_ID, -1, &bound);
		pl_mongo_put_oid(&bound, "$gt", &after->u.erasure.user);
		bson_append_document_end(&f->filter, &bound);
	}
	put_key(&f->opts, "sort", PL_USER_F_ID);
}

/* Users and messages have pages of their own. */
static void (*const put_behind[])(struct pl_find *f, const struct pl_record *after) = {
    [PL_RECORD_IDEM] = put_keys_behind,
    [PL_RECORD_JOB] = put_jobs_behind,
    [PL_RECORD_REVOCATION] = put_revocations_behind,
    [PL_RECORD_SESSIONS] = put_sessions_behind,
    [PL_RECORD_MARKS] = put_marks_behind,
    [PL_RECORD_INVITE] = put_invites_behind,
    [PL_RECORD_AVATAR] = put_avatars_behind,
    [PL_RECORD_BLOCK] = put_blocks_behind,
    [PL_RECORD_ERASURE] = put_erasures_behind,
};

enum pl_err
pl_mongo_export(struct pl_store *store, enum pl_record_kind kind,
    const struct pl_record *after, size_t limit, struct pl_record_list *out)
{
	struct pl_mongo *s = pl_mongo_start(store);
	struct pl_find f;

	pl_find_start(&f, s, home_of(s, kind));
	assert(put_behind[kind] != NULL);
	put_behind[kind](&f, after);
	pl_find_limit(&f, limit);
	return read_list(&f, kind, out);
}

/* ---- in ---- */

static void
put_id(bson_t *doc, const struct pl_record *r)
{
	struct pl_pair pair;

	switch (r->kind) {
	case PL_RECORD_USER:
		pl_mongo_put_oid(doc, PL_USER_F_ID, &r->u.user.id);
		break;
	case PL_RECORD_MESSAGE:
		pl_mongo_put_oid(doc, PL_MESSAGE_F_ID, &r->u.message.id);
		break;
	case PL_RECORD_IDEM:
		pl_mongo_put_oid(doc, PL_MESSAGE_F_ID, &r->u.idem.message);
		break;
	case PL_RECORD_JOB:
		pl_mongo_put_oid(doc, PL_MESSAGE_F_ID, &r->u.job.message);
		break;
	case PL_RECORD_SESSIONS:
		pl_mongo_put_oid(doc, PL_MESSAGE_F_ID, &r->u.sessions->user);
		break;
	case PL_RECORD_MARKS:
		pair = (struct pl_pair){r->u.marks.user, r->u.marks.other};
		pl_pair_put(doc, PL_MESSAGE_F_ID, &pair);
		break;
	case PL_RECORD_INVITE:
		bson_append_binary(doc, PL_MESSAGE_F_ID, -1, BSON_SUBTYPE_BINARY,
		    r->u.invite.code_id, PL_INVITE_ID_LEN);
		break;
	case PL_RECORD_AVATAR:
		pl_mongo_put_oid(doc, PL_MESSAGE_F_ID, &r->u.avatar.user);
		break;
	case PL_RECORD_BLOCK:
		pair = (struct pl_pair){r->u.block.user, r->u.block.other};
		pl_pair_put(doc, PL_MESSAGE_F_ID, &pair);
		break;
	case PL_RECORD_ERASURE:
		pl_mongo_put_oid(doc, PL_USER_F_ID, &r->u.erasure.user);
		break;
	default:
		bson_append_binary(doc, PL_MESSAGE_F_ID, -1, BSON_SUBTYPE_BINARY,
		    r->u.revocation.token_id, PL_JWT_ID_LEN);
		break;
	}
}

/* Is the record in the place of r equal to it? */
static enum pl_err
compare(struct pl_mongo *s, struct pl_record *r)
{
	struct pl_record_list list;
	struct pl_find f;
	enum pl_err err;

	(void)pl_mongo_start(&s->store);
	pl_find_start(&f, s, home_of(s, r->kind));
	put_id(&f.filter, r);
	pl_find_limit(&f, 1);
	err = read_list(&f, r->kind, &list);
	if (err != PL_OK)
		return err;
	r->outcome = list.count > 0 && pl_record_is_same(&list.items[0], r)
			 ? PL_RECORD_SAME
			 : PL_RECORD_DIFFERS;
	pl_record_list_fini(&list);
	return PL_OK;
}

static void
write_sessions(bson_t *doc, const struct pl_session_list *l)
{
	pl_mongo_put_oid(doc, PL_MESSAGE_F_ID, &l->user);
	pl_mongo_list_write(doc, l, 1);
}

static void
write_avatar(bson_t *doc, const struct pl_avatar *avatar)
{
	pl_mongo_put_oid(doc, PL_MESSAGE_F_ID, &avatar->user);
	pl_mongo_avatar_write(doc, avatar);
}

static void
write_record(bson_t *doc, const struct pl_record *r)
{
	if (r->kind == PL_RECORD_USER)
		pl_mongo_user_write(doc, &r->u.user);
	else if (r->kind == PL_RECORD_MESSAGE)
		pl_mongo_message_write(doc, &r->u.message);
	else if (r->kind == PL_RECORD_REVOCATION)
		pl_mongo_revocation_write(doc, &r->u.revocation);
	else if (r->kind == PL_RECORD_INVITE)
		pl_mongo_invite_write(doc, &r->u.invite);
	else if (r->kind == PL_RECORD_AVATAR)
		write_avatar(doc, &r->u.avatar);
	else if (r->kind == PL_RECORD_BLOCK)
		pl_block_write(doc, &r->u.block);
	else if (r->kind == PL_RECORD_ERASURE)
		pl_mongo_erasure_write(doc, &r->u.erasure);
	else
		write_sessions(doc, r->u.sessions);
}

/* Records that are documents. */
static enum pl_err
insert_all(struct pl_mongo *s, struct pl_record *records, size_t count)
{
	bson_t **docs = pl_mem_alloc(count * sizeof(*docs));
	enum pl_err *errs = pl_mem_alloc(count * sizeof(*errs));
	enum pl_err err = PL_OK;

	for (size_t i = 0; i < count; i++) {
		docs[i] = bson_new();
		write_record(docs[i], &records[i]);
	}
	pl_mongo_insert(s, home_of(s, records[0].kind), docs, count, errs);
	for (size_t i = 0; i < count; i++) {
		bson_destroy(docs[i]);
		records[i].outcome = PL_RECORD_ADDED;
		if (err == PL_OK)
			err =
			    errs[i] == PL_E_CONFLICT ? compare(s, &records[i]) : errs[i];
	}
	pl_mem_free(errs);
	pl_mem_free(docs);
	return err;
}

/* What the record adds to its message, and the field that must not be there yet. */
static const char *
write_addition(bson_t *set, const struct pl_record *r)
{
	char *name;

	if (r->kind == PL_RECORD_JOB) {
		pl_mongo_job_write(set, r->u.job.deadline_unix_ms,
		    (int32_t)r->u.job.attempt, &r->u.job.trace);
		return PL_MONGO_F_JOB;
	}
	name = idem_name(&r->u.idem);
	pl_mongo_put_str(set, PL_MONGO_F_IDEM_KEY, pl_str(name));
	pl_mongo_put_time(set, PL_MONGO_F_IDEM_UNTIL,
	    r->u.idem.created_unix_ms + PL_STORE_IDEM_KEPT_MS);
	pl_first_text_write(set, &r->u.idem.first_text);
	pl_mem_free(name);
	return PL_MONGO_F_IDEM_KEY;
}

/* A record that is a part of its message. */
static enum pl_err
add_to_message(struct pl_mongo *s, struct pl_record *r)
{
	bson_t selector = BSON_INITIALIZER, update = BSON_INITIALIZER, part;
	const char *field;
	int64_t matched = 0;
	enum pl_err err;

	(void)pl_mongo_start(&s->store);
	bson_append_document_begin(&update, "$set", -1, &part);
	field = write_addition(&part, r);
	bson_append_document_end(&update, &part);
	put_id(&selector, r);
	bson_append_document_begin(&selector, field, -1, &part);
	bson_append_bool(&part, "$exists", -1, false);
	bson_append_document_end(&selector, &part);
	err = pl_mongo_update_one(s, s->messages, &selector, &update, &matched);
	bson_destroy(&selector);
	bson_destroy(&update);
	r->outcome = PL_RECORD_ADDED;
	if (err == PL_E_CONFLICT || (err == PL_OK && matched == 0))
		err = compare(s, r);
	return err;
}

/* Both marks, if the pair is there, by its messages, and has neither. */
static enum pl_err
add_marks(struct pl_mongo *s, struct pl_record *r)
{
	const struct pl_record_marks *m = &r->u.marks;
	bson_t selector = BSON_INITIALIZER, update = BSON_INITIALIZER, set;
	int64_t matched = 0;
	enum pl_err err;

	(void)pl_mongo_start(&s->store);
	put_id(&selector, r);
	bson_append_null(&selector, PL_MONGO_F_READ, -1);
	bson_append_null(&selector, PL_MONGO_F_DELIVERED, -1);
	bson_append_document_begin(&update, "$set", -1, &set);
	if (m->read.created_unix_ms != 0)
		pl_mark_put(&set, PL_MONGO_F_READ, &m->read);
	if (m->delivered.created_unix_ms != 0)
		pl_mark_put(&set, PL_MONGO_F_DELIVERED, &m->delivered);
	bson_append_document_end(&update, &set);
	err = pl_mongo_update_one(s, s->correspondents, &selector, &update, &matched);
	bson_destroy(&selector);
	bson_destroy(&update);
	r->outcome = PL_RECORD_ADDED;
	return err == PL_OK && matched == 0 ? compare(s, r) : err;
}

/* Who writes with whom, by messages that are about to be stored. */
static enum pl_err
note_pairs(struct pl_mongo *s, const struct pl_record *records, size_t count)
{
	struct pl_pair *pairs = pl_mem_alloc(count * sizeof(*pairs));
	enum pl_err err;

	for (size_t i = 0; i < count; i++)
		pairs[i] = (struct pl_pair){
		    records[i].u.message.sender, records[i].u.message.receiver};
	err = pl_pairs_note(s, pairs, count, NULL);
	pl_mem_free(pairs);
	return err;
}

static enum pl_err
set_flags(struct pl_mongo *s, const struct pl_record *records, size_t count)
{
	enum pl_err err = PL_OK;

	for (size_t i = 0; err == PL_OK && i < count; i++) {
		(void)pl_mongo_start(&s->store);
		err = pl_blocks_set_flags(s, &records[i].u.block);
	}
	(void)pl_mongo_start(&s->store);
	return err;
}

/* A record that is not a document of its own. */
static enum pl_err
add_one(struct pl_mongo *s, struct pl_record *r)
{
	return r->kind == PL_RECORD_MARKS ? add_marks(s, r) : add_to_message(s, r);
}

enum pl_err
pl_mongo_import(struct pl_store *store, struct pl_record *records, size_t count)
{
	struct pl_mongo *s = pl_mongo_start(store);
	enum pl_record_kind kind = records[0].kind;
	enum pl_err err = PL_OK;

	if (kind == PL_RECORD_MESSAGE)
		err = note_pairs(s, records, count);
	else if (kind == PL_RECORD_BLOCK)
		err = set_flags(s, records, count);
	if (err != PL_OK)
		return err;
	if (kind != PL_RECORD_IDEM && kind != PL_RECORD_JOB && kind != PL_RECORD_MARKS)
		return insert_all(s, records, count);
	for (size_t i = 0; err == PL_OK && i < count; i++)
		err = add_one(s, &records[i]);
	return err;
}
