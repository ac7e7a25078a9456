#include "endpoint.h"

#include "base/ip.h"
#include "base/mem.h"
#include "base/url.h"

#define URL_BYTES_MAX 2048
#define HOST_LEN_MAX  255

struct url {
	bool is_tls;
	struct pl_str host; /* without port and brackets */
	struct pl_str
	    base; /* scheme, authority and path, without the slashes at its end */
	struct pl_str path;  /* "/v1", or empty */
	struct pl_str query; /* "?a=b", or empty */
};

static bool
ends_with(struct pl_str s, const char *end)
{
	size_t len = strlen(end);

	return s.len >= len && memcmp(s.ptr + s.len - len, end, len) == 0;
}

/* Printable ASCII, except what URL parsers disagree about. */
static bool
is_plain(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~' || strchr("\\\"<>^`{|}#", *text) != NULL)
			return false;
	return true;
}

/* A user is refused: it would be a second secret. Port 0 is none to connect to. */
static bool
parse_url(const char *text, struct url *out)
{
	struct pl_str all = pl_str(text);
	struct pl_url url;

	if (all.len > URL_BYTES_MAX || !is_plain(text) || !pl_url_parse(all, &url))
		return false;
	out->is_tls = pl_str_eq_nocase(url.scheme, PL_STR("https"));
	if ((!out->is_tls && !pl_str_eq_nocase(url.scheme, PL_STR("http"))) ||
	    url.user.ptr != NULL || url.at.host.len > HOST_LEN_MAX ||
	    (url.at.has_port && url.at.port == 0))
		return false;
	out->host = url.at.host;
	out->path = url.path;
	out->query = url.query;
	while (ends_with(out->path, "/"))
		out->path.len--;
	out->base = pl_str_n(text, (size_t)(out->path.ptr + out->path.len - text));
	return true;
}

/* By its form alone: who owns a name that resolves to 127.0.0.1 can change that. */
static bool
is_this_machine(struct pl_str host)
{
	struct pl_ip ip;

	return pl_ip_parse(host, &ip) ? pl_ip_is_loopback(&ip)
				      : pl_str_eq_nocase(host, PL_STR("localhost"));
}

static enum endpoint_kind
recognise(const struct url *url)
{
	if (ends_with(url->path, "/chat/completions"))
		return ENDPOINT_CHAT;
	if (ends_with(url->path, "/api/chat"))
		return ENDPOINT_OLLAMA;
	if (ends_with(url->path, "/generate") || ends_with(url->path, "/generate_stream"))
		return ENDPOINT_TEXT;
	if (!ends_with(url->path, "/v1") && /* the base of a chat */
	    memmem(url->path.ptr, url->path.len, "/models/", 8) != NULL)
		return ENDPOINT_TEXT;
	return ENDPOINT_CHAT;
}

static enum endpoint_kind
choose_kind(const struct url *url, enum pl_llm_dialect dialect)
{
	enum endpoint_kind seen = recognise(url);

	if (dialect == PL_LLM_TEXT)
		return ENDPOINT_TEXT;
	if (dialect == PL_LLM_CHAT && seen == ENDPOINT_TEXT)
		return ENDPOINT_CHAT;
	return seen;
}

/* Is it a whole path, not the base of one? The last is SageMaker's and Databricks'. */
static bool
is_complete(const struct url *url)
{
	return recognise(url) != ENDPOINT_CHAT || ends_with(url->path, "/completions") ||
	       ends_with(url->path, "/invocations");
}

static char *
complete_url(const struct url *url, enum endpoint_kind kind)
{
	struct pl_buf b;

	pl_buf_init(&b, 2 * URL_BYTES_MAX);
	pl_buf_add_str(&b, url->base);
	if (kind == ENDPOINT_CHAT && !is_complete(url)) {
		if (url->path.len == 0)
			pl_buf_add_cstr(&b, "/v1");
		if (!ends_with(url->path, "/chat"))
			pl_buf_add_cstr(&b, "/chat");
		pl_buf_add_cstr(&b, "/completions");
	}
	pl_buf_add_str(&b, url->query);
	return pl_buf_take(&b);
}

struct endpoint_config
endpoint_config_of(const struct pl_settings *s)
{
	return (struct endpoint_config){
	    .url = s->llm_api_url,
	    .token = s->llm_api_token,
	    .dialect = (enum pl_llm_dialect)s->llm_dialect,
	    .allow_http = s->llm_allow_http,
	};
}

enum pl_err
endpoint_init(struct endpoint *e, const struct endpoint_config *config, const char **why)
{
	const char *text = config->url;
	struct url url;

	*e = (struct endpoint){0};
	/* It becomes part of a header line. */
	if (config->token != NULL && !is_plain(config->token)) {
		*why = "LLM_API_TOKEN holds a character that no token has";
		return PL_E_INVALID;
	}
	if (text == NULL && config->token == NULL)
		return PL_OK;
	if (text == NULL && config->dialect == PL_LLM_TEXT) {
		*why = "LLM_API_URL must be set if LLM_DIALECT is text";
		return PL_E_INVALID;
	}
	if (!parse_url(text != NULL ? text : ENDPOINT_ROUTER_URL, &url)) {
		*why = "LLM_API_URL must be https://host[:port][/path], without a user";
		return PL_E_INVALID;
	}
	if (!url.is_tls && !config->allow_http && !is_this_machine(url.host)) {
		*why = "LLM_API_URL must be https, or LLM_ALLOW_HTTP must be 1";
		return PL_E_INVALID;
	}
	e->kind = choose_kind(&url, config->dialect);
	e->is_tls = url.is_tls;
	e->url = complete_url(&url, e->kind);
	return PL_OK;
}

struct pl_str
endpoint_shown(const struct endpoint *e)
{
	return e->url != NULL ? pl_str_n(e->url, strcspn(e->url, "?")) : PL_STR("none");
}

void
endpoint_fini(struct endpoint *e)
{
	pl_mem_free(e->url);
	*e = (struct endpoint){0};
}
