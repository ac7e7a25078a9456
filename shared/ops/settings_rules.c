#include "ops/settings_rules.h"

#include "base/url.h"
#include "base/utf8.h"

#define LETTERS_AND_DIGITS                                                               \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* ---- forms of texts ---- */

static bool
is_made_of(const char *text, const char *chars)
{
	return text[strspn(text, chars)] == '\0';
}

bool
pl_settings_is_name(const char *text, size_t len_max)
{
	size_t len = strlen(text);

	return len > 0 && len <= len_max && is_made_of(text, LETTERS_AND_DIGITS "-_.");
}

static bool
is_name(const char *text)
{
	return pl_settings_is_name(text, 64);
}

static bool
is_host_port(const char *text)
{
	struct pl_host_port at;

	return pl_host_port_parse(pl_str(text), &at) && at.has_port;
}

/* It is stored and sent as it stands: a socket that gets bytes that are not UTF-8 would
 * end. */
static bool
is_message(const char *text)
{
	return pl_utf8_is_valid(pl_str(text)) && pl_utf8_has_visible(pl_str(text));
}

/* 0 to 2 as JSON writes it, for it is sent as it stands: a digit, and a dot and digits. */
static bool
is_temperature(const char *text)
{
	size_t decimals =
	    text[0] != '\0' && text[1] == '.' ? strspn(text + 2, "0123456789") : 0;

	if (text[0] < '0' || text[0] > '2')
		return false;
	if (text[1] == '\0')
		return true;
	return decimals > 0 && decimals <= 6 && text[2 + decimals] == '\0' &&
	       (text[0] < '2' || strspn(text + 2, "0") == decimals);
}

/* Whether nginx knows them as addresses is nginx's to say. */
static bool
are_addresses(const char *text)
{
	return is_made_of(text, LETTERS_AND_DIGITS "]:.*_[ -");
}

static bool
are_hosts(const char *text)
{
	return text[0] != ',' && text[0] != ' ' &&
	       is_made_of(text, LETTERS_AND_DIGITS "].:,_[ -");
}

static bool
are_networks(const char *text)
{
	return is_made_of(text, "ABCDEFabcdef0123456789.:/ ");
}

/* It goes into nginx's configuration between quotes, by sed. */
static bool
is_quotable(const char *text)
{
	return strpbrk(text, "\"\\$|&\r\n") == NULL;
}

static bool
is_quotable_path(const char *text)
{
	return text[0] == '/' && is_quotable(text);
}

/* It goes there without quotes: it must not end its directive. */
static bool
is_parameter(const char *text)
{
	return strpbrk(text, "\"'\\|&;{}#\r\n") == NULL;
}

#define QUOTABLE    "must not hold quotes, backslashes, line ends, or any of $ | &"
#define PARAMETER   "must not hold quotes, backslashes, line ends, or any of | & ; { } #"
#define FOLDER_PATH "must be an absolute path, and " QUOTABLE
#define PEM_PATH    "must be the absolute path of a PEM file, and " QUOTABLE

static void
add_fault(struct pl_buf *why, const char *name, const char *rule)
{
	struct pl_buf line;

	pl_buf_init(&line, 256);
	pl_buf_printf(&line, "%s %s", name, rule);
	pl_config_add_line(why, pl_buf_str(&line));
	pl_buf_fini(&line);
}

static void
add_bad_forms(const struct pl_settings *s, struct pl_buf *why)
{
	const struct {
		const char *name, *text;
		bool (*is_good)(const char *text);
		const char *rule;
	} forms[] = {
	    {"PROCESS_NAME", s->process_name, is_name,
		"must be 1 to 64 letters, digits, '-', '_' or '.'"},
	    {"COOKIE_NAME", s->cookie_name, is_name,
		"must be 1 to 64 letters, digits, '-', '_' or '.'"},
	    {"LISTEN", s->listen, is_host_port, "must be host:port"},
	    {"AUTOREPLY_FALLBACK", s->autoreply_fallback, is_message,
		"must be UTF-8 and show something"},
	    {"LLM_TEMPERATURE", s->llm_temperature, is_temperature,
		"must be a number from 0 to 2, as 0.5, or empty"},
	    {"GATEWAY_BIND", s->gateway_bind, are_addresses,
		"must be addresses with spaces between"},
	    {"ALLOWED_HOSTS", s->allowed_hosts, are_hosts,
		"must be hosts with commas between"},
	    {"GATEWAY_TRUSTED_PROXIES", s->gateway_trusted_proxies, are_networks,
		"must be networks with spaces between"},
	    {"GATEWAY_TLS_CERT", s->gateway_tls_cert, is_quotable_path, PEM_PATH},
	    {"GATEWAY_TLS_KEY", s->gateway_tls_key, is_quotable_path, PEM_PATH},
	    {"HANDOVER_DIR", s->handover_dir, is_quotable_path, FOLDER_PATH},
	    {"WWW_DIR", s->www_dir, is_quotable, QUOTABLE},
	    {"GATEWAY_CSP", s->gateway_csp, is_quotable, QUOTABLE},
	    {"GATEWAY_LISTEN", s->gateway_listen, is_parameter, PARAMETER},
	    {"GATEWAY_STATUS_LISTEN", s->gateway_status_listen, is_parameter, PARAMETER},
	    {"GATEWAY_ACCESS_LOG", s->gateway_access_log, is_parameter, PARAMETER},
	    {"GATEWAY_ERROR_LOG", s->gateway_error_log, is_parameter, PARAMETER},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (forms[i].text != NULL && !forms[i].is_good(forms[i].text))
			add_fault(why, forms[i].name, forms[i].rule);
}

/* ---- settings that hang together ---- */

static void
add_contradictions(const struct pl_settings *s, struct pl_buf *why)
{
	if ((s->gateway_tls_cert == NULL) != (s->gateway_tls_key == NULL))
		add_fault(
		    why, "GATEWAY_TLS_CERT and GATEWAY_TLS_KEY", "go together, set both");
	if (s->gateway_http_port != 0 && s->gateway_tls_cert == NULL)
		add_fault(why, "GATEWAY_HTTP_PORT",
		    "sends to https, and needs GATEWAY_TLS_CERT and GATEWAY_TLS_KEY");
	if (s->gateway_http_port != 0 && s->gateway_http_port == s->port)
		add_fault(why, "GATEWAY_HTTP_PORT", "must be another than PORT");
}

void
pl_settings_add_faults(const struct pl_settings *s, struct pl_buf *why)
{
	add_bad_forms(s, why);
	add_contradictions(s, why);
}
