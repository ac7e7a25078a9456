#include "processes/announcement.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/ip.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/url.h"
#include "redis/reply.h"

PL_REDIS_LUA(announce_lua, "process_announce");
PL_REDIS_LUA(leave_lua, "process_leave");

#define SOON_MS      100 /* until Redis has taken us */
#define NUMBER_BYTES 24

static const char name_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

enum standing { UP, DRAINING, LEFT };

struct pl_announcement {
	struct pl_loop *loop;
	struct pl_redis *redis; /* NULL: there is no gateway */
	char *service;
	char *listen;
	char name[PL_PROCESS_NAME_MAX + 1];
	bool is_name_given;
	bool has_logged_conflict;
	bool is_announced; /* under this name and in this standing */
	enum standing standing;
	char address[PL_PROCESS_ADDRESS_MAX + 1]; /* as announced */
	bool (*is_ready)(void);
	void (*on_renamed)(void *arg, const char *name);
	void *arg;
	struct pl_timer timer;
	struct pl_redis_script announce_script;
	struct pl_redis_script leave_script;
	struct pl_redis_call announcing;
};

/* ---- name and address ---- */

static bool
is_name(const char *text)
{
	size_t len = text != NULL ? strlen(text) : 0;

	return len > 0 && len <= PL_PROCESS_NAME_MAX && strspn(text, name_letters) == len;
}

static void
draw_name(char out[PL_PROCESS_NAME_MAX + 1])
{
	for (size_t i = 0; i < PL_PROCESS_NAME_MAX; i++)
		out[i] = name_letters[pl_random_below(sizeof(name_letters) - 1)];
	out[PL_PROCESS_NAME_MAX] = '\0';
}

/* The host of listen, if others can use it: an address, and not the one that means
 * all. */
static bool
own_host(const struct pl_host_port *listen, char out[INET6_ADDRSTRLEN])
{
	struct pl_ip ip;

	if (listen->host.len >= INET6_ADDRSTRLEN)
		return false;
	memcpy(out, listen->host.ptr, listen->host.len);
	out[listen->host.len] = '\0';
	return pl_ip_parse(listen->host, &ip) &&
	       (strchr(out, ':') != NULL) == listen->is_v6 && !pl_ip_is_any(&ip);
}

static bool
find_address(struct pl_announcement *a)
{
	struct pl_host_port listen;
	char host[INET6_ADDRSTRLEN];

	if (!pl_host_port_parse(pl_str(a->listen), &listen) ||
	    (!own_host(&listen, host) && !pl_redis_local_host(a->redis, host)))
		return false;
	snprintf(a->address, sizeof(a->address),
	    strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, listen.port);
	return true;
}

static struct pl_str
field(const struct pl_announcement *a, char out[PL_PROCESS_LINE_MAX + 1])
{
	snprintf(out, PL_PROCESS_LINE_MAX + 1, "%s %s", a->service, a->name);
	return pl_str(out);
}

/* ---- announcing ---- */

static void
give_way(struct pl_announcement *a)
{
	if (a->is_name_given) {
		if (!a->has_logged_conflict)
			pl_log_warn("another process was found under this PROCESS_NAME, "
				    "waiting until it is gone",
			    PL_L_CSTR("process", a->name));
		a->has_logged_conflict = true;
		return;
	}
	draw_name(a->name);
	pl_log_info("name was another's, drew a new one", PL_L_CSTR("name", a->name));
	if (a->on_renamed != NULL)
		a->on_renamed(a->arg, a->name);
	pl_timer_start(a->loop, &a->timer, 0);
}

static void
on_announced(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct pl_announcement *a = arg;
	bool is_known = pl_redis_reply_is(reply, REDIS_REPLY_INTEGER);

	(void)err;
	a->is_announced = is_known && reply->integer == 1;
	if (a->standing != LEFT && is_known && reply->integer == 0)
		give_way(a);
}

/* Once ready it stays so: what fails later fails for the other processes, too. */
static bool
serves(struct pl_announcement *a)
{
	if (a->is_ready != NULL && a->is_ready())
		a->is_ready = NULL;
	return a->standing == UP && a->is_ready == NULL;
}

static void
announce(struct pl_announcement *a)
{
	char name[PL_PROCESS_LINE_MAX + 1], lease[NUMBER_BYTES];
	struct pl_str key = PL_STR(PL_PROCESSES_KEY);

	snprintf(lease, sizeof(lease), "%d", PL_ANNOUNCEMENT_LEASE_MS);
	pl_redis_eval(a->redis, &a->announce_script, &key, 1,
	    (struct pl_str[]){field(a, name), pl_str(a->address),
		serves(a) ? PL_STR("up") : PL_STR("drain"), pl_str(lease),
		PL_STR(PL_PROCESSES_CHANNEL)},
	    5, &a->announcing);
}

static void
on_timer(struct pl_timer *t)
{
	struct pl_announcement *a = t->arg;
	bool is_current;

	if (!pl_redis_is_up(a->redis))
		a->is_announced = false;
	else if (find_address(a))
		announce(a);
	is_current = a->is_announced && (serves(a) || a->standing != UP);
	pl_timer_start(a->loop, t, is_current ? PL_ANNOUNCEMENT_RENEW_MS : SOON_MS);
}

/* ---- life ---- */

struct pl_announcement *
pl_announcement_new(struct pl_loop *loop, struct pl_redis *redis,
    const struct pl_announcement_config *config)
{
	struct pl_announcement *a = pl_mem_zalloc(sizeof(*a));

	a->loop = loop;
	a->redis = redis;
	a->service = pl_mem_strdup(config->service);
	a->listen = pl_mem_strdup(config->listen);
	a->is_name_given = is_name(config->name);
	if (a->is_name_given)
		memcpy(a->name, config->name, strlen(config->name) + 1);
	else
		draw_name(a->name);
	a->is_ready = config->is_ready;
	a->on_renamed = config->on_renamed;
	a->arg = config->arg;
	a->timer = (struct pl_timer){.on_fire = on_timer, .arg = a};
	pl_redis_call_init(&a->announcing, on_announced, a);
	pl_redis_script_init(&a->announce_script, announce_lua);
	pl_redis_script_init(&a->leave_script, leave_lua);
	if (a->redis != NULL)
		pl_timer_start(loop, &a->timer, 0);
	return a;
}

void
pl_announcement_free(struct pl_announcement *a)
{
	if (a == NULL)
		return;
	pl_timer_stop(a->loop, &a->timer);
	pl_redis_call_cancel(&a->announcing);
	pl_mem_free(a->service);
	pl_mem_free(a->listen);
	pl_mem_free(a);
}

const char *
pl_announcement_name(const struct pl_announcement *a)
{
	return a->name;
}

void
pl_announcement_drain(struct pl_announcement *a)
{
	if (a->standing != UP)
		return;
	a->standing = DRAINING;
	if (a->redis != NULL)
		pl_timer_start(a->loop, &a->timer, 0);
}

void
pl_announcement_leave(struct pl_announcement *a)
{
	char name[PL_PROCESS_LINE_MAX + 1];
	struct pl_str key = PL_STR(PL_PROCESSES_KEY);

	a->standing = LEFT;
	pl_timer_stop(a->loop, &a->timer);
	if (!pl_redis_is_up(a->redis))
		return;
	pl_redis_eval(a->redis, &a->leave_script, &key, 1,
	    (struct pl_str[]){
		field(a, name), pl_str(a->address), PL_STR(PL_PROCESSES_CHANNEL)},
	    3, NULL);
	pl_redis_flush(a->redis);
}
