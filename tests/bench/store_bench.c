/*
 * store_bench: what a send and a page cost, in a short conversation and in a long one.
 *
 *   store_bench [FOLDER]      an empty folder on the disk to measure; a temporary one by default
 *
 * One line for each size: CPU and wall time of a send alone in its batch, of one in a batch of
 * 64, and of the last page of 50. The costs may not grow with the conversation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store.h"

#define ROUNDS    2000
#define BATCH_MAX 512

struct cost {
	double cpu_us;
	double wall_us;
};

struct bench {
	struct pl_store *store;
	struct pl_oid ann;
	struct pl_oid bob;
	size_t stored;
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
	return (struct cost){cpu_us(), 1000.0 * (double)pl_clock_mono_ms()};
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
	struct pl_write *batch[BATCH_MAX];

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
		pl_message_fini(&sends[i].u.send.message);
	}
	b->stored += count;
}

static void
grow_to(struct bench *b, size_t stored)
{
	while (b->stored < stored) {
		size_t left = stored - b->stored;

		send_batch(b, left < BATCH_MAX ? left : BATCH_MAX);
	}
}

static struct cost
time_sends(struct bench *b, size_t batch)
{
	struct cost from = start();

	for (size_t i = 0; i < ROUNDS; i += batch)
		send_batch(b, batch);
	return per_item(from, ROUNDS);
}

static struct cost
time_pages(struct bench *b)
{
	struct cost from = start();

	for (int i = 0; i < ROUNDS; i++) {
		struct pl_message_list list;

		expect(pl_store_messages_page(
			   b->store, &b->ann, &b->bob, PL_PAGE_BEFORE, NULL, 50, &list),
		    "page");
		pl_message_list_fini(&list);
	}
	return per_item(from, ROUNDS);
}

static void
measure(struct bench *b, size_t size)
{
	struct cost alone, together, page;

	grow_to(b, size);
	alone = time_sends(b, 1);
	together = time_sends(b, 64);
	page = time_pages(b);
	printf("%8zu %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f\n", size, alone.cpu_us,
	    alone.wall_us, together.cpu_us, together.wall_us, page.cpu_us, page.wall_us);
}

int
main(int argc, char **argv)
{
	char temporary[] = "/tmp/parley-bench-XXXXXX";
	struct pl_store_config config = {
	    .data_dir = argc > 1 ? argv[1] : mkdtemp(temporary)};
	struct bench b = {0};

	expect(pl_store_open(&config, &b.store), "open");
	b.ann = add_user(b.store, "ann");
	b.bob = add_user(b.store, "bob");
	printf("              one send          one of 64         page of 50   (us)\n"
	       "messages       cpu      wall       cpu      wall       cpu      wall\n");
	measure(&b, 10);
	measure(&b, 10000);
	measure(&b, 100000);
	pl_store_close(b.store);
	printf("database left in %s\n", config.data_dir);
	return 0;
}
