#include "sending/room.h"

#include <sys/statvfs.h>

#include "base/log.h"
#include "ops/settings.h"

#define LOOK_EVERY_MS 1000

static bool
is_short(void)
{
	struct statvfs disk;

	/* A disk that does not tell is the database's to judge. */
	return statvfs(pl_settings.data_dir, &disk) == 0 &&
	       (int64_t)disk.f_bavail * (int64_t)disk.f_frsize <
		   pl_settings.disk_free_bytes_min;
}

static void
look(struct pl_timer *t)
{
	struct pl_room *room = PL_CONTAINER(t, struct pl_room, timer);
	bool was_short = room->is_short;

	room->is_short = is_short();
	if (room->is_short && !was_short)
		pl_log_error(
		    "disk has less room than DISK_FREE_BYTES_MIN, sends are refused",
		    PL_L_CSTR("folder", pl_settings.data_dir));
	else if (was_short && !room->is_short)
		pl_log_info("disk has room again");
	pl_timer_start(room->loop, t, LOOK_EVERY_MS);
}

void
pl_room_start(struct pl_room *room, struct pl_loop *loop)
{
	*room = (struct pl_room){.loop = loop, .timer.on_fire = look};
	if (pl_settings.mongo_uri == NULL && pl_settings.disk_free_bytes_min > 0)
		look(&room->timer);
}

void
pl_room_stop(struct pl_room *room)
{
	pl_timer_stop(room->loop, &room->timer);
	room->is_short = false;
}
