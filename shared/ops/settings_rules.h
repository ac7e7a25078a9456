/*
 * settings_rules: what one row of the table alone cannot say: forms of texts, and
 * settings that hang together.
 * Threads: at start, before any other.
 */
#ifndef PL_OPS_SETTINGS_RULES_H
#define PL_OPS_SETTINGS_RULES_H

#include "ops/settings.h"

/* A line in *why for each rule that the values break. Rows that were not loaded are NULL
 * or 0, and break none. */
void pl_settings_add_faults(const struct pl_settings *s, struct pl_buf *why);
/* Printable, and safe in a Redis key, a file name and a cookie's name. */
bool pl_settings_is_name(const char *text, size_t len_max);

#endif
