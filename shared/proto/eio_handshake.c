#include "proto/eio_handshake.h"

#include <assert.h>

#include "base/base64.h"
#include "base/json_out.h"
#include "base/random.h"
#include "proto/eio_packet.h"

#define SID_RANDOM_BYTES 16

void
pl_eio_sid_new(const char *prefix, char out[PL_EIO_SID_MAX + 1])
{
	uint8_t bytes[SID_RANDOM_BYTES];
	struct pl_buf sid;

	assert(strlen(prefix) <= PL_EIO_SID_PREFIX_MAX);
	pl_random_bytes(bytes, sizeof(bytes));
	pl_buf_init(&sid, PL_EIO_SID_MAX);
	(void)pl_buf_add_cstr(&sid, prefix);
	(void)pl_base64url_encode(&sid, bytes, sizeof(bytes));
	assert(!sid.overflowed);
	memcpy(out, sid.data, sid.len + 1);
	pl_buf_fini(&sid);
}

struct pl_ref *
pl_eio_open_packet(
    const char *sid, const struct pl_eio_settings *settings, bool is_websocket)
{
	struct pl_json_out o;
	struct pl_ref *packet;
	struct pl_buf json;

	pl_buf_init(&json, PL_BUF_UNLIMITED);
	pl_jo_init(&o, &json);
	pl_jo_object(&o);
	pl_jo_key(&o, "sid");
	pl_jo_cstr(&o, sid);
	pl_jo_key(&o, "upgrades");
	pl_jo_array(&o);
	if (!is_websocket)
		pl_jo_cstr(&o, "websocket");
	pl_jo_end_array(&o);
	pl_jo_key(&o, "pingInterval");
	pl_jo_int(&o, settings->ping_interval_ms);
	pl_jo_key(&o, "pingTimeout");
	pl_jo_int(&o, settings->ping_timeout_ms);
	pl_jo_key(&o, "maxPayload");
	pl_jo_int(&o, (int64_t)settings->max_payload_bytes);
	pl_jo_end_object(&o);
	packet = pl_eio_packet_encode(PL_EIO_OPEN, pl_buf_str(&json));
	pl_buf_fini(&json);
	return packet;
}
