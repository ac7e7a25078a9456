#include "proto/eio_query.h"

#include <assert.h>

#include "proto/http_query.h"

/* Room for the longest value that could be right, and one byte more to notice a longer
 * one. */
#define VALUE_MAX (sizeof("websocket") - 1)

enum { WRONG, POLLING, WEBSOCKET };

static int
find_transport(struct pl_str query)
{
	char text[VALUE_MAX];
	struct pl_str value;

	if (pl_http_query_get(query, PL_STR("transport"), text, sizeof(text), &value) !=
	    PL_OK)
		return WRONG;
	if (pl_str_eq(value, PL_STR("polling")))
		return POLLING;
	return pl_str_eq(value, PL_STR("websocket")) ? WEBSOCKET : WRONG;
}

static bool
is_version_4(struct pl_str query)
{
	char text[1];
	struct pl_str value;

	return pl_http_query_get(query, PL_STR("EIO"), text, sizeof(text), &value) ==
		   PL_OK &&
	       pl_str_eq(value, PL_STR("4"));
}

/* The sid, NUL-terminated, "" if there is none. */
static enum pl_eio_error
find_sid(struct pl_str query, char sid[PL_EIO_SID_MAX + 1])
{
	struct pl_str value = PL_STR_NONE;

	switch (pl_http_query_get(query, PL_STR("sid"), sid, PL_EIO_SID_MAX, &value)) {
	case PL_OK:
	case PL_E_NOT_FOUND:
		sid[value.len] = '\0';
		/* A NUL inside would make it equal to a shorter one. */
		return strlen(sid) == value.len ? PL_EIO_NO_ERROR : PL_EIO_UNKNOWN_SID;
	case PL_E_TOO_BIG:
		return PL_EIO_UNKNOWN_SID;
	default:
		return PL_EIO_BAD_REQUEST;
	}
}

static enum pl_eio_error
check_handshake(struct pl_str query, bool is_get, bool is_coherent)
{
	if (!is_get)
		return PL_EIO_BAD_METHOD;
	if (!is_coherent)
		return PL_EIO_BAD_REQUEST;
	return is_version_4(query) ? PL_EIO_NO_ERROR : PL_EIO_BAD_VERSION;
}

enum pl_eio_error
pl_eio_query_parse(
    struct pl_str query, bool is_get, bool is_upgrade, struct pl_eio_query *out)
{
	int transport = find_transport(query);
	struct pl_eio_query found;
	enum pl_eio_error error;

	if (transport == WRONG)
		return PL_EIO_UNKNOWN_TRANSPORT;
	error = find_sid(query, found.sid);
	if (error != PL_EIO_NO_ERROR)
		return error;
	found.is_websocket = transport == WEBSOCKET;
	found.is_coherent = found.is_websocket == is_upgrade;
	if (found.sid[0] == '\0')
		error = check_handshake(query, is_get, found.is_coherent);
	if (error == PL_EIO_NO_ERROR)
		*out = found;
	return error;
}

static const char *const bodies[] = {
    [PL_EIO_UNKNOWN_TRANSPORT] = "{\"code\":0,\"message\":\"Transport unknown\"}",
    [PL_EIO_UNKNOWN_SID] = "{\"code\":1,\"message\":\"Session ID unknown\"}",
    [PL_EIO_BAD_METHOD] = "{\"code\":2,\"message\":\"Bad handshake method\"}",
    [PL_EIO_BAD_REQUEST] = "{\"code\":3,\"message\":\"Bad request\"}",
    [PL_EIO_FORBIDDEN] = "{\"code\":4,\"message\":\"Forbidden\"}",
    [PL_EIO_BAD_VERSION] = "{\"code\":5,\"message\":\"Unsupported protocol version\"}",
};

int
pl_eio_error_status(enum pl_eio_error error)
{
	return error == PL_EIO_FORBIDDEN ? 403 : 400;
}

const char *
pl_eio_error_body(enum pl_eio_error error)
{
	assert(error >= PL_EIO_UNKNOWN_TRANSPORT && error <= PL_EIO_BAD_VERSION);
	return bodies[error];
}
