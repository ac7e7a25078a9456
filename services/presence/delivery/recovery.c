#include "presence/delivery/recovery.h"

#include <stdio.h>

#include "base/mem.h"

_Static_assert(RECOVERY_PID_MAX <= PARTING_PID_MAX, "a whole pid is noted");

/* What is known, what may be missed, and one that shows that it is more. */
#define READ_MAX (SEEN_OFFSET_MAX + RECOVERY_MESSAGES_MAX + 1)

struct recovery_reading {
	struct pl_list link; /* while it waits */
	struct recovery *recovery;
	struct recovery_call *owner; /* NULL: cancelled */
	struct pl_store_read_call call;
	struct hub_socket *socket;
	struct pl_oid user;
	struct seen_offset has;
	struct pl_message_list found;
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

struct recovery_ask *
recovery_asked(const struct pl_json *auth)
{
	struct pl_str pid, offset;
	struct recovery_ask *ask;

	if (!pl_json_str(pl_json_get(auth, "pid"), &pid) ||
	    !pl_json_str(pl_json_get(auth, "offset"), &offset))
		return NULL;
	ask = pl_mem_zalloc(sizeof(*ask));
	if (pid_parse(pid, ask) && seen_offset_parse(offset, &ask->has))
		return ask;
	pl_mem_free(ask);
	return NULL;
}

/* ---- reading ------------------------------------------------------------------------- */

static void
reading_free(struct recovery_reading *r)
{
	pl_message_list_fini(&r->found);
	pl_mem_free(r);
}

static void
reading_end(struct recovery_reading *r, bool is_whole)
{
	struct recovery_call *owner = r->owner;

	r->recovery->count--;
	if (owner) {
		owner->reading = NULL;
		owner->on_found(owner->arg, is_whole ? &r->found : NULL);
	}
	reading_free(r);
}

static enum pl_err
run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct recovery_reading *r = PL_CONTAINER(call, struct recovery_reading, call);

	return pl_store_messages_to(s, &r->user, &r->has.floor, READ_MAX, &r->found);
}

static size_t
count_missed(const struct recovery_reading *r)
{
	size_t count = 0;

	for (size_t i = 0; i < r->found.count; i++)
		count += !seen_offset_has(&r->has, &r->found.items[i].id);
	return count;
}

static void
read_it(struct recovery_reading *r)
{
	r->socket->has_missed = false;
	pl_message_list_fini(&r->found);
	if (pl_store_async_read(r->recovery->app->store, &r->call) != PL_OK)
		reading_end(r, false);
}

static void
start_next(struct recovery *recovery)
{
	struct pl_list *link;

	while (recovery->count < RECOVERY_READS_MAX &&
	       (link = pl_list_pop(&recovery->waiting))) {
		recovery->count++;
		read_it(PL_CONTAINER(link, struct recovery_reading, link));
	}
}

static void
on_read(struct pl_store_read_call *call)
{
	struct recovery_reading *r = PL_CONTAINER(call, struct recovery_reading, call);
	struct recovery *recovery = r->recovery;

	if (!r->owner || call->err != PL_OK || count_missed(r) > RECOVERY_MESSAGES_MAX)
		reading_end(r, false);
	else if (r->socket->has_missed)
		read_it(r); /* one more was written while this was read */
	else
		reading_end(r, true);
	start_next(recovery);
}

void
recovery_read(struct recovery *recovery, struct recovery_call *call,
    struct hub_socket *socket, const struct seen_offset *has)
{
	struct recovery_reading *r = pl_mem_zalloc(sizeof(*r));

	r->recovery = recovery;
	r->owner = call;
	r->socket = socket;
	r->user = socket->user->id;
	r->has = *has;
	r->call.run = run;
	r->call.done = on_read;
	call->reading = r;
	pl_list_push(&recovery->waiting, &r->link);
	start_next(recovery);
}

/* One that waits is freed now; one that is under way, once it was read. */
void
recovery_cancel(struct recovery_call *call)
{
	struct recovery_reading *r = call->reading;

	call->reading = NULL;
	if (!r)
		return;
	r->owner = NULL;
	if (pl_list_is_empty(&r->link))
		return;
	pl_list_unlink(&r->link);
	reading_free(r);
}

void
recovery_start(struct recovery *r)
{
	pl_list_init(&r->waiting);
}
