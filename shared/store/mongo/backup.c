#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/mongo/query.h"

#define BATCH_DOCUMENTS 500
#define NAME_MAX_LEN    200 /* of a collection's name, which becomes a file's */

/* ---- one collection ---- */

/* Messages by an index that any such database has: what is written meanwhile comes later
 * in it. */
static void
put_order(bson_t *opts, const char *collection)
{
	bool is_messages = strcmp(collection, PL_MONGO_MESSAGES) == 0;
	mongoc_read_concern_t *rc = mongoc_read_concern_new();

	for (int i = 0; i < 2; i++) {
		bson_t part;

		bson_append_document_begin(opts, i == 0 ? "sort" : "hint", -1, &part);
		if (is_messages)
			pl_mongo_put_int(&part, PL_MESSAGE_F_CREATED_AT, 1);
		pl_mongo_put_int(&part, PL_MESSAGE_F_ID, 1);
		bson_append_document_end(opts, &part);
	}
	pl_mongo_put_int(opts, "batchSize", BATCH_DOCUMENTS);
	/* Leaves out what a failover might take back. */
	mongoc_read_concern_set_level(rc, MONGOC_READ_CONCERN_LEVEL_MAJORITY);
	(void)mongoc_read_concern_append(rc, opts);
	mongoc_read_concern_destroy(rc);
}

static enum pl_err
err_of_file(void)
{
	return errno == ENOSPC || errno == EDQUOT ? PL_E_FULL : PL_E_IO;
}

/* One cursor, and no pages: it gives every document, whatever the types of its keys. */
static enum pl_err
write_documents(struct pl_mongo *s, mongoc_collection_t *from, FILE *file, int64_t *count)
{
	bson_t filter = BSON_INITIALIZER, opts = BSON_INITIALIZER;
	mongoc_cursor_t *cursor;
	enum pl_err err = PL_OK;
	const bson_t *doc;

	put_order(&opts, mongoc_collection_get_name(from));
	cursor = mongoc_collection_find_with_opts(from, &filter, &opts, NULL);
	for (*count = 0; err == PL_OK && mongoc_cursor_next(cursor, &doc); ++*count)
		if (fwrite(bson_get_data(doc), doc->len, 1, file) != 1)
			err = err_of_file();
	err = pl_mongo_cursor_end(s, cursor, err, "find");
	bson_destroy(&opts);
	bson_destroy(&filter);
	return err;
}

static enum pl_err
write_file(
    struct pl_mongo *s, mongoc_collection_t *from, const char *path, int64_t *count)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
	enum pl_err err;

	if (file == NULL) {
		if (fd >= 0)
			close(fd);
		return err_of_file();
	}
	err = write_documents(s, from, file, count);
	if (fclose(file) != 0 && err == PL_OK)
		err = err_of_file();
	return err;
}

/* From the start again if the server was away. */
static enum pl_err
back_up(struct pl_mongo *s, const char *folder, struct pl_backup_part *part)
{
	mongoc_collection_t *from = mongoc_client_get_collection(
	    s->client, pl_mongo_database(s->client), part->name);
	struct pl_buf path;
	int tries = 0;
	enum pl_err err;

	pl_buf_init(&path, PL_BUF_UNLIMITED);
	(void)pl_buf_printf(&path, "%s/%s.bson", folder, part->name);
	do
		err = write_file(s, from, path.data, &part->count);
	while (pl_store_try_longer(err, &tries));
	pl_buf_fini(&path);
	mongoc_collection_destroy(from);
	return err;
}

/* ---- which collections ---- */

static bool
is_backed_up(const bson_t *info, const char *name)
{
	struct pl_str type;

	if (strncmp(name, "system.", 7) == 0 || strcmp(name, PL_MONGO_RESTORE) == 0 ||
	    strcmp(name, PL_MONGO_MESSAGES) == 0 || strcmp(name, PL_MONGO_ERASURES) == 0)
		return false;
	return !pl_mongo_get_str(info, "type", &type) || !pl_str_eq(type, PL_STR("view"));
}

static bool
can_be_a_file(const char *name)
{
	static const char letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
	size_t len = strlen(name);

	return len <= NAME_MAX_LEN && name[0] != '.' && strspn(name, letters) == len;
}

static enum pl_err
add_name(const bson_t *info, struct pl_backup_list *parts, struct pl_buf *why)
{
	bson_iter_t it;
	const char *name;

	if (!bson_iter_init_find(&it, info, "name") || !BSON_ITER_HOLDS_UTF8(&it))
		return PL_E_IO;
	name = bson_iter_utf8(&it, NULL);
	if (!is_backed_up(info, name))
		return PL_OK;
	if (!can_be_a_file(name)) {
		(void)pl_buf_printf(
		    why, "a collection's name is no name for a file; use mongodump");
		return PL_E_INVALID;
	}
	pl_backup_list_add(parts, name);
	return PL_OK;
}

/* Messages, then all others; erasures last, so that one whose user is not in the backup
 * any more has its note. */
static enum pl_err
list_collections(struct pl_mongo *s, struct pl_backup_list *parts, struct pl_buf *why)
{
	mongoc_database_t *database =
	    mongoc_client_get_database(s->client, pl_mongo_database(s->client));
	mongoc_cursor_t *cursor =
	    mongoc_database_find_collections_with_opts(database, NULL);
	enum pl_err err = PL_OK;
	const bson_t *info;

	pl_backup_list_fini(parts);
	pl_backup_list_add(parts, PL_MONGO_MESSAGES);
	while (err == PL_OK && mongoc_cursor_next(cursor, &info))
		err = add_name(info, parts, why);
	err = pl_mongo_cursor_end(s, cursor, err, "listCollections");
	pl_backup_list_add(parts, PL_MONGO_ERASURES);
	mongoc_database_destroy(database);
	return err;
}

/* ---- all ---- */

enum pl_err
pl_mongo_backup(const struct pl_store_config *config, const char *folder,
    struct pl_backup_list *parts, struct pl_buf *why)
{
	struct pl_mongo s = {.is_patient = true};
	int tries = 0;
	enum pl_err err =
	    pl_mongo_client_new(config->mongo_uri, PL_MONGO_PATIENT_MS, &s.client);

	if (err != PL_OK)
		return err;
	do
		err = list_collections(&s, parts, why);
	while (pl_store_try_again(err, &tries));
	for (size_t i = 0; err == PL_OK && i < parts->count; i++)
		err = back_up(&s, folder, &parts->items[i]);
	mongoc_client_destroy(s.client);
	return err;
}
