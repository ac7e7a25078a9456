/* What the thread that finishes erasures has to tell, and the loop that tells it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "online/rule.h"
#include "services/auth/handlers.h"
#include "session/sessions.h"
#include "support/bus_local.h"
#include "support/fake/http.h"
#include "support/fake_loop.h"

/* ---- who hears of it ---- */

static int revoked, gone, logged_out;

void
pl_sessions_revoked(struct pl_sessions *s, const struct pl_revocation *r)
{
	(void)s, (void)r;
	revoked++;
}

void
pl_sessions_user_is_gone(struct pl_sessions *s, const struct pl_oid *user)
{
	(void)s, (void)user;
	gone++;
}

void
pl_online_logged_out(struct pl_online *o, const struct pl_oid *user)
{
	(void)o, (void)user;
	logged_out++;
}

static int events;

static void
on_message(void *arg, struct pl_str channel, struct pl_str payload)
{
	(void)arg, (void)channel, (void)payload;
	events++;
}

static struct pl_bus_listener listener = {.on_message = on_message};

static int
setup(void **state)
{
	(void)state;
	revoked = gone = logged_out = events = 0;
	pl_app.loop = fake_loop_new();
	pl_app.bus = bus_local_new(pl_app.loop);
	pl_bus_subscribe(pl_app.bus, PL_STR(PL_CHANNEL_ALL), &listener);
	auth_erase_start();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	auth_erase_stop();
	pl_bus_unsubscribe(pl_app.bus, &listener);
	pl_bus_free(pl_app.bus);
	fake_loop_free(pl_app.loop);
	pl_app = (struct pl_app){0};
	return 0;
}

static struct pl_revocation
of_somebody(void)
{
	struct pl_revocation r;
	struct pl_oid user;

	pl_oid_new(&user);
	pl_revocation_of_all(&r, &user, 1000);
	return r;
}

static void
tells_from_the_loop_that_an_erasure_begins_and_ends(void **state)
{
	struct pl_revocation r = of_somebody();

	(void)state;
	auth_erasing(&r);
	assert_int_equal(revoked, 0);
	fake_loop_run(pl_app.loop);
	assert_int_equal(revoked, 1);
	assert_int_equal(gone, 1);
	assert_int_equal(logged_out, 1);
	auth_erased(&r.user);
	fake_loop_run(pl_app.loop);
	assert_int_equal(events, 1);
}

/* The worker ends: sessions are freed while its loop still turns. */
static void
tells_nobody_any_more_after_its_end(void **state)
{
	struct pl_revocation r = of_somebody();

	(void)state;
	auth_erasing(&r);
	auth_erased(&r.user);
	auth_erase_stop();
	auth_erasing(&r);
	fake_loop_run(pl_app.loop);
	assert_int_equal(revoked + gone + logged_out + events, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		tells_from_the_loop_that_an_erasure_begins_and_ends, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		tells_nobody_any_more_after_its_end, setup, teardown),
	};

	return cmocka_run_group_tests_name("erase", tests, NULL, NULL);
}
