/*
 * config: settings from the environment by a table.
 *
 * Each row names a variable, its type, default, range and unit, and where the value goes,
 * and says in a sentence what it does. A secret NAME may come as NAME_FILE, the path of a
 * file that holds it (one trailing newline is cut); both at once is refused, and a file
 * that others may read gives a warning. Secrets are wiped from the environment once read,
 * so that /proc/PID/environ shows none. Threads: at start, before any other.
 */
#ifndef PL_BASE_CONFIG_H
#define PL_BASE_CONFIG_H

#include "base/buf.h"

#define PL_EXIT_CONFIG 78 /* sysexits.h EX_CONFIG: a bad setting */

enum pl_setting_type {
	PL_SETTING_STRING, /* char *: NULL if unset and without a default */
	PL_SETTING_SECRET, /* char *: as a string, and never shown */
	PL_SETTING_INT,    /* int64_t, least..most, without leading zeros */
	PL_SETTING_BOOL,   /* bool: 0, 1, true, false */
	PL_SETTING_CHOICE, /* int: the index in choices, a list separated by '|' */
};

struct pl_setting {
	const char *name;
	const char *alias; /* a second name for the same thing, or NULL; both set: refused
			      unless equal */
	bool alias_is_old; /* the name it had before: taken, with a line in the log */
	enum pl_setting_type type;
	const char *preset; /* the default as text, or NULL for none */
	int64_t least;      /* PL_SETTING_INT */
	int64_t most;
	const char *choices; /* PL_SETTING_CHOICE: "AVAILABLE|BUSY" */
	const char *unit;    /* "ms", "bytes", "" */
	bool empty_is_none;  /* set and empty is no value, and not the default */
	unsigned services;   /* bits: which services read it */
	const char *help;    /* one sentence */
	size_t offset;       /* where in the caller's struct the value goes */
};

/* Fill *values (zeroed; the offsets are into it) from the rows of table whose services
 * match mask. PL_E_INVALID: *why has a line for each bad setting, with no newline after
 * the last; a line names the variable and the rule, never a secret's value. */
enum pl_err pl_config_load(const struct pl_setting *table, size_t rows, unsigned mask,
    void *values, struct pl_buf *why) PL_MUST_CHECK;
/* One more line for *why, by a caller who has rules of its own. */
void pl_config_add_line(struct pl_buf *why, struct pl_str line);
/* The row's value in *values as the environment would have it; nothing for one that is
 * unset. */
void pl_config_add_value(
    const struct pl_setting *row, const void *values, struct pl_buf *out);
/* Log the values in force, secrets as "set" or "unset". */
void pl_config_log(
    const struct pl_setting *table, size_t rows, unsigned mask, const void *values);
/* Wipe and free what pl_config_load() allocated. */
void pl_config_free(
    const struct pl_setting *table, size_t rows, unsigned mask, void *values);

#endif
