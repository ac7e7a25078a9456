/*
 * room: whether the disk of DATA_DIR has more than DISK_FREE_BYTES_MIN left. Looked at once a second,
 * so that sends are refused while there is room for what is on its way, for the log of the database
 * and for people to clean up. With MongoDB the disk is another's, and there is always room.
 * Threads: the loop's.
 */
#ifndef MESSAGE_ROOM_H
#define MESSAGE_ROOM_H

#include <stdbool.h>

void room_start(void);
void room_stop(void);
bool room_is_left(void);

#endif
