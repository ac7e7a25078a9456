/*
 * args: the command line of parley-admin.
 *
 *   parley-admin COMMAND [USERNAME] [OPTIONS]
 *
 * An option's value is the next argument, whatever it looks like, or follows after "=".
 * After "--" all are arguments: for a username that begins with a dash. Which command
 * takes which options is in one table, from which the help is printed, too.
 */
#ifndef PARLEY_ADMIN_ARGS_H
#define PARLEY_ADMIN_ARGS_H

#include "base/buf.h"
#include "model/user.h"

enum admin_command {
	ADMIN_LIST,
	ADMIN_ADD,
	ADMIN_RESET_PASSWORD,
	ADMIN_DISABLE,
	ADMIN_ENABLE,
	ADMIN_ERASE,
	ADMIN_INVITE,
	ADMIN_HELP,    /* --help */
	ADMIN_VERSION, /* --version */
};

#define ADMIN_INVITE_USES_MAX 100000
#define ADMIN_INVITE_DAYS_MAX 3650

struct args {
	enum admin_command command;
	const char *username; /* NULL unless the command takes one */
	bool json;
	const char *name; /* NULL: the username */
	const char *gender;
	bool password_stdin;
	bool one_time;
	bool yes;
	int64_t uses;
	int64_t days;
};

/* Slices are argv's. PL_E_INVALID: *why is a line that says what is wrong. */
enum pl_err args_parse(
    int argc, char **argv, struct args *out, struct pl_buf *why) PL_MUST_CHECK;
void args_print_help(void); /* to standard output */

#endif
