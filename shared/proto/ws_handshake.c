#include "proto/ws_handshake.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <openssl/evp.h>

#include "base/base64.h"

#define GUID     "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 §1.3 */
#define KEY_LEN  24                                     /* base64 of 16 bytes */
#define SHA1_LEN 20

static const struct {
	unsigned status;
	const char *text;
} verdicts[] = {
    [PL_WS_HS_ACCEPTED] = {101, "accepted"},
    [PL_WS_HS_NOT_GET] = {400, "a WebSocket handshake is a GET request"},
    [PL_WS_HS_OLD_HTTP] = {400, "a WebSocket handshake needs HTTP/1.1"},
    [PL_WS_HS_NO_HOST] = {400, "Host is missing"},
    [PL_WS_HS_NO_CONNECTION] = {400, "Connection does not say Upgrade"},
    [PL_WS_HS_BAD_KEY] = {400, "Sec-WebSocket-Key is not one key of 16 bytes"},
    [PL_WS_HS_NO_UPGRADE] = {426, "Upgrade does not say websocket"},
    [PL_WS_HS_BAD_VERSION] = {426, "Sec-WebSocket-Version is not 13"},
};

unsigned
pl_ws_handshake_status(enum pl_ws_handshake verdict)
{
	return verdicts[verdict].status;
}

const char *
pl_ws_handshake_text(enum pl_ws_handshake verdict)
{
	return verdicts[verdict].text;
}

static bool
is_base64_digit(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* 22 digits and "==" are 16 bytes. The last digit's four spare bits may be anything: the
 * key is only ever hashed as text, and some clients make it up as text. */
static bool
key_is_good(struct pl_str key)
{
	if (key.len != KEY_LEN || key.ptr[22] != '=' || key.ptr[23] != '=')
		return false;
	for (size_t i = 0; i < 22; i++)
		if (!is_base64_digit(key.ptr[i]))
			return false;
	return true;
}

enum pl_ws_handshake
pl_ws_handshake_check(const struct pl_ws_request *rq)
{
	if (!pl_str_eq(rq->method, PL_STR("GET")))
		return PL_WS_HS_NOT_GET;
	if (rq->http_major < 1 || (rq->http_major == 1 && rq->http_minor < 1))
		return PL_WS_HS_OLD_HTTP;
	if (pl_str_trim(rq->host).len == 0)
		return PL_WS_HS_NO_HOST;
	if (!pl_str_list_has(rq->upgrade, PL_STR("websocket")))
		return PL_WS_HS_NO_UPGRADE;
	if (!pl_str_list_has(rq->connection, PL_STR("upgrade")))
		return PL_WS_HS_NO_CONNECTION;
	/* Checked before the key: an old client, whose key looks different, is told the
	 * version. */
	if (!pl_str_eq(pl_str_trim(rq->version), PL_STR("13")))
		return PL_WS_HS_BAD_VERSION;
	if (rq->key_repeated || !key_is_good(pl_str_trim(rq->key)))
		return PL_WS_HS_BAD_KEY;
	return PL_WS_HS_ACCEPTED;
}

/* Found once: a look among OpenSSL's providers costs as much as ten keys. */
static EVP_MD *sha1;

static void
find_sha1(void)
{
	sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
}

static void
hash_key(struct pl_str key, unsigned char digest[SHA1_LEN])
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	char text[KEY_LEN + sizeof(GUID)];

	(void)pthread_once(&once, find_sha1);
	key = pl_str_trim(key);
	assert(key.len == KEY_LEN);
	memcpy(text, key.ptr, KEY_LEN);
	memcpy(text + KEY_LEN, GUID, sizeof(GUID));
	/* It fails only for want of memory, and then we do as pl_mem does. */
	if (sha1 == NULL ||
	    EVP_Digest(text, sizeof(text) - 1, digest, NULL, sha1, NULL) != 1)
		abort();
}

/* RFC 9110 §5.6.2 */
static bool
is_token(struct pl_str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] <= ' ' || text.ptr[i] > '~' ||
		    strchr("\"(),/:;<=>?@[\\]{}", text.ptr[i]) != NULL)
			return false;
	return text.len > 0;
}

/* Empty: none is offered, or none that can be accepted. */
static struct pl_str
choose_protocol(struct pl_str offered)
{
	struct pl_str first;

	if (!pl_str_split(&offered, ',', &first))
		return PL_STR_NONE;
	first = pl_str_trim(first);
	return first.len <= PL_WS_PROTOCOL_MAX && is_token(first) ? first : PL_STR_NONE;
}

enum pl_err
pl_ws_handshake_answer(struct pl_buf *out, const struct pl_ws_request *rq)
{
	static const char head[] = "HTTP/1.1 101 Switching Protocols\r\n"
				   "Upgrade: websocket\r\n"
				   "Connection: Upgrade\r\n"
				   "Sec-WebSocket-Accept: ";
	static const char name[] = "\r\nSec-WebSocket-Protocol: ";
	static const char id[] = "\r\nX-Request-Id: ";
	static const char end[] = "\r\n\r\n";
	struct pl_str protocol = choose_protocol(rq->protocols);
	struct pl_str request_id =
	    rq->request_id.len <= PL_WS_REQUEST_ID_MAX ? rq->request_id : PL_STR_NONE;
	unsigned char digest[SHA1_LEN];

	if (pl_buf_reserve(out, sizeof(head) + PL_BASE64_LEN(SHA1_LEN) + sizeof(name) +
				    protocol.len + sizeof(id) + request_id.len +
				    sizeof(end)) == NULL)
		return PL_E_TOO_BIG;
	hash_key(rq->key, digest);
	(void)pl_buf_add(out, head, sizeof(head) - 1);
	(void)pl_base64_encode(out, digest, SHA1_LEN);
	if (protocol.len > 0) {
		(void)pl_buf_add(out, name, sizeof(name) - 1);
		(void)pl_buf_add_str(out, protocol);
	}
	if (request_id.len > 0) {
		(void)pl_buf_add(out, id, sizeof(id) - 1);
		(void)pl_buf_add_str(out, request_id);
	}
	(void)pl_buf_add(out, end, sizeof(end) - 1);
	return PL_OK;
}
