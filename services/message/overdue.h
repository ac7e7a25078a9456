/*
 * overdue: the standard text for messages to BUSY users whose reply is past its deadline,
 * because no llm-responder lives, or none could get to it.
 *
 *   IDLE --a second--> READING --none--> IDLE
 *                        |  ^
 *                   some |  | each stored and told, or has its reply by now; and there is more
 *                        v  |
 *                      STORING --that was all, or the store is away--> IDLE
 *
 * Past the deadline nobody's lease is waited for, and none is taken: the store keeps one reply a
 * message, whoever comes second. So several processes may do this at once.
 * Threads: the loop's.
 */
#ifndef MESSAGE_OVERDUE_H
#define MESSAGE_OVERDUE_H

void overdue_start(void);
void overdue_stop(void);

#endif
