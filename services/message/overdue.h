/*
 * overdue: the standard text for messages to BUSY users whose reply is past its deadline,
 * because no llm-responder lives, or none could get to it.
 *
 *   IDLE --a second--> READING --none--> IDLE
 *                        |  ^
 *                   some |  | each has its reply now, and the batch was full
 *                        v  |
 *                      STORING --that was all, or the store is away--> IDLE
 *
 * Past the deadline no lease counts, and none is taken: the store keeps the first reply
 * to a message and refuses a second. So several processes may do this at once.
 * Threads: the loop's.
 */
#ifndef MESSAGE_OVERDUE_H
#define MESSAGE_OVERDUE_H

void overdue_start(void);
void overdue_stop(void);

#endif
