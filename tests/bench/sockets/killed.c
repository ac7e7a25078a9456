#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "clients.h"
#include "figure.h"
#include "killed.h"
#include "sender.h"

#include "base/clock.h"
#include "base/mem.h"

#define AT_ONCE     200
#define TALKED_TO   500   /* of those who are killed */
#define PACE_MS     4     /* between two rounds of the sender */
#define SETTLE_MS   3000  /* once all are in */
#define WARM_MS     8000  /* presence trusts the bus by then (delivery/tail) */
#define BEFORE_MS   6000  /* of the sender, before the kill */
#define BACK_MS     60000 /* at most */
#define ARRIVE_MS   10000 /* for a message; and for the last ones, at most */
#define SAMPLES_MAX 20000
#define TEXT_LEN    16

enum { SENDER, WITNESS };
enum phase { WARM, BEFORE, DURING, OVER };

/* What the sender saw in one phase. */
struct samples {
	size_t count;
	double *sent_ms;    /* from a message's start to its 201 */
	double *arrived_ms; /* and to its newMessage at the witness */
	unsigned told;      /* messages to listeners */
};

/* The sender and the witness, in a thread of their own: what the clients cost that come
 * back is no part of what is measured. */
struct talk {
	const struct stack *stack;
	pthread_t thread;
	_Atomic(enum phase) phase;
	struct clients others;
	struct sender sender;
	size_t listeners; /* of those who are killed */
	size_t stride;    /* from one listener to the next */
	unsigned sent[TALKED_TO];
	struct samples samples[OVER];
};

/* ---- the sender -------------------------------------------------------------------------- */

static size_t
listener(const struct talk *t, size_t nth)
{
	return KILLED_OTHERS + nth * t->stride;
}

/* The next number to the next of them. */
static void
tell_listener(struct talk *t, size_t nth, struct samples *samples)
{
	char text[TEXT_LEN];

	if (t->sent[nth] == SESSION_MESSAGES_MAX)
		return;
	snprintf(text, sizeof(text), "%u", t->sent[nth]);
	sender_post(&t->sender, listener(t, nth), text);
	t->sent[nth]++;
	samples->told++;
}

static void
tell_witness(struct talk *t, struct samples *samples)
{
	const struct client *witness = &t->others.all[WITNESS];
	unsigned before = witness->messages;
	double begun = figure_now_ms(), sent;

	sender_post(&t->sender, WITNESS, "Do you hear me?");
	sent = figure_now_ms();
	while (witness->messages == before) {
		clients_step(&t->others, ARRIVE_MS);
		if (figure_now_ms() - begun > ARRIVE_MS)
			bench_die("a message did not arrive");
	}
	if (samples->count == SAMPLES_MAX)
		return;
	samples->sent_ms[samples->count] = sent - begun;
	samples->arrived_ms[samples->count++] = figure_now_ms() - begun;
}

static void *
talk(void *arg)
{
	struct talk *t = arg;
	enum phase phase;

	for (size_t i = 0; (phase = atomic_load(&t->phase)) != OVER; i++) {
		tell_listener(t, i % t->listeners, &t->samples[phase]);
		tell_witness(t, &t->samples[phase]);
		clients_run(&t->others, PACE_MS);
	}
	return NULL;
}

static void
talk_start(struct talk *t, const struct stack *stack, size_t sockets)
{
	struct clients_of of = stack_clients(stack);

	*t = (struct talk){.stack = stack};
	t->listeners = sockets < TALKED_TO ? sockets : TALKED_TO;
	t->stride = sockets / t->listeners;
	for (int i = 0; i < OVER; i++) {
		t->samples[i].sent_ms = pl_mem_zalloc(SAMPLES_MAX * sizeof(double));
		t->samples[i].arrived_ms = pl_mem_zalloc(SAMPLES_MAX * sizeof(double));
	}
	clients_init(&t->others, &of, KILLED_OTHERS);
	clients_connect(&t->others, 0, KILLED_OTHERS, AT_ONCE);
	sender_init(&t->sender, stack, SENDER);
	if (pthread_create(&t->thread, NULL, talk, t) != 0)
		bench_die("no thread");
}

static void
talk_end(struct talk *t)
{
	atomic_store(&t->phase, OVER);
	pthread_join(t->thread, NULL);
}

static void
talk_fini(struct talk *t)
{
	sender_fini(&t->sender);
	clients_fini(&t->others);
	for (int i = 0; i < OVER; i++) {
		pl_mem_free(t->samples[i].sent_ms);
		pl_mem_free(t->samples[i].arrived_ms);
	}
}

/* ---- those who are killed ---------------------------------------------------------------- */

static unsigned
count_lost(const struct talk *t, const struct clients *c)
{
	unsigned lost = 0;

	for (size_t i = 0; i < t->listeners; i++) {
		uint64_t got = c->all[listener(t, i)].session->got;

		lost += t->sent[i] - (unsigned)__builtin_popcountll(got);
	}
	return lost;
}

/* Seconds until each was closed and is in again, or those that were waited. */
static double
come_back(struct clients *c, size_t sockets, size_t again_before)
{
	double begun = figure_now_ms();

	while (c->again - again_before < sockets || c->in < sockets) {
		clients_step(c, PACE_MS);
		if (figure_now_ms() - begun > BACK_MS)
			break;
	}
	return (figure_now_ms() - begun) / 1000;
}

static void
hear_the_last(const struct talk *t, struct clients *c)
{
	int64_t deadline = pl_clock_mono_ms() + ARRIVE_MS;

	while (count_lost(t, c) > 0 && pl_clock_mono_ms() < deadline)
		clients_run(c, PACE_MS);
	/* What comes twice may come late. */
	clients_run(c, SETTLE_MS);
}

static void
judge_sockets(const struct talk *t, const struct clients *c, size_t sockets)
{
	unsigned recovered = 0, twice = 0;

	for (size_t i = KILLED_OTHERS; i < KILLED_OTHERS + sockets; i++) {
		const struct session *s = c->all[i].session;

		recovered += s->recovered > 0 && s->renewed == 0;
		twice += s->twice;
	}
	figure_judge("sockets that did not recover their session",
	    (double)sockets - recovered, 0, "");
	figure_show("messages to some of them, while not all were back",
	    t->samples[DURING].told, "");
	figure_judge("messages lost", count_lost(t, c), 0, "");
	figure_judge("messages that came twice", twice, 0, "");
}

static void
judge_sender(struct talk *t)
{
	struct samples *before = &t->samples[BEFORE], *during = &t->samples[DURING];
	double usual;

	if (before->count == 0 || during->count == 0)
		bench_die("nobody sent anything");
	usual = figure_p99(before->sent_ms, before->count);
	figure_show("others' sends, p99 before", usual, "ms");
	figure_judge("and while not all were back",
	    figure_p99(during->sent_ms, during->count), usual * 2, "ms");
	usual = figure_p99(before->arrived_ms, before->count);
	figure_show("until their newMessage, p99 before", usual, "ms");
	figure_judge("and while not all were back",
	    figure_p99(during->arrived_ms, during->count), usual * 2, "ms");
	/* Sorted by now. */
	figure_show("half of them within", during->arrived_ms[during->count / 2], "ms");
}

void
killed_measure(struct stack *stack, const char *build, size_t sockets)
{
	struct clients_of of = stack_clients(stack);
	struct clients c;
	struct talk t;
	size_t again;
	double seconds;

	stack_start_second(stack, build);
	of.port = stack->second_port;
	clients_init(&c, &of, KILLED_OTHERS + sockets);
	c.recovers = true;
	clients_connect(&c, KILLED_OTHERS, sockets, AT_ONCE);
	clients_run(&c, SETTLE_MS);
	talk_start(&t, stack, sockets);
	clients_run(&c, WARM_MS);
	atomic_store(&t.phase, BEFORE);
	clients_run(&c, BEFORE_MS);
	again = c.again;
	atomic_store(&t.phase, DURING);
	process_kill(&stack->second);
	c.of.port = stack->presence_port;
	seconds = come_back(&c, sockets, again);
	talk_end(&t);
	hear_the_last(&t, &c);
	figure_judge("all were back after", seconds, 15, "s");
	figure_show("attempts of a socket to come back",
	    (double)(c.again - again) / (double)sockets, "");
	judge_sockets(&t, &c, sockets);
	judge_sender(&t);
	talk_fini(&t);
	clients_fini(&c);
}
