#include <jansson.h>

#include "base/json_plain.h"
#include "base/mem.h"
#include "base/utf8.h"

#define MEMBERS_MAX 64

struct reader {
	const char *at;
	const char *end;
};

/* What follows a backslash, and what both stand for, side by side. */
static const char letters[] = "\"\\/bfnrt";
static const char meanings[] = "\"\\/\b\f\n\r\t";

/* '\0': this is no escape of two characters. */
static char
meaning_of(char letter)
{
	const char *found = letter != '\0' ? strchr(letters, letter) : NULL;

	return found != NULL ? meanings[found - letters] : '\0';
}

static void
skip_space(struct reader *r)
{
	while (r->at < r->end &&
	       (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
		r->at++;
}

/* Step over c, and the white space before it. */
static bool
take(struct reader *r, char c)
{
	skip_space(r);
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

/* Take a string as it is written, without its quotes; has_escape is set if it has one. */
static bool
take_string(struct reader *r, struct pl_str *out, bool *has_escape)
{
	const char *from;

	if (!take(r, '"'))
		return false;
	for (from = r->at; r->at < r->end && *r->at != '"'; r->at++) {
		if ((unsigned char)*r->at < 0x20)
			return false;
		if (*r->at != '\\')
			continue;
		*has_escape = true;
		if (++r->at == r->end || meaning_of(*r->at) == '\0')
			return false;
	}
	*out = pl_str_n(from, (size_t)(r->at - from));
	return take(r, '"');
}

static json_t *
unescaped(struct pl_str text)
{
	char *copy = pl_mem_alloc(text.len);
	size_t len = 0;
	json_t *string;

	for (size_t i = 0; i < text.len; i++)
		copy[len++] =
		    text.ptr[i] == '\\' ? meaning_of(text.ptr[++i]) : text.ptr[i];
	string = json_stringn_nocheck(copy, len);
	pl_mem_free(copy);
	return string;
}

static bool
read_member(struct reader *r, json_t *object)
{
	struct pl_str key, text;
	bool has_escape = false, is_odd = false;
	json_t *value;

	if (!take_string(r, &key, &is_odd) || is_odd || !take(r, ':') ||
	    !take_string(r, &text, &has_escape))
		return false;
	value = has_escape ? unescaped(text) : json_stringn_nocheck(text.ptr, text.len);
	return json_object_setn_new_nocheck(object, key.ptr, key.len, value) == 0;
}

static bool
read_members(struct reader *r, json_t *object)
{
	size_t count = 0;

	do {
		if (count++ == MEMBERS_MAX || !read_member(r, object))
			return false;
	} while (take(r, ','));
	if (!take(r, '}') ||
	    json_object_size(object) != count) /* a key that came twice */
		return false;
	skip_space(r);
	return r->at == r->end;
}

json_t *
pl_json_plain(struct pl_str text)
{
	struct reader r = {.at = text.ptr, .end = text.ptr + text.len};
	json_t *object;

	if (text.len == 0 || !take(&r, '{') || !pl_utf8_is_valid(text))
		return NULL;
	object = json_object();
	if (read_members(&r, object))
		return object;
	json_decref(object);
	return NULL;
}
