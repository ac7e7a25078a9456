#include <jansson.h>
#include <pthread.h>

#include "base/hex.h"
#include "base/json.h"
#include "base/json_plain.h"
#include "base/mem.h"

/* A struct pl_json is a json_t; a few calls of jansson only read, and still want it
 * writable. */
static json_t *
unwrap(const struct pl_json *v)
{
	return (json_t *)(uintptr_t)v;
}

static struct pl_json *
wrap(json_t *v)
{
	return (struct pl_json *)v;
}

/* Step over a string whose opening quote is at[-1]. Gives the place after its closing
 * quote, or end. */
static const char *
skip_string(const char *at, const char *end)
{
	while (at < end && *at != '"')
		at += *at == '\\' && end - at > 1 ? 2 : 1;
	return at < end ? at + 1 : end;
}

/* jansson recurses, to a depth that is compiled in, and takes its time by the value more
 * than by the byte; so both are bounded before. */
static const char *
find_excess(struct pl_str text, unsigned depth_max)
{
	const char *at = text.ptr, *end = at + text.len;
	unsigned depth = 0, marks = 0;

	while (at < end) {
		char c = *at++;

		if (c == '"')
			at = skip_string(at, end);
		else if ((c == '[' || c == '{') && ++depth > depth_max)
			return "nested too deeply";
		else if ((c == ']' || c == '}') && depth > 0)
			depth--;
		if ((c == '[' || c == '{' || c == ',') && ++marks > PL_JSON_MARKS_MAX)
			return "too many values";
	}
	return NULL;
}

/* A fault of text that jansson does not report, or not as well; NULL: none. */
static const char *
find_fault(struct pl_str text, unsigned depth_max)
{
	if (text.len == 0)
		return "empty";
	if (pl_str_starts(text, PL_STR("\xEF\xBB\xBF")))
		return "byte order mark";
	if (memchr(text.ptr, '\0', text.len) != NULL)
		return "NUL character";
	return find_excess(text, depth_max);
}

static const char out_of_range[] = "number out of range";
static const char not_valid[] = "not valid JSON";

static const char *
reason_of(const json_error_t *error)
{
	switch (json_error_code(error)) {
	case json_error_invalid_utf8:
		return "invalid UTF-8";
	case json_error_end_of_input_expected:
		return "bytes after the value";
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return "NUL character";
	case json_error_duplicate_key:
		return "duplicate key";
	case json_error_numeric_overflow:
		return out_of_range;
	default:
		return not_valid;
	}
}

/* Without memory jansson 2.14 leaves a byte of a string out, and calls that a success. So
 * its allocations never fail, as ours. What it had before may be freed by pl_mem_free(),
 * too. */
static void
set_memory(void)
{
	json_set_alloc_funcs(pl_mem_alloc, pl_mem_free);
}

static void
begin_once(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, set_memory);
}

static json_t *
load(struct pl_str text, size_t flags, const char **fault)
{
	json_error_t error;
	json_t *value = json_loadb(
	    text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | flags, &error);

	if (value == NULL)
		*fault = reason_of(&error);
	return value;
}

static enum pl_err
give(json_t *value, const char *fault, struct pl_json **root, const char **why)
{
	if (value != NULL)
		*root = wrap(value);
	else if (why != NULL)
		*why = fault;
	return value != NULL ? PL_OK : PL_E_INVALID;
}

enum pl_err
pl_json_parse(struct pl_str text, struct pl_json **root, const char **why)
{
	const char *fault = NULL;
	json_t *value;

	begin_once();
	value = pl_json_plain(text);
	if (value == NULL)
		fault = find_fault(text, PL_JSON_DEPTH_MAX);
	if (value == NULL && fault == NULL)
		value = load(text, 0, &fault);
	return give(value, fault, root, why);
}

/* The code unit of an escape "\\uXXXX" at at; -1: there is none. */
static int
escaped_unit(const char *at, const char *end)
{
	int unit = 0;

	if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
		return -1;
	for (size_t i = 2; i < 6; i++) {
		int digit = pl_hex_value(at[i]);

		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

/* Write \u0000 for each lone surrogate. False: there was none. */
static bool
blank_lone_surrogates(char *at, const char *end)
{
	bool found = false;

	while (at < end) {
		int unit = escaped_unit(at, end);
		int next = unit >= 0 ? escaped_unit(at + 6, end) : -1;

		if (unit >= 0xD800 && unit <= 0xDBFF && next >= 0xDC00 &&
		    next <= 0xDFFF) {
			at += 12;
		} else if (unit >= 0xD800 && unit <= 0xDFFF) {
			memcpy(at + 2, "0000", 4);
			found = true;
			at += 6;
		} else {
			at += *at == '\\' && at + 1 < end ? 2 : 1;
		}
	}
	return found;
}

/* Text that could not be read, without its lone surrogates. NULL: they were not why. */
static json_t *
load_without_lone_surrogates(struct pl_str text, const char **fault)
{
	char *copy = pl_mem_strndup(text.ptr, text.len);
	json_t *value = NULL;

	if (blank_lone_surrogates(copy, copy + text.len))
		value = load(pl_str_n(copy, text.len), JSON_ALLOW_NUL, fault);
	if (value == NULL && *fault == out_of_range)
		value = load(pl_str_n(copy, text.len),
		    JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, fault);
	pl_mem_free(copy);
	return value;
}

enum pl_err
pl_json_parse_script(struct pl_str text, struct pl_json **root, const char **why)
{
	const char *fault = find_fault(text, PL_JSON_SCRIPT_DEPTH_MAX);
	json_t *value;

	begin_once();
	value = fault == NULL ? load(text, JSON_ALLOW_NUL, &fault) : NULL;
	if (value == NULL && fault == out_of_range)
		value = load(text, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &fault);
	if (value == NULL && fault == not_valid)
		value = load_without_lone_surrogates(text, &fault);
	return give(value, fault, root, why);
}

void
pl_json_free(struct pl_json *root)
{
	json_decref(unwrap(root));
}

enum pl_json_type
pl_json_type(const struct pl_json *v)
{
	if (v == NULL)
		return PL_JSON_ABSENT;
	switch (json_typeof(unwrap(v))) {
	case JSON_NULL:
		return PL_JSON_NULL;
	case JSON_TRUE:
	case JSON_FALSE:
		return PL_JSON_BOOL;
	case JSON_INTEGER:
		return PL_JSON_INT;
	case JSON_REAL:
		return PL_JSON_REAL;
	case JSON_STRING:
		return PL_JSON_STRING;
	case JSON_ARRAY:
		return PL_JSON_ARRAY;
	case JSON_OBJECT:
		return PL_JSON_OBJECT;
	}
	return PL_JSON_ABSENT; /* unreached: jansson has no other */
}

struct pl_json *
pl_json_get(const struct pl_json *object, const char *key)
{
	return wrap(json_object_get(unwrap(object), key));
}

struct pl_json *
pl_json_at(const struct pl_json *array, size_t index)
{
	return wrap(json_array_get(unwrap(array), index));
}

size_t
pl_json_length(const struct pl_json *array_or_object)
{
	json_t *v = unwrap(array_or_object);

	return json_is_array(v) ? json_array_size(v) : json_object_size(v);
}

bool
pl_json_each(
    const struct pl_json *object, void **it, struct pl_str *key, struct pl_json **value)
{
	json_t *o = unwrap(object);
	void *at = *it == NULL ? json_object_iter(o) : json_object_iter_next(o, *it);

	if (at == NULL)
		return false;
	*it = at;
	*key = pl_str_n(json_object_iter_key(at), json_object_iter_key_len(at));
	*value = wrap(json_object_iter_value(at));
	return true;
}

bool
pl_json_str(const struct pl_json *v, struct pl_str *out)
{
	json_t *string = unwrap(v);

	if (!json_is_string(string))
		return false;
	*out = pl_str_n(json_string_value(string), json_string_length(string));
	return true;
}

bool
pl_json_int(const struct pl_json *v, int64_t *out)
{
	json_t *integer = unwrap(v);

	if (!json_is_integer(integer))
		return false;
	*out = json_integer_value(integer);
	return true;
}

bool
pl_json_real(const struct pl_json *v, double *out)
{
	json_t *number = unwrap(v);

	if (!json_is_number(number))
		return false;
	*out = json_number_value(number);
	return true;
}

bool
pl_json_bool(const struct pl_json *v, bool *out)
{
	json_t *boolean = unwrap(v);

	if (!json_is_boolean(boolean))
		return false;
	*out = json_is_true(boolean);
	return true;
}
