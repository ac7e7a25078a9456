#include <dirent.h>

#include "base/mem.h"
#include "store/mongo/blocks.h"

#define BATCH_DOCUMENTS 500
#define BATCH_BYTES     (8 * 1024 * 1024) /* with one document of up to 16 MiB more */
#define TAIL            ".bson"

static mongoc_collection_t *
collection(struct pl_mongo *s, const char *name)
{
	return mongoc_client_get_collection(
	    s->client, pl_mongo_database(s->client), name);
}

/* ---- documents ---- */

struct batch {
	bson_t *docs[BATCH_DOCUMENTS];
	enum pl_err errs[BATCH_DOCUMENTS];
	size_t count;
	size_t bytes;
};

static void
batch_clear(struct batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		bson_destroy(b->docs[i]);
	b->count = b->bytes = 0;
}

/*
 * A document that a unique index refuses is there already, from a run that was broken
 * off. Or its Idempotency-Key is also that of an earlier message, which was read before
 * the key expired: then it is stored without the key.
 */
static void
store_without_key(struct pl_mongo *s, mongoc_collection_t *into, struct batch *b)
{
	struct batch *again = pl_mem_zalloc(sizeof(*again));

	for (size_t i = 0; i < b->count; i++) {
		bson_t *doc;

		if (b->errs[i] != PL_E_CONFLICT ||
		    !bson_has_field(b->docs[i], PL_MONGO_F_IDEM_KEY))
			continue;
		doc = bson_new();
		bson_copy_to_excluding_noinit(b->docs[i], doc, PL_MONGO_F_IDEM_KEY,
		    PL_MONGO_F_IDEM_UNTIL, PL_MONGO_F_FIRST_TEXT, NULL);
		again->docs[again->count++] = doc;
	}
	(void)pl_mongo_start(&s->store);
	pl_mongo_insert(s, into, again->docs, again->count, again->errs);
	for (size_t i = 0, at = 0; at < again->count; i++)
		if (b->errs[i] == PL_E_CONFLICT &&
		    bson_has_field(b->docs[i], PL_MONGO_F_IDEM_KEY))
			b->errs[i] = again->errs[at++];
	batch_clear(again);
	pl_mem_free(again);
}

static enum pl_err
store_once(struct pl_mongo *s, mongoc_collection_t *into, struct batch *b)
{
	(void)pl_mongo_start(&s->store);
	pl_mongo_insert(s, into, b->docs, b->count, b->errs);
	store_without_key(s, into, b);
	for (size_t i = 0; i < b->count; i++)
		if (b->errs[i] != PL_OK && b->errs[i] != PL_E_CONFLICT)
			return b->errs[i];
	return PL_OK;
}

static enum pl_err
batch_store(struct batch *b, struct pl_mongo *s, mongoc_collection_t *into)
{
	int tries = 0;
	enum pl_err err;

	do
		err = store_once(s, into, b);
	while (pl_store_try_longer(err, &tries));
	batch_clear(b);
	return err;
}

/* ---- one file ---- */

static enum pl_err
store_documents(
    struct pl_mongo *s, mongoc_collection_t *into, bson_reader_t *reader, int64_t *count)
{
	struct batch *b = pl_mem_zalloc(sizeof(*b));
	enum pl_err err = PL_OK;
	bool is_at_end = false;
	const bson_t *doc;

	while (err == PL_OK && (doc = bson_reader_read(reader, &is_at_end)) != NULL) {
		b->docs[b->count++] = bson_copy(doc);
		b->bytes += doc->len;
		++*count;
		if (b->count == BATCH_DOCUMENTS || b->bytes >= BATCH_BYTES)
			err = batch_store(b, s, into);
	}
	if (err == PL_OK && !is_at_end)
		err = PL_E_INVALID;
	if (err == PL_OK)
		err = batch_store(b, s, into);
	batch_clear(b);
	pl_mem_free(b);
	return err;
}

/* The server drops expired revocations, lists and erasures; the others must be there. */
static enum pl_err
check_count(struct pl_mongo *s, mongoc_collection_t *in,
    const struct pl_backup_part *part, struct pl_buf *why)
{
	bson_t all = BSON_INITIALIZER;
	bson_error_t error;
	int64_t there =
	    mongoc_collection_count_documents(in, &all, NULL, NULL, NULL, &error);

	bson_destroy(&all);
	if (there < 0)
		return pl_mongo_err(s, &error, "count");
	if (there == part->count || strcmp(part->name, PL_MONGO_REVOCATIONS) == 0 ||
	    strcmp(part->name, PL_MONGO_SESSIONS) == 0 ||
	    strcmp(part->name, PL_MONGO_ERASURES) == 0)
		return PL_OK;
	(void)pl_buf_printf(why, "%s: %lld documents are there, %lld are in the backup",
	    part->name, (long long)there, (long long)part->count);
	return PL_E_CONFLICT;
}

static enum pl_err
restore_file(struct pl_mongo *s, const char *folder, struct pl_backup_part *part,
    struct pl_buf *why)
{
	mongoc_collection_t *into = collection(s, part->name);
	bson_reader_t *reader;
	struct pl_buf path;
	bson_error_t error;
	enum pl_err err = PL_E_IO;

	pl_buf_init(&path, PL_BUF_UNLIMITED);
	(void)pl_buf_printf(&path, "%s/%s" TAIL, folder, part->name);
	reader = bson_reader_new_from_file(path.data, &error);
	if (reader != NULL) {
		err = store_documents(s, into, reader, &part->count);
		bson_reader_destroy(reader);
	}
	if (err == PL_OK)
		err = check_count(s, into, part, why);
	pl_buf_fini(&path);
	mongoc_collection_destroy(into);
	return err;
}

/* ---- which files ---- */

static enum pl_err
list_files(const char *folder, struct pl_backup_list *parts, struct pl_buf *why)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	if (dir == NULL)
		return PL_E_IO;
	while ((entry = readdir(dir)) != NULL) {
		size_t len = strlen(entry->d_name), tail = sizeof(TAIL) - 1;
		char *name;

		if (len <= tail || strcmp(entry->d_name + len - tail, TAIL) != 0)
			continue;
		name = pl_mem_strndup(entry->d_name, len - tail);
		pl_backup_list_add(parts, name);
		pl_mem_free(name);
	}
	closedir(dir);
	if (parts->count > 0)
		return PL_OK;
	(void)pl_buf_printf(why, "it is no backup of a MongoDB; restore it to a folder, "
				 "then make migrate");
	return PL_E_INVALID;
}

/* ---- is it empty? ---- */

/* The mark in the database: *found, and whether it is this backup's. */
static enum pl_err
find_mark(struct pl_mongo *s, const char *id, bool *found, bool *is_ours)
{
	mongoc_collection_t *marks = collection(s, PL_MONGO_RESTORE);
	struct pl_str text;
	const bson_t *doc;
	struct pl_find f;
	enum pl_err err;

	(void)pl_mongo_start(&s->store);
	pl_find_start(&f, s, marks);
	pl_find_limit(&f, 1);
	*found = *is_ours = false;
	while (pl_find_row(&f, &doc)) {
		*found = true;
		*is_ours = pl_mongo_get_str(doc, PL_MESSAGE_F_ID, &text) &&
			   pl_str_eq(text, pl_str(id));
	}
	err = pl_find_end(&f);
	mongoc_collection_destroy(marks);
	return err;
}

static enum pl_err
has_documents(struct pl_mongo *s, const char *name, bool *has)
{
	mongoc_collection_t *in = collection(s, name);
	const bson_t *doc;
	struct pl_find f;
	enum pl_err err;

	(void)pl_mongo_start(&s->store);
	pl_find_start(&f, s, in);
	pl_find_limit(&f, 1);
	while (pl_find_row(&f, &doc))
		*has = true;
	err = pl_find_end(&f);
	mongoc_collection_destroy(in);
	return err;
}

static enum pl_err
put_mark(struct pl_mongo *s, const char *id)
{
	mongoc_collection_t *marks = collection(s, PL_MONGO_RESTORE);
	bson_t *doc = bson_new();
	enum pl_err err;

	pl_mongo_put_str(doc, PL_MESSAGE_F_ID, pl_str(id));
	(void)pl_mongo_start(&s->store);
	pl_mongo_insert(s, marks, &doc, 1, &err);
	bson_destroy(doc);
	mongoc_collection_destroy(marks);
	return err == PL_E_CONFLICT ? PL_OK : err;
}

static enum pl_err
drop_mark(struct pl_mongo *s)
{
	mongoc_collection_t *marks = collection(s, PL_MONGO_RESTORE);
	bson_error_t error;
	enum pl_err err = PL_OK;

	if (!mongoc_collection_drop(marks, &error))
		err = pl_mongo_err(s, &error, "drop");
	mongoc_collection_destroy(marks);
	return err;
}

/* Is there anything in the collections of the backup, or in Parley's own? */
static enum pl_err
check_empty(struct pl_mongo *s, const struct pl_backup_list *parts, const char *id,
    struct pl_buf *why)
{
	static const char *const own[] = {PL_MONGO_USERS, PL_MONGO_MESSAGES,
	    PL_MONGO_REVOCATIONS, PL_MONGO_SESSIONS, PL_MONGO_CORRESPONDENTS,
	    PL_MONGO_INVITES, PL_MONGO_AVATARS, PL_MONGO_BLOCKS, PL_MONGO_ERASURES};
	bool found, is_ours, has = false;
	enum pl_err err = find_mark(s, id, &found, &is_ours);

	if (err != PL_OK || is_ours)
		return err;
	for (size_t i = 0; err == PL_OK && i < sizeof(own) / sizeof(own[0]); i++)
		err = has_documents(s, own[i], &has);
	for (size_t i = 0; err == PL_OK && i < parts->count; i++)
		err = has_documents(s, parts->items[i].name, &has);
	if (err != PL_OK || (!found && !has))
		return err;
	(void)pl_buf_printf(why, found ? "another backup was begun to be restored there"
				       : "it is not empty; nothing was overwritten");
	return PL_E_CONFLICT;
}

/* ---- all ---- */

/* The indexes of messages come first: one of them says under which keys something is
 * there already. */
static enum pl_err
make_first_indexes(struct pl_mongo *s)
{
	enum pl_err err;

	(void)pl_mongo_start(&s->store);
	s->messages = collection(s, PL_MONGO_MESSAGES);
	err = pl_mongo_indexes_make_messages(s);
	mongoc_collection_destroy(s->messages);
	s->messages = NULL;
	return err;
}

/* The index over usernames comes last: then it is known which usernames it has to
 * allow. */
static enum pl_err
make_all_indexes(const char *uri, struct pl_buf *why)
{
	struct pl_store *store;
	enum pl_err err = pl_mongo_open_patient(uri, &store);

	if (err == PL_OK)
		pl_store_close(store);
	if (err == PL_E_CONFLICT)
		(void)pl_buf_printf(why,
		    "every document is there, but as they are Parley cannot serve them; "
		    "the log says why");
	return err;
}

static enum pl_err
finish(struct pl_mongo *s, const char *uri, struct pl_buf *why)
{
	mongoc_collection_t *erasures = collection(s, PL_MONGO_ERASURES);
	enum pl_err err, dropped;

	(void)pl_mongo_start(&s->store);
	err = pl_mongo_erasures_begin_anew(s, erasures);
	mongoc_collection_destroy(erasures);
	if (err == PL_OK)
		err = make_all_indexes(uri, why);
	if (err != PL_OK && err != PL_E_CONFLICT)
		return err;
	dropped = drop_mark(s);
	return err == PL_OK ? dropped : err;
}

static enum pl_err
fill(struct pl_mongo *s, const char *uri, const char *folder, const char *id,
    struct pl_backup_list *parts, struct pl_buf *why)
{
	int tries = 0;
	enum pl_err err;

	do
		err = check_empty(s, parts, id, why);
	while (pl_store_try_again(err, &tries));
	if (err == PL_OK)
		err = put_mark(s, id);
	if (err == PL_OK)
		err = make_first_indexes(s);
	for (size_t i = 0; err == PL_OK && i < parts->count; i++)
		err = restore_file(s, folder, &parts->items[i], why);
	return err == PL_OK ? finish(s, uri, why) : err;
}

enum pl_err
pl_mongo_restore(const struct pl_store_config *config, const char *folder, const char *id,
    struct pl_backup_list *parts, struct pl_buf *why)
{
	struct pl_mongo s = {.is_patient = true};
	enum pl_err err = list_files(folder, parts, why);

	if (err == PL_OK)
		err = pl_mongo_client_new(
		    config->mongo_uri, PL_MONGO_PATIENT_MS, &s.client);
	if (err != PL_OK)
		return err;
	err = fill(&s, config->mongo_uri, folder, id, parts, why);
	mongoc_client_destroy(s.client);
	return err;
}
