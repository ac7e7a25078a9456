/*
 * overdue: the standard text for messages to BUSY users whose reply is past its deadline,
 * because no llm-responder lives or none could get to it.
 *
 *   IDLE --a second--> CLAIMING --none, not even a leased one--> IDLE
 *                          |  ^
 *             a job, leased|  |stored and told, or somebody else's by now
 *                          v  |
 *                        STORING --the store is away--> IDLE, and the lease ends
 *
 * Those that nobody has come first: of them a claim is one's own, so that several processes share
 * the work. Then those under a lease, whose holder died, stands still or cannot store: past the
 * deadline a lease is no reason to wait, for the store keeps one reply a message.
 * Threads: the loop's.
 */
#ifndef MESSAGE_OVERDUE_H
#define MESSAGE_OVERDUE_H

void overdue_start(void);
void overdue_stop(void);

#endif
