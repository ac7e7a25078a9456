#include <stdlib.h>
#include <string.h>

#include "process.h"
#include "session.h"

#include "base/random.h"
#include "base/str.h"

/* Of socket.io-client: reconnectionDelay, reconnectionDelayMax, and a randomizationFactor
 * of a half. */
#define DELAY_MS     1000
#define DELAY_MAX_MS 5000

void
session_take(struct session *s, const uint8_t *data, size_t len, uint64_t left)
{
	size_t room = left < SESSION_TAIL_MAX ? SESSION_TAIL_MAX - (size_t)left : 0;
	size_t n = len < room ? len : room;

	memcpy(s->tail + room - n, data + len - n, n);
}

/* ---- a packet ---------------------------------------------------------------------------- */

static bool
begins(struct pl_str packet, const char *text)
{
	return packet.len >= strlen(text) && memcmp(packet.ptr, text, strlen(text)) == 0;
}

/* What stands behind key, up to a quote, into out; false where there is none. */
static bool
value_of(struct pl_str packet, const char *key, char *out, size_t size)
{
	const char *from = memmem(packet.ptr, packet.len, key, strlen(key)), *to;

	if (from == NULL)
		return false;
	from += strlen(key);
	to = memchr(from, '"', packet.len - (size_t)(from - packet.ptr));
	if (to == NULL || (size_t)(to - from) >= size)
		return false;
	memcpy(out, from, (size_t)(to - from));
	out[to - from] = '\0';
	return true;
}

static void
on_connect(struct session *s, struct pl_str packet)
{
	char pid[SESSION_PID_MAX + 1];

	if (!value_of(packet, "\"pid\":\"", pid, sizeof(pid)))
		bench_die("a client got no pid: %.*s", (int)packet.len, packet.ptr);
	if (s->pid[0] != '\0') {
		s->recovered += strcmp(pid, s->pid) == 0;
		s->renewed += strcmp(pid, s->pid) != 0;
	}
	memcpy(s->pid, pid, sizeof(pid));
	s->attempts = 0;
}

static void
on_message(struct session *s, struct pl_str packet)
{
	char text[8];
	unsigned long nth;

	if (!value_of(packet, "\"message\":\"", text, sizeof(text)) ||
	    (nth = strtoul(text, NULL, 10)) >= SESSION_MESSAGES_MAX)
		bench_die(
		    "a client got what was not sent: %.*s", (int)packet.len, packet.ptr);
	s->twice += s->got >> nth & 1;
	s->got |= UINT64_C(1) << nth;
}

/* An event's last argument, where it is a string. */
static void
keep_offset(struct session *s, struct pl_str packet)
{
	const char *from;
	size_t len;

	if (packet.len < 2 || memcmp(packet.ptr + packet.len - 2, "\"]", 2) != 0)
		return;
	from = memrchr(packet.ptr, '"', packet.len - 2);
	if (from == NULL ||
	    (len = (size_t)(packet.ptr + packet.len - 2 - from - 1)) > SESSION_OFFSET_MAX)
		bench_die("a client got an offset that is too long");
	memcpy(s->offset, from + 1, len);
	s->offset[len] = '\0';
}

void
session_on_packet(struct session *s, uint64_t size)
{
	size_t len = size < SESSION_TAIL_MAX ? (size_t)size : SESSION_TAIL_MAX;
	struct pl_str packet = pl_str_n(s->tail + SESSION_TAIL_MAX - len, len);

	if (begins(packet, "40{"))
		on_connect(s, packet);
	else if (begins(packet, "42[\"newMessage\""))
		on_message(s, packet);
	keep_offset(s, packet);
}

/* ---- coming back ------------------------------------------------------------------------- */

void
session_write_auth(const struct session *s, struct pl_buf *out)
{
	if (s->pid[0] != '\0')
		pl_buf_printf(
		    out, "{\"pid\":\"%s\",\"offset\":\"%s\"}", s->pid, s->offset);
}

void
session_broke(struct session *s, int64_t now_ms)
{
	uint32_t ms = DELAY_MS << (s->attempts < 3 ? s->attempts : 3);

	s->attempts++;
	ms = ms / 2 + pl_random_below(ms + 1);
	s->due_ms = now_ms + (ms < DELAY_MAX_MS ? ms : DELAY_MAX_MS);
}
