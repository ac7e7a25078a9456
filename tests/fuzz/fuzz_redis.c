/*
 * fuzz_redis: what Redis says. The input is a REDIS_URL on the first line, and then
 * replies in its protocol, as many as there are. They answer what a list of processes,
 * the set of who is online and a stream of wakes ask, one after the other; ["message",
 * channel, payload] is heard from the bus, and at the status "later" time goes by.
 *
 * The client (redis/client.c) is not in it: the calls below stand for it.
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "bus/bus_impl.h"
#include "bus/wake.h"
#include "online/note.h"
#include "online/set.h"
#include "processes/list.h"
#include "redis/reply.h"
#include "redis/url.h"
#include "support/fake_loop.h"

#define ELEMENTS_DIGITS_MAX 4 /* hiredis makes room for all elements at once */
#define REPLIES_MAX         64
#define A_TURN_MS           50 /* after each reply */
#define LATER_MS            7000
#define US                  "us"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool is_so)
{
	if (!is_so)
		abort();
}

/* ---- a client without a server ---- */

struct pl_redis {
	struct pl_redis_config config;
	struct pl_list link;
};

struct waiting {
	struct pl_redis_flight flight;
	struct pl_redis *redis;
	struct pl_list link;
};

static struct pl_list clients, waiting; /* those that ask, in their order */

struct pl_redis *
pl_redis_new(struct pl_loop *loop, const struct pl_redis_config *config)
{
	struct pl_redis *r = pl_mem_zalloc(sizeof(*r));

	(void)loop;
	r->config = *config;
	pl_list_push(&clients, &r->link);
	return r;
}

void
pl_redis_free(struct pl_redis *r)
{
	if (r == NULL)
		return;
	pl_list_for_each_safe(it, &waiting)
	{
		struct waiting *w = PL_CONTAINER(it, struct waiting, link);

		if (w->redis != r)
			continue;
		pl_list_unlink(&w->link);
		pl_redis_flight_land(&w->flight, PL_E_CANCELLED, NULL);
		pl_mem_free(w);
	}
	pl_list_unlink(&r->link);
	pl_mem_free(r);
}

bool
pl_redis_is_up(const struct pl_redis *r)
{
	return r != NULL;
}

bool
pl_redis_local_host(const struct pl_redis *r, char out[INET6_ADDRSTRLEN])
{
	(void)r, (void)out;
	return false;
}

void
pl_redis_flush(struct pl_redis *r)
{
	(void)r;
}

void
pl_redis_command(struct pl_redis *r, const struct pl_str *words, size_t argc,
    struct pl_redis_call *call)
{
	struct waiting *w;

	must(argc > 0 && words[0].len > 0);
	if (call == NULL)
		return;
	w = pl_mem_zalloc(sizeof(*w));
	w->redis = r;
	pl_redis_flight_start(&w->flight, call);
	pl_list_push(&waiting, &w->link);
}

/* ---- who asks ---- */

struct world {
	struct pl_loop *loop;
	struct pl_redis *commands;
	struct pl_bus *bus;
	struct pl_process_list *list;
	struct pl_online_set *set;
	struct pl_wake *wake;
	size_t online;
	struct pl_buf names; /* that other processes may have, each with a newline */
};

static void
on_online(void *arg, const struct pl_oid *user, bool is_online)
{
	struct world *w = arg;

	must(user != NULL && (is_online || w->online > 0));
	w->online = is_online ? w->online + 1 : w->online - 1;
}

static void
on_list(void *arg)
{
	(void)arg;
}

static void
on_wake(void *arg, const struct pl_oid *messages, size_t count)
{
	(void)arg;
	must(messages != NULL && count >= 1 && count <= 16);
}

static void
all_are_up(void)
{
	pl_list_for_each_safe(it, &clients)
	{
		struct pl_redis *r = PL_CONTAINER(it, struct pl_redis, link);

		if (r->config.on_state != NULL)
			r->config.on_state(r->config.arg, true);
	}
}

static void
begin(struct world *w)
{
	static const char url[] = "redis://h";

	pl_list_init(&clients);
	pl_list_init(&waiting);
	*w = (struct world){.loop = fake_loop_new()};
	pl_buf_init(&w->names, PL_BUF_UNLIMITED);
	w->commands = pl_redis_new(w->loop, &(struct pl_redis_config){.url = url});
	w->bus = pl_bus_redis_new(w->loop, w->commands, url);
	w->list = pl_process_list_new(w->loop, w->commands, w->bus, on_list, NULL);
	w->set = pl_online_set_new(w->loop, w->commands, w->bus, US, on_online, w);
	w->wake = pl_wake_new(w->loop, url, US, on_wake, w);
	pl_online_set_join(w->set, &(struct pl_oid){{1}});
	all_are_up();
}

/* Where all other processes are gone, nobody is online but who is so by us. */
static void
retire_others(struct world *w)
{
	struct pl_str rest = pl_buf_str(&w->names), name;
	struct pl_buf note;

	while (rest.len > 0 && pl_str_split(&rest, '\n', &name)) {
		pl_buf_init(&note, PL_BUF_UNLIMITED);
		(void)pl_buf_add_str(&note, name);
		(void)pl_buf_add_cstr(&note, " 1 .");
		pl_bus_deliver(w->bus, PL_STR("parley:online"), pl_buf_str(&note));
		pl_buf_fini(&note);
	}
	must(w->online == 1);
}

static void
end(struct world *w)
{
	retire_others(w);
	pl_buf_fini(&w->names);
	pl_wake_free(w->wake);
	pl_online_set_free(w->set);
	pl_process_list_free(w->list);
	pl_bus_free(w->bus);
	pl_redis_free(w->commands);
	must(pl_list_is_empty(&clients));
	fake_loop_free(w->loop);
}

/* The gateway's follower and the lists of users trust these. */
static void
check(const struct world *w)
{
	struct pl_process_line parsed;
	const struct pl_oid *user;
	struct pl_str rest, line;
	struct pl_buf lines;
	size_t it = 0, count = 0;

	while ((user = pl_online_set_next(w->set, &it)) != NULL) {
		must(pl_online_set_has(w->set, user));
		count++;
	}
	must(count == w->online && pl_online_set_has(w->set, &(struct pl_oid){{1}}));
	pl_buf_init(&lines, PL_BUF_UNLIMITED);
	pl_process_list_print(w->list, &lines);
	rest = pl_buf_str(&lines);
	while (rest.len > 0) {
		must(pl_str_split(&rest, '\n', &line));
		must(pl_process_line_parse(line, &parsed));
	}
	pl_buf_fini(&lines);
}

/* ---- what it says ---- */

static void
note_names(struct world *w, const struct redisReply *reply)
{
	struct pl_str s = pl_redis_reply_str(reply);
	struct pl_online_note note;

	if (pl_online_note_parse(s, &note))
		s = note.process;
	if (pl_online_name_check(s)) {
		(void)pl_buf_add_str(&w->names, s);
		(void)pl_buf_add_char(&w->names, '\n');
	}
	for (size_t i = 0; pl_redis_reply_at(reply, i) != NULL; i++)
		note_names(w, pl_redis_reply_at(reply, i));
}

static void
hear(const struct redisReply *reply)
{
	pl_list_for_each_safe(it, &clients)
	{
		struct pl_redis *r = PL_CONTAINER(it, struct pl_redis, link);

		if (r->config.on_push != NULL)
			r->config.on_push(r->config.arg, reply);
	}
}

static void
answer(const struct redisReply *reply)
{
	struct pl_list *link = pl_list_pop(&waiting);
	bool is_error = pl_redis_reply_is(reply, REDIS_REPLY_ERROR);
	struct waiting *w;

	if (link == NULL)
		return;
	w = PL_CONTAINER(link, struct waiting, link);
	pl_redis_flight_land(&w->flight, is_error ? PL_E_IO : PL_OK, reply);
	pl_mem_free(w);
}

/* Is there a '*' with more digits behind it? */
static bool
is_too_long(struct pl_str replies)
{
	size_t digits = 0;
	bool is_counted = false;

	for (size_t i = 0; i < replies.len; i++) {
		if (replies.ptr[i] == '*') {
			is_counted = true;
			digits = 0;
		} else if (replies.ptr[i] < '0' || replies.ptr[i] > '9') {
			is_counted = false;
		} else if (is_counted && ++digits > ELEMENTS_DIGITS_MAX) {
			return true;
		}
	}
	return false;
}

static void
run(struct pl_str replies)
{
	redisReader *reader = redisReaderCreate();
	struct world w;
	void *reply;

	begin(&w);
	(void)redisReaderFeed(reader, replies.ptr, replies.len);
	for (int i = 0; i < REPLIES_MAX; i++) {
		if (redisReaderGetReply(reader, &reply) != REDIS_OK || reply == NULL)
			break;
		note_names(&w, reply);
		if (pl_str_eq(pl_redis_reply_str(pl_redis_reply_at(reply, 0)),
			PL_STR("message")))
			hear(reply);
		else if (pl_str_eq(pl_redis_reply_str(reply), PL_STR("later")))
			fake_loop_advance(w.loop, LATER_MS);
		else
			answer(reply);
		freeReplyObject(reply);
		fake_loop_advance(w.loop, A_TURN_MS);
		check(&w);
	}
	redisReaderFree(reader);
	end(&w);
}

static void
try_url(struct pl_str line)
{
	char *text = pl_mem_strndup(line.ptr, line.len);
	struct pl_redis_url url;

	if (pl_redis_url_parse(text, &url) == PL_OK) {
		must(url.host != NULL && url.host[0] != '\0' && url.port != 0);
		must(strchr(url.host, '/') == NULL && strchr(url.host, '@') == NULL);
		must(pl_redis_url_fault(text) == NULL);
		pl_redis_url_fini(&url);
	} else {
		must(pl_redis_url_fault(text) != NULL);
	}
	pl_mem_free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pl_str rest = pl_str_n(data, size), line;

	pl_log_init("fuzz", PL_LOG_ERROR);
	if (!pl_str_split(&rest, '\n', &line))
		return 0;
	if (memchr(line.ptr, '\0', line.len) == NULL)
		try_url(line);
	if (rest.len > 0 && !is_too_long(rest))
		run(rest);
	return 0;
}
