/*
 * name: what a new user may call themselves. Users who signed up under older rules keep
 * their names.
 *
 *   full name   1 to 100 characters, some of them to be seen; no control characters, none that
 *               turn the direction of what stands around it (Bidi_Control)
 *   username    1 to 64, the same, and more: two that look the same would be two users. So no
 *               white space or blank at the ends, no format or ignorable characters, except where
 *               they have an effect: joiners in words and emoji, selectors of a form, flags' tags
 *
 * Texts are valid UTF-8. Both return NULL if all is well, else the rule that is broken,
 * to follow the field's name in a sentence.  Threads: any.
 */
#ifndef PL_MODEL_NAME_H
#define PL_MODEL_NAME_H

#include "base/str.h"

#define PL_FULL_NAME_CHARS_MAX 100
#define PL_USERNAME_CHARS_MAX  64

const char *pl_full_name_fault(struct pl_str name);
const char *pl_username_fault(struct pl_str name);

#endif
