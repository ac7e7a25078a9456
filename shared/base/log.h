/*
 * log: one happening, one line, one JSON object on standard error.
 *
 *   {"t":"2026-01-31T12:34:56.789Z","lvl":"warn","svc":"message",
 *    "msg":"bus publish failed, will retry","err":"timeout","wait_ms":500}   (one line)
 *
 * Messages are facts in the past tense; a warning says what happens next. Ids yes;
 * message texts, tokens, passwords and cookies never. Values are escaped (control
 * characters, U+2028, U+2029, bad UTF-8), so that a line is always one line. Threads:
 * any; a line is one write() of at most 4,096 bytes, for which long values are cut ("…").
 */
#ifndef PL_BASE_LOG_H
#define PL_BASE_LOG_H

#include "base/clock.h"
#include "base/oid.h"

enum pl_log_level { PL_LOG_DEBUG, PL_LOG_INFO, PL_LOG_WARN, PL_LOG_ERROR };

struct pl_log_field {
	const char *key; /* NULL ends the list */
	enum { PL_LOG_F_STR, PL_LOG_F_INT, PL_LOG_F_OID } kind;
	struct pl_str str;
	int64_t num;
	const struct pl_oid *oid;
};

#define PL_L_STR(key_, value_)                                                           \
	((struct pl_log_field){.key = (key_), .kind = PL_LOG_F_STR, .str = (value_)})
#define PL_L_CSTR(key_, value_) PL_L_STR(key_, pl_str(value_))
#define PL_L_INT(key_, value_)                                                           \
	((struct pl_log_field){                                                          \
	    .key = (key_), .kind = PL_LOG_F_INT, .num = (int64_t)(value_)})
#define PL_L_OID(key_, value_)                                                           \
	((struct pl_log_field){.key = (key_), .kind = PL_LOG_F_OID, .oid = (value_)})
#define PL_L_ERR(err_) PL_L_CSTR("err", pl_err_name(err_))

/* What a stranger or an outage can cause as often as they like is sampled: so many lines
 * in so long from one place in the code. The first one after that says in "left_out" how
 * many were not written. */
#define PL_LOG_SAMPLE_LINES 10
#define PL_LOG_SAMPLE_MS    10000
struct pl_log_sample {
	_Atomic int64_t until_mono_ms, lines, left_out;
};
/* False: not this one. *left_out: how many were not, since the last true. */
bool pl_log_sample_take(
    struct pl_log_sample *sample, int64_t now_mono_ms, int64_t *left_out);
/* The last field of a line, or none. */
#define PL_L_LEFT_OUT(count_)                                                            \
	((struct pl_log_field){.key = (count_) > 0 ? "left_out" : NULL,                  \
	    .kind = PL_LOG_F_INT,                                                        \
	    .num = (count_)})

/* service is borrowed for ever. Before the first call it is "parley", and the level
 * info. */
void pl_log_init(const char *service, enum pl_log_level least);
void pl_log_write(
    enum pl_log_level level, const char *message, const struct pl_log_field *fields);

/* pl_log_info(message, field...); there may be no fields, and PL_LOG_END ends them. */
#define PL_LOG_(level_, message_, ...)                                                   \
	pl_log_write(level_, message_, (const struct pl_log_field[]){__VA_ARGS__})
#define PL_LOG_END        ((struct pl_log_field){0})
#define pl_log_debug(...) PL_LOG_(PL_LOG_DEBUG, __VA_ARGS__, PL_LOG_END)
#define pl_log_info(...)  PL_LOG_(PL_LOG_INFO, __VA_ARGS__, PL_LOG_END)
#define pl_log_warn(...)  PL_LOG_(PL_LOG_WARN, __VA_ARGS__, PL_LOG_END)
#define pl_log_error(...) PL_LOG_(PL_LOG_ERROR, __VA_ARGS__, PL_LOG_END)

#define PL_LOG_SAMPLED_(level_, ...)                                                     \
	do {                                                                             \
		static struct pl_log_sample sample_;                                     \
		int64_t left_out_;                                                       \
                                                                                         \
		if (pl_log_sample_take(&sample_, pl_clock_mono_ms(), &left_out_))        \
			PL_LOG_(                                                         \
			    level_, __VA_ARGS__, PL_L_LEFT_OUT(left_out_), PL_LOG_END);  \
	} while (0)
#define pl_log_warn_sampled(...)  PL_LOG_SAMPLED_(PL_LOG_WARN, __VA_ARGS__)
#define pl_log_error_sampled(...) PL_LOG_SAMPLED_(PL_LOG_ERROR, __VA_ARGS__)

#endif
