/*
 * overdue: the standard text for messages to BUSY users whose reply is past its deadline,
 * because no llm-responder lives or none could get to it.
 *
 *   IDLE --a second--> CLAIMING --none--> IDLE
 *                          |  ^
 *             a job, leased|  |stored and told, or somebody else's by now
 *                          v  |
 *                        STORING --the store is away--> IDLE, and the lease ends
 *
 * Several processes may do this at once: a claim is one's own, and the store keeps one reply
 * a message.  Threads: the loop's.
 */
#ifndef MESSAGE_OVERDUE_H
#define MESSAGE_OVERDUE_H

void overdue_start(void);
void overdue_stop(void);

#endif
