/* auth: who a user is: sign-up, login, logout. */
#include "account.h"
#include "export.h"
#include "handlers.h"
#include "hasher.h"
#include "login_limits.h"
#include "avatar/painter.h"
#include "http/service.h"

static const struct pl_route routes[] = {
    {"POST", "/api/auth/signup", 0, auth_signup_post, PL_M_SIGNUPS},
    {"POST", "/api/auth/login", 0, auth_login_post, PL_M_LOGINS},
    {"POST", "/api/auth/logout", 0, auth_logout_post, PL_M_NONE},
    {"POST", "/api/auth/logout-all", PL_ROUTE_AUTH, auth_logout_all_post, PL_M_NONE},
    {"GET", "/api/auth/sessions", PL_ROUTE_AUTH | PL_ROUTE_SEEN, auth_sessions_get,
	PL_M_NONE},
    {"DELETE", "/api/auth/sessions/:id", PL_ROUTE_AUTH | PL_ROUTE_SEEN,
	auth_session_delete, PL_M_NONE},
    {"GET", "/api/auth/me", PL_ROUTE_AUTH | PL_ROUTE_SEEN, auth_me_get, PL_M_NONE},
    {"GET", "/api/auth/settings", PL_ROUTE_AUTH | PL_ROUTE_SEEN, auth_settings_get,
	PL_M_NONE},
    {"PATCH", "/api/auth/me", PL_ROUTE_AUTH | PL_ROUTE_SEEN, auth_me_patch,
	PL_M_PROFILE_CHANGES},
    {"POST", "/api/auth/password", PL_ROUTE_AUTH | PL_ROUTE_SEEN, auth_password_post,
	PL_M_PASSWORD_CHANGES},
    {"PUT", "/api/auth/avatar", PL_ROUTE_AUTH | PL_ROUTE_SEEN, auth_avatar_put,
	PL_M_AVATARS},
    {"DELETE", "/api/auth/avatar", PL_ROUTE_AUTH | PL_ROUTE_SEEN, auth_avatar_delete,
	PL_M_PROFILE_CHANGES},
    {"DELETE", "/api/auth/me", PL_ROUTE_AUTH, auth_me_delete, PL_M_ERASE_REQUESTS},
    {"GET", "/api/auth/export", PL_ROUTE_AUTH | PL_ROUTE_SEEN, auth_export_get,
	PL_M_EXPORTS},
};

static void
start(void)
{
	auth_hasher_start();
	auth_limits_start();
	account_start();
	auth_erase_start();
	auth_painter_start();
	auth_export_start();
}

static void
stop(void)
{
	auth_erase_stop();
	auth_hasher_stop();
	auth_painter_stop();
	account_stop();
	auth_limits_stop();
	auth_export_stop();
}

const struct pl_service pl_service = {
    .name = "auth",
    .bit = PL_SVC_AUTH,
    .routes = routes,
    .route_count = sizeof(routes) / sizeof(routes[0]),
    .body_bytes_max = &pl_settings.avatar_bytes_max,
    .start = start,
    .stop = stop,
    .on_erasing = auth_erasing,
    .on_erased = auth_erased,
};
