#include "recovery.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bus/parting.h"
#include "web/service.h"

_Static_assert(RECOVERY_PID_MAX <= PL_PARTING_PID_MAX, "a whole pid is noted");

struct reading {
	struct pl_store_read_call call;
	struct hub_socket *socket;
	struct pl_oid user;
	struct pl_message_pos from;
	struct pl_message_list missed;
	void (*done)(void *arg, const struct pl_message_list *missed);
	void *arg;
};

/* ---- asking -------------------------------------------------------------------------- */

void
recovery_pid(
    const struct pl_oid *user, const char *socket_id, char out[RECOVERY_PID_MAX + 1])
{
	char hex[PL_OID_HEX_LEN + 1];

	pl_oid_format(user, hex);
	snprintf(out, RECOVERY_PID_MAX + 1, "%s.%s", hex, socket_id);
}

static bool
is_socket_id(struct pl_str s)
{
	static const char allowed[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789-_";

	if (s.len == 0 || s.len > HUB_SOCKET_ID_LEN)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!memchr(allowed, s.ptr[i], sizeof(allowed) - 1))
			return false;
	return true;
}

static bool
pid_parse(struct pl_str pid, struct recovery_ask *out)
{
	struct pl_str user, socket_id;

	if (pid.len <= PL_OID_HEX_LEN || pid.ptr[PL_OID_HEX_LEN] != '.')
		return false;
	user = pl_str_n(pid.ptr, PL_OID_HEX_LEN);
	socket_id = pl_str_n(pid.ptr + PL_OID_HEX_LEN + 1, pid.len - PL_OID_HEX_LEN - 1);
	if (!pl_oid_parse(user, &out->user) || !is_socket_id(socket_id))
		return false;
	memcpy(out->socket_id, socket_id.ptr, socket_id.len);
	out->socket_id[socket_id.len] = '\0';
	return true;
}

bool
recovery_is_asked(const struct pl_json *auth, struct recovery_ask *out)
{
	struct pl_str pid, offset;

	return pl_json_str(pl_json_get(auth, "pid"), &pid) &&
	       pl_json_str(pl_json_get(auth, "offset"), &offset) && pid_parse(pid, out) &&
	       pl_message_pos_parse(offset, &out->from);
}

/* Where no note was left the instance was killed, or Redis was away; or the note was not kept
 * so long, and then the last offset is older still. */
bool
recovery_is_in_time(const struct recovery_ask *ask, int64_t ago_ms)
{
	if (ago_ms != PL_PARTING_UNKNOWN_AGO)
		return ago_ms <= RECOVERY_AWAY_MAX_MS;
	return pl_clock_unix_ms() - ask->from.created_unix_ms <= PL_PARTING_KEPT_MS;
}

/* ---- reading ------------------------------------------------------------------------- */

static void
reading_end(struct reading *r, bool is_whole)
{
	r->done(r->arg, is_whole ? &r->missed : NULL);
	pl_message_list_fini(&r->missed);
	pl_mem_free(r);
}

static enum pl_err
run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct reading *r = PL_CONTAINER(call, struct reading, call);

	return pl_store_messages_to(
	    s, &r->user, &r->from, RECOVERY_MESSAGES_MAX + 1, &r->missed);
}

static void
start(struct reading *r)
{
	r->socket->has_missed = false;
	pl_message_list_fini(&r->missed);
	if (pl_store_async_read(pl_app.store, &r->call) != PL_OK)
		reading_end(r, false);
}

static void
on_read(struct pl_store_read_call *call)
{
	struct reading *r = PL_CONTAINER(call, struct reading, call);

	if (call->err != PL_OK || !r->socket->user ||
	    r->missed.count > RECOVERY_MESSAGES_MAX)
		reading_end(r, false);
	else if (r->socket->has_missed)
		start(r); /* one more was written while this was read */
	else
		reading_end(r, true);
}

void
recovery_read(struct hub_socket *socket, const struct pl_message_pos *from,
    void (*done)(void *arg, const struct pl_message_list *missed), void *arg)
{
	struct reading *r = pl_mem_zalloc(sizeof(*r));

	r->socket = socket;
	r->user = socket->user->id;
	r->from = *from;
	r->done = done;
	r->arg = arg;
	r->call.run = run;
	r->call.done = on_read;
	start(r);
}
