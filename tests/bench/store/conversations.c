#include "bench/store/conversations.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/random.h"
#include "store/sqlite/recent.h"

#define LISTED    30
#define MISSED    5
#define BATCH_MAX 512
#define NEWEST    1024
#define CHATTER   50000

enum { HUBS = 3 };
static const size_t sizes[HUBS] = {10, 1000, 10000};

/* A user, and the others that they write with: the first ones of all others. */
struct hub {
	struct pl_oid id;
	size_t others;
};

struct town {
	struct pl_store *store;
	struct pl_store *neighbour; /* another session of it */
	struct hub hubs[HUBS];
	struct pl_oid *others;
	size_t stored;
	struct pl_message_pos last;
};

/* A message between a hub and one of its others, in any town. */
struct draw {
	uint32_t hub;
	uint32_t other;
	bool is_out;
};

/* ---- filling ---- */

static void
add_users(struct town *t)
{
	char name[32];

	t->others = pl_mem_alloc(sizes[HUBS - 1] * sizeof(*t->others));
	for (size_t i = 0; i < sizes[HUBS - 1]; i++) {
		snprintf(name, sizeof(name), "other%zu", i);
		t->others[i] = bench_add_user(t->store, name);
	}
	for (size_t i = 0; i < HUBS; i++) {
		snprintf(name, sizeof(name), "hub%zu", i);
		t->hubs[i] = (struct hub){bench_add_user(t->store, name), sizes[i]};
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
store_all(struct town *t, struct pl_write *sends, size_t count)
{
	struct pl_write *batch[BATCH_MAX] = {NULL};

	for (size_t i = 0; i < count; i++)
		batch[i] = &sends[i];
	pl_store_write(t->store, batch, count);
	for (size_t i = 0; i < count; i++) {
		bench_expect(sends[i].err, "send");
		t->last = (struct pl_message_pos){
		    sends[i].u.send.message.created_unix_ms, sends[i].u.send.message.id};
		pl_message_fini(&sends[i].u.send.message);
	}
	t->stored += count;
}

static void
store_one(struct town *t, const struct pl_oid *from, const struct pl_oid *to)
{
	struct pl_write send;

	send_init(&send, from, to);
	store_all(t, &send, 1);
}

/* One message with each of a hub's others, from the one or the other. */
static void
greet(struct town *t, const struct hub *hub)
{
	static struct pl_write sends[BATCH_MAX];

	for (size_t i = 0; i < hub->others;) {
		size_t count = 0;

		for (; count < BATCH_MAX && i < hub->others; i++, count++)
			send_init(&sends[count], i % 2 ? &hub->id : &t->others[i],
			    i % 2 ? &t->others[i] : &hub->id);
		store_all(t, sends, count);
	}
}

static struct draw
draw_any(void)
{
	uint32_t hub = pl_random_below(HUBS);

	return (struct draw){
	    hub, pl_random_below((uint32_t)sizes[hub]), pl_random_below(2) == 0};
}

static void
store_drawn(struct town *t, const struct draw *draws, size_t count)
{
	static struct pl_write sends[BATCH_MAX];

	for (size_t i = 0; i < count; i++) {
		const struct pl_oid *hub = &t->hubs[draws[i].hub].id;
		const struct pl_oid *other = &t->others[draws[i].other];

		send_init(&sends[i], draws[i].is_out ? hub : other,
		    draws[i].is_out ? other : hub);
	}
	store_all(t, sends, count);
}

/* So that the newest make it many. */
static void
grow_to(struct town *t, size_t many)
{
	while (t->stored + NEWEST < many) {
		struct draw draws[BATCH_MAX];
		size_t left = many - NEWEST - t->stored;
		size_t count = left < BATCH_MAX ? left : BATCH_MAX;

		for (size_t i = 0; i < count; i++)
			draws[i] = draw_any();
		store_drawn(t, draws, count);
	}
}

/* What the fill thread of a service does meanwhile; its cost for each message. */
static struct cost
note_recent(struct town *t, size_t messages)
{
	struct cost from = cost_start();
	bool is_behind = true;

	while (is_behind)
		bench_expect(
		    pl_sqlite_recent_fill(pl_sqlite_of(t->store), &is_behind), "recent");
	return cost_per_item(from, messages);
}

/* One writes all that is new. */
static void
chat(struct town *t, const struct pl_oid *a, const struct pl_oid *with)
{
	static struct pl_write sends[BATCH_MAX];

	for (size_t left = CHATTER; left > 0;) {
		size_t count = left < BATCH_MAX ? left : BATCH_MAX;

		for (size_t i = 0; i < count; i++)
			send_init(&sends[i], i % 2 ? a : with, i % 2 ? with : a);
		store_all(t, sends, count);
		left -= count;
	}
}

static void
open_town(struct town *t, const struct pl_store_config *config)
{
	*t = (struct town){.stored = 0};
	bench_expect(pl_store_open(config, &t->store), "open");
	bench_expect(pl_store_open(config, &t->neighbour), "open");
	add_users(t);
	for (size_t i = 0; i < HUBS; i++)
		greet(t, &t->hubs[i]);
}

static void
close_town(struct town *t)
{
	pl_mem_free(t->others);
	pl_store_close(t->neighbour);
	pl_store_close(t->store);
}

static void
run(struct pl_store *store, const char *sql)
{
	bench_expect(pl_sqlite_exec(pl_sqlite_of(store), sql), "statement");
}

/* All of everybody, but for so many of the newest messages. */
static void
read_all_but(struct town *t, size_t newest)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
	    "UPDATE correspondents SET (read_at, read_id) = (SELECT created, id "
	    "FROM messages ORDER BY seq DESC LIMIT 1 OFFSET %zu)",
	    newest);
	run(t->store, sql);
}

/* ---- samples ---- */

/* A session keeps pages only until another one commits; in a server one always has. */
static struct cost
start(struct town *t)
{
	run(t->neighbour, "UPDATE filled SET up_to = up_to");
	cost_cool_down();
	return cost_start();
}

static struct cost
sample_list(struct town *t, const struct hub *hub)
{
	size_t listed = hub->others < LISTED ? hub->others : LISTED;
	struct pl_conversation_list list;
	struct cost c = start(t);

	bench_expect(pl_store_conversations(t->store, &hub->id, NULL, LISTED, &list),
	    "conversations");
	c = cost_per_item(c, 1);
	bench_expect(list.count == listed ? PL_OK : PL_E_IO, "a full list");
	pl_conversation_list_fini(&list);
	return c;
}

/* What a socket that comes back has missed: a few messages. */
static struct cost
sample_missed(struct town *t, const struct hub *hub)
{
	struct pl_message_pos since = t->last;
	struct pl_pos_list list;
	struct cost c;

	for (size_t i = 0; i < MISSED; i++)
		store_one(t, &t->others[i], &hub->id);
	c = start(t);
	bench_expect(pl_store_positions_to(t->store, &hub->id, &since, 400, &list),
	    "what was missed");
	c = cost_per_item(c, 1);
	bench_expect(list.count == MISSED ? PL_OK : PL_E_IO, "all that was missed");
	pl_pos_list_fini(&list);
	return c;
}

static struct cost
sample_send(struct town *t, const struct hub *hub)
{
	struct cost c = start(t);

	store_one(t, &t->others[0], &hub->id);
	return cost_per_item(c, 1);
}

/* Each one moves the mark. */
static struct cost
sample_mark(struct town *t, const struct hub *hub)
{
	struct pl_write mark = {.kind = PL_WRITE_MARK}, *batch = &mark;
	struct cost c;

	store_one(t, &t->others[0], &hub->id);
	mark.u.mark = (struct pl_write_mark){.reader = hub->id,
	    .writer = t->others[0],
	    .up_to = t->last.id,
	    .is_read = true};
	c = start(t);
	pl_store_write(t->store, &batch, 1);
	c = cost_per_item(c, 1);
	bench_expect(mark.err, "mark");
	bench_expect(mark.u.mark.moved ? PL_OK : PL_E_IO, "a mark that moves");
	return c;
}

/* ---- measuring ---- */

static struct cost
time_list(struct town *t, const struct hub *hub)
{
	struct samples samples = {.count = 0};

	while (samples.count < SAMPLES)
		samples_put(&samples, sample_list(t, hub));
	return samples_middle(&samples);
}

struct measure {
	const char *name;
	struct cost (*sample)(struct town *t, const struct hub *hub);
	size_t hub;
	size_t unread; /* of the newest messages */
	double bar;    /* of the ratio; 0: none */
};

static const struct measure measures[] = {
    {"the first 30 of 10 correspondents", sample_list, 0, 0, 0},
    {"                1,000", sample_list, 1, 0, 1.2},
    {"                10,000", sample_list, 2, 0, 0},
    {"                1,000, something unread of each", sample_list, 1, NEWEST, 0},
    {"five missed by one with 10", sample_missed, 0, 0, 0},
    {"                        1,000", sample_missed, 1, 0, 0},
    {"                        10,000", sample_missed, 2, 0, 0},
    {"a read mark", sample_mark, 0, 0, 0},
    {"a send", sample_send, 0, 0, 0},
};

/* Of each, in turn: so what slows the machine down for a while slows down both. The ratio
 * is the middle one of those of each turn. */
static double
compare(const struct measure *m, struct town *towns[2])
{
	struct samples of[2] = {{.count = 0}, {.count = 0}}, ratios = {.count = 0};
	double ratio;

	for (size_t i = 0; i < 2; i++)
		read_all_but(towns[i], m->unread);
	while (ratios.count < SAMPLES) {
		size_t first = ratios.count % 2;
		struct cost c[2];

		for (size_t i = 0; i < 2; i++) {
			struct town *t = towns[i ^ first];

			c[i ^ first] = m->sample(t, &t->hubs[m->hub]);
		}
		samples_put(&of[0], c[0]);
		samples_put(&of[1], c[1]);
		samples_put(&ratios, (struct cost){c[1].cpu_us / c[0].cpu_us, 0});
	}
	ratio = samples_middle(&ratios).cpu_us;
	printf("%-46s %9.1f %9.1f %7.2f", m->name, samples_middle(&of[0]).cpu_us,
	    samples_middle(&of[1]).cpu_us, ratio);
	return ratio;
}

/* Whether no bar is missed. */
static bool
compare_all(const char *name, struct town *few, struct town *many)
{
	struct town *towns[2] = {few, many};
	size_t missed = 0;

	printf("%-36s messages: %9zu %9zu   ratio  (us CPU)\n", name, few->stored,
	    many->stored);
	for (size_t i = 0; i < sizeof(measures) / sizeof(measures[0]); i++) {
		const struct measure *m = &measures[i];
		bool is_missed = compare(m, towns) > m->bar && m->bar > 0;

		if (m->bar > 0)
			printf("  bar %.2f%s", m->bar, is_missed ? ", missed" : "");
		printf("\n");
		fflush(stdout);
		missed += is_missed;
	}
	return missed == 0;
}

/* By steps for each correspondent, as in a database of an older version at first. */
static struct cost
time_unnoted(struct town *t, const struct hub *hub)
{
	run(t->store, "UPDATE filled SET up_to = 0 WHERE id = 2");
	return time_list(t, hub);
}

/* What a list costs that is not found among the newest messages. */
static void
measure_worse(struct town *t)
{
	const struct hub *hub = &t->hubs[1];

	chat(t, &hub->id, &t->others[0]);
	(void)note_recent(t, CHATTER);
	printf("after %d with one of 1,000: %.1f; nothing noted: %.1f\n\n", CHATTER,
	    time_list(t, hub).cpu_us, time_unnoted(t, hub).cpu_us);
}

bool
conversations_bench(const char *name, const struct pl_store_config *few_config,
    const struct pl_store_config *many_config, size_t messages)
{
	static struct draw newest[NEWEST];
	struct town few, many;
	struct cost noting;
	bool met;

	open_town(&few, few_config);
	open_town(&many, many_config);
	grow_to(&many, messages);
	for (size_t i = 0; i < NEWEST; i++)
		newest[i] = draw_any();
	for (size_t i = 0; i < NEWEST; i += BATCH_MAX) {
		store_drawn(&few, &newest[i], BATCH_MAX);
		store_drawn(&many, &newest[i], BATCH_MAX);
	}
	(void)note_recent(&few, few.stored);
	noting = note_recent(&many, many.stored);
	met = compare_all(name, &few, &many);
	printf("noting a message afterwards: %.2f\n", noting.cpu_us);
	measure_worse(&many);
	close_town(&few);
	close_town(&many);
	return met;
}
