/*
 * admin: parley-admin, once its arguments and settings are read: the commands, and what
 * they share. What a command is asked for is on standard output, and nothing else: users,
 * a password, a code. What it did is told on standard error.  Threads: one.
 */
#ifndef PARLEY_ADMIN_ADMIN_H
#define PARLEY_ADMIN_ADMIN_H

#include "args.h"
#include "store/store.h"

enum admin_exit {
	ADMIN_DONE = 0,
	ADMIN_NOT_DONE = 1,
	ADMIN_USAGE = 2,
	ADMIN_NOT_TOLD = 3, /* done, and running processes could not be told */
};

struct admin {
	struct args args;
	struct pl_store *store;
	const char *redis_url;
	unsigned password_chars_min;
	struct pl_buf password; /* of add; empty: one is to be drawn */
};

/* Each gives the exit status, and has said what happened. */
int admin_list(struct admin *a);
int admin_add(struct admin *a);
int admin_reset_password(struct admin *a);
int admin_disable(struct admin *a, bool is_disabled);
int admin_erase(struct admin *a);
int admin_invite(struct admin *a);

/* ---- for the commands ---- */

/* A line on standard error, "parley-admin: <text><name>"; name, of a user, is escaped
 * (show.h). */
void admin_say(const char *text, const char *name);
/* As admin_say(), with the error's name; gives ADMIN_NOT_DONE. */
int admin_fail(const char *text, enum pl_err err);
/* One write, tried again while the store does not answer. *again (may be NULL): it may
 * have been done by a try whose answer was lost. */
enum pl_err admin_write(
    struct admin *a, struct pl_write *write, bool *again) PL_MUST_CHECK;
/* The user of args; ADMIN_NOT_DONE: said why. The caller calls pl_user_fini(). */
int admin_find(struct admin *a, struct pl_user *out) PL_MUST_CHECK;
/* Ends all sessions of user, and tells the processes. done: "disabled " and the like,
 * said with the username once it is stored. */
int admin_end_sessions(
    struct admin *a, const struct pl_user *user, const char *done) PL_MUST_CHECK;
/* Says done and the username, and tells the processes of r, which the store has;
 * is_erased: and that its user was erased. */
int admin_tell(struct admin *a, const struct pl_revocation *r, bool is_erased,
    const char *done, const char *username) PL_MUST_CHECK;
/* Prints a line on standard output. */
int admin_print(const char *line) PL_MUST_CHECK;

#endif
