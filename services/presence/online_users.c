#include "online_users.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "bus/online.h"
#include "hub.h"
#include "model/message.h"
#include "web/service.h"

#define CLOCKS_DIFFER_MS 200 /* ours and that of whoever dates messages */

static struct {
	struct pl_roster *roster;
	struct pl_ref *packet; /* NULL once the set has changed, as is first */
	struct pl_ref *first;
	int64_t first_mono_ms;
	struct pl_timer timer; /* started for a second after each telling */
	bool has_changed;      /* since the last telling */
} online;

/* offset: NULL for none. */
static struct pl_ref *
encode(const char *offset)
{
	struct pl_json_out o;
	struct pl_buf buf;
	struct pl_ref *packet;
	const struct pl_oid *id;

	pl_buf_init(&buf, PL_BUF_UNLIMITED); /* 27 bytes a user */
	(void)pl_buf_add_cstr(&buf, "42");
	pl_jo_init(&o, &buf);
	pl_jo_array(&o);
	pl_jo_cstr(&o, "getOnlineUsers");
	pl_jo_array(&o);
	for (size_t it = 0; (id = pl_roster_next(online.roster, &it));)
		pl_jo_oid(&o, id);
	pl_jo_end_array(&o);
	if (offset)
		pl_jo_cstr(&o, offset);
	pl_jo_end_array(&o);
	packet = pl_ref_new(buf.data, buf.len);
	pl_buf_fini(&buf);
	return packet;
}

struct pl_ref *
online_users_packet(void)
{
	if (!online.packet)
		online.packet = encode(NULL);
	return pl_ref(online.packet);
}

struct pl_ref *
online_users_first_packet(void)
{
	int64_t now = pl_loop_now_ms(pl_app.loop);
	struct pl_message_pos pos = {
	    .created_unix_ms = pl_clock_unix_ms() - CLOCKS_DIFFER_MS};
	char offset[PL_MESSAGE_POS_LEN + 1];

	if (online.first && now - online.first_mono_ms <= ONLINE_USERS_FIRST_MS)
		return pl_ref(online.first);
	pl_message_pos_format(&pos, offset);
	pl_ref_drop(online.first);
	online.first = encode(offset);
	online.first_mono_ms = now;
	return pl_ref(online.first);
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
forget_packets(void)
{
	pl_ref_drop(online.packet);
	pl_ref_drop(online.first);
	online.packet = online.first = NULL;
}

static void
on_roster_change(void *arg)
{
	(void)arg;
	forget_packets();
	online.has_changed = true;
	/* Not from here: whoever just joined is not let in yet. */
	if (!pl_timer_is_started(&online.timer))
		pl_timer_start(pl_app.loop, &online.timer, 0);
}

void
online_users_join(const struct pl_oid *user)
{
	pl_roster_join(online.roster, user);
	forget_packets(); /* who just joined sees himself at once */
}

void
online_users_leave(const struct pl_oid *user)
{
	pl_roster_leave(online.roster, user);
	forget_packets();
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
	forget_packets();
}
