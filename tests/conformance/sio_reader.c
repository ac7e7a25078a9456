/*
 * sio_reader: what our Socket.IO code makes of packets, for a test that compares it with
 * what another makes of them.
 *
 * On standard input come messages, each a kind, its length in four bytes (little-endian),
 * and its bytes. On standard output goes a line of JSON for each:
 *
 *   p  one packet, for the decoder alone     {"type":5,"nsp":"/","id":7,"data":["x"],
 *                                              "attachments":1}
 *                                            {"refused":"invalid payload"}
 *   t  the next text message of a connection [{"type":2,"nsp":"/","id":7,"data":["x"],
 *   b  that is in / and /custom, or the        "attachments":["0102"]}]
 *      next binary one                       [{"closed":true}]
 *   n  from now on a new connection          {}
 *
 * An id and data stand there only where the packet has them.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hex.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "proto/sio_conn.h"
#include "support/json_write.h"

#define ACK_IDS       100 /* that the connection has asked for */
#define MESSAGE_BYTES (1 << 20)

static const struct pl_sio_settings settings = {
    .eio = {.ping_interval_ms = 1000,
	.ping_timeout_ms = 1000,
	.upgrade_timeout_ms = 1000,
	.close_timeout_ms = 1000,
	.stall_timeout_ms = 1000,
	.max_payload_bytes = MESSAGE_BYTES,
	.queue_max_bytes = MESSAGE_BYTES},
    .connect_timeout_ms = 1000,
    .stranger_bytes_max = PL_SIO_STRANGER_BYTES_MAX,
    .binary_timeout_ms = 1000,
    .namespaces = {"/", "/custom"},
    .namespace_count = 2,
};

static struct pl_json_out out; /* of the line that is being made */

/* ---- packets ------------------------------------------------------------------------- */

static void
add_json(const struct pl_json *json)
{
	struct pl_buf text;

	pl_buf_init(&text, PL_BUF_UNLIMITED);
	json_write(json, &text);
	pl_jo_raw(&out, pl_buf_str(&text));
	pl_buf_fini(&text);
}

static void
add_packet(int type, struct pl_str nsp, int64_t ack_id, const struct pl_json *data)
{
	pl_jo_key(&out, "type");
	pl_jo_int(&out, type);
	pl_jo_key(&out, "nsp");
	pl_jo_str(&out, nsp);
	if (ack_id != PL_SIO_NO_ACK) {
		pl_jo_key(&out, "id");
		pl_jo_int(&out, ack_id);
	}
	if (data) {
		pl_jo_key(&out, "data");
		add_json(data);
	}
}

static void
read_packet(struct pl_str text)
{
	struct pl_sio_packet p;
	const char *why;

	pl_jo_object(&out);
	if (pl_sio_packet_decode(text, &p, &why) != PL_OK) {
		pl_jo_key(&out, "refused");
		pl_jo_cstr(&out, why);
	} else {
		add_packet((int)p.type, p.nsp, p.ack_id, p.json);
		if (p.attachments > 0) {
			pl_jo_key(&out, "attachments");
			pl_jo_int(&out, p.attachments);
		}
		pl_sio_packet_fini(&p);
	}
	pl_jo_end_object(&out);
}

/* ---- a connection -------------------------------------------------------------------- */

static struct pl_sio_conn conn;

static void
on_connect(struct pl_sio_conn *c, unsigned ns, const struct pl_json *auth, int64_t now)
{
	(void)auth;
	(void)pl_sio_conn_accept(c, ns, "sid", NULL, now);
}

static void
add_attachments(const struct pl_sio_event *ev)
{
	pl_jo_key(&out, "attachments");
	pl_jo_array(&out);
	for (unsigned i = 0; i < ev->attachment_count; i++) {
		struct pl_ref *bytes = ev->attachments[i];
		char *hex = pl_mem_alloc(2 * bytes->len + 1);

		pl_hex_encode(bytes->data, bytes->len, hex);
		pl_jo_cstr(&out, hex);
		pl_mem_free(hex);
	}
	pl_jo_end_array(&out);
}

static void
add_event(const struct pl_sio_event *ev, enum pl_sio_type type)
{
	pl_jo_object(&out);
	add_packet((int)type, pl_str(settings.namespaces[ev->ns]), ev->ack_id, ev->args);
	add_attachments(ev);
	pl_jo_end_object(&out);
}

static void
on_event(struct pl_sio_conn *c, const struct pl_sio_event *ev, int64_t now)
{
	(void)c;
	(void)now;
	add_event(ev, PL_SIO_EVENT);
}

static void
on_ack(struct pl_sio_conn *c, const struct pl_sio_event *ev, int64_t now)
{
	(void)c;
	(void)now;
	add_event(ev, PL_SIO_ACK);
}

static void
on_disconnect(struct pl_sio_conn *c, unsigned ns, int64_t now)
{
	(void)c;
	(void)now;
	pl_jo_object(&out);
	add_packet(
	    PL_SIO_DISCONNECT, pl_str(settings.namespaces[ns]), PL_SIO_NO_ACK, NULL);
	pl_jo_end_object(&out);
}

static const struct pl_sio_app app = {
    .on_connect = on_connect,
    .on_event = on_event,
    .on_ack = on_ack,
    .on_disconnect = on_disconnect,
};

static void
let_out(void)
{
	enum pl_eio_action action;
	struct pl_eio_out told;

	pl_buf_init(&told.body, PL_BUF_UNLIMITED);
	do {
		action = pl_sio_conn_next(&conn, &told);
		if (action == PL_EIO_WS_SEND)
			pl_ref_drop(told.message);
	} while (action != PL_EIO_WAIT && action != PL_EIO_FREE);
	pl_buf_fini(&told.body);
}

static void
begin_conn(void)
{
	pl_sio_conn_init(&conn, &settings, &app, "sid", true, 1);
	pl_eio_session_ws_text(&conn.eio, PL_STR("40"), 1);
	pl_eio_session_ws_text(&conn.eio, PL_STR("40/custom,"), 1);
	for (int i = 0; i < ACK_IDS; i++)
		(void)pl_sio_conn_ack_id(&conn);
	let_out();
}

static void
renew_conn(void)
{
	pl_sio_conn_fini(&conn);
	begin_conn();
	pl_jo_object(&out);
	pl_jo_end_object(&out);
}

static void
read_text(struct pl_str text)
{
	struct pl_buf packet;

	pl_buf_init(&packet, PL_BUF_UNLIMITED);
	(void)pl_buf_add_char(&packet, '4');
	(void)pl_buf_add_str(&packet, text);
	pl_eio_session_ws_text(&conn.eio, pl_buf_str(&packet), 1);
	pl_buf_fini(&packet);
}

static void
read_message(char kind, struct pl_str bytes)
{
	bool was_open = pl_eio_session_is_open(&conn.eio);

	pl_jo_array(&out);
	if (kind == 't')
		read_text(bytes);
	else
		pl_eio_session_ws_binary(&conn.eio, bytes, 1);
	if (was_open && !pl_eio_session_is_open(&conn.eio)) {
		pl_jo_object(&out);
		pl_jo_key(&out, "closed");
		pl_jo_bool(&out, true);
		pl_jo_end_object(&out);
	}
	pl_jo_end_array(&out);
	let_out();
}

/* ---- the program --------------------------------------------------------------------- */

static bool
read_exactly(void *to, size_t len)
{
	return fread(to, 1, len, stdin) == len;
}

static void
serve(char kind, struct pl_str bytes)
{
	if (kind == 'p')
		read_packet(bytes);
	else if (kind == 'n')
		renew_conn();
	else
		read_message(kind, bytes);
}

int
main(void)
{
	static uint8_t bytes[MESSAGE_BYTES];
	struct pl_buf line;
	uint8_t head[5];

	pl_buf_init(&line, PL_BUF_UNLIMITED);
	begin_conn();
	while (read_exactly(head, sizeof(head))) {
		uint32_t len = head[1] | (uint32_t)head[2] << 8 |
			       (uint32_t)head[3] << 16 | (uint32_t)head[4] << 24;

		if (len > sizeof(bytes) || !read_exactly(bytes, len))
			return EXIT_FAILURE;
		pl_buf_clear(&line);
		pl_jo_init(&out, &line);
		serve((char)head[0], pl_str_n(bytes, len));
		(void)pl_buf_add_char(&line, '\n');
		fwrite(line.data, 1, line.len, stdout);
	}
	pl_sio_conn_fini(&conn);
	pl_buf_fini(&line);
	return EXIT_SUCCESS;
}
