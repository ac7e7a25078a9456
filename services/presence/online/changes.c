#include "presence/online/changes.h"

#include "base/json_out.h"
#include "proto/eio_packet.h"

void
online_changes_note(struct online_changes *c, const struct pl_oid *user)
{
	if (!hub_has(c->hub, HUB_DELTA))
		return; /* who comes in gets the list */
	for (size_t i = 0; i < c->count; i++)
		if (pl_oid_eq(&c->noted[i].user, user))
			return;
	if (c->count == ONLINE_CHANGES_MAX)
		c->is_too_many = true;
	else
		c->noted[c->count++].user = *user;
}

bool
online_changes_are_due(const struct online_changes *c)
{
	return c->count > 0;
}

static void
tell_list(struct online_changes *c)
{
	struct pl_ref *packet = c->list(c->arg);

	hub_broadcast(c->hub, packet, HUB_DELTA);
	pl_ref_drop(packet);
}

static void
tell_change(struct online_changes *c, const struct online_change *change)
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
	pl_jo_oid(&o, &change->user);
	pl_jo_key(&o, "online");
	pl_jo_bool(&o, c->has(c->arg, &change->user));
	pl_jo_key(&o, PL_USER_F_STATUS);
	pl_jo_cstr(&o, pl_status_name(change->status));
	pl_jo_end_object(&o);
	pl_jo_end_array(&o);
	packet = pl_eio_packet_encode(PL_EIO_MESSAGE, pl_buf_str(&buf));
	hub_broadcast(c->hub, packet, HUB_DELTA);
	pl_ref_drop(packet);
	pl_buf_fini(&buf);
}

/* A user who is gone from the store is AVAILABLE, as one without a status. */
static enum pl_err
run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct online_changes *c = PL_CONTAINER(call, struct online_changes, call);

	for (size_t i = 0; i < c->reading_count; i++) {
		struct online_change *change = &c->reading[i];
		struct pl_user user;
		enum pl_err err = pl_store_user_by_id(s, &change->user, &user);

		change->status = err == PL_OK ? user.status : PL_STATUS_AVAILABLE;
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
	struct online_changes *c = PL_CONTAINER(call, struct online_changes, call);

	c->is_reading = false;
	if (c->is_stopped)
		return;
	if (call->err != PL_OK) {
		tell_list(c);
		return;
	}
	for (size_t i = 0; i < c->reading_count; i++)
		tell_change(c, &c->reading[i]);
}

static void
forget(struct online_changes *c)
{
	c->count = 0;
	c->is_too_many = false;
}

void
online_changes_tell(struct online_changes *c)
{
	if (c->count == 0 || c->is_reading)
		return;
	memcpy(c->reading, c->noted, sizeof(c->noted));
	c->reading_count = c->count;
	c->call = (struct pl_store_read_call){.run = run, .done = done};
	if (c->is_too_many || pl_store_async_read(c->app->store, &c->call) != PL_OK)
		tell_list(c);
	else
		c->is_reading = true;
	forget(c);
}

void
online_changes_stop(struct online_changes *c)
{
	c->is_stopped = true;
}
