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
	bool is_told_of_other; /* the log was */
	bool is_announced;     /* under this name and in this standing */
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

/* The host of listen where others can use it: an address, and not that of all. */
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
find_address(struct pl_announcement *m)
{
	struct pl_host_port listen;
	char host[INET6_ADDRSTRLEN];

	if (!pl_host_port_parse(pl_str(m->listen), &listen) ||
	    (!own_host(&listen, host) && !pl_redis_local_host(m->redis, host)))
		return false;
	snprintf(m->address, sizeof(m->address),
	    strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, listen.port);
	return true;
}

static struct pl_str
field(const struct pl_announcement *m, char out[PL_PROCESS_LINE_MAX + 1])
{
	snprintf(out, PL_PROCESS_LINE_MAX + 1, "%s %s", m->service, m->name);
	return pl_str(out);
}

/* ---- announcing ---- */

static void
give_way(struct pl_announcement *m)
{
	if (m->is_name_given) {
		if (!m->is_told_of_other)
			pl_log_warn("another process was found under this INSTANCE, "
				    "waiting until it is gone",
			    PL_L_CSTR("instance", m->name));
		m->is_told_of_other = true;
		return;
	}
	draw_name(m->name);
	pl_log_info("name was another's, drew a new one", PL_L_CSTR("name", m->name));
	if (m->on_renamed != NULL)
		m->on_renamed(m->arg, m->name);
	pl_timer_start(m->loop, &m->timer, 0);
}

static void
on_announced(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct pl_announcement *m = arg;
	bool is_known = pl_redis_reply_is(reply, REDIS_REPLY_INTEGER);

	(void)err;
	m->is_announced = is_known && reply->integer == 1;
	if (m->standing != LEFT && is_known && reply->integer == 0)
		give_way(m);
}

/* Once ready it stays so: what fails later fails for its sisters, too. */
static bool
serves(struct pl_announcement *m)
{
	if (m->is_ready != NULL && m->is_ready())
		m->is_ready = NULL;
	return m->standing == UP && m->is_ready == NULL;
}

static void
announce(struct pl_announcement *m)
{
	char name[PL_PROCESS_LINE_MAX + 1], lease[NUMBER_BYTES];
	struct pl_str key = PL_STR(PL_PROCESSES_KEY);

	snprintf(lease, sizeof(lease), "%d", PL_ANNOUNCEMENT_LEASE_MS);
	pl_redis_eval(m->redis, &m->announce_script, &key, 1,
	    (struct pl_str[]){field(m, name), pl_str(m->address),
		serves(m) ? PL_STR("up") : PL_STR("drain"), pl_str(lease),
		PL_STR(PL_PROCESSES_CHANNEL)},
	    5, &m->announcing);
}

static void
on_timer(struct pl_timer *t)
{
	struct pl_announcement *m = t->arg;
	bool is_settled;

	if (!pl_redis_is_up(m->redis))
		m->is_announced = false;
	else if (find_address(m))
		announce(m);
	is_settled = m->is_announced && (serves(m) || m->standing != UP);
	pl_timer_start(m->loop, t, is_settled ? PL_ANNOUNCEMENT_RENEW_MS : SOON_MS);
}

/* ---- life ---- */

struct pl_announcement *
pl_announcement_new(struct pl_loop *loop, struct pl_redis *redis,
    const struct pl_announcement_config *config)
{
	struct pl_announcement *m = pl_mem_zalloc(sizeof(*m));

	m->loop = loop;
	m->redis = redis;
	m->service = pl_mem_strdup(config->service);
	m->listen = pl_mem_strdup(config->listen);
	m->is_name_given = is_name(config->name);
	if (m->is_name_given)
		memcpy(m->name, config->name, strlen(config->name) + 1);
	else
		draw_name(m->name);
	m->is_ready = config->is_ready;
	m->on_renamed = config->on_renamed;
	m->arg = config->arg;
	m->timer = (struct pl_timer){.on_fire = on_timer, .arg = m};
	pl_redis_call_init(&m->announcing, on_announced, m);
	pl_redis_script_init(&m->announce_script, announce_lua);
	pl_redis_script_init(&m->leave_script, leave_lua);
	if (m->redis != NULL)
		pl_timer_start(loop, &m->timer, 0);
	return m;
}

void
pl_announcement_free(struct pl_announcement *m)
{
	if (m == NULL)
		return;
	pl_timer_stop(m->loop, &m->timer);
	pl_redis_call_cancel(&m->announcing);
	pl_mem_free(m->service);
	pl_mem_free(m->listen);
	pl_mem_free(m);
}

const char *
pl_announcement_name(const struct pl_announcement *m)
{
	return m->name;
}

void
pl_announcement_drain(struct pl_announcement *m)
{
	if (m->standing != UP)
		return;
	m->standing = DRAINING;
	if (m->redis != NULL)
		pl_timer_start(m->loop, &m->timer, 0);
}

void
pl_announcement_leave(struct pl_announcement *m)
{
	char name[PL_PROCESS_LINE_MAX + 1];
	struct pl_str key = PL_STR(PL_PROCESSES_KEY);

	m->standing = LEFT;
	pl_timer_stop(m->loop, &m->timer);
	if (!pl_redis_is_up(m->redis))
		return;
	pl_redis_eval(m->redis, &m->leave_script, &key, 1,
	    (struct pl_str[]){
		field(m, name), pl_str(m->address), PL_STR(PL_PROCESSES_CHANNEL)},
	    3, NULL);
	pl_redis_flush(m->redis);
}
