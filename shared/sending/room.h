/*
 * room: whether the disk of DATA_DIR has more than DISK_FREE_BYTES_MIN left. Looked at
 * once a second, so that sends are refused while there is room for what is on its way,
 * for the log of the database and for people to clean up. With MongoDB the disk is
 * another's, and there is always room.
 * Threads: the loop's.
 */
#ifndef PL_SENDING_ROOM_H
#define PL_SENDING_ROOM_H

#include "loop/loop.h"

/* The caller's; zero it. */
struct pl_room {
	/* inside */
	struct pl_loop *loop;
	struct pl_timer timer;
	bool is_short;
};

void pl_room_start(struct pl_room *room, struct pl_loop *loop);
void pl_room_stop(struct pl_room *room);

static inline bool
pl_room_is_left(const struct pl_room *room)
{
	return !room->is_short;
}

#endif
