#include "bench/store/conversations.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "store/sqlite/recent.h"

#define LISTED    30
#define BATCH_MAX 512
#define HUBS      3
#define CHATTER   50000

static const size_t sizes[HUBS] = {10, 1000, 10000};

/* A user, and the others that they write with: the first ones of all others. */
struct hub {
	struct pl_oid id;
	size_t others;
};

struct bench {
	struct pl_store *store;
	struct hub hubs[HUBS];
	struct pl_oid *others;
	size_t stored;
	struct pl_message_pos last;
};

struct costs {
	struct cost lists[HUBS];
	struct cost missed[HUBS];
	struct cost mark;
	struct cost send;
};

/* ---- filling ---- */

static void
add_users(struct bench *b)
{
	char name[32];

	b->others = pl_mem_alloc(sizes[HUBS - 1] * sizeof(*b->others));
	for (size_t i = 0; i < sizes[HUBS - 1]; i++) {
		snprintf(name, sizeof(name), "other%zu", i);
		b->others[i] = bench_add_user(b->store, name);
	}
	for (size_t i = 0; i < HUBS; i++) {
		snprintf(name, sizeof(name), "hub%zu", i);
		b->hubs[i] = (struct hub){bench_add_user(b->store, name), sizes[i]};
	}
}

static void
send_init(struct pl_write *w, const struct pl_oid *from, const struct pl_oid *to)
{
	*w = (struct pl_write){.kind = PL_WRITE_SEND};
	pl_message_init(&w->u.send.message, from, to,
	    PL_STR("Shall we meet at three in the usual place?"), 0);
}

static void
store_all(struct bench *b, struct pl_write *sends, size_t count)
{
	struct pl_write *batch[BATCH_MAX] = {NULL};

	for (size_t i = 0; i < count; i++)
		batch[i] = &sends[i];
	pl_store_write(b->store, batch, count);
	for (size_t i = 0; i < count; i++) {
		bench_expect(sends[i].err, "send");
		b->last = (struct pl_message_pos){
		    sends[i].u.send.message.created_unix_ms, sends[i].u.send.message.id};
		pl_message_fini(&sends[i].u.send.message);
	}
	b->stored += count;
}

/* One message with each of a hub's others, from the one or the other. */
static void
greet(struct bench *b, const struct hub *hub)
{
	static struct pl_write sends[BATCH_MAX];

	for (size_t i = 0; i < hub->others;) {
		size_t count = 0;

		for (; count < BATCH_MAX && i < hub->others; i++, count++)
			send_init(&sends[count], i % 2 ? &hub->id : &b->others[i],
			    i % 2 ? &b->others[i] : &hub->id);
		store_all(b, sends, count);
	}
}

/* Any message of any two who know each other. */
static void
grow_to(struct bench *b, size_t many)
{
	static struct pl_write sends[BATCH_MAX];

	while (b->stored < many) {
		size_t left = many - b->stored;
		size_t count = left < BATCH_MAX ? left : BATCH_MAX;

		for (size_t i = 0; i < count; i++) {
			const struct hub *hub = &b->hubs[pl_random_below(HUBS)];
			const struct pl_oid *other =
			    &b->others[pl_random_below((uint32_t)hub->others)];
			bool is_out = pl_random_below(2) == 0;

			send_init(&sends[i], is_out ? &hub->id : other,
			    is_out ? other : &hub->id);
		}
		store_all(b, sends, count);
	}
}

/* What the fill thread of a service does meanwhile; its cost for each message. */
static struct cost
note_recent(struct bench *b, size_t messages)
{
	struct cost from = cost_start();
	bool is_behind = true;

	while (is_behind)
		bench_expect(
		    pl_sqlite_recent_fill(pl_sqlite_of(b->store), &is_behind), "recent");
	return cost_per_item(from, messages);
}

/* One writes all that is new. */
static void
chat(struct bench *b, const struct pl_oid *a, const struct pl_oid *with)
{
	static struct pl_write sends[BATCH_MAX];

	for (size_t left = CHATTER; left > 0;) {
		size_t count = left < BATCH_MAX ? left : BATCH_MAX;

		for (size_t i = 0; i < count; i++)
			send_init(&sends[i], i % 2 ? a : with, i % 2 ? with : a);
		store_all(b, sends, count);
		left -= count;
	}
}

/* ---- measuring ---- */

static struct cost
time_list(struct bench *b, const struct hub *hub)
{
	struct samples samples = {.count = 0};

	while (samples.count < SAMPLES) {
		size_t listed = hub->others < LISTED ? hub->others : LISTED;
		struct pl_conversation_list list;
		struct cost from;

		cost_cool_down();
		from = cost_start();
		bench_expect(
		    pl_store_conversations(b->store, &hub->id, NULL, LISTED, &list),
		    "conversations");
		samples_add(&samples, from, 1);
		bench_expect(list.count == listed ? PL_OK : PL_E_IO, "a full list");
		pl_conversation_list_fini(&list);
	}
	return samples_middle(&samples);
}

/* By steps for each correspondent, as in a database of an older version at first. */
static struct cost
time_unnoted(struct bench *b, const struct hub *hub)
{
	bench_expect(pl_sqlite_exec(pl_sqlite_of(b->store),
			 "UPDATE filled SET up_to = 0 WHERE id = 2"),
	    "forget");
	return time_list(b, hub);
}

/* What a socket that comes back has missed: a few messages. */
static struct cost
time_missed(struct bench *b, const struct hub *hub)
{
	struct samples samples = {.count = 0};
	struct pl_message_pos since = b->last;
	struct pl_write send;

	for (size_t i = 0; i < 5; i++) {
		send_init(&send, &b->others[i], &hub->id);
		store_all(b, &send, 1);
	}
	while (samples.count < SAMPLES) {
		struct pl_pos_list list;
		struct cost from;

		cost_cool_down();
		from = cost_start();
		bench_expect(
		    pl_store_positions_to(b->store, &hub->id, &since, 400, &list),
		    "what was missed");
		samples_add(&samples, from, 1);
		bench_expect(list.count == 5 ? PL_OK : PL_E_IO, "all that was missed");
		pl_pos_list_fini(&list);
	}
	return samples_middle(&samples);
}

static struct cost
time_sends(struct bench *b)
{
	struct samples samples = {.count = 0};

	while (samples.count < SAMPLES) {
		struct pl_write send;
		struct cost from;

		send_init(&send, &b->others[0], &b->hubs[0].id);
		cost_cool_down();
		from = cost_start();
		store_all(b, &send, 1);
		samples_add(&samples, from, 1);
	}
	return samples_middle(&samples);
}

/* Each one moves the mark. */
static struct cost
time_marks(struct bench *b)
{
	struct samples samples = {.count = 0};

	while (samples.count < SAMPLES) {
		struct pl_write send, mark = {.kind = PL_WRITE_MARK}, *batch = &mark;
		struct cost from;

		send_init(&send, &b->others[0], &b->hubs[0].id);
		store_all(b, &send, 1);
		mark.u.mark = (struct pl_write_mark){.reader = b->hubs[0].id,
		    .writer = b->others[0],
		    .up_to = b->last.id,
		    .is_read = true};
		cost_cool_down();
		from = cost_start();
		pl_store_write(b->store, &batch, 1);
		samples_add(&samples, from, 1);
		bench_expect(mark.err, "mark");
		bench_expect(mark.u.mark.moved ? PL_OK : PL_E_IO, "a mark that moves");
	}
	return samples_middle(&samples);
}

/* All of everybody: what is unread is counted, up to 100 of each, which is no matter of
 * the store's size. */
static void
read_all(struct bench *b)
{
	static const char sql[] =
	    "UPDATE correspondents SET read_at = (SELECT max(created) FROM messages), "
	    "read_id = x'ffffffffffffffffffffffff'";

	bench_expect(pl_sqlite_exec(pl_sqlite_of(b->store), sql), "read all");
}

static struct costs
measure(struct bench *b)
{
	struct costs c;
	size_t stored = b->stored;

	read_all(b);
	for (size_t i = 0; i < HUBS; i++)
		c.lists[i] = time_list(b, &b->hubs[i]);
	for (size_t i = 0; i < HUBS; i++)
		c.missed[i] = time_missed(b, &b->hubs[i]);
	c.send = time_sends(b);
	c.mark = time_marks(b);
	printf("%8zu %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f\n", stored,
	    c.lists[0].cpu_us, c.lists[1].cpu_us, c.lists[2].cpu_us, c.missed[0].cpu_us,
	    c.missed[1].cpu_us, c.missed[2].cpu_us, c.mark.cpu_us, c.send.cpu_us);
	fflush(stdout);
	return c;
}

static void
print_ratio(const struct costs *to, const struct costs *from)
{
	printf("   ratio");
	for (size_t i = 0; i < HUBS; i++)
		printf(" %9.2f", to->lists[i].cpu_us / from->lists[i].cpu_us);
	for (size_t i = 0; i < HUBS; i++)
		printf(" %9.2f", to->missed[i].cpu_us / from->missed[i].cpu_us);
	printf(" %9.2f %9.2f\n\n", to->mark.cpu_us / from->mark.cpu_us,
	    to->send.cpu_us / from->send.cpu_us);
}

void
conversations_bench(const char *name, const struct pl_store_config *config, size_t many)
{
	struct bench b = {0};
	struct cost noting, unread;
	struct costs few, all;

	bench_expect(pl_store_open(config, &b.store), "open");
	add_users(&b);
	for (size_t i = 0; i < HUBS; i++)
		greet(&b, &b.hubs[i]);
	printf(
	    "%-14sthe first 30 of              five missed by one with        (us CPU)\n"
	    "messages        10     1,000    10,000        10     1,000    10,000"
	    "      mark      send\n",
	    name);
	(void)note_recent(&b, b.stored);
	few = measure(&b);
	grow_to(&b, many);
	noting = note_recent(&b, many);
	unread = time_list(&b, &b.hubs[1]);
	all = measure(&b);
	print_ratio(&all, &few);
	chat(&b, &b.hubs[1].id, &b.others[0]);
	(void)note_recent(&b, CHATTER);
	printf("noting a message afterwards: %.2f\n"
	       "the first 30 of 1,000, with 100 or more unread: %.1f\n",
	    noting.cpu_us, unread.cpu_us);
	printf("the same after %d with one of them: %.1f; nothing noted: %.1f\n\n",
	    CHATTER, time_list(&b, &b.hubs[1]).cpu_us,
	    time_unnoted(&b, &b.hubs[1]).cpu_us);
	pl_mem_free(b.others);
	pl_store_close(b.store);
}
