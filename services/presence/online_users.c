#include "online_users.h"

#include "base/json_out.h"
#include "bus/online.h"
#include "hub.h"
#include "web/service.h"

static struct {
	struct pl_roster *roster;
	struct pl_ref *packet; /* NULL once the set has changed */
	struct pl_timer timer; /* started for a second after each telling */
	bool has_changed;      /* since the last telling */
} online;

struct pl_ref *
online_users_packet(void)
{
	struct pl_json_out o;
	struct pl_buf buf;
	const struct pl_oid *id;

	if (online.packet)
		return pl_ref(online.packet);
	pl_buf_init(&buf, PL_BUF_UNLIMITED); /* 27 bytes a user */
	(void)pl_buf_add_cstr(&buf, "42");
	pl_jo_init(&o, &buf);
	pl_jo_array(&o);
	pl_jo_cstr(&o, "getOnlineUsers");
	pl_jo_array(&o);
	for (size_t it = 0; (id = pl_roster_next(online.roster, &it));)
		pl_jo_oid(&o, id);
	pl_jo_end_array(&o);
	pl_jo_end_array(&o);
	online.packet = pl_ref_new(buf.data, buf.len);
	pl_buf_fini(&buf);
	return pl_ref(online.packet);
}

static void
tell_all(void)
{
	struct pl_ref *packet = online_users_packet();

	online.has_changed = false;
	hub_broadcast(packet);
	pl_ref_drop(packet);
	pl_timer_start(pl_app.loop, &online.timer, ONLINE_USERS_EVERY_MS);
}

static void
on_second_over(struct pl_timer *t)
{
	(void)t;
	if (online.has_changed)
		tell_all();
}

static void
forget_packet(void)
{
	pl_ref_drop(online.packet);
	online.packet = NULL;
}

static void
on_roster_change(void *arg)
{
	(void)arg;
	forget_packet();
	online.has_changed = true;
	/* Not from here: whoever just joined is not let in yet. */
	if (!pl_timer_is_started(&online.timer))
		pl_timer_start(pl_app.loop, &online.timer, 0);
}

void
online_users_join(const struct pl_oid *user)
{
	pl_roster_join(online.roster, user);
	forget_packet(); /* who just joined sees himself at once */
}

void
online_users_leave(const struct pl_oid *user)
{
	pl_roster_leave(online.roster, user);
	forget_packet();
}

void
online_users_start(void)
{
	online.timer.on_fire = on_second_over;
	online.roster = pl_roster_new(
	    pl_app.loop, pl_app.bus, pl_settings.instance, on_roster_change, NULL);
}

void
online_users_stop(void)
{
	pl_timer_stop(pl_app.loop, &online.timer);
	pl_roster_free(online.roster);
	forget_packet();
}
