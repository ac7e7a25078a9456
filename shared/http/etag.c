#include "http/etag.h"

#include <stdio.h>

#include "http/exchange.h"
#include "http/reply.h"
#include "proto/http_etag.h"

void
pl_etags_read(struct pl_etags *tags, const struct pl_request *rq)
{
	struct pl_str line;
	size_t it = 0;

	pl_buf_init(&tags->lines, PL_BUF_UNLIMITED); /* kore bounds a head */
	while ((line = pl_request_header_next(rq, "if-none-match", &it)).ptr != NULL) {
		(void)pl_buf_add_str(&tags->lines, line);
		(void)pl_buf_add_char(&tags->lines, '\n');
	}
}

void
pl_etags_fini(struct pl_etags *tags)
{
	pl_buf_fini(&tags->lines);
}

bool
pl_etags_have(const struct pl_etags *tags, const struct pl_digest *tag)
{
	struct pl_str rest = pl_buf_str(&tags->lines), line;
	char opaque[PL_DIGEST_HEX_LEN + 1];

	pl_digest_format(tag, opaque);
	while (pl_str_split(&rest, '\n', &line))
		if (pl_http_etag_matches(line, pl_str(opaque)))
			return true;
	return false;
}

void
pl_reply_etag(struct pl_request *rq, const struct pl_digest *tag)
{
	char opaque[PL_DIGEST_HEX_LEN + 1], value[sizeof(opaque) + sizeof("W/\"\"")];

	pl_digest_format(tag, opaque);
	snprintf(value, sizeof(value), "W/\"%s\"", opaque);
	pl_reply_header(rq, "etag", value);
	pl_exchange_of(rq)->caching = "private, no-cache";
}

void
pl_reply_for_good(struct pl_request *rq)
{
	pl_exchange_of(rq)->caching = "public, max-age=31536000, immutable";
}

void
pl_reply_not_modified(struct pl_request *rq)
{
	/* RFC 9110 §8.6: the length of the 200, or none */
	if (pl_exchange_connection(rq) != NULL)
		pl_exchange_of(rq)->req->flags |= HTTP_REQUEST_NO_CONTENT_LENGTH;
	pl_reply_bytes(rq, 304, NULL, PL_STR_NONE);
}
