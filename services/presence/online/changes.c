#include "presence/online/changes.h"

#include "base/json_out.h"
#include "presence/online/list.h"
#include "proto/eio_packet.h"
#include "store/store.h"
#include "http/service.h"

struct change {
	struct pl_oid user;
	enum pl_status status; /* once it was looked up */
};

static struct {
	struct change noted[ONLINE_CHANGES_MAX];
	size_t count;
	bool is_too_many; /* noted is not all */
	/* the look into the store, one at a time */
	struct pl_store_read_call call;
	struct change reading[ONLINE_CHANGES_MAX];
	size_t reading_count;
	bool is_reading;
	bool is_stopped;
} delta;

void
online_changes_note(const struct pl_oid *user)
{
	if (!hub_has(HUB_DELTA))
		return; /* who comes in gets the list */
	for (size_t i = 0; i < delta.count; i++)
		if (pl_oid_eq(&delta.noted[i].user, user))
			return;
	if (delta.count == ONLINE_CHANGES_MAX)
		delta.is_too_many = true;
	else
		delta.noted[delta.count++].user = *user;
}

bool
online_changes_is_due(void)
{
	return delta.count > 0;
}

static void
tell_list(void)
{
	struct pl_ref *packet = online_list_packet();

	hub_broadcast(packet, HUB_DELTA);
	pl_ref_drop(packet);
}

static void
tell_change(const struct change *c)
{
	struct pl_json_out o;
	struct pl_buf buf;
	struct pl_ref *packet;

	pl_buf_init(&buf, PL_BUF_UNLIMITED);
	(void)pl_buf_add_cstr(&buf, "2");
	pl_jo_init(&o, &buf);
	pl_jo_array(&o);
	pl_jo_cstr(&o, "presence");
	pl_jo_object(&o);
	pl_jo_key(&o, "userId");
	pl_jo_oid(&o, &c->user);
	pl_jo_key(&o, "online");
	pl_jo_bool(&o, online_list_has(&c->user));
	pl_jo_key(&o, PL_USER_F_STATUS);
	pl_jo_cstr(&o, pl_status_name(c->status));
	pl_jo_end_object(&o);
	pl_jo_end_array(&o);
	packet = pl_eio_packet_encode(PL_EIO_MESSAGE, pl_buf_str(&buf));
	hub_broadcast(packet, HUB_DELTA);
	pl_ref_drop(packet);
	pl_buf_fini(&buf);
}

/* A user who is gone from the store is AVAILABLE, as one without a status. */
static enum pl_err
run(struct pl_store_read_call *call, struct pl_store *s)
{
	(void)call;
	for (size_t i = 0; i < delta.reading_count; i++) {
		struct change *c = &delta.reading[i];
		struct pl_user user;
		enum pl_err err = pl_store_user_by_id(s, &c->user, &user);

		c->status = err == PL_OK ? user.status : PL_STATUS_AVAILABLE;
		if (err == PL_OK)
			pl_user_fini(&user);
		else if (err != PL_E_NOT_FOUND)
			return err;
	}
	return PL_OK;
}

static void
done(struct pl_store_read_call *call)
{
	delta.is_reading = false;
	if (delta.is_stopped)
		return;
	if (call->err != PL_OK) {
		tell_list();
		return;
	}
	for (size_t i = 0; i < delta.reading_count; i++)
		tell_change(&delta.reading[i]);
}

static void
forget(void)
{
	delta.count = 0;
	delta.is_too_many = false;
}

void
online_changes_tell(void)
{
	if (delta.count == 0 || delta.is_reading)
		return;
	memcpy(delta.reading, delta.noted, sizeof(delta.noted));
	delta.reading_count = delta.count;
	delta.call = (struct pl_store_read_call){.run = run, .done = done};
	if (delta.is_too_many || pl_store_async_read(pl_app.store, &delta.call) != PL_OK)
		tell_list();
	else
		delta.is_reading = true;
	forget();
}

void
online_changes_start(void)
{
	delta.is_stopped = false;
	forget();
}

void
online_changes_stop(void)
{
	delta.is_stopped = true;
}
