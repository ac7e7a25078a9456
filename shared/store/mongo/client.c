#include <pthread.h>

#include "store/mongo/session.h"

#define DEFAULT_DATABASE "test"
#define A_DAY_MS         86400000

/* ---- the driver ---- */

/* What matters to us comes back as an error. The driver's own log may repeat the URI,
 * with its password. */
static void
ignore_driver_log(
    mongoc_log_level_t level, const char *domain, const char *message, void *arg)
{
	(void)level;
	(void)domain;
	(void)message;
	(void)arg;
}

static void
start_driver(void)
{
	mongoc_init();
	mongoc_log_set_handler(ignore_driver_log, NULL);
}

/* ---- the URI ---- */

/* At most most_ms, which is also what holds if the URI says nothing. */
static void
limit_time(mongoc_uri_t *uri, const char *option, int32_t most_ms)
{
	int32_t asked = mongoc_uri_get_option_as_int32(uri, option, 0);

	if (asked <= 0 || asked > most_ms)
		(void)mongoc_uri_set_option_as_int32(uri, option, most_ms);
}

static void
set_deadlines(mongoc_uri_t *uri, int32_t answer_ms)
{
	int32_t connect_ms = answer_ms > PL_MONGO_SOCKET_MS ? PL_MONGO_PATIENT_CONNECT_MS
							    : PL_MONGO_CONNECT_MS;

	limit_time(uri, MONGOC_URI_CONNECTTIMEOUTMS, connect_ms);
	limit_time(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, connect_ms);
	limit_time(uri, MONGOC_URI_SOCKETTIMEOUTMS, answer_ms);
	/* One look at all servers, rather than looks until the time is over. */
	(void)mongoc_uri_set_option_as_bool(uri, MONGOC_URI_SERVERSELECTIONTRYONCE, true);
	/* Else a call would first ask an idle connection for a sign of life, and double
	 * its time. That the other end hung up is seen anyway. */
	(void)mongoc_uri_set_option_as_int32(
	    uri, MONGOC_URI_SOCKETCHECKINTERVALMS, A_DAY_MS);
	/* The driver's second try would double the time as well. A second try of the
	 * caller is safe: by the Idempotency-Key of a message, the one reply to it, the
	 * username, the token. */
	(void)mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYREADS, false);
	(void)mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYWRITES, false);
	if (mongoc_uri_get_appname(uri) == NULL)
		(void)mongoc_uri_set_appname(uri, "parley");
}

const char *
pl_mongo_database(const mongoc_client_t *client)
{
	const char *name = mongoc_uri_get_database(mongoc_client_get_uri(client));

	return name != NULL && name[0] != '\0' ? name : DEFAULT_DATABASE;
}

/* ---- the client ---- */

/* Writes are acknowledged when they are in the journals of a majority; reads go to the
 * primary. */
static void
set_safety(mongoc_client_t *client, int32_t answer_ms)
{
	mongoc_write_concern_t *wc = mongoc_write_concern_new();
	mongoc_read_prefs_t *prefs = mongoc_read_prefs_new(MONGOC_READ_PRIMARY);

	/* the server gives up before we do */
	mongoc_write_concern_set_wmajority(wc, answer_ms - answer_ms / 10);
	mongoc_write_concern_set_journal(wc, true);
	mongoc_client_set_write_concern(client, wc);
	mongoc_client_set_read_prefs(client, prefs);
	(void)mongoc_client_set_error_api(client, MONGOC_ERROR_API_VERSION_2);
	mongoc_read_prefs_destroy(prefs);
	mongoc_write_concern_destroy(wc);
}

enum pl_err
pl_mongo_client_new(const char *text, int32_t answer_ms, mongoc_client_t **out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	mongoc_client_t *client;
	bson_error_t error;
	mongoc_uri_t *uri;

	pthread_once(&once, start_driver);
	uri = mongoc_uri_new_with_error(text, &error);
	if (uri == NULL)
		return PL_E_INVALID; /* the driver's words may repeat a password */
	set_deadlines(uri, answer_ms);
	client = mongoc_client_new_from_uri(uri);
	mongoc_uri_destroy(uri);
	if (client == NULL)
		return PL_E_INVALID;
	set_safety(client, answer_ms);
	*out = client;
	return PL_OK;
}
