/*
 * store_bench: what a send and a page cost, in a short conversation and in a long one;
 * and what conversations.h says.
 *
 *   store_bench                SQLite in a temporary folder, then MongoDB's stand-in
 *   store_bench FOLDER         SQLite in an empty folder on the disk to measure
 *   store_bench mongodb://...  the database of that URI, with nothing in it
 *   MESSAGES=1000000           in the environment: in the store when conversations are measured
 *
 * It fails if a bar of conversations.h is missed. Of pages and sends there is one line for
 * each size: CPU and wall time, of the last page of 10 (read from a place on), of a send
 * alone in its batch, and of one in a batch of 64; the middle one of many. The last line
 * is the one for the long conversation over the one for the short: the CPU may not grow
 * by more than a fifth. (The wall time of the stand-in's pages does: it walks over all
 * messages, which a real server does not.)
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "bench/store/conversations.h"
#include "support/mongo_server.h"

#define BATCHES   20
#define PAGE      10
#define OTHERS    20000
#define BATCH_MAX 512
#define MESSAGES  1000000

struct costs {
	struct cost alone;
	struct cost together;
	struct cost page;
};

struct bench {
	const struct pl_store_config *config;
	struct pl_store *store;
	struct pl_oid ann;
	struct pl_oid bob;
	size_t stored;
	struct pl_message_pos last;  /* message that was sent */
	struct pl_message_pos ahead; /* of the last page */
};

/* Both write in turn. */
static void
send_batch(struct bench *b, size_t count)
{
	static struct pl_write sends[BATCH_MAX];
	struct pl_write *batch[BATCH_MAX] = {NULL};

	for (size_t i = 0; i < count; i++) {
		bool is_ann = (b->stored + i) % 2 == 0;

		sends[i] = (struct pl_write){.kind = PL_WRITE_SEND};
		pl_message_init(&sends[i].u.send.message, is_ann ? &b->ann : &b->bob,
		    is_ann ? &b->bob : &b->ann,
		    PL_STR("Shall we meet at three in the usual place?"), 0);
		batch[i] = &sends[i];
	}
	pl_store_write(b->store, batch, count);
	for (size_t i = 0; i < count; i++) {
		bench_expect(sends[i].err, "send");
		b->last = (struct pl_message_pos){
		    sends[i].u.send.message.created_unix_ms, sends[i].u.send.message.id};
		pl_message_fini(&sends[i].u.send.message);
	}
	b->stored += count;
}

/* To size messages, the last PAGE of them sent after all others. */
static void
grow_to(struct bench *b, size_t size)
{
	while (b->stored < size - PAGE) {
		size_t left = size - PAGE - b->stored;

		send_batch(b, left < BATCH_MAX ? left : BATCH_MAX);
	}
	b->ahead = b->last;
	send_batch(b, PAGE);
}

static struct cost
time_sends(struct bench *b, size_t samples_count, size_t batch)
{
	struct samples samples = {.count = 0};

	while (samples.count < samples_count) {
		struct cost from;

		cost_cool_down();
		from = cost_start();
		send_batch(b, batch);
		samples_add(&samples, from, batch);
	}
	return samples_middle(&samples);
}

static void
reopen(struct bench *b)
{
	pl_store_close(b->store);
	bench_expect(pl_store_open(b->config, &b->store), "open again");
}

static struct cost
time_pages(struct bench *b)
{
	struct samples samples = {.count = 0};

	for (int tries = 0; samples.count < SAMPLES; tries++) {
		struct pl_message_list list;
		struct cost from;
		enum pl_err err;

		cost_cool_down();
		from = cost_start();
		err = pl_store_messages_page(
		    b->store, &b->ann, &b->bob, PL_PAGE_AFTER, &b->ahead, PAGE, &list);
		if (err == PL_E_UNAVAILABLE && tries < 2 * SAMPLES) {
			reopen(
			    b); /* the stand-in was too slow for the store's deadlines */
			continue;
		}
		bench_expect(err, "page");
		samples_add(&samples, from, 1);
		bench_expect(list.count == PAGE ? PL_OK : PL_E_IO, "a full page");
		pl_message_list_fini(&list);
	}
	return samples_middle(&samples);
}

static struct costs
measure(struct bench *b, size_t size)
{
	struct costs c;

	grow_to(b, size);
	c.page = time_pages(b);
	c.alone = time_sends(b, SAMPLES, 1);
	c.together = time_sends(b, BATCHES, 64);
	printf("%8zu %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f\n", size, c.page.cpu_us,
	    c.page.wall_us, c.alone.cpu_us, c.alone.wall_us, c.together.cpu_us,
	    c.together.wall_us);
	fflush(stdout);
	return c;
}

static void
print_ratio(const struct costs *to, const struct costs *from)
{
	printf("   ratio %9.2f %9.2f %9.2f %9.2f %9.2f %9.2f\n\n",
	    to->page.cpu_us / from->page.cpu_us, to->page.wall_us / from->page.wall_us,
	    to->alone.cpu_us / from->alone.cpu_us,
	    to->alone.wall_us / from->alone.wall_us,
	    to->together.cpu_us / from->together.cpu_us,
	    to->together.wall_us / from->together.wall_us);
}

/* Another conversation, long in both cases: what is measured is the length of ours alone,
 * and what has to warm up has before the first figure. */
static void
warm_up(struct bench *b)
{
	struct bench other = {.config = b->config, .store = b->store};

	other.ann = bench_add_user(b->store, "eve");
	other.bob = bench_add_user(b->store, "dan");
	grow_to(&other, OTHERS);
	(void)time_pages(&other);
	(void)time_sends(&other, BATCHES, 1);
	b->store = other.store;
}

static void
run(const char *name, const struct pl_store_config *config)
{
	struct bench b = {.config = config};
	struct costs at_10, at_100000;

	bench_expect(pl_store_open(config, &b.store), "open");
	b.ann = bench_add_user(b.store, "ann");
	b.bob = bench_add_user(b.store, "bob");
	printf("%-14spage of 10        one send          one of 64         (us)\n"
	       "messages       cpu      wall       cpu      wall       cpu      wall\n",
	    name);
	warm_up(&b);
	at_10 = measure(&b, 10);
	at_100000 = measure(&b, 100000);
	print_ratio(&at_100000, &at_10);
	pl_store_close(b.store);
}

/* Each in a folder of its own: what was left in one would be measured in the other. */
static bool
run_sqlite(const char *folder, size_t messages)
{
	enum { DATABASES = 3 };
	static const char *const names[DATABASES] = {"pages", "few", "many"};
	struct pl_store_config configs[DATABASES];
	struct pl_buf paths[DATABASES];
	bool met;

	for (size_t i = 0; i < DATABASES; i++) {
		pl_buf_init(&paths[i], PL_BUF_UNLIMITED);
		(void)pl_buf_printf(&paths[i], "%s/%s", folder, names[i]);
		configs[i] = (struct pl_store_config){.data_dir = paths[i].data};
	}
	run("SQLite", &configs[0]);
	met = conversations_bench("SQLite", &configs[1], &configs[2], messages);
	for (size_t i = 0; i < DATABASES; i++)
		pl_buf_fini(&paths[i]);
	printf("SQLite's databases are left in %s\n", folder);
	return met;
}

static void
run_stand_in(void)
{
	struct pl_store_config config = {.data_dir = ""};
	struct mongo_server server;

	mongo_server_init(&server, false);
	mongo_server_start(&server);
	config.mongo_uri = mongo_server_uri(&server, "chat");
	run("MongoDB", &config);
	mongo_server_fini(&server);
}

int
main(int argc, char **argv)
{
	char temporary[] = "/tmp/parley-bench-XXXXXX";
	const char *asked = getenv("MESSAGES");
	size_t messages = asked != NULL ? strtoul(asked, NULL, 10) : 0;
	bool met;

	if (messages == 0)
		messages = MESSAGES;
	if (argc > 1 && strncmp(argv[1], "mongodb", 7) == 0) {
		struct pl_store_config config = {.mongo_uri = argv[1]};

		run("MongoDB", &config);
		return 0;
	}
	met = run_sqlite(argc > 1 ? argv[1] : mkdtemp(temporary), messages);
	if (argc == 1)
		run_stand_in();
	return met ? 0 : 1;
}
