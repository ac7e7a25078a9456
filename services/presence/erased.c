#include "presence/erased.h"

#include "base/log.h"
#include "base/mem.h"
#include "bus/events.h"

#define PAGE PL_STORE_IDS_MAX

/* One user: pages of their correspondents, and of each page those who are here. */
struct erased_look {
	struct pl_store_read_call call;
	struct erased *owner;
	struct pl_oid user;
	struct pl_oid others[PAGE];
	size_t count;
	struct pl_oid after; /* the last one of the page */
	bool is_last_page;
	/* others that are here, and how many of them were told. */
	size_t here, told;
	struct pl_message_list newest[ERASED_AT_ONCE];
};

static void next(struct erased *e);

static void
finish(struct erased *e)
{
	pl_mem_free(e->look);
	e->look = NULL;
	e->waiting_count--;
	memmove(e->waiting, e->waiting + 1, e->waiting_count * sizeof(e->waiting[0]));
	next(e);
}

static void
give_up(struct erased *e, enum pl_err err)
{
	pl_log_warn_sampled("who wrote with an erased user was not told, pages show it "
			    "when they load",
	    PL_L_OID("user", &e->look->user), PL_L_ERR(err));
	finish(e);
}

/* ---- what one correspondent gets ------------------------------------------------------- */

static void
send_user_deleted(struct erased *e, const struct pl_oid *other)
{
	struct pl_event event;
	struct pl_ref *packet;
	struct pl_buf buf;

	pl_buf_init(&buf, PL_BUF_UNLIMITED);
	pl_event_user_deleted(&buf, &e->look->user);
	if (pl_event_parse(pl_buf_str(&buf), &event)) {
		packet = pl_eio_packet_encode(PL_EIO_MESSAGE, event.packet);
		hub_send_user(e->hub, other, packet);
		pl_ref_drop(packet);
	}
	pl_buf_fini(&buf);
}

static void
tell(struct erased *e, const struct pl_oid *other, const struct pl_message_list *newest)
{
	for (size_t i = 0; i < newest->count; i++) {
		const struct pl_message *m = &newest->items[i];

		if (m->deleted_unix_ms != 0 && pl_oid_eq(&m->sender, &e->look->user))
			hub_deliver_change(e->hub, m);
	}
	send_user_deleted(e, other);
}

/* ---- their newest messages ------------------------------------------------------------- */

static size_t
step_of(const struct erased_look *look)
{
	size_t left = look->here - look->told;

	return left < ERASED_AT_ONCE ? left : ERASED_AT_ONCE;
}

static enum pl_err
run_newest(struct pl_store_read_call *call, struct pl_store *s)
{
	struct erased_look *look = PL_CONTAINER(call, struct erased_look, call);
	enum pl_err err = PL_OK;

	for (size_t i = 0; err == PL_OK && i < step_of(look); i++)
		err =
		    pl_store_messages_page(s, &look->user, &look->others[look->told + i],
			PL_PAGE_BEFORE, NULL, ERASED_NEWEST, &look->newest[i]);
	return err;
}

static void read_others(struct erased *e);
static void read_newest(struct erased *e);

static void
go_on(struct erased *e)
{
	if (e->look->told < e->look->here)
		read_newest(e);
	else if (!e->look->is_last_page)
		read_others(e);
	else
		finish(e);
}

static void
on_newest(struct pl_store_read_call *call)
{
	struct erased_look *look = PL_CONTAINER(call, struct erased_look, call);
	struct erased *e = look->owner;
	size_t count = step_of(look);

	for (size_t i = 0; i < count; i++) {
		if (call->err == PL_OK)
			tell(e, &look->others[look->told + i], &look->newest[i]);
		pl_message_list_fini(&look->newest[i]);
	}
	look->told += count;
	if (call->err == PL_OK)
		go_on(e);
	else
		give_up(e, call->err);
}

static void
start_read(struct erased *e,
    enum pl_err (*run)(struct pl_store_read_call *call, struct pl_store *s),
    void (*done)(struct pl_store_read_call *call))
{
	e->look->call = (struct pl_store_read_call){.run = run, .done = done};
	pl_store_async_read_or_done(e->app->store, &e->look->call);
}

static void
read_newest(struct erased *e)
{
	start_read(e, run_newest, on_newest);
}

/* ---- their correspondents -------------------------------------------------------------- */

static enum pl_err
run_others(struct pl_store_read_call *call, struct pl_store *s)
{
	struct erased_look *look = PL_CONTAINER(call, struct erased_look, call);

	return pl_store_correspondents(
	    s, &look->user, &look->after, PAGE, look->others, &look->count);
}

static void
keep_who_is_here(struct erased *e)
{
	struct erased_look *look = e->look;

	look->here = look->told = 0;
	for (size_t i = 0; i < look->count; i++)
		if (hub_has_user(e->hub, &look->others[i]))
			look->others[look->here++] = look->others[i];
}

static void
on_others(struct pl_store_read_call *call)
{
	struct erased_look *look = PL_CONTAINER(call, struct erased_look, call);
	struct erased *e = look->owner;

	if (call->err != PL_OK) {
		give_up(e, call->err);
		return;
	}
	look->is_last_page = look->count < PAGE;
	if (look->count > 0)
		look->after = look->others[look->count - 1];
	keep_who_is_here(e);
	go_on(e);
}

static void
read_others(struct erased *e)
{
	start_read(e, run_others, on_others);
}

/* ---- one after the other --------------------------------------------------------------- */

static void
next(struct erased *e)
{
	if (e->look != NULL || e->waiting_count == 0)
		return;
	e->look = pl_mem_zalloc(sizeof(*e->look));
	e->look->owner = e;
	e->look->user = e->waiting[0];
	read_others(e);
}

void
erased_tell(struct erased *e, const struct pl_oid *user)
{
	if (hub_user_count(e->hub) == 0)
		return;
	if (e->waiting_count == ERASED_WAITING) {
		pl_log_warn_sampled("too many users were erased at once, left one out, "
				    "pages show it when they load",
		    PL_L_OID("user", user));
		return;
	}
	e->waiting[e->waiting_count++] = *user;
	next(e);
}

void
erased_stop(struct erased *e)
{
	pl_mem_free(e->look);
	e->look = NULL;
	e->waiting_count = 0;
}
