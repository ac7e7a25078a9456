#include "login_limits.h"

#include "base/digest.h"
#include "base/map.h"
#include "base/mem.h"
#include "http/service.h"

#define PERIOD_MS (15 * 60 * 1000)

/* An address with a try under way. */
struct gate {
	char address[PL_ADDRESS_GROUP_MAX];
	struct pl_list waiting; /* struct auth_try */
};

static struct pl_shared_limit *by_address;
static struct pl_shared_limit *by_account;
static struct pl_shared_limit *by_right;
static struct pl_shared_limit *by_signups;
static struct pl_map gates;
static size_t waiting_count;

/* ---- one login of an address at a time ---- */

static void
on_last(void *arg, int64_t wait_ms)
{
	struct auth_try *t = arg;

	t->on_answer(t->arg, wait_ms);
}

static void
on_account(void *arg, int64_t wait_ms)
{
	struct auth_try *t = arg;

	if (wait_ms > 0) {
		t->on_answer(t->arg, wait_ms);
		return;
	}
	t->ask.on_answer = on_last;
	pl_shared_limit_look(by_right, pl_buf_str(&t->account), &t->ask);
}

static void
on_address(void *arg, int64_t wait_ms)
{
	struct auth_try *t = arg;

	if (wait_ms > 0) {
		t->on_answer(t->arg, wait_ms);
	} else if (t->account.len == 0) {
		t->ask.on_answer = on_last;
		pl_shared_limit_take(by_signups, PL_STR("all"), &t->ask);
	} else {
		t->ask.on_answer = on_account;
		pl_shared_limit_look(by_account, pl_buf_str(&t->account), &t->ask);
	}
}

static void
ask(struct auth_try *t)
{
	t->ask.on_answer = on_address;
	t->ask.arg = t;
	if (t->account.len == 0)
		pl_shared_limit_take(by_address, pl_str(t->address), &t->ask);
	else
		pl_shared_limit_look(by_address, pl_str(t->address), &t->ask);
}

static struct gate *
gate_open(const char *address)
{
	struct gate *g = pl_mem_zalloc(sizeof(*g));

	memcpy(g->address, address, sizeof(g->address));
	pl_list_init(&g->waiting);
	pl_map_put(&gates, pl_str(g->address), g);
	return g;
}

/* The login in the gate has ended: let the next one in. */
static void
gate_pass_on(struct gate *g)
{
	struct pl_list *next = pl_list_pop(&g->waiting);

	if (next != NULL) {
		struct auth_try *t = PL_CONTAINER(next, struct auth_try, link);

		waiting_count--;
		if (pl_loop_now_ms(pl_app.loop) - t->begun_mono_ms > AUTH_LIMITS_WAIT_MS)
			t->on_answer(
			    t->arg, AUTH_LIMITS_LATE); /* and its end lets the next in */
		else
			ask(t);
		return;
	}
	pl_map_del(&gates, pl_str(g->address));
	pl_mem_free(g);
}

/* ---- tries ---- */

/* The name's hash: Redis has no names, whose owner may be erased a moment later. */
static void
write_account(struct pl_buf *out, const char *address, struct pl_str username)
{
	struct pl_digest digest = {0};
	char hex[PL_DIGEST_HEX_LEN + 1];

	pl_digest_add(&digest, username);
	pl_digest_format(&digest, hex);
	pl_buf_init(out, PL_BUF_UNLIMITED); /* an address and some digits */
	pl_buf_add_cstr(out, address);
	pl_buf_add_char(out, ' ');
	pl_buf_add_cstr(out, hex);
}

enum pl_err
auth_try_begin(struct auth_try *t, struct pl_request *rq, struct pl_str username,
    void (*on_answer)(void *arg, int64_t wait_ms), void *arg)
{
	bool is_lifted =
	    pl_settings.limit_login_address == 0 && pl_settings.limit_login_account == 0;

	*t = (struct auth_try){.on_answer = on_answer,
	    .arg = arg,
	    .begun_mono_ms = pl_loop_now_ms(pl_app.loop)};
	pl_address_group(pl_request_client_address(rq), t->address);
	t->gate = is_lifted ? NULL : pl_map_get(&gates, pl_str(t->address));
	if (t->gate != NULL && waiting_count >= AUTH_LIMITS_WAITING_MAX)
		return PL_E_BUSY;
	if (username.len > 0)
		write_account(&t->account, t->address, username);
	if (t->gate != NULL) {
		waiting_count++;
		pl_list_push(&t->gate->waiting, &t->link);
		return PL_OK;
	}
	if (!is_lifted)
		t->gate = gate_open(t->address);
	ask(t);
	return PL_OK;
}

void
auth_try_end(struct auth_try *t, enum auth_outcome outcome)
{
	struct gate *gate = t->gate;

	if (outcome == AUTH_TRY_RIGHT)
		pl_shared_limit_take(by_right, pl_buf_str(&t->account), NULL);
	if (outcome == AUTH_TRY_WRONG) {
		pl_shared_limit_take(by_address, pl_str(t->address), NULL);
		pl_shared_limit_take(by_account, pl_buf_str(&t->account), NULL);
	}
	pl_buf_fini(&t->account);
	if (gate != NULL)
		gate_pass_on(gate);
}

/* ---- life ---- */

static int64_t
at_least_one(int64_t n)
{
	return n > 1 ? n : 1;
}

static struct pl_shared_limit *
new_limit(const char *name, int64_t count, int64_t burst)
{
	return pl_shared_limit_new(
	    pl_app.loop, pl_app.redis, name, pl_bucket_rule(count, PERIOD_MS, burst));
}

void
auth_limits_start(void)
{
	int64_t address = pl_settings.limit_login_address;
	int64_t account = pl_settings.limit_login_account;

	pl_map_init(&gates);
	by_address = new_limit("login-address", address, at_least_one(address));
	by_account = new_limit("login-account", account, at_least_one(account / 2));
	by_right = new_limit("login-right", account * AUTH_LIMITS_RIGHT,
	    at_least_one(account * AUTH_LIMITS_RIGHT));
	by_signups = new_limit("signups", address * AUTH_LIMITS_SIGNUPS,
	    at_least_one(address * AUTH_LIMITS_SIGNUPS));
}

void
auth_limits_stop(void)
{
	pl_shared_limit_free(by_address);
	pl_shared_limit_free(by_account);
	pl_shared_limit_free(by_right);
	pl_shared_limit_free(by_signups);
	pl_map_fini(&gates); /* no request is in flight, so it is empty */
}
