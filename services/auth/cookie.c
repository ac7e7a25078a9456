#include "cookie.h"

#include "ops/settings.h"
#include "http/reply.h"

#define COOKIE_BYTES_MAX (PL_JWT_BYTES_MAX + 256)

static const char *const samesite_names[] = {"Strict", "Lax", "None"};
enum { SAMESITE_NONE = 2 };

/* In development without https a Secure cookie would be lost; over https it never is. */
static bool
is_secure(const struct pl_request *rq, const char *name)
{
	return !pl_settings_is_development() || pl_request_is_https(rq) ||
	       pl_settings.cookie_samesite == SAMESITE_NONE ||
	       pl_str_starts(pl_str(name), PL_STR("__Host-")) ||
	       pl_str_starts(pl_str(name), PL_STR("__Secure-"));
}

static void
write_cookie(struct pl_request *rq, const char *name, struct pl_str token, int max_age_s)
{
	struct pl_buf value;

	pl_buf_init(&value, COOKIE_BYTES_MAX);
	pl_buf_printf(&value, "%s=", name);
	pl_buf_add_str(&value, token);
	pl_buf_printf(&value, "; Max-Age=%d; Path=/; HttpOnly; SameSite=%s%s", max_age_s,
	    samesite_names[pl_settings.cookie_samesite],
	    is_secure(rq, name) ? "; Secure" : "");
	pl_reply_header(rq, "set-cookie", value.data);
	pl_buf_fini(&value);
}

void
auth_cookie_set(struct pl_request *rq, struct pl_str token)
{
	write_cookie(rq, pl_settings.cookie_name, token, PL_JWT_LIFETIME_S);
}

void
auth_cookie_clear(struct pl_request *rq)
{
	write_cookie(rq, pl_settings.cookie_name, PL_STR_NONE, 0);
	if (strcmp(pl_settings.cookie_name, "jwt") != 0)
		write_cookie(rq, "jwt", PL_STR_NONE, 0);
}
