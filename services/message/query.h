/* query: parameters of a request's query that both kinds of pages read.  Threads: the
 * loop's. */
#ifndef MESSAGE_QUERY_H
#define MESSAGE_QUERY_H

#include "http/request.h"

#define QUERY_VALUE_MAX 64

/* A parameter's value, in out; absent: value->ptr is NULL. False: it is broken. */
bool query_value(struct pl_request *rq, const char *name, char out[QUERY_VALUE_MAX],
    struct pl_str *value) PL_MUST_CHECK;
/* limit: a whole number from 1 to max; absent: *limit stays. *is_given may be NULL.
 * False: it is something else. */
bool query_limit(
    struct pl_request *rq, size_t max, size_t *limit, bool *is_given) PL_MUST_CHECK;
/* Answer with 400 and this text. */
void query_refuse(struct pl_request *rq, const char *text);

#endif
