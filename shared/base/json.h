/*
 * json: reading a peer's JSON (jansson inside), strictly.
 *
 * Refused with a reason: bad UTF-8, lone surrogates, NUL (also as \u0000), a BOM,
 * duplicate keys, bytes after the value, nesting deeper than PL_JSON_DEPTH_MAX, numbers
 * out of range, and more values than PL_JSON_MARKS_MAX lets through: so many "[", "{" and
 * "," there may be, and each value but the first stands after one. A struct pl_json is
 * borrowed from the document it came from; only the root is freed. Threads: one at a time
 * for a document.
 */
#ifndef PL_BASE_JSON_H
#define PL_BASE_JSON_H

#include "base/buf.h"

#define PL_JSON_DEPTH_MAX        16
#define PL_JSON_SCRIPT_DEPTH_MAX 512
#define PL_JSON_MARKS_MAX        4096 /* half a ms to parse; 500 ids to watch are the most */

struct pl_json; /* any value; NULL stands for "absent" in all calls below */

enum pl_json_type {
	PL_JSON_ABSENT,
	PL_JSON_NULL,
	PL_JSON_BOOL,
	PL_JSON_INT,
	PL_JSON_REAL,
	PL_JSON_STRING,
	PL_JSON_ARRAY,
	PL_JSON_OBJECT,
};

/* Parse text into *root, which the caller frees with pl_json_free(). PL_E_INVALID
 * otherwise; *why (may be NULL) is then a short constant reason, "duplicate key". */
enum pl_err pl_json_parse(
    struct pl_str text, struct pl_json **root, const char **why) PL_MUST_CHECK;
/* As pl_json_parse(), for what JSON.stringify() makes of values that are not ours to
 * judge: \u0000 in strings, nesting to PL_JSON_SCRIPT_DEPTH_MAX, integers past 64 bits,
 * which are reals (and then all numbers of the document are), and lone surrogates, which
 * are read as \u0000: so that whoever refuses that refuses both. */
enum pl_err pl_json_parse_script(
    struct pl_str text, struct pl_json **root, const char **why) PL_MUST_CHECK;
void pl_json_free(struct pl_json *root); /* NULL is fine */

enum pl_json_type pl_json_type(const struct pl_json *v);
struct pl_json *pl_json_get(const struct pl_json *object, const char *key);
struct pl_json *pl_json_at(const struct pl_json *array, size_t index);
size_t pl_json_length(const struct pl_json *array_or_object); /* 0 for other types */
/* Walk an object's members: *it starts as NULL; false at the end. Borrowed. */
bool pl_json_each(
    const struct pl_json *object, void **it, struct pl_str *key, struct pl_json **value);

/* False if v is absent or of another type; *out is then untouched. */
bool pl_json_str(const struct pl_json *v, struct pl_str *out);
bool pl_json_int(const struct pl_json *v, int64_t *out);
bool pl_json_real(const struct pl_json *v, double *out); /* integers too */
bool pl_json_bool(const struct pl_json *v, bool *out);

#endif
