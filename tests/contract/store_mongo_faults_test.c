/* MongoDB, when each of its commands in turn never arrives, loses its answer, or is
 * refused. */
#include <stdio.h>

#include "base/mem.h"
#include "contract/mongo_databases.h"
#include "contract/store_faults.h"
#include "support/wire_proxy.h"

#define CODE_UNKNOWN_ERROR     8
#define CODE_OUT_OF_DISK_SPACE 14031

struct plan {
	struct wire_proxy proxy;
	enum wire_proxy_way way;
	int code;
	unsigned n;
};

static void
begin(void *arg, unsigned n)
{
	struct plan *p = arg;

	p->n = n;
	wire_proxy_fail(&p->proxy, p->way, n, p->code);
}

static bool
end(void *arg)
{
	struct plan *p = arg;
	bool failed = wire_proxy_seen(&p->proxy) >= p->n;

	wire_proxy_set(&p->proxy, WIRE_PROXY_PASS, NULL);
	return failed;
}

static bool
is_unavailable(enum pl_err err)
{
	return err == PL_E_UNAVAILABLE;
}

static bool
is_io(enum pl_err err)
{
	return err == PL_E_IO;
}

static bool
is_full(enum pl_err err)
{
	return err == PL_E_FULL;
}

static void
run(struct fixture *f, const char *name, enum wire_proxy_way way, int code,
    bool (*is_right)(enum pl_err))
{
	struct plan plan = {.way = way, .code = code};
	struct store_faults faults = {.name = name,
	    .begin = begin,
	    .end = end,
	    .is_right = is_right,
	    .arg = &plan,
	    .is_in_steps = true,
	    .may_be_stored = way == WIRE_PROXY_LOSE_NTH,
	    .loses_session = way != WIRE_PROXY_REFUSE};
	struct pl_store_config config;
	struct faults_scene s;
	char uri[128];
	unsigned failures;

	wire_proxy_start(&plan.proxy, mongo_databases_server()->port);
	snprintf(uri, sizeof(uri), "mongodb://127.0.0.1:%d/%s", plan.proxy.port,
	    strrchr(f->config.mongo_uri, '/') + 1);
	config = (struct pl_store_config){.mongo_uri = uri};
	store_faults_play(&s, f);
	s.config = &config;
	s.store = store_open_patiently(&config);
	failures = store_faults_run(&s, &faults, store_faults_calls) +
		   store_faults_run(&s, &faults, store_faults_own);
	pl_store_close(s.store);
	wire_proxy_stop(&plan.proxy);
	printf("%s: %u commands failed\n", name, failures);
	assert_true(failures > 50);
}

static void
gives_an_error_for_each_command_that_never_arrives(void **state)
{
	run(*state, "never arrives", WIRE_PROXY_DROP, 0, is_unavailable);
}

static void
gives_an_error_for_each_answer_that_is_lost(void **state)
{
	run(*state, "loses its answer", WIRE_PROXY_LOSE_NTH, 0, is_unavailable);
}

static void
gives_an_error_for_each_command_that_is_refused(void **state)
{
	run(*state, "refused", WIRE_PROXY_REFUSE, CODE_UNKNOWN_ERROR, is_io);
}

static void
says_that_the_disk_is_full(void **state)
{
	run(*state, "no room", WIRE_PROXY_REFUSE, CODE_OUT_OF_DISK_SPACE, is_full);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(gives_an_error_for_each_command_that_never_arrives),
	    STORE_TEST(gives_an_error_for_each_answer_that_is_lost),
	    STORE_TEST(gives_an_error_for_each_command_that_is_refused),
	    STORE_TEST(says_that_the_disk_is_full),
	};

	store_contract_use(&mongo_factory);
	return cmocka_run_group_tests_name("mongo: faults", tests, NULL, NULL);
}
