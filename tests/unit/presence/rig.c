#include "rig.h"

#include "loop/loop_impl.h"
#include "session/sessions.h"
#include "sockets/sio_server.h"
#include "store/store_erase.h"

static struct rig *current;

/* The server, which needs kore, would write now; tests look into the queue themselves. */
void
pl_sio_client_touch(struct pl_sio_client *c)
{
	assert_non_null(c);
	current->touched++;
}

/* Tests look who pays; nobody sends so much here that it matters. */
void
pl_sio_client_pays_as(struct pl_sio_client *c, struct pl_str key)
{
	assert_non_null(c);
	assert_int_equal(key.len, PL_OID_LEN);
	memcpy(current->payer.bytes, key.ptr, PL_OID_LEN);
}

/* On a machine that stands still the first read of the store may fail. The next one is
 * due by the loop's clock, which only we move. */
static void
wait_until_current(struct rig *r)
{
	int64_t limit = awake_ms() + RIG_LIMIT_MS;
	int64_t next = pl_clock_mono_ms() + 1000;

	for (fake_loop_run(r->app.loop); !pl_sessions_are_current(r->app.sessions);
	     fake_loop_run(r->app.loop)) {
		assert_true(awake_ms() < limit);
		if (pl_clock_mono_ms() > next) {
			fake_loop_advance(r->app.loop, 1000);
			next += 1000;
		}
		(void)poll(NULL, 0, 1);
	}
}

void
rig_init(struct rig *r)
{
	struct pl_store_config config = {.data_dir = r->dir};

	*r = (struct rig){0};
	current = r;
	snprintf(r->dir, sizeof(r->dir), "/tmp/parley-presence-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	r->app.loop = fake_loop_new();
	r->app.bus = bus_local_new(r->app.loop);
	r->app.store = pl_store_async_new(r->app.loop, &config, 1);
	r->app.sessions = pl_sessions_new(r->app.loop, r->app.store, r->app.bus);
	wait_until_current(r);
}

int
rig_fini(struct rig *r, void (*free_parts)(void *arg), void *arg)
{
	char command[128];
	bool is_clean;

	pl_store_async_free(r->app.store);
	if (free_parts)
		free_parts(arg);
	pl_sessions_free(r->app.sessions);
	pl_bus_free(r->app.bus);
	fake_loop_run(r->app.loop);
	is_clean = r->app.loop->timers.count == 0;
	if (is_clean) /* or it would abort, and what the test said be lost */
		fake_loop_free(r->app.loop);
	snprintf(command, sizeof(command), "rm -rf %s", r->dir);
	assert_int_equal(system(command), 0);
	return is_clean ? 0 : -1;
}

/* ---- writing ----------------------------------------------------------------------- */

struct writing {
	struct pl_store_write_call call;
	bool is_done;
};

static void
on_written(struct pl_store_write_call *call)
{
	PL_CONTAINER(call, struct writing, call)->is_done = true;
}

static void
begin(struct rig *r, struct writing *w)
{
	w->call.done = on_written;
	assert_int_equal(pl_store_async_write(r->app.store, &w->call), PL_OK);
}

static void
end(struct rig *r, struct writing *w)
{
	RIG_UNTIL(r, w->is_done);
	assert_int_equal(w->call.write.err, PL_OK);
}

struct pl_oid
rig_add_user(struct rig *r, const char *name)
{
	struct pl_signup form = {.full_name = pl_str(name), .username = pl_str(name)};
	struct writing w = {.call.write.kind = PL_WRITE_USER};
	struct pl_user user;
	struct pl_oid id;

	pl_user_from_signup(&user, &form, pl_mem_strdup("hash"), pl_clock_unix_ms());
	id = user.id;
	w.call.write.u.user = &user;
	begin(r, &w);
	end(r, &w);
	pl_user_fini(&user);
	return id;
}

void
rig_set_status(struct rig *r, const struct pl_oid *user, enum pl_status status)
{
	rig_set_note(r, user, status, "");
}

void
rig_set_note(
    struct rig *r, const struct pl_oid *user, enum pl_status status, const char *note)
{
	struct writing w = {.call.write.kind = PL_WRITE_STATUS};

	w.call.write.u.status.user = *user;
	w.call.write.u.status.status = status;
	w.call.write.u.status.note = pl_str(note);
	begin(r, &w);
	end(r, &w);
}

void
rig_send(struct rig *r, const struct pl_oid *from, const struct pl_oid *to,
    const char *text, size_t count)
{
	struct writing *all = calloc(count, sizeof(*all));

	assert_true(r->sent_count + count <= sizeof(r->sent) / sizeof(r->sent[0]));
	for (size_t i = 0; i < count; i++) {
		all[i].call.write.kind = PL_WRITE_SEND;
		pl_message_init(
		    &all[i].call.write.u.send.message, from, to, pl_str(text), 0);
		begin(r, &all[i]);
	}
	for (size_t i = 0; i < count; i++) {
		struct pl_message *m = &all[i].call.write.u.send.message;

		end(r, &all[i]);
		r->sent[r->sent_count++] = m->id;
		pl_message_fini(m);
	}
	free(all);
}

/* As a process' thread does it. The write sweeps too, but for a few ms only. */
static void
sweep(struct rig *r)
{
	struct pl_store_config config = {.data_dir = r->dir};
	struct pl_erase_step step = {.worker = 1,
	    .lease_ms = PL_ERASE_LEASE_MS,
	    .settle_ms = PL_ERASE_SETTLE_MS,
	    .tell_ms = PL_ERASE_TELL_MS};
	struct pl_store *s;

	assert_int_equal(pl_store_open(&config, &s), PL_OK);
	do
		assert_int_equal(pl_store_erase_step(s, &step), PL_OK);
	while (step.state == PL_ERASE_GOES_ON && !step.is_swept);
	pl_store_close(s);
}

void
rig_erase(struct rig *r, const struct pl_oid *user)
{
	struct writing w = {.call.write.kind = PL_WRITE_ERASE};

	w.call.write.u.erase.user = *user;
	pl_revocation_of_all(
	    &w.call.write.u.erase.revocation, user, pl_clock_unix_ms() / 1000 + 2);
	begin(r, &w);
	end(r, &w);
	sweep(r);
}

void
rig_sleep(int64_t ms)
{
	int64_t end_mono_ms = pl_clock_mono_ms() + ms;

	while (pl_clock_mono_ms() < end_mono_ms)
		(void)poll(NULL, 0, 1);
}

static enum pl_eio_action
next(void *conn, struct pl_eio_out *out)
{
	return pl_sio_conn_next(conn, out);
}

const char *
rig_sent(struct eio_trace *trace, struct pl_sio_conn *conn)
{
	eio_trace_pull(trace, next, conn);
	return eio_trace_take(trace);
}

size_t
rig_count(const char *text, const char *part)
{
	size_t count = 0;

	for (; (text = strstr(text, part)) != NULL; text += strlen(part))
		count++;
	return count;
}
