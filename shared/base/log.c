#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"

/* POSIX: a pipe takes up to PIPE_BUF bytes in one piece, and Linux has 4096. */
#define LINE_MAX_BYTES 4096
/* A longer value is cut, so that it leaves room for the fields after it. */
#define VALUE_MAX_BYTES 1024
#define LINE_END        "}\n"
#define CUT_MARK        "\xE2\x80\xA6" /* U+2026, an ellipsis */
#define REPLACEMENT     0xFFFD

struct line {
	char data[LINE_MAX_BYTES];
	size_t len;
};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static const char *_Atomic service_name = "parley";
static _Atomic enum pl_log_level least_level = PL_LOG_INFO;

void
pl_log_init(const char *service, enum pl_log_level least)
{
	service_name = service;
	least_level = least;
}

/* Add text to the line if all of it fits before limit; else nothing. */
static bool
put(struct line *line, struct pl_str s, size_t limit)
{
	if (s.len > limit || line->len > limit - s.len)
		return false;
	memcpy(line->data + line->len, s.ptr, s.len);
	line->len += s.len;
	return true;
}

/* Cut the next character off *rest; what is not UTF-8 counts as one to be replaced. */
static struct pl_str
take_char(struct pl_str *rest, bool *is_valid)
{
	struct pl_utf8_state st = {0};
	struct pl_str one = {rest->ptr, 0};

	do {
		*is_valid = pl_utf8_feed(&st, rest->ptr + one.len, 1);
		if (!*is_valid && one.len > 0)
			break; /* this byte starts the next character */
		one.len++;
	} while (*is_valid && !pl_utf8_is_complete(&st) && one.len < rest->len);
	*is_valid = *is_valid && pl_utf8_is_complete(&st);
	rest->ptr += one.len;
	rest->len -= one.len;
	return one;
}

static bool
put_char(struct line *line, struct pl_str one, bool is_valid, size_t limit)
{
	struct pl_str left = one;
	uint32_t code_point = REPLACEMENT;
	char escaped[sizeof("\\u0000")];

	if (is_valid)
		pl_utf8_next(&left, &code_point);
	if (is_valid && !pl_utf8_is_control(code_point)) {
		if (code_point != '"' && code_point != '\\')
			return put(line, one, limit);
		snprintf(escaped, sizeof(escaped), "\\%c", (int)code_point);
	} else {
		snprintf(escaped, sizeof(escaped), "\\u%04x", code_point & 0xFFFF);
	}
	return put(line, pl_str(escaped), limit);
}

/* A JSON string, cut if it grows too long. The caller has left room for an empty one. */
static void
put_string(struct line *line, struct pl_str text, size_t limit)
{
	const size_t closing = sizeof(CUT_MARK "\"") - 1;

	if (limit > line->len + VALUE_MAX_BYTES)
		limit = line->len + VALUE_MAX_BYTES;
	put(line, PL_STR("\""), limit);
	while (text.len > 0) {
		bool is_valid;
		struct pl_str one = take_char(&text, &is_valid);

		if (!put_char(line, one, is_valid, limit - closing)) {
			put(line, PL_STR(CUT_MARK), limit);
			break;
		}
	}
	put(line, PL_STR("\""), limit);
}

static void
put_value(struct line *line, const struct pl_log_field *field, size_t limit)
{
	char text[PL_OID_HEX_LEN + 1];

	switch (field->kind) {
	case PL_LOG_F_STR:
		put_string(line, field->str, limit);
		break;
	case PL_LOG_F_INT:
		snprintf(text, sizeof(text), "%lld", (long long)field->num);
		put(line, pl_str(text), limit);
		break;
	case PL_LOG_F_OID:
		pl_oid_format(field->oid, text);
		put_string(line, pl_str(text), limit);
		break;
	}
}

/* `,"key":value`, or nothing if the line has no room left. Keys are our own words. */
static void
put_field(struct line *line, const struct pl_log_field *field)
{
	const size_t limit = LINE_MAX_BYTES - (sizeof(LINE_END) - 1);
	const size_t value_least = PL_OID_HEX_LEN + sizeof("\"\"" CUT_MARK);
	struct pl_str key = pl_str(field->key);

	if (line->len + key.len + sizeof(",\"\":") + value_least > limit)
		return;
	if (line->len > 1)
		put(line, PL_STR(","), limit);
	put(line, PL_STR("\""), limit);
	put(line, key, limit);
	put(line, PL_STR("\":"), limit);
	put_value(line, field, limit);
}

static void
write_line(const struct line *line)
{
	int saved_errno = errno;
	ssize_t n;

	do
		n = write(STDERR_FILENO, line->data, line->len);
	while (n < 0 && errno == EINTR);
	errno = saved_errno;
}

bool
pl_log_sample_take(struct pl_log_sample *sample, int64_t now_mono_ms, int64_t *left_out)
{
	int64_t until_mono_ms = sample->until_mono_ms;

	/* Of several threads one begins the next window. */
	if (now_mono_ms >= until_mono_ms &&
	    atomic_compare_exchange_strong(
		&sample->until_mono_ms, &until_mono_ms, now_mono_ms + PL_LOG_SAMPLE_MS))
		sample->lines = 0;
	if (atomic_fetch_add(&sample->lines, 1) >= PL_LOG_SAMPLE_LINES) {
		atomic_fetch_add(&sample->left_out, 1);
		return false;
	}
	*left_out = atomic_exchange(&sample->left_out, 0);
	return true;
}

void
pl_log_write(
    enum pl_log_level level, const char *message, const struct pl_log_field *fields)
{
	char time_text[PL_CLOCK_ISO_LEN + 1];
	PL_UNCLEARED struct line line;

	if (level < least_level)
		return;
	pl_clock_format_iso(pl_clock_unix_ms(), time_text);
	line.len = 0;
	put(&line, PL_STR("{"), LINE_MAX_BYTES);
	put_field(&line, &PL_L_CSTR("t", time_text));
	put_field(&line, &PL_L_CSTR("lvl", level_names[level]));
	put_field(&line, &PL_L_CSTR("svc", service_name));
	put_field(&line, &PL_L_CSTR("msg", message));
	for (; fields->key != NULL; fields++)
		put_field(&line, fields);
	put(&line, PL_STR(LINE_END), LINE_MAX_BYTES);
	write_line(&line);
}
