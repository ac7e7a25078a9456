/*
 * fuzz_bson: documents of the database, which any program may have written. The input is
 * one BSON document, read as a user, a message, a reply job, a revocation and a list of
 * sessions; what is taken has to keep its promises, and reads the same once we have
 * written it.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "store/mongo/documents.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool is_so)
{
	if (!is_so)
		abort();
}

static void
must_be_text(const char *text)
{
	must(text != NULL && pl_utf8_is_valid(pl_str(text)));
}

static void
must_equal(const char *a, const char *b)
{
	must(a == NULL || b == NULL ? a == b : strcmp(a, b) == 0);
}

static void
try_user(const bson_t *doc)
{
	struct pl_user user, again;
	bson_t *written;

	if (!pl_mongo_user_read(doc, &user))
		return;
	must_be_text(user.username);
	must_be_text(user.full_name);
	must_be_text(user.password_hash);
	must_be_text(user.profile_pic);
	must(user.note == NULL || pl_utf8_is_valid(pl_str(user.note)));
	must(user.status == pl_mongo_user_status_read(doc));
	written = bson_new();
	pl_mongo_user_write(written, &user);
	must(pl_mongo_user_read(written, &again));
	must(pl_oid_eq(&user.id, &again.id));
	must_equal(user.username, again.username);
	must_equal(user.full_name, again.full_name);
	must_equal(user.password_hash, again.password_hash);
	must_equal(user.profile_pic, again.profile_pic);
	must_equal(user.note, again.note);
	must(user.status == again.status && user.gender == again.gender);
	must(user.created_unix_ms == again.created_unix_ms);
	must(user.updated_unix_ms == again.updated_unix_ms);
	pl_user_fini(&user);
	pl_user_fini(&again);
	bson_destroy(written);
}

static void
try_message(const bson_t *doc)
{
	struct pl_message m, again;
	bson_t *written;

	if (!pl_mongo_message_read(doc, &m))
		return;
	must(pl_utf8_is_valid(pl_str_n(m.text, m.text_len)));
	must(m.text[m.text_len] == '\0');
	written = bson_new();
	pl_mongo_message_write(written, &m);
	must(pl_mongo_message_read(written, &again));
	must(pl_oid_eq(&m.id, &again.id) && pl_oid_eq(&m.sender, &again.sender));
	must(pl_oid_eq(&m.receiver, &again.receiver));
	must(pl_str_eq(
	    pl_str_n(m.text, m.text_len), pl_str_n(again.text, again.text_len)));
	must(m.created_unix_ms == again.created_unix_ms);
	must(m.updated_unix_ms == again.updated_unix_ms);
	must(m.reply_kind == again.reply_kind);
	must(m.reply_kind == PL_REPLY_NONE ||
	     pl_oid_eq(&m.in_reply_to, &again.in_reply_to));
	pl_message_fini(&m);
	pl_message_fini(&again);
	bson_destroy(written);
}

static void
try_job(const bson_t *doc)
{
	int64_t deadline, attempt, again_deadline, again_attempt;
	bson_t written = BSON_INITIALIZER;
	struct pl_trace trace, again;

	if (pl_mongo_job_read(doc, &deadline, &attempt, &trace)) {
		pl_mongo_job_write(&written, deadline, 3, &trace);
		must(
		    pl_mongo_job_read(&written, &again_deadline, &again_attempt, &again));
		must(again_deadline == deadline && again_attempt == 3);
		must(strcmp(trace.text, again.text) == 0);
	}
	bson_destroy(&written);
}

static void
try_revocation(const bson_t *doc)
{
	bson_t written = BSON_INITIALIZER;
	struct pl_revocation r, again;

	if (pl_mongo_revocation_read(doc, &r)) {
		pl_mongo_revocation_write(&written, &r);
		must(pl_mongo_revocation_read(&written, &again));
		must(memcmp(r.token_id, again.token_id, PL_JWT_ID_LEN) == 0);
		must(pl_oid_eq(&r.user, &again.user));
		must(r.expires_unix_s == again.expires_unix_s);
		must(r.created_unix_ms == again.created_unix_ms);
	}
	bson_destroy(&written);
}

static void
try_list(const bson_t *doc)
{
	bson_t written = BSON_INITIALIZER;
	struct pl_session_list list, again;

	if (pl_mongo_list_read(doc, &list)) {
		pl_mongo_put_oid(&written, PL_USER_F_ID, &list.user);
		pl_mongo_list_write(&written, &list, 1);
		must(pl_mongo_list_read(&written, &again));
		must(again.count == list.count);
		must(memcmp(again.items, list.items,
			 list.count * sizeof(list.items[0])) == 0);
		must(again.before_unix_s == list.before_unix_s);
	}
	bson_destroy(&written);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;
	bson_t doc;

	if (size == 0)
		return 0;
	copy = pl_mem_alloc(size); /* ASan knows where it ends */
	memcpy(copy, data, size);
	if (bson_init_static(&doc, copy, size)) {
		try_user(&doc);
		try_message(&doc);
		try_job(&doc);
		try_revocation(&doc);
		try_list(&doc);
	}
	pl_mem_free(copy);
	return 0;
}
