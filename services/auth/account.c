#include "account.h"

#include "bus/events.h"
#include "handlers.h"
#include "http/reply.h"
#include "http/service.h"

#define PERIOD_MS 60000

static struct pl_shared_limit *limits[2];

static struct pl_shared_limit *
new_limit(const char *name, int64_t count)
{
	return pl_shared_limit_new(pl_app.loop, pl_app.redis, name,
	    pl_bucket_rule(count, PERIOD_MS, count > 0 ? count : 1));
}

void
account_start(void)
{
	limits[ACCOUNT_PROFILE] =
	    new_limit("profile", pl_settings.limit_profile_per_minute);
	limits[ACCOUNT_AVATARS] =
	    new_limit("avatars", pl_settings.limit_avatars_per_minute);
}

void
account_stop(void)
{
	pl_shared_limit_free(limits[ACCOUNT_PROFILE]);
	pl_shared_limit_free(limits[ACCOUNT_AVATARS]);
}

void
account_take(
    enum account_limit limit, const struct pl_request *rq, struct pl_limit_ask *ask)
{
	char user[PL_OID_HEX_LEN + 1];

	pl_oid_format(&rq->claims.user, user);
	pl_shared_limit_take(limits[limit], pl_str(user), ask);
}

void
account_reply_updated(struct pl_request *rq, const struct pl_user *user)
{
	struct pl_buf event;

	pl_buf_init(&event, PL_BUF_UNLIMITED); /* the model bounds a user */
	pl_event_user_updated(&event, user);
	pl_bus_publish(pl_app.bus, PL_STR(PL_CHANNEL_ALL), pl_buf_str(&event), NULL);
	pl_buf_fini(&event);
	auth_reply_user(rq, 200, user);
}

void
account_reply_err(struct pl_request *rq, enum pl_err err)
{
	if (err == PL_E_NOT_FOUND)
		pl_reply_problem(rq, PL_PROBLEM_BAD_TOKEN);
	else
		pl_reply_err(rq, err);
}
