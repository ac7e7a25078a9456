/* status: a user's AVAILABLE or BUSY, written the same on the wire and in the store.
 * Threads: any. */
#ifndef PL_MODEL_STATUS_H
#define PL_MODEL_STATUS_H

#include "base/str.h"

enum pl_status { PL_STATUS_AVAILABLE, PL_STATUS_BUSY };

#define PL_STATUS_NOTE_CHARS_MAX 280

const char *pl_status_name(enum pl_status status); /* "AVAILABLE" */
bool pl_status_parse(
    struct pl_str text, enum pl_status *out); /* exact; false otherwise */

#endif
