/*
 * store_bench: what a send and a page cost, in a short conversation and in a long one.
 *
 *   store_bench                SQLite in a temporary folder, then MongoDB's stand-in
 *   store_bench FOLDER         SQLite in an empty folder on the disk to measure
 *   store_bench mongodb://...  the database of that URI, with nothing in it
 *
 * One line for each size: CPU of this process and wall time, of the last page of 10 (read from
 * a place on), of a send alone in its batch, and of one in a batch of 64; the middle one of
 * many. The last line is the one for the long conversation over the one for the short: the CPU
 * may not grow by more than a fifth. (The wall time of the stand-in's pages does: it walks over
 * all messages, which a real server does not.)
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store.h"
#include "support/mongo_server.h"

#define SAMPLES   40 /* of pages and of sends alone */
#define BATCHES   20
#define PAUSE_MS  20
#define PAGE      10
#define OTHERS    20000
#define BATCH_MAX 512

struct cost {
	double cpu_us;
	double wall_us;
};

struct samples {
	double cpu_us[SAMPLES];
	double wall_us[SAMPLES];
	size_t count;
};

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

static double
cpu_us(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return 1e6 * (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static struct cost
start(void)
{
	return (struct cost){cpu_us(), (double)pl_clock_mono_us()};
}

static struct cost
per_item(struct cost from, size_t items)
{
	struct cost to = start();

	return (struct cost){
	    (to.cpu_us - from.cpu_us) / (double)items,
	    (to.wall_us - from.wall_us) / (double)items,
	};
}

static void
expect(enum pl_err err, const char *what)
{
	if (err == PL_OK)
		return;
	fprintf(stderr, "store_bench: %s: %s\n", what, pl_err_name(err));
	exit(1);
}

static struct pl_oid
add_user(struct pl_store *s, const char *name)
{
	struct pl_signup signup = {.full_name = pl_str(name), .username = pl_str(name)};
	struct pl_user user;
	struct pl_write w = {.kind = PL_WRITE_USER, .u.user = &user}, *batch = &w;
	struct pl_oid id;

	pl_user_from_signup(&user, &signup, pl_mem_strdup("hash"), pl_clock_unix_ms());
	pl_store_write(s, &batch, 1);
	expect(w.err, "user");
	id = user.id;
	pl_user_fini(&user);
	return id;
}

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
		expect(sends[i].err, "send");
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

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double
median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[count / 2];
}

static void
add_sample(struct samples *s, struct cost from, size_t items)
{
	struct cost c = per_item(from, items);

	s->cpu_us[s->count] = c.cpu_us;
	s->wall_us[s->count++] = c.wall_us;
}

static struct cost
middle_of(struct samples *s)
{
	return (struct cost){median(s->cpu_us, s->count), median(s->wall_us, s->count)};
}

/* Before each sample, for the processor's caches to be as cold where the server answers at once
 * as where it takes long. */
static void
cool_down(void)
{
	const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};

	nanosleep(&pause, NULL);
}

static struct cost
time_sends(struct bench *b, size_t samples_count, size_t batch)
{
	struct samples samples = {.count = 0};

	while (samples.count < samples_count) {
		struct cost from;

		cool_down();
		from = start();
		send_batch(b, batch);
		add_sample(&samples, from, batch);
	}
	return middle_of(&samples);
}

static void
reopen(struct bench *b)
{
	pl_store_close(b->store);
	expect(pl_store_open(b->config, &b->store), "open again");
}

static struct cost
time_pages(struct bench *b)
{
	struct samples samples = {.count = 0};

	for (int tries = 0; samples.count < SAMPLES; tries++) {
		struct pl_message_list list;
		struct cost from;
		enum pl_err err;

		cool_down();
		from = start();
		err = pl_store_messages_page(
		    b->store, &b->ann, &b->bob, PL_PAGE_AFTER, &b->ahead, PAGE, &list);
		if (err == PL_E_UNAVAILABLE && tries < 2 * SAMPLES) {
			reopen(
			    b); /* the stand-in was too slow for the store's deadlines */
			continue;
		}
		expect(err, "page");
		add_sample(&samples, from, 1);
		expect(list.count == PAGE ? PL_OK : PL_E_IO, "a full page");
		pl_message_list_fini(&list);
	}
	return middle_of(&samples);
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

/* Another conversation, long in both cases: what is measured is the length of ours alone, and
 * what has to warm up has before the first figure. */
static void
warm_up(struct bench *b)
{
	struct bench other = {.config = b->config, .store = b->store};

	other.ann = add_user(b->store, "eve");
	other.bob = add_user(b->store, "dan");
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

	expect(pl_store_open(config, &b.store), "open");
	b.ann = add_user(b.store, "ann");
	b.bob = add_user(b.store, "bob");
	printf("%-14spage of 10        one send          one of 64         (us)\n"
	       "messages       cpu      wall       cpu      wall       cpu      wall\n",
	    name);
	warm_up(&b);
	at_10 = measure(&b, 10);
	at_100000 = measure(&b, 100000);
	print_ratio(&at_100000, &at_10);
	pl_store_close(b.store);
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
	struct pl_store_config config = {.data_dir = argc > 1 ? argv[1] : NULL};

	if (argc > 1 && strncmp(argv[1], "mongodb", 7) == 0) {
		config.mongo_uri = argv[1];
		run("MongoDB", &config);
		return 0;
	}
	if (argc == 1)
		config.data_dir = mkdtemp(temporary);
	run("SQLite", &config);
	if (argc == 1)
		run_stand_in();
	printf("SQLite's database is left in %s\n", config.data_dir);
	return 0;
}
