/*
 * json_write: what pl_json_parse() read, as text again, for tests and the conformance
 * servers.
 * Threads: one at a time for a document.
 */
#ifndef PL_TESTS_JSON_WRITE_H
#define PL_TESTS_JSON_WRITE_H

#include "base/buf.h"
#include "base/json.h"

/* Append v as compact JSON, members in their order; "null" if absent. A buffer at its
 * limit sets its `overflowed`. */
void json_write(const struct pl_json *v, struct pl_buf *out);

#endif
