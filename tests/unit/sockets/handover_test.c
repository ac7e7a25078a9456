/* Each promise of sockets/handover.h, with the gateway's side of it played here. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/service.h"
#include "loop/loop_epoll.h"
#include "sockets/handover.h"

#define NAME "4711"

/* A gateway's process: its socket, and the link that came to it. */
struct gateway {
	char folder[32];
	char place[64];
	int listening;
	int link;
	uint64_t number; /* of the link */
};

/* Who was promised a connection. */
struct owner {
	struct pl_handover *handover;
	int count;
	int fd;
	char early[64];
	size_t len;
};

static int
set_up(void **state)
{
	static struct gateway g;
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	g = (struct gateway){.folder = "/tmp/handover-XXXXXX", .link = -1};
	assert_non_null(mkdtemp(g.folder));
	snprintf(g.place, sizeof(g.place), "%s/" NAME, g.folder);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", g.place);
	g.listening = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	assert_int_equal(bind(g.listening, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(g.listening, 8), 0);
	pl_settings.handover_dir = g.folder;
	pl_app.loop = pl_loop_epoll_new();
	*state = &g;
	return 0;
}

static int
tear_down(void **state)
{
	struct gateway *g = *state;

	pl_handover_close();
	pl_loop_epoll_free(pl_app.loop);
	pl_app.loop = NULL;
	pl_settings.handover_dir = NULL;
	if (g->link >= 0)
		close(g->link);
	close(g->listening);
	unlink(g->place);
	rmdir(g->folder);
	return 0;
}

static void
take(void *arg, int fd, char *early, size_t len)
{
	struct owner *o = arg;

	o->count++;
	o->fd = fd;
	o->len = len;
	if (len > 0)
		memcpy(o->early, early, len < sizeof(o->early) ? len : sizeof(o->early));
	if (fd < 0)
		pl_handover_end(o->handover);
}

static bool
promise(struct owner *o, const char *name)
{
	*o = (struct owner){.fd = -1};
	o->handover = pl_handover_promise(pl_str(name), take, o);
	return o->handover != NULL;
}

static void
accept_link(struct gateway *g)
{
	g->link = accept(g->listening, NULL, NULL);
	assert_true(g->link >= 0);
	assert_int_equal(recv(g->link, &g->number, sizeof(g->number), 0), 8);
}

static uint64_t
ticket_of(const struct gateway *g, const struct owner *o)
{
	char text[PL_HANDOVER_TEXT_BYTES], link[17];

	pl_handover_say(o->handover, text);
	assert_int_equal(strlen(text), 32);
	snprintf(link, sizeof(link), "%016llx", (unsigned long long)g->number);
	assert_memory_equal(text, link, 16);
	return strtoull(text + 16, NULL, 16);
}

/* A packet of len bytes, with count descriptors, each of which is the caller's. */
static void
give(const struct gateway *g, const void *bytes, size_t len, const int *fds, size_t count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	struct iovec part = {(void *)(uintptr_t)bytes, len};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (count > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.align = (struct cmsghdr){
		    CMSG_LEN(count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.align), fds, count * sizeof(int));
	}
	assert_int_equal(sendmsg(g->link, &message, 0), (ssize_t)len);
}

static void
turn(void)
{
	pl_loop_epoll_step(pl_app.loop, 0);
}

/* The tickets that ended, of one packet; 0 if there is none. */
static size_t
ended(const struct gateway *g, uint64_t *tickets, size_t most)
{
	ssize_t n = recv(g->link, tickets, most * sizeof(*tickets), MSG_DONTWAIT);

	return n > 0 ? (size_t)n / sizeof(*tickets) : 0;
}

static bool
is_link_closed(const struct gateway *g)
{
	struct pollfd p = {.fd = g->link};

	return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP) != 0;
}

static void
what_was_promised_is_handed_over_with_what_came_early(void **state)
{
	struct gateway *g = *state;
	struct owner a, b;
	uint64_t packet[2], t;
	int pair[2];

	assert_true(promise(&a, NAME));
	accept_link(g);
	assert_true(promise(&b, NAME)); /* by the same link */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	packet[0] = ticket_of(g, &b);
	memcpy(&packet[1], "early me", 8);
	give(g, packet, sizeof(packet), &pair[1], 1);
	close(pair[1]);
	turn();
	assert_int_equal(a.count, 0);
	assert_int_equal(b.count, 1);
	assert_int_equal(b.len, 8);
	assert_memory_equal(b.early, "early me", 8);
	assert_int_equal(write(b.fd, "x", 1), 1);
	assert_int_equal(read(pair[0], packet, 1), 1);
	close(b.fd);
	close(pair[0]);
	pl_handover_end(b.handover);
	assert_int_equal(ended(g, &t, 1), 1);
	assert_int_equal(t, ticket_of(g, &a) + 1);
	pl_handover_end(a.handover);
}

static void
what_is_not_wanted_any_more_is_closed_and_ends(void **state)
{
	struct gateway *g = *state;
	struct owner o;
	uint64_t packet, t;
	int pair[2];

	assert_true(promise(&o, NAME));
	accept_link(g);
	packet = ticket_of(g, &o);
	pl_handover_end(o.handover);
	assert_int_equal(ended(g, &t, 1), 0); /* it has nothing to give back yet */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	give(g, &packet, sizeof(packet), &pair[1], 1);
	close(pair[1]);
	turn();
	assert_int_equal(o.count, 0);
	assert_int_equal(recv(pair[0], &t, 1, MSG_DONTWAIT), 0);
	assert_int_equal(ended(g, &t, 1), 1);
	assert_int_equal(t, packet);
	close(pair[0]);
}

static void
nothing_is_promised_to_a_name_that_nobody_has_or_may_have(void **state)
{
	static const char *const names[] = {
	    "", "4712", "../" NAME, "4711/", "x", "47110000000", "4711 ", "-1"};
	struct owner o;
	char *folder = pl_settings.handover_dir;
	char longer[256];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_false(promise(&o, names[i]));
	memset(longer, '/', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	pl_settings.handover_dir = longer;
	assert_false(promise(&o, NAME));
	pl_settings.handover_dir = NULL;
	assert_false(promise(&o, NAME));
	pl_settings.handover_dir = folder;
}

static void
a_gateway_that_ends_takes_what_it_was_promised_along_and_a_new_one_is_found(void **state)
{
	struct gateway *g = *state;
	struct owner kept, waits, later;
	uint64_t packet;
	int pair[2];

	assert_true(promise(&kept, NAME));
	assert_true(promise(&waits, NAME));
	accept_link(g);
	packet = ticket_of(g, &kept);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	give(g, &packet, sizeof(packet), &pair[1], 1);
	close(pair[1]);
	turn();
	close(g->link);
	turn();
	assert_int_equal(waits.count, 1);
	assert_int_equal(waits.fd, -1);
	assert_int_equal(kept.count, 1);
	assert_int_equal(write(kept.fd, "x", 1), 1);
	assert_true(promise(&later, NAME));
	accept_link(g);
	pl_handover_end(kept.handover); /* nobody is to be told */
	assert_int_equal(ended(g, &packet, 1), 0);
	pl_handover_end(later.handover);
	close(kept.fd);
	close(pair[0]);
}

static void
a_packet_that_is_none_ends_the_link(void **state)
{
	struct gateway *g = *state;
	struct owner o;
	uint64_t t = 1;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	for (int kind = 0; kind < 3; kind++) {
		assert_true(promise(&o, NAME));
		accept_link(g);
		give(g, &t, kind == 0 ? sizeof(t) : sizeof(t) - 1, pair,
		    kind == 1 ? 1 : 0);
		turn();
		assert_int_equal(o.fd, -1);
		assert_int_equal(o.count, 1);
		assert_true(is_link_closed(g));
		close(g->link);
	}
	g->link = -1;
	close(pair[0]);
	assert_int_equal(
	    recv(pair[1], &t, 1, MSG_DONTWAIT), 0); /* nobody kept what came with it */
	close(pair[1]);
}

static void
of_two_descriptors_none_is_kept(void **state)
{
	struct gateway *g = *state;
	struct owner o;
	uint64_t packet;
	int a[2], b[2];

	assert_true(promise(&o, NAME));
	accept_link(g);
	packet = ticket_of(g, &o);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, a), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, b), 0);
	give(g, &packet, sizeof(packet), (int[]){a[1], b[1]}, 2);
	close(a[1]);
	close(b[1]);
	turn();
	assert_int_equal(o.fd, -1);
	assert_int_equal(o.count, 1);
	assert_int_equal(recv(a[0], &packet, 1, MSG_DONTWAIT), 0);
	assert_int_equal(recv(b[0], &packet, 1, MSG_DONTWAIT), 0);
	close(a[0]);
	close(b[0]);
}

/* count connections end while the gateway does not read; then it does, and hears of so many
 * tickets, each once. */
static size_t
end_unheard(struct gateway *g, size_t count)
{
	static struct owner owners[30000];
	static bool heard[30000];
	static uint64_t tickets[1024];
	size_t sum = 0, n;
	uint64_t first = 0, packet;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	for (size_t i = 0; i < count; i++) {
		assert_true(promise(&owners[i], NAME));
		if (i == 0)
			accept_link(g);
		packet = ticket_of(g, &owners[i]);
		first = i == 0 ? packet : first;
		give(g, &packet, sizeof(packet), pair, 1);
		turn();
		assert_int_equal(owners[i].count, 1);
		close(owners[i].fd);
	}
	for (size_t i = 0; i < count; i++)
		pl_handover_end(owners[i].handover);
	memset(heard, 0, sizeof(heard));
	while ((n = ended(g, tickets, 1024)) > 0) {
		for (size_t i = 0; i < n; i++, sum++) {
			assert_true(tickets[i] - first < count);
			assert_false(heard[tickets[i] - first]);
			heard[tickets[i] - first] = true;
		}
		turn();
	}
	close(pair[0]);
	close(pair[1]);
	return sum;
}

static void
no_end_is_lost_if_the_gateway_does_not_read(void **state)
{
	assert_int_equal(end_unheard(*state, 3000), 3000);
}

static void
beyond_as_many_as_there_are_connections_ends_are_not_kept(void **state)
{
	size_t heard = end_unheard(*state, 30000);

	assert_true(heard >= 20000 && heard < 30000);
	assert_false(is_link_closed(*state));
}

/* The kernel drops what comes, and says so. */
static void
without_a_descriptor_to_spare_one_is_lost_and_the_link_goes_on(void **state)
{
	struct gateway *g = *state;
	struct owner lost, next;
	struct rlimit all, none;
	uint64_t packet, t;
	int pair[2];

	assert_true(promise(&lost, NAME));
	assert_true(promise(&next, NAME));
	accept_link(g);
	packet = ticket_of(g, &lost);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	give(g, &packet, sizeof(packet), pair, 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	none = (struct rlimit){0, all.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	turn();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	assert_int_equal(lost.count, 1);
	assert_int_equal(lost.fd, -1);
	assert_int_equal(ended(g, &t, 1), 1);
	assert_int_equal(t, packet);
	packet = ticket_of(g, &next);
	give(g, &packet, sizeof(packet), pair, 1);
	turn();
	assert_int_equal(next.count, 1);
	assert_true(next.fd >= 0);
	close(next.fd);
	pl_handover_end(next.handover);
	close(pair[0]);
	close(pair[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	    TEST(what_was_promised_is_handed_over_with_what_came_early),
	    TEST(what_is_not_wanted_any_more_is_closed_and_ends),
	    TEST(nothing_is_promised_to_a_name_that_nobody_has_or_may_have),
	    TEST(
		a_gateway_that_ends_takes_what_it_was_promised_along_and_a_new_one_is_found),
	    TEST(a_packet_that_is_none_ends_the_link),
	    TEST(of_two_descriptors_none_is_kept),
	    TEST(no_end_is_lost_if_the_gateway_does_not_read),
	    TEST(beyond_as_many_as_there_are_connections_ends_are_not_kept),
	    TEST(without_a_descriptor_to_spare_one_is_lost_and_the_link_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
