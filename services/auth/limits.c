#include "limits.h"

#include "base/mem.h"
#include "bus/throttle.h"
#include "web/address.h"
#include "web/service.h"

#define PERIOD_MS (15 * 60 * 1000)

static struct pl_throttle *by_address;
static struct pl_throttle *by_account;

/* A login asks both limits, one after the other. */
struct question {
	struct pl_buf account;
	void (*on_answer)(void *arg, int64_t wait_ms);
	void *arg;
};

static int64_t
at_least_one(int64_t n)
{
	return n > 1 ? n : 1;
}

void
auth_limits_start(void)
{
	int64_t address = pl_settings.limit_login_address;
	int64_t account = pl_settings.limit_login_account;

	by_address = pl_throttle_new(pl_app.bus, pl_app.loop, "login-address",
	    pl_bucket_rule(address, PERIOD_MS, at_least_one(address)));
	by_account = pl_throttle_new(pl_app.bus, pl_app.loop, "login-account",
	    pl_bucket_rule(account, PERIOD_MS, at_least_one(account / 2)));
}

void
auth_limits_stop(void)
{
	pl_throttle_free(by_address);
	pl_throttle_free(by_account);
}

static void
write_account(struct pl_buf *out, const char *address, struct pl_str username)
{
	pl_buf_init(out, PL_BUF_UNLIMITED); /* the model bounds a name */
	pl_buf_add_cstr(out, address);
	pl_buf_add_char(out, ' ');
	pl_buf_add_str(out, username);
}

static void
on_account(void *arg, int64_t wait_ms)
{
	struct question *q = arg;

	q->on_answer(q->arg, wait_ms);
	pl_buf_fini(&q->account);
	pl_mem_free(q);
}

static void
on_address(void *arg, int64_t wait_ms)
{
	struct question *q = arg;

	if (wait_ms > 0)
		on_account(q, wait_ms);
	else
		pl_throttle_check(
		    by_account, pl_buf_str(&q->account), false, on_account, q);
}

void
auth_limits_ask_login(struct pl_request *rq, struct pl_str username,
    void (*on_answer)(void *arg, int64_t wait_ms), void *arg)
{
	struct question *q = pl_mem_zalloc(sizeof(*q));
	char address[PL_ADDRESS_GROUP_MAX];

	pl_address_group(pl_request_client_address(rq), address);
	write_account(&q->account, address, username);
	q->on_answer = on_answer;
	q->arg = arg;
	pl_throttle_check(by_address, pl_str(address), false, on_address, q);
}

void
auth_limits_login_failed(struct pl_request *rq, struct pl_str username)
{
	char address[PL_ADDRESS_GROUP_MAX];
	struct pl_buf account;

	pl_address_group(pl_request_client_address(rq), address);
	write_account(&account, address, username);
	pl_throttle_check(by_address, pl_str(address), true, NULL, NULL);
	pl_throttle_check(by_account, pl_buf_str(&account), true, NULL, NULL);
	pl_buf_fini(&account);
}

void
auth_limits_take_signup(
    struct pl_request *rq, void (*on_answer)(void *arg, int64_t wait_ms), void *arg)
{
	char address[PL_ADDRESS_GROUP_MAX];

	pl_address_group(pl_request_client_address(rq), address);
	pl_throttle_check(by_address, pl_str(address), true, on_answer, arg);
}
