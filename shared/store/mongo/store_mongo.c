#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/mongo/blocks.h"
#include "store/mongo/fill.h"
#include "store/mongo/query.h"

#define PURGE_INTERVAL_MS 60000
#define PURGE_DOCUMENTS   256 /* at once */

static const struct pl_store_backend backend;

struct pl_mongo *
pl_mongo_start(struct pl_store *store)
{
	struct pl_mongo *s = PL_CONTAINER(store, struct pl_mongo, store);

	s->begin_ms = s->is_patient ? PL_MONGO_PATIENT_MS : PL_MONGO_BEGIN_MS;
	s->looked_mono_ms = pl_clock_mono_ms();
	s->is_lost = false;
	return s;
}

/* ---- open ---- */

static void
close_session(struct pl_store *store)
{
	struct pl_mongo *s = PL_CONTAINER(store, struct pl_mongo, store);

	mongoc_collection_destroy(s->users);
	mongoc_collection_destroy(s->messages);
	mongoc_collection_destroy(s->revocations);
	mongoc_collection_destroy(s->sessions);
	mongoc_collection_destroy(s->correspondents);
	mongoc_collection_destroy(s->invites);
	mongoc_collection_destroy(s->avatars);
	mongoc_collection_destroy(s->blocks);
	mongoc_collection_destroy(s->erasures);
	pl_pairs_forget(s);
	mongoc_client_destroy(s->client);
	pl_mem_free(s);
}

static enum pl_err
ping(struct pl_store *store)
{
	struct pl_mongo *s = pl_mongo_start(store);
	bson_t command = BSON_INITIALIZER;
	bson_error_t error = {0};
	bool is_well;

	pl_mongo_put_int(&command, "ping", 1);
	is_well = mongoc_client_command_simple(
	    s->client, pl_mongo_database(s->client), &command, NULL, NULL, &error);
	bson_destroy(&command);
	/* not logged: the caller says what follows from it */
	return is_well ? PL_OK : pl_mongo_err_of(&error);
}

enum pl_err
pl_mongo_connect(const char *uri, int32_t answer_ms, struct pl_mongo **out)
{
	struct pl_mongo *s = pl_mem_zalloc(sizeof(*s));
	enum pl_err err = pl_mongo_client_new(uri, answer_ms, &s->client);
	const char *database;

	s->store.backend = &backend;
	if (err != PL_OK) {
		close_session(&s->store);
		return err;
	}
	database = pl_mongo_database(s->client);
	s->users = mongoc_client_get_collection(s->client, database, PL_MONGO_USERS);
	s->messages =
	    mongoc_client_get_collection(s->client, database, PL_MONGO_MESSAGES);
	s->revocations =
	    mongoc_client_get_collection(s->client, database, PL_MONGO_REVOCATIONS);
	s->sessions =
	    mongoc_client_get_collection(s->client, database, PL_MONGO_SESSIONS);
	s->correspondents =
	    mongoc_client_get_collection(s->client, database, PL_MONGO_CORRESPONDENTS);
	s->invites = mongoc_client_get_collection(s->client, database, PL_MONGO_INVITES);
	s->avatars = mongoc_client_get_collection(s->client, database, PL_MONGO_AVATARS);
	s->blocks = mongoc_client_get_collection(s->client, database, PL_MONGO_BLOCKS);
	s->erasures =
	    mongoc_client_get_collection(s->client, database, PL_MONGO_ERASURES);
	(void)pl_mongo_start(&s->store);
	*out = s;
	return PL_OK;
}

static enum pl_err
finish_open(struct pl_mongo *s, enum pl_err err, struct pl_store **out)
{
	if (err == PL_OK)
		*out = &s->store;
	else
		close_session(&s->store);
	return err;
}

/* Indexes have a session of their own: this one is to notice sooner that the server is
 * away. */
static enum pl_err
open_tool(const char *uri, struct pl_store **out)
{
	struct pl_store *making;
	struct pl_mongo *s;
	enum pl_err err = pl_mongo_open_patient(uri, &making);

	if (err != PL_OK)
		return err;
	pl_store_close(making);
	err = pl_mongo_connect(uri, PL_MONGO_PATIENT_MS, &s);
	if (err != PL_OK)
		return err;
	s->is_patient = true;
	*out = &s->store;
	return PL_OK;
}

enum pl_err
pl_store_mongo_open(const struct pl_store_config *config, struct pl_store **out)
{
	struct pl_mongo *s;
	enum pl_err err;

	if (config->is_patient)
		return open_tool(config->mongo_uri, out);
	err = pl_mongo_connect(config->mongo_uri, PL_MONGO_SOCKET_MS, &s);
	if (err != PL_OK)
		return err;
	err = finish_open(s, pl_mongo_indexes(s, config->mongo_uri), out);
	if (err == PL_OK && config->names_unservable)
		pl_mongo_survey(config->mongo_uri);
	if (err == PL_OK && config->fills_pairs)
		pl_mongo_fill_start(config->mongo_uri);
	return err;
}

enum pl_err
pl_mongo_open_patient(const char *uri, struct pl_store **out)
{
	struct pl_mongo *s;
	enum pl_err err = pl_mongo_connect(uri, PL_MONGO_BUILD_MS, &s);

	if (err != PL_OK)
		return err;
	s->begin_ms += PL_MONGO_BUILD_MS;
	return finish_open(s, pl_mongo_indexes_make(s), out);
}

enum pl_err
pl_store_mongo_check(const struct pl_store_config *config)
{
	struct pl_mongo *s;
	enum pl_err err = pl_mongo_connect(config->mongo_uri, PL_MONGO_SOCKET_MS, &s);

	if (err != PL_OK)
		return err;
	err = pl_mongo_indexes_make(s);
	close_session(&s->store);
	return err;
}

/* ---- batches ---- */

static enum pl_err
write_one(struct pl_mongo *s, struct pl_write *w)
{
	if (w->kind == PL_WRITE_STATUS)
		return pl_mongo_user_set_status(
		    s, &w->u.status.user, w->u.status.status, w->u.status.note);
	if (w->kind == PL_WRITE_PASSWORD)
		return pl_mongo_user_set_password(s, &w->u.password.user,
		    w->u.password.old_hash, w->u.password.new_hash);
	if (w->kind == PL_WRITE_SESSION)
		return pl_mongo_session_add(s, &w->u.session);
	if (w->kind == PL_WRITE_SEEN)
		return pl_mongo_session_seen(s, &w->u.seen);
	if (w->kind == PL_WRITE_SWITCH)
		return pl_mongo_switch(s, &w->u.key);
	if (w->kind == PL_WRITE_MARK)
		return pl_mongo_mark(s, &w->u.mark);
	if (w->kind == PL_WRITE_INVITE)
		return pl_mongo_invite_keep(s, w->u.invite);
	if (w->kind == PL_WRITE_INVITED)
		return pl_mongo_user_insert_invited(s, &w->u.invited);
	if (w->kind == PL_WRITE_DISABLED)
		return pl_mongo_user_disable(s, &w->u.disabled);
	if (w->kind == PL_WRITE_PROFILE)
		return pl_mongo_profile_set(s, &w->u.profile);
	if (w->kind == PL_WRITE_AVATAR)
		return pl_mongo_avatar_set(s, &w->u.avatar);
	if (w->kind == PL_WRITE_BLOCK)
		return pl_mongo_block(s, &w->u.block);
	if (w->kind == PL_WRITE_EDIT || w->kind == PL_WRITE_DELETE)
		return pl_mongo_change(s, w);
	if (w->kind == PL_WRITE_ERASE)
		return pl_mongo_erase(s, &w->u.erase);
	return pl_mongo_reply_claim(s, &w->u.claim);
}

static void
write_run(struct pl_mongo *s, struct pl_write *const *writes, size_t count)
{
	switch (writes[0]->kind) {
	case PL_WRITE_USER:
		pl_mongo_users_insert(s, writes, count);
		break;
	case PL_WRITE_SEND:
		pl_mongo_sends(s, writes, count);
		break;
	case PL_WRITE_REPLY:
		pl_mongo_replies(s, writes, count);
		break;
	case PL_WRITE_REVOKE:
		pl_mongo_revokes(s, writes, count);
		break;
	case PL_WRITE_STATUS:
	case PL_WRITE_PASSWORD:
	case PL_WRITE_SESSION:
	case PL_WRITE_SEEN:
	case PL_WRITE_SWITCH:
	case PL_WRITE_REPLY_CLAIM:
	case PL_WRITE_MARK:
	case PL_WRITE_INVITE:
	case PL_WRITE_INVITED:
	case PL_WRITE_DISABLED:
	case PL_WRITE_PROFILE:
	case PL_WRITE_AVATAR:
	case PL_WRITE_BLOCK:
	case PL_WRITE_EDIT:
	case PL_WRITE_DELETE:
	case PL_WRITE_ERASE:
		for (size_t i = 0; i < count; i++)
			writes[i]->err = write_one(s, writes[i]);
		break;
	}
}

/* Drop a few expired keys, now and then; more at once if there are many. What fails here
 * is tried again another time. */
static void
purge(struct pl_mongo *s)
{
	int64_t now = pl_clock_mono_ms();
	size_t dropped = 0;

	if (now < s->purge_mono_ms || s->is_lost)
		return;
	if (pl_mongo_idem_purge(s, PURGE_DOCUMENTS, &dropped) != PL_OK)
		pl_log_warn("keys that expired were left for the next time");
	if (dropped < PURGE_DOCUMENTS)
		s->purge_mono_ms = now + PURGE_INTERVAL_MS;
}

/* In the order of the batch; writes of one kind that are next to each other go together.
 * So each sees what came before it. */
static void
write_batch(struct pl_store *store, struct pl_write *const *writes, size_t count)
{
	struct pl_mongo *s = pl_mongo_start(store);
	size_t from = 0;

	s->now_unix_ms = pl_clock_unix_ms();
	while (from < count) {
		size_t to = from + 1;

		while (to < count && writes[to]->kind == writes[from]->kind)
			to++;
		write_run(s, writes + from, to - from);
		from = to;
	}
	purge(s);
}

static const struct pl_store_backend backend = {
    .close = close_session,
    .ping = ping,
    .user_by_id = pl_mongo_user_by_id,
    .user_by_username = pl_mongo_user_by_username,
    .users_exist = pl_mongo_users_exist,
    .users_of = pl_mongo_users_of,
    .user_states = pl_mongo_user_states,
    .users_page = pl_mongo_users_page,
    .people_page = pl_mongo_people_page,
    .people_fill = pl_mongo_people_fill,
    .users_tag = pl_mongo_users_tag,
    .message_pos = pl_mongo_message_pos,
    .messages_page = pl_mongo_messages_page,
    .messages_to = pl_mongo_messages_to,
    .positions_to = pl_mongo_positions_to,
    .positions_of = pl_mongo_positions_of,
    .messages_of = pl_mongo_messages_of,
    .changes = pl_mongo_changes,
    .conversations = pl_mongo_conversations,
    .conversation = pl_mongo_conversation,
    .correspondents = pl_mongo_correspondents,
    .avatar = pl_mongo_avatar,
    .blocks_page = pl_mongo_blocks_page,
    .may_write = pl_mongo_may_write,
    .overdue = pl_mongo_overdue,
    .revocations_since = pl_mongo_revocations_since,
    .sessions_of = pl_mongo_sessions_of,
    .invite_look = pl_mongo_invite_look,
    .erase_step = pl_mongo_erase_step,
    .erasures = pl_mongo_erasures,
    .write = write_batch,
    .export_page = pl_mongo_export,
    .import = pl_mongo_import,
};
