#include "store/mongo/diagnosis.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/date_text.h"
#include "base/mem.h"
#include "base/utf8.h"

#define ID_SHOWN_MAX 100
/* A number is a time if it can mean one only: in milliseconds, or in seconds, of the
 * years 2000 to 2099. */
#define FIRST_S 946684800
#define LAST_S  4102444799
/* Up to here each whole number is a distinct double, and is written with all its
 * digits. */
#define EXACT_MAX 9007199254740992.0

/* BSON's numbers of types, for $type, besides those in documents.h. */
enum { T_ARRAY = 4, T_DATE = 9, T_TIMESTAMP = 17 };

/* ---- values ---- */

static bool
is_number(const bson_iter_t *it)
{
	return BSON_ITER_HOLDS_NUMBER(it) || BSON_ITER_HOLDS_DECIMAL128(it);
}

/* it is NULL if the field is not there. */
static enum pl_adopt_fault
class_of(const bson_iter_t *it)
{
	if (it == NULL || BSON_ITER_HOLDS_NULL(it) || BSON_ITER_HOLDS_UNDEFINED(it))
		return PL_ADOPT_MISSING;
	if (BSON_ITER_HOLDS_UTF8(it))
		return PL_ADOPT_STRING;
	return is_number(it) ? PL_ADOPT_NUMBER : PL_ADOPT_OTHER;
}

static struct pl_str
string_of(const bson_iter_t *it)
{
	uint32_t len;
	const char *text = bson_iter_utf8(it, &len);

	return pl_str_n(text, len);
}

static double
double_of(const bson_iter_t *it)
{
	bson_decimal128_t decimal;
	char text[BSON_DECIMAL128_STRING];

	if (!BSON_ITER_HOLDS_DECIMAL128(it))
		return bson_iter_as_double(it);
	bson_iter_decimal128(it, &decimal);
	bson_decimal128_to_string(&decimal, text);
	return strtod(text, NULL);
}

static bool
time_of_number(double value, int64_t *ms)
{
	if (value >= FIRST_S * 1000.0 && value < (LAST_S + 1) * 1000.0)
		*ms = (int64_t)value;
	else if (value >= FIRST_S && value < LAST_S + 1.0)
		*ms = (int64_t)(value * 1000.0);
	else
		return false;
	return true;
}

/* As mongoose reads strings: one of digits means milliseconds. */
static bool
time_of(const bson_iter_t *it, int64_t *ms)
{
	uint64_t digits;
	uint32_t seconds, increment;

	if (BSON_ITER_HOLDS_TIMESTAMP(it)) {
		bson_iter_timestamp(it, &seconds, &increment);
		return time_of_number(seconds, ms);
	}
	if (is_number(it))
		return time_of_number(double_of(it), ms);
	if (!BSON_ITER_HOLDS_UTF8(it))
		return false;
	if (pl_str_to_u64(string_of(it), (uint64_t)EXACT_MAX, &digits))
		return time_of_number((double)digits, ms);
	return pl_date_text_parse(string_of(it), ms);
}

/* The shortest digits that mean it, as JavaScript's String() gives them; numbers with an
 * exponent are nobody's name. */
static bool
write_double(double value, char out[32])
{
	if (!isfinite(value) || fabs(value) > EXACT_MAX)
		return false;
	if (value == (double)(int64_t)value) {
		snprintf(out, 32, "%.0f", value == 0 ? 0.0 : value);
		return true;
	}
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(out, 32, "%.*g", digits, value);
		if (strtod(out, NULL) == value)
			break;
	}
	return strchr(out, 'e') == NULL;
}

/* In decimal digits. */
static bool
write_number(const bson_iter_t *it, char out[BSON_DECIMAL128_STRING])
{
	bson_decimal128_t decimal;

	if (BSON_ITER_HOLDS_INT(it)) {
		snprintf(out, BSON_DECIMAL128_STRING, "%lld",
		    (long long)bson_iter_as_int64(it));
		return true;
	}
	if (BSON_ITER_HOLDS_DOUBLE(it))
		return write_double(bson_iter_double(it), out);
	bson_iter_decimal128(it, &decimal);
	bson_decimal128_to_string(&decimal, out);
	return out[strspn(out, "-.0123456789")] == '\0';
}

static bool
id_of(const bson_iter_t *it, struct pl_oid *out)
{
	return BSON_ITER_HOLDS_UTF8(it) && pl_oid_parse(string_of(it), out);
}

/* ---- the judgement ---- */

static void
add_fault(struct pl_diagnosis *s, enum pl_adopt_field field, enum pl_adopt_fault fault,
    bool is_mended)
{
	s->faults[s->count++] = (struct pl_diagnosis_fault){
	    .field = field, .fault = fault, .is_mended = is_mended};
	s->is_mendable = s->is_mendable && is_mended;
}

/* Sets *it to the field; NULL: it is not there. */
static bson_iter_t *
find(const bson_t *doc, const char *name, bson_iter_t *it)
{
	return bson_iter_init_find(it, doc, name) ? it : NULL;
}

static void
judge_own_id(struct pl_diagnosis *s, const bson_t *doc)
{
	bson_iter_t at, *it = find(doc, PL_USER_F_ID, &at);

	if (it != NULL && BSON_ITER_HOLDS_OID(it))
		return;
	s->is_served = false;
	s->has_new_id = it != NULL && id_of(it, &s->new_id);
	add_fault(s, PL_ADOPT_ID, class_of(it), s->has_new_id);
}

static void
judge_id(struct pl_diagnosis *s, const bson_t *doc, enum pl_adopt_field field,
    const char *name)
{
	bson_iter_t at, *it = find(doc, name, &at);
	struct pl_oid id;
	bool is_id;

	if (it != NULL && BSON_ITER_HOLDS_OID(it))
		return;
	s->is_served = false;
	is_id = it != NULL && id_of(it, &id);
	if (is_id)
		pl_mongo_put_oid(&s->set, name, &id);
	add_fault(s, field, class_of(it), is_id);
}

static void
judge_text(struct pl_diagnosis *s, const bson_t *doc, enum pl_adopt_field field,
    const char *name)
{
	bson_iter_t at, *it = find(doc, name, &at);
	char text[BSON_DECIMAL128_STRING];
	bool is_text;

	if (it != NULL && BSON_ITER_HOLDS_UTF8(it))
		return;
	s->is_served = false;
	is_text = it != NULL && is_number(it) && write_number(it, text);
	if (is_text)
		pl_mongo_put_str(&s->set, name, pl_str(text));
	add_fault(s, field, class_of(it), is_text);
}

/* The time in the _id, whether it is one already or will be. */
static bool
time_of_id(const struct pl_diagnosis *s, const bson_t *doc, int64_t *ms)
{
	struct pl_oid id = s->new_id;

	if (!s->has_new_id && !pl_mongo_get_oid(doc, PL_USER_F_ID, &id))
		return false;
	*ms = pl_mongo_time_of(&id);
	return true;
}

/* For a message, whose place in the order this time decides. */
static void
judge_needed_time(struct pl_diagnosis *s, const bson_t *doc)
{
	bson_iter_t at, *it = find(doc, PL_MESSAGE_F_CREATED_AT, &at);
	enum pl_adopt_fault fault = class_of(it);
	bool is_time;
	int64_t ms;

	if (it != NULL && BSON_ITER_HOLDS_DATE_TIME(it))
		return;
	s->is_served = false;
	if (fault == PL_ADOPT_STRING && string_of(it).len == 0)
		fault = PL_ADOPT_MISSING;
	is_time = fault == PL_ADOPT_MISSING ? time_of_id(s, doc, &ms) : time_of(it, &ms);
	if (is_time)
		pl_mongo_put_time(&s->set, PL_MESSAGE_F_CREATED_AT, ms);
	add_fault(s, PL_ADOPT_CREATED, fault, is_time);
}

/* A field that can be missing; mended if the meaning is sure. */
static void
judge_time(struct pl_diagnosis *s, const bson_t *doc, enum pl_adopt_field field,
    const char *name)
{
	bson_iter_t at, *it = find(doc, name, &at);
	int64_t ms;

	if (it == NULL || !time_of(it, &ms))
		return;
	pl_mongo_put_time(&s->set, name, ms);
	add_fault(s, field, class_of(it), true);
}

bool
pl_diagnosis_make(const bson_t *doc, enum pl_adopt_of of, struct pl_diagnosis *out)
{
	struct pl_diagnosis *s = out;

	memset(s, 0, sizeof(*s));
	s->of = of;
	s->is_served = s->is_mendable = true;
	bson_init(&s->set);
	judge_own_id(s, doc);
	if (of == PL_ADOPT_USERS) {
		judge_text(s, doc, PL_ADOPT_USERNAME, PL_USER_F_USERNAME);
		judge_time(s, doc, PL_ADOPT_CREATED, PL_USER_F_CREATED_AT);
	} else {
		judge_id(s, doc, PL_ADOPT_SENDER, PL_MESSAGE_F_SENDER);
		judge_id(s, doc, PL_ADOPT_RECEIVER, PL_MESSAGE_F_RECEIVER);
		judge_text(s, doc, PL_ADOPT_TEXT, PL_MESSAGE_F_TEXT);
		judge_needed_time(s, doc);
	}
	judge_time(s, doc, PL_ADOPT_UPDATED, PL_USER_F_UPDATED_AT);
	if (s->count > 0)
		return true;
	bson_destroy(&s->set);
	return false;
}

void
pl_diagnosis_fini(struct pl_diagnosis *s)
{
	bson_destroy(&s->set);
}

bool
pl_diagnosis_has(
    const struct pl_diagnosis *s, enum pl_adopt_field field, enum pl_adopt_fault fault)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->faults[i].field == field && s->faults[i].fault == fault)
			return true;
	return false;
}

void
pl_diagnosis_note_taken(struct pl_diagnosis *s, enum pl_adopt_field field)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->faults[i].field == field) {
			s->faults[i].fault = PL_ADOPT_TAKEN;
			s->faults[i].is_mended = false;
		}
	s->is_mendable = false;
}

/* ---- mending ---- */

void
pl_diagnosis_mend(const struct pl_diagnosis *s, const bson_t *doc, bson_t *out)
{
	bson_iter_t it, fresh;

	if (s->has_new_id)
		pl_mongo_put_oid(out, PL_USER_F_ID, &s->new_id);
	if (bson_iter_init(&it, doc))
		while (bson_iter_next(&it)) {
			const char *key = bson_iter_key(&it);

			if (s->has_new_id && strcmp(key, PL_USER_F_ID) == 0)
				continue;
			if (find(&s->set, key, &fresh) == NULL)
				bson_append_iter(out, NULL, 0, &it);
		}
	bson_concat(out, &s->set);
}

static void
put_value(bson_t *selector, bson_iter_t *it)
{
	const char *field = bson_iter_key(it);
	bson_t is;

	bson_append_document_begin(selector, field, -1, &is);
	/* equality with these would find documents without the field, too */
	if (BSON_ITER_HOLDS_NULL(it) || BSON_ITER_HOLDS_UNDEFINED(it))
		pl_mongo_put_int(&is, "$type", (int32_t)bson_iter_type(it));
	else
		bson_append_iter(&is, "$eq", -1, it);
	bson_append_document_end(selector, &is);
}

void
pl_diagnosis_put_seen(bson_t *selector, const bson_t *doc, const char *field)
{
	bson_iter_t it;
	bson_t is;

	if (find(doc, field, &it) != NULL) {
		put_value(selector, &it);
		return;
	}
	bson_append_document_begin(selector, field, -1, &is);
	bson_append_bool(&is, "$exists", -1, false);
	bson_append_document_end(selector, &is);
}

void
pl_diagnosis_put_all_seen(bson_t *selector, const bson_t *doc)
{
	bson_iter_t it;

	if (!bson_iter_init(&it, doc))
		return;
	while (bson_iter_next(&it)) {
		const char *key = bson_iter_key(&it);

		/* such a name would be an operator or a path */
		if (key[0] != '\0' && key[0] != '$' && strchr(key, '.') == NULL)
			put_value(selector, &it);
	}
}

/* ---- finding ---- */

struct alternatives {
	bson_t list;
	uint32_t count;
};

/* Append {field: {$type: type}} to an $or; with is_not, {field: {$not: {$type:
 * type}}}. */
static void
put_type(struct alternatives *a, const char *field, bool is_not, int32_t type)
{
	const char *at;
	char text[16];
	bson_t either, is, not ;

	bson_uint32_to_string(a->count++, &at, text, sizeof(text));
	bson_append_document_begin(&a->list, at, -1, &either);
	bson_append_document_begin(&either, field, -1, &is);
	if (is_not) {
		bson_append_document_begin(&is, "$not", -1, &not );
		pl_mongo_put_int(&not, "$type", type);
		bson_append_document_end(&is, &not );
	} else {
		pl_mongo_put_int(&is, "$type", type);
	}
	bson_append_document_end(&either, &is);
	bson_append_document_end(&a->list, &either);
}

/* $type also matches an array by the types of its elements. */
static void
put_needed(struct alternatives *a, const char *field, int32_t type)
{
	put_type(a, field, true, type);
	put_type(a, field, false, T_ARRAY);
}

static void
put_wrong_time(struct alternatives *a, const char *field)
{
	static const int32_t types[] = {PL_MONGO_T_STRING, T_TIMESTAMP, BSON_TYPE_DOUBLE,
	    BSON_TYPE_INT32, BSON_TYPE_INT64, BSON_TYPE_DECIMAL128};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		put_type(a, field, false, types[i]);
}

void
pl_diagnosis_put_filter(bson_t *filter, enum pl_adopt_of of)
{
	struct alternatives a = {.count = 0};

	bson_append_array_begin(filter, "$or", -1, &a.list);
	put_type(&a, PL_USER_F_ID, true, PL_MONGO_T_OID);
	if (of == PL_ADOPT_USERS) {
		put_needed(&a, PL_USER_F_USERNAME, PL_MONGO_T_STRING);
		put_wrong_time(&a, PL_USER_F_CREATED_AT);
	} else {
		put_needed(&a, PL_MESSAGE_F_SENDER, PL_MONGO_T_OID);
		put_needed(&a, PL_MESSAGE_F_RECEIVER, PL_MONGO_T_OID);
		put_needed(&a, PL_MESSAGE_F_TEXT, PL_MONGO_T_STRING);
		put_needed(&a, PL_MESSAGE_F_CREATED_AT, T_DATE);
	}
	put_wrong_time(&a, PL_USER_F_UPDATED_AT);
	bson_append_array_end(filter, &a.list);
}

/* ---- for people ---- */

/* Cut at a character's end. */
static void
show_text(struct pl_str text, struct pl_buf *out)
{
	size_t len = text.len;

	if (len > ID_SHOWN_MAX) {
		len = ID_SHOWN_MAX;
		while (len > 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
			len--;
	}
	(void)pl_buf_add_str(out, pl_str_n(text.ptr, len));
	if (len < text.len)
		(void)pl_buf_add_cstr(out, "...");
}

static bool
is_printable(struct pl_str text)
{
	uint32_t c;

	while (pl_utf8_next(&text, &c))
		if (pl_utf8_is_control(c) || pl_utf8_is_format(c))
			return false;
	return true;
}

void
pl_diagnosis_show_id(const bson_t *doc, struct pl_buf *out)
{
	bson_t only = BSON_INITIALIZER;
	char hex[PL_OID_HEX_LEN + 1];
	struct pl_oid id;
	bson_iter_t it;
	char *json = NULL;
	size_t len = 0;

	if (pl_mongo_get_oid(doc, PL_USER_F_ID, &id)) {
		pl_oid_format(&id, hex);
		(void)pl_buf_add_cstr(out, hex);
	} else if (find(doc, PL_USER_F_ID, &it) != NULL) {
		/* { "_id" : "ann" } */
		bson_append_iter(&only, PL_USER_F_ID, -1, &it);
		json = bson_as_relaxed_extended_json(&only, &len);
		if (json == NULL || len < 12 || !pl_utf8_is_valid(pl_str_n(json, len)) ||
		    !is_printable(pl_str_n(json, len)))
			(void)pl_buf_add_cstr(out, "(not printable)");
		else
			show_text(pl_str_n(json + 10, len - 12), out);
		bson_free(json);
	} else {
		(void)pl_buf_add_cstr(out, "(none)");
	}
	bson_destroy(&only);
}
