/*
 * show: texts of users on an operator's terminal. Names may hold anything: what the
 * terminal would obey (control characters, and those that turn the direction of what
 * follows) is written out.
 *
 *   text    \u{1b}, \u{202e}, and \\ for a backslash: one line, and unambiguous
 *   JSON    a string with its quotes; the same characters as \u001b, \u202e
 */
#ifndef PARLEY_ADMIN_SHOW_H
#define PARLEY_ADMIN_SHOW_H

#include "base/buf.h"

void show_text(struct pl_buf *out, struct pl_str text);
void show_json(struct pl_buf *out, struct pl_str text);

#endif
