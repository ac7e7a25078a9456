#include "presence/send.h"

#include "base/mem.h"

/* What one socket has said and is not sent yet, in its order; there while there is any. */
struct send_line {
	struct sends *sends;
	struct hub_socket *socket; /* NULL: it has gone */
	struct pl_oid sender;
	char socket_id[HUB_SOCKET_ID_LEN + 1];
	struct pl_list waiting;
	size_t count; /* with the one under way */
	size_t bytes;
	struct said *now; /* under way */
	bool is_going;    /* go_on() is on the stack */
};

/* One event. */
struct said {
	struct pl_list link; /* in the line, until it is its turn */
	struct send_line *line;
	struct ack ack;
	struct pl_oid to;
	size_t text_len;
	size_t key_len; /* 0: none */
	char bytes[];   /* the text, the key */
};

/* ---- the answer ---- */

static void
count(int status)
{
	pl_metrics_count(PL_M_MESSAGES, pl_problem_outcome(status), 1);
}

/* socket: NULL if it has gone. */
static void
refuse(struct hub_socket *socket, const struct ack *ack, enum pl_problem problem,
    int64_t wait_ms)
{
	const struct pl_problem_row *row = pl_problem_row(problem);
	bool is_for_later = wait_ms > 0 || problem == PL_PROBLEM_BUSY;

	count(row->status);
	if (row->status >= 500 && row->status != 503) /* as http/reply */
		pl_log_warn_sampled("send failed", PL_L_INT("status", row->status));
	if (socket != NULL)
		ack_problem(
		    socket, ack, problem, is_for_later ? pl_problem_wait_s(wait_ms) : 0);
}

static void
answer_sent(struct hub_socket *socket, const struct ack *ack, struct pl_str message)
{
	struct pl_json_out o;
	struct pl_buf args;

	if (ack->id == PL_SIO_NO_ACK)
		return;
	pl_buf_init(&args, PL_BUF_UNLIMITED);
	pl_jo_init(&o, &args);
	pl_jo_array(&o);
	pl_jo_object(&o);
	pl_jo_key(&o, "message");
	pl_jo_raw(&o, message);
	pl_jo_end_object(&o);
	pl_jo_end_array(&o);
	ack_send(socket, ack, pl_buf_str(&args));
	pl_buf_fini(&args);
}

static void
answer(const struct said *it, const struct pl_send_outcome *outcome)
{
	struct hub_socket *socket = it->line->socket;

	if (outcome->sent != NULL) {
		count(201);
		typing_end(it->line->sends->typing, &it->line->sender, &it->to);
		if (socket != NULL)
			answer_sent(socket, &it->ack, outcome->json);
	} else {
		refuse(socket, &it->ack, outcome->problem, outcome->wait_ms);
	}
}

/* ---- one after the other ---- */

static void go_on(struct send_line *line);

static size_t
size_of(const struct said *it)
{
	return sizeof(*it) + it->text_len + it->key_len;
}

static void
said_free(struct said *it)
{
	struct send_line *line = it->line;

	line->count--;
	line->bytes -= size_of(it);
	line->sends->waiting--;
	line->sends->bytes -= size_of(it);
	pl_mem_free(it);
}

static void
on_done(void *arg, const struct pl_send_outcome *outcome)
{
	struct said *it = arg;
	struct send_line *line = it->line;

	answer(it, outcome);
	said_free(it);
	line->now = NULL;
	go_on(line);
}

static void
begin(struct said *it)
{
	struct send_line *line = it->line;
	struct pl_send send = {
	    .sender = line->sender,
	    .receiver = it->to,
	    .text = pl_str_n(it->bytes, it->text_len),
	    .key = it->key_len > 0 ? pl_str_n(it->bytes + it->text_len, it->key_len)
				   : PL_STR_NONE,
	    .not_socket = pl_str(line->socket_id),
	    .from = PL_L_CSTR("socket", line->socket_id),
	    .done = on_done,
	    .arg = it,
	};

	pl_trace_new(&send.trace);
	line->now = it;
	pl_send(&line->sends->sending, &send);
}

static void
line_free(struct send_line *line)
{
	if (line->socket != NULL)
		line->socket->sends = NULL;
	pl_mem_free(line);
}

/* A send may be done from inside: so this is a loop, and not called by itself. */
static void
go_on(struct send_line *line)
{
	struct pl_list *link;

	if (line->is_going)
		return;
	line->is_going = true;
	while (line->now == NULL && (link = pl_list_pop(&line->waiting)) != NULL)
		begin(PL_CONTAINER(link, struct said, link));
	line->is_going = false;
	if (line->now == NULL)
		line_free(line);
}

static struct send_line *
line_get(struct sends *s, struct hub_socket *socket)
{
	struct send_line *line = socket->sends;

	if (line != NULL)
		return line;
	line = pl_mem_zalloc(sizeof(*line));
	line->sends = s;
	line->socket = socket;
	line->sender = socket->user->id;
	memcpy(line->socket_id, socket->id, sizeof(line->socket_id));
	pl_list_init(&line->waiting);
	socket->sends = line;
	return line;
}

void
sends_end_socket(struct hub_socket *socket)
{
	if (socket->sends != NULL)
		socket->sends->socket = NULL;
	socket->sends = NULL;
}

/* ---- what is said ---- */

/* What JSON in a request may not hold: \u0000, as which a lone surrogate is read, too. */
static bool
has_nul(struct pl_str text)
{
	return text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL;
}

/* False, as is what calls it: *why is what an answer to a POST would say. */
static bool
is(enum pl_problem problem, struct pl_invalid *why)
{
	const struct pl_problem_row *row = pl_problem_row(problem);

	pl_invalid_set(why, row->code, "%s", row->text);
	return false;
}

/* By the rules of the POST, in its order: the id, the body, the text, the key. */
static bool
read_said(const struct pl_sio_event *event, struct pl_send *send, struct pl_invalid *why)
{
	const struct pl_json *said = pl_json_at(event->args, 1);
	const struct pl_json *key = pl_json_get(said, "key");
	struct pl_str to, text;

	if (pl_json_type(said) != PL_JSON_OBJECT)
		return is(PL_PROBLEM_BAD_JSON, why);
	if (!pl_json_str(pl_json_get(said, "to"), &to) ||
	    !pl_oid_parse(to, &send->receiver))
		return is(PL_PROBLEM_BAD_ID, why);
	if (event->payload.len > (size_t)pl_settings.body_bytes_max)
		return is(PL_PROBLEM_TOO_BIG, why);
	if (pl_json_str(pl_json_get(said, PL_MESSAGE_F_TEXT), &text) && has_nul(text))
		return is(PL_PROBLEM_BAD_JSON, why);
	send->key = PL_STR_NONE;
	if (key != NULL && !pl_json_str(key, &send->key))
		send->key = PL_STR(""); /* which is no key either */
	return pl_send_read(said, send->key, &send->text, why) == PL_OK;
}

/* False: *problem says why one more, of so many bytes, is not taken. */
static bool
has_place(struct sends *s, const struct hub_socket *socket, size_t bytes,
    enum pl_problem *problem)
{
	const struct send_line *line = socket->sends;

	*problem = PL_PROBLEM_BUSY;
	if (s->bytes + bytes > SEND_ALL_MAX)
		return false;
	*problem = PL_PROBLEM_TOO_MANY;
	return line == NULL ||
	       (line->count < SEND_WAITING_MAX && line->bytes + bytes <= SEND_BYTES_MAX);
}

static void
put(struct send_line *line, const struct pl_send *send, const struct ack *ack)
{
	struct said *it = pl_mem_alloc(sizeof(*it) + send->text.len + send->key.len);

	*it = (struct said){
	    .line = line,
	    .ack = *ack,
	    .to = send->receiver,
	    .text_len = send->text.len,
	    .key_len = send->key.len,
	};
	memcpy(it->bytes, send->text.ptr, send->text.len);
	if (send->key.len > 0)
		memcpy(it->bytes + send->text.len, send->key.ptr, send->key.len);
	line->count++;
	line->bytes += size_of(it);
	line->sends->waiting++;
	line->sends->bytes += size_of(it);
	pl_list_push(&line->waiting, &it->link);
}

void
send_said(struct sends *s, struct hub_socket *socket, const struct pl_sio_event *event,
    const struct ack *ack)
{
	enum pl_problem problem;
	struct pl_invalid why;
	struct pl_send send;

	if (!read_said(event, &send, &why)) {
		count(400);
		ack_refuse(socket, ack, &why);
	} else if (!has_place(s, socket, send.text.len + send.key.len, &problem)) {
		refuse(socket, ack, problem, SEND_AGAIN_MS);
	} else {
		struct send_line *line = line_get(s, socket);

		put(line, &send, ack);
		go_on(line);
	}
}

/* ---- life ---- */

static void
collect(void *arg)
{
	const struct sends *s = arg;

	pl_metrics_set(PL_M_SENDS_WAITING, NULL, (int64_t)s->waiting);
}

void
sends_start(struct sends *s)
{
	s->sending = (struct pl_sending){.loop = s->app->loop,
	    .store = s->app->store,
	    .bus = s->app->bus,
	    .redis = s->app->redis,
	    .online = s->app->online};
	pl_sending_start(&s->sending);
	s->metrics = (struct pl_metrics_source){.collect = collect, .arg = s};
	pl_metrics_add_source(&s->metrics);
}

void
sends_stop(struct sends *s)
{
	pl_metrics_remove_source(&s->metrics);
	pl_sending_stop(&s->sending);
}
