#include "proto/eio_packet.h"

#include "base/base64.h"
#include "base/utf8.h"

enum pl_err
pl_eio_packet_decode(struct pl_str text, struct pl_buf *bytes, struct pl_eio_packet *out)
{
	struct pl_str data;
	enum pl_err err;

	if (text.len == 0)
		return PL_E_INVALID;
	data = pl_str_n(text.ptr + 1, text.len - 1);
	if (text.ptr[0] == 'b') {
		pl_buf_clear(bytes);
		err = pl_base64_decode(bytes, data);
		if (err == PL_OK)
			*out = (struct pl_eio_packet){
			    PL_EIO_MESSAGE, true, pl_buf_str(bytes)};
		return err;
	}
	if (text.ptr[0] < '0' || text.ptr[0] > '6')
		return PL_E_INVALID;
	*out = (struct pl_eio_packet){(enum pl_eio_type)(text.ptr[0] - '0'), false, data};
	return PL_OK;
}

struct pl_ref *
pl_eio_packet_encode(enum pl_eio_type type, struct pl_str data)
{
	struct pl_ref *ref = pl_ref_alloc(1 + data.len);

	ref->data[0] = (char)('0' + type);
	if (data.len > 0)
		memcpy(ref->data + 1, data.ptr, data.len);
	return ref;
}

enum pl_err
pl_eio_payload_check(struct pl_str body, size_t max_bytes)
{
	struct pl_str rest = body;
	struct pl_str packet;
	size_t count = 0;

	if (body.len > max_bytes)
		return PL_E_TOO_BIG;
	while (pl_eio_payload_next(&rest, &packet))
		if (++count > PL_EIO_PAYLOAD_PACKETS_MAX)
			return PL_E_INVALID;
	return pl_utf8_is_valid(body) ? PL_OK : PL_E_INVALID;
}

bool
pl_eio_payload_next(struct pl_str *rest, struct pl_str *packet)
{
	const char *end;

	if (!rest->ptr)
		return false;
	end = rest->len > 0 ? memchr(rest->ptr, PL_EIO_SEPARATOR, rest->len) : NULL;
	if (!end) {
		*packet = *rest;
		*rest = PL_STR_NONE;
		return true;
	}
	*packet = pl_str_n(rest->ptr, (size_t)(end - rest->ptr));
	*rest = pl_str_n(end + 1, rest->len - packet->len - 1);
	return true;
}

void
pl_eio_payload_add(struct pl_buf *body, struct pl_str packet, bool is_binary)
{
	if (body->len > 0)
		(void)pl_buf_add_char(body, PL_EIO_SEPARATOR);
	if (!is_binary) {
		(void)pl_buf_add_str(body, packet);
		return;
	}
	(void)pl_buf_add_char(body, 'b');
	(void)pl_base64_encode(body, packet.ptr, packet.len);
}
