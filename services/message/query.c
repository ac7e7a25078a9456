#include "query.h"

#include "proto/http_query.h"
#include "http/reply.h"

bool
query_value(struct pl_request *rq, const char *name, char out[QUERY_VALUE_MAX],
    struct pl_str *value)
{
	enum pl_err err =
	    pl_http_query_get(rq->query, pl_str(name), out, QUERY_VALUE_MAX, value);

	if (err == PL_E_NOT_FOUND)
		*value = PL_STR_NONE;
	return err == PL_OK || err == PL_E_NOT_FOUND;
}

bool
query_limit(struct pl_request *rq, size_t max, size_t *limit, bool *is_given)
{
	char text[QUERY_VALUE_MAX];
	struct pl_str value;
	uint64_t count;

	if (!query_value(rq, "limit", text, &value))
		return false;
	if (is_given != NULL)
		*is_given = value.ptr != NULL;
	if (value.ptr == NULL)
		return true;
	if (!pl_str_to_u64(value, max, &count) || count == 0)
		return false;
	*limit = count;
	return true;
}

void
query_refuse(struct pl_request *rq, const char *text)
{
	struct pl_invalid why;

	pl_invalid_set(&why, "INVALID_FIELD", "%s", text);
	pl_reply_invalid(rq, &why);
}
