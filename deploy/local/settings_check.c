#include "settings_check.h"

#include <stdio.h>
#include <stdlib.h>

#include "auth/jwt_secret.h"
#include "base/log.h"
#include "ops/settings.h"
#include "proto/http_origin.h"
#include "redis/client.h"
#include "redis/url.h"
#include "store/mongo/uri.h"
#include "../../services/llm-responder/endpoint.h"

struct asker {
	const char *name;
	const char *speaker; /* stands before each line of an error */
	unsigned judged;     /* whose settings must be good */
	unsigned printed;    /* whose settings it is told */
};

static const struct asker askers[] = {
    {"run", "parley", PL_SVC_ALL | PL_SVC_LOCAL | PL_SVC_GATEWAY, PL_SVC_LOCAL},
    {"gateway", "gateway", PL_SVC_GATEWAY, PL_SVC_GATEWAY},
};

/* ---- judging ---- */

static bool
is_set(const char *name)
{
	const char *text = getenv(name);

	return text != NULL && text[0] != '\0';
}

static const char *
jwt_secret_fault(const struct pl_settings *s)
{
	/* run.sh makes one. */
	return s->jwt_secret != NULL ? pl_jwt_secret_fault(s->jwt_secret) : NULL;
}

static const char *
jwt_previous_fault(const struct pl_settings *s)
{
	return pl_jwt_secret_previous_fault(s->jwt_secret_previous);
}

static const char *
redis_fault(const struct pl_settings *s)
{
	return pl_redis_url_fault(s->redis_url);
}

static const char *
mongo_fault(const struct pl_settings *s)
{
	struct pl_str shown;

	if (s->mongo_uri == NULL || pl_mongo_uri_shown(s->mongo_uri, &shown))
		return NULL;
	return "MONGO_DB_URI " PL_MONGO_URI_RULE;
}

static const char *
origins_fault(const struct pl_settings *s)
{
	if (pl_http_origin_list_is_good(pl_str(s->allowed_origins)))
		return NULL;
	return "ALLOWED_ORIGINS " PL_HTTP_ORIGIN_LIST_RULE;
}

static const char *
llm_fault(const struct pl_settings *s)
{
	struct endpoint_config config = endpoint_config_of(s);
	struct endpoint endpoint;
	const char *why = NULL;

	if (endpoint_init(&endpoint, &config, &why) == PL_OK)
		endpoint_fini(&endpoint);
	return why;
}

/* By the rules of those who read them. Settings that were not loaded are NULL, and break
 * none. */
static enum pl_err
load(unsigned judged, struct pl_buf *why)
{
	static const char *(*const rules[])(const struct pl_settings *s) = {
	    jwt_secret_fault, jwt_previous_fault, redis_fault, mongo_fault, origins_fault,
	    llm_fault};
	enum pl_err err = pl_settings_load(judged, why);

	if (err != PL_OK)
		return err;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const char *fault = rules[i](&pl_settings);

		if (fault != NULL)
			pl_config_add_line(why, pl_str(fault));
	}
	return why->len == 0 ? PL_OK : PL_E_INVALID;
}

static void
complain(const char *speaker, const struct pl_buf *why)
{
	struct pl_str rest = pl_buf_str(why), line;

	while (pl_str_split(&rest, '\n', &line))
		fprintf(stderr, "%s: %.*s\n", speaker, (int)line.len, line.ptr);
}

/* ---- telling ---- */

/* Between single quotes a shell takes all but one as it stands. */
static void
print_assignment(const char *name, struct pl_str value)
{
	printf("%s='", name);
	for (size_t i = 0; i < value.len; i++)
		value.ptr[i] == '\'' ? (void)printf("'\\''")
				     : (void)putchar(value.ptr[i]);
	printf("'\n");
}

static void
print_rows(unsigned printed)
{
	struct pl_buf value;

	pl_buf_init(&value, PL_BUF_UNLIMITED);
	for (size_t i = 0; i < pl_settings_rows; i++) {
		const struct pl_setting *row = &pl_settings_table[i];

		if ((row->services & printed) == 0 || row->type == PL_SETTING_SECRET)
			continue;
		pl_buf_clear(&value);
		pl_config_add_value(row, &pl_settings, &value);
		print_assignment(row->name, pl_buf_str(&value));
	}
	pl_buf_fini(&value);
}

/* Services log it; what only run.sh reads nobody else would tell. */
static void
tell_old_names(const struct asker *asker)
{
	for (size_t i = 0; i < pl_settings_rows; i++) {
		const struct pl_setting *row = &pl_settings_table[i];

		if ((row->services & asker->printed) != 0 && row->alias_is_old &&
		    is_set(row->alias))
			fprintf(stderr,
			    "%s: %s is called %s now, taking it all the same\n",
			    asker->speaker, row->alias, row->name);
	}
}

static void
print_redis(bool is_given)
{
	struct pl_redis_url url = {0};
	char port[8] = "";

	if (is_given && pl_redis_url_parse(pl_settings.redis_url, &url) == PL_OK)
		snprintf(port, sizeof(port), "%u", url.port);
	print_assignment("redis_host", pl_str(url.host));
	print_assignment("redis_port", pl_str(port));
	pl_redis_url_fini(&url);
}

static void
print_mongo(void)
{
	struct pl_str shown = PL_STR_NONE;

	if (pl_settings.mongo_uri != NULL)
		(void)pl_mongo_uri_shown(pl_settings.mongo_uri, &shown);
	print_assignment("mongo", shown);
}

/* ---- the call ---- */

static const struct asker *
find_asker(const char *name)
{
	for (size_t i = 0; i < sizeof(askers) / sizeof(askers[0]); i++)
		if (strcmp(askers[i].name, name) == 0)
			return &askers[i];
	return NULL;
}

static void
tell(const struct asker *asker, bool has_redis)
{
	print_rows(asker->printed);
	tell_old_names(asker);
	if ((asker->printed & PL_SVC_LOCAL) == 0)
		return;
	print_redis(has_redis);
	print_mongo();
}

int
settings_check(const char *whom)
{
	const struct asker *asker = find_asker(whom);
	bool has_redis = is_set("REDIS_URL") || is_set("REDIS_URL_FILE");
	struct pl_buf why;
	enum pl_err err;

	if (asker == NULL) {
		fprintf(stderr, "parley-settings: --check knows run and gateway\n");
		return 2;
	}
	pl_log_init("settings", PL_LOG_ERROR); /* services warn, once they are started */
	pl_buf_init(&why, PL_SETTINGS_WHY_BYTES);
	err = load(asker->judged, &why);
	if (err == PL_OK)
		tell(asker, has_redis);
	else
		complain(asker->speaker, &why);
	pl_buf_fini(&why);
	pl_config_free(pl_settings_table, pl_settings_rows, asker->judged, &pl_settings);
	return err == PL_OK ? 0 : PL_EXIT_CONFIG;
}
