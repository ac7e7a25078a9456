#include "base/mem.h"
#include "store/mongo/idem.h"

static const char *const by_end[] = {PL_MONGO_F_IDEM_UNTIL, NULL};

/* ---- the keys of a batch ---- */

void
pl_idem_keys_init(struct pl_idem_keys *keys)
{
	pl_map_init(&keys->by_name);
}

void
pl_idem_keys_fini(struct pl_idem_keys *keys)
{
	struct pl_idem_key *key;

	for (size_t it = 0; (key = pl_map_next(&keys->by_name, &it)) != NULL;) {
		pl_map_del(&keys->by_name, pl_str(key->name));
		pl_message_fini(&key->first);
		pl_mem_free(key->name);
		pl_mem_free(key);
	}
	pl_map_fini(&keys->by_name);
}

static char *
name_of(const struct pl_write_send *send)
{
	char hex[PL_OID_HEX_LEN + 1];
	struct pl_buf name;

	pl_oid_format(&send->message.sender, hex);
	pl_buf_init(&name, PL_BUF_UNLIMITED);
	pl_buf_add_cstr(&name, hex);
	pl_buf_add_char(&name, ':');
	pl_buf_add_str(&name, send->idem_key);
	return pl_buf_take(&name);
}

struct pl_idem_key *
pl_idem_key_of(struct pl_idem_keys *keys, const struct pl_write_send *send)
{
	struct pl_idem_key *key;
	char *name;

	if (send->idem_key.len == 0)
		return NULL;
	name = name_of(send);
	key = pl_map_get(&keys->by_name, pl_str(name));
	if (key != NULL) {
		pl_mem_free(name);
		return key;
	}
	key = pl_mem_zalloc(sizeof(*key));
	key->name = name;
	pl_map_put(&keys->by_name, pl_str(name), key);
	return key;
}

/* ---- what is stored ---- */

static void
put_names(bson_t *filter, const struct pl_idem_keys *keys)
{
	const struct pl_idem_key *key;
	bson_t in, list;
	uint32_t i = 0;

	bson_append_document_begin(filter, PL_MONGO_F_IDEM_KEY, -1, &in);
	bson_append_array_begin(&in, "$in", -1, &list);
	for (size_t it = 0; (key = pl_map_next(&keys->by_name, &it)) != NULL; i++) {
		const char *at;
		char text[16];

		bson_uint32_to_string(i, &at, text, sizeof(text));
		pl_mongo_put_str(&list, at, pl_str(key->name));
	}
	bson_append_array_end(&in, &list);
	bson_append_document_end(filter, &in);
}

/* Take the keys off those of the messages with these ids whose keys have expired. */
static enum pl_err
forget(struct pl_mongo *s, const struct pl_oid *ids, size_t count)
{
	static const char *const fields[] = {
	    PL_MONGO_F_IDEM_KEY, PL_MONGO_F_IDEM_UNTIL, PL_MONGO_F_FIRST_TEXT, NULL};
	bson_t selector = BSON_INITIALIZER;
	enum pl_err err;

	pl_mongo_put_in(&selector, PL_MESSAGE_F_ID, ids, count);
	pl_mongo_put_bound(&selector, PL_MONGO_F_IDEM_UNTIL, "$lte", s->now_unix_ms);
	err = pl_mongo_unset_all(s, s->messages, &selector, fields);
	bson_destroy(&selector);
	return err;
}

struct pl_first_text
pl_first_text_read(const bson_t *doc)
{
	struct pl_first_text first_text = {0};
	bson_subtype_t subtype;
	const uint8_t *bytes;
	bson_iter_t it;
	uint32_t len;

	if (!bson_iter_init_find(&it, doc, PL_MONGO_F_FIRST_TEXT) ||
	    !BSON_ITER_HOLDS_BINARY(&it))
		return first_text;
	bson_iter_binary(&it, &subtype, &len, &bytes);
	first_text.is_kept = len == PL_FIRST_TEXT_LEN;
	if (first_text.is_kept)
		memcpy(first_text.mac, bytes, PL_FIRST_TEXT_LEN);
	return first_text;
}

void
pl_first_text_write(bson_t *doc, const struct pl_first_text *first_text)
{
	if (first_text->is_kept)
		bson_append_binary(doc, PL_MONGO_F_FIRST_TEXT, -1, BSON_SUBTYPE_BINARY,
		    first_text->mac, PL_FIRST_TEXT_LEN);
}

/* Copy what a found document holds to its key. False: it has expired. */
static bool
note_found(struct pl_idem_keys *keys, const bson_t *doc, int64_t now_unix_ms)
{
	struct pl_idem_key *key;
	struct pl_str name;
	int64_t until;

	if (!pl_mongo_get_time(doc, PL_MONGO_F_IDEM_UNTIL, &until) ||
	    until <= now_unix_ms)
		return false;
	if (!pl_mongo_get_str(doc, PL_MONGO_F_IDEM_KEY, &name))
		return true;
	key = pl_map_get(&keys->by_name, name);
	if (key == NULL || key->first.text != NULL)
		return true;
	if (!pl_mongo_message_read(doc, &key->first))
		key->first = (struct pl_message){0};
	key->kept = pl_first_text_read(doc);
	return true;
}

enum pl_err
pl_idem_keys_read(struct pl_idem_keys *keys, struct pl_mongo *s)
{
	struct pl_oid *stale;
	size_t stale_count = 0;
	const bson_t *doc;
	struct pl_find f;
	enum pl_err err;

	if (keys->by_name.count == 0)
		return PL_OK;
	stale = pl_mem_alloc(keys->by_name.count * sizeof(*stale));
	pl_find_start(&f, s, s->messages);
	put_names(&f.filter, keys);
	pl_find_limit(&f, keys->by_name.count);
	pl_find_majority(&f);
	while (pl_find_row(&f, &doc))
		if (!note_found(keys, doc, s->now_unix_ms) &&
		    stale_count < keys->by_name.count)
			stale_count +=
			    pl_mongo_get_oid(doc, PL_MESSAGE_F_ID, &stale[stale_count]);
	err = pl_find_end(&f);
	if (err == PL_OK && stale_count > 0)
		err = forget(s, stale, stale_count);
	pl_mem_free(stale);
	return err;
}

void
pl_idem_key_write(bson_t *doc, const struct pl_idem_key *key, int64_t until_unix_ms)
{
	pl_mongo_put_str(doc, PL_MONGO_F_IDEM_KEY, pl_str(key->name));
	pl_mongo_put_time(doc, PL_MONGO_F_IDEM_UNTIL, until_unix_ms);
}

/* ---- expired keys ---- */

enum pl_err
pl_mongo_idem_purge(struct pl_mongo *s, size_t limit, size_t *dropped)
{
	struct pl_oid *ids = pl_mem_alloc(limit * sizeof(*ids));
	size_t count = 0;
	const bson_t *doc;
	struct pl_find f;
	enum pl_err err;

	pl_find_start(&f, s, s->messages);
	pl_mongo_put_bound(&f.filter, PL_MONGO_F_IDEM_UNTIL, "$lte", s->now_unix_ms);
	pl_find_by_index(&f, by_end, 1, 1);
	pl_find_only(&f, by_end);
	pl_find_limit(&f, limit);
	while (count < limit && pl_find_row(&f, &doc))
		count += pl_mongo_get_oid(doc, PL_MESSAGE_F_ID, &ids[count]);
	err = pl_find_end(&f);
	if (err == PL_OK && count > 0)
		err = forget(s, ids, count);
	if (err == PL_OK)
		*dropped = count;
	pl_mem_free(ids);
	return err;
}
