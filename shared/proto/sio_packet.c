#include "proto/sio_packet.h"

#include "proto/eio_packet.h"

/* Names with a meaning of their own on one of the two sides (socket.io-parser). */
static const struct pl_str reserved_events[] = {
    {"connect", 7},
    {"connect_error", 13},
    {"disconnect", 10},
    {"disconnecting", 13},
    {"newListener", 11},
    {"removeListener", 14},
};

/* The cutters below take their part off the front of *rest, and return NULL or what is
 * wrong with it. */

static void
skip(struct pl_str *rest, size_t count)
{
	*rest = pl_str_n(rest->ptr + count, rest->len - count);
}

static struct pl_str
cut_digits(struct pl_str *rest)
{
	struct pl_str digits = pl_str_n(rest->ptr, 0);

	while (digits.len < rest->len && rest->ptr[digits.len] >= '0' &&
	       rest->ptr[digits.len] <= '9')
		digits.len++;
	skip(rest, digits.len);
	return digits;
}

static const char *
cut_type(struct pl_str *rest, struct pl_sio_packet *p)
{
	if (rest->len == 0 || rest->ptr[0] < '0' || rest->ptr[0] > '6')
		return "unknown packet type";
	p->type = (enum pl_sio_type)(rest->ptr[0] - '0');
	skip(rest, 1);
	return NULL;
}

static const char *
cut_attachments(struct pl_str *rest, struct pl_sio_packet *p)
{
	struct pl_str digits;
	uint64_t count;

	if (p->type != PL_SIO_BINARY_EVENT && p->type != PL_SIO_BINARY_ACK)
		return NULL;
	digits = cut_digits(rest);
	if (digits.len == 0 || rest->len == 0 || rest->ptr[0] != '-')
		return "illegal attachments";
	if (!pl_str_to_u64(digits, PL_SIO_ATTACHMENTS_MAX, &count))
		return "too many attachments";
	if (count == 0)
		return "illegal attachments";
	p->attachments = (unsigned)count;
	skip(rest, 1);
	return NULL;
}

static const char *
cut_namespace(struct pl_str *rest, struct pl_sio_packet *p)
{
	const char *comma;

	if (rest->len == 0 || rest->ptr[0] != '/')
		return NULL;
	comma = memchr(rest->ptr, ',', rest->len);
	p->nsp = pl_str_n(rest->ptr, comma ? (size_t)(comma - rest->ptr) : rest->len);
	if (p->nsp.len > PL_SIO_NAMESPACE_MAX)
		return "namespace too long";
	skip(rest, p->nsp.len + (comma ? 1 : 0));
	return NULL;
}

static const char *
cut_ack_id(struct pl_str *rest, struct pl_sio_packet *p)
{
	struct pl_str digits = cut_digits(rest);
	uint64_t id;

	if (digits.len == 0)
		return NULL;
	if (!pl_str_to_u64(digits, PL_SIO_ACK_ID_MAX, &id))
		return "ack id too big";
	p->ack_id = (int64_t)id;
	return NULL;
}

static bool
is_event(const struct pl_json *json)
{
	struct pl_str name;

	switch (pl_json_type(pl_json_at(json, 0))) {
	case PL_JSON_INT:
	case PL_JSON_REAL:
		return true;
	case PL_JSON_STRING:
		(void)pl_json_str(pl_json_at(json, 0), &name);
		break;
	default:
		return false;
	}
	for (size_t i = 0; i < sizeof(reserved_events) / sizeof(reserved_events[0]); i++)
		if (pl_str_eq(name, reserved_events[i]))
			return false;
	return true;
}

static bool
suits_type(const struct pl_json *json, enum pl_sio_type type)
{
	enum pl_json_type is = pl_json_type(json);

	switch (type) {
	case PL_SIO_CONNECT:
		return is == PL_JSON_OBJECT;
	case PL_SIO_DISCONNECT:
		break;
	case PL_SIO_CONNECT_ERROR:
		return is == PL_JSON_OBJECT || is == PL_JSON_STRING;
	case PL_SIO_EVENT:
	case PL_SIO_BINARY_EVENT:
		return is == PL_JSON_ARRAY && is_event(json);
	case PL_SIO_ACK:
	case PL_SIO_BINARY_ACK:
		return is == PL_JSON_ARRAY;
	}
	return false;
}

static bool
is_placeholder(const struct pl_json *object)
{
	bool yes;

	return pl_json_bool(pl_json_get(object, "_placeholder"), &yes) && yes;
}

/* Also a real: if one integer of the document is past 64 bits, all numbers are reals. */
static bool
is_index(const struct pl_json *num, unsigned count)
{
	double value;

	return pl_json_real(num, &value) && value >= 0 && value < count &&
	       value == (double)(unsigned)value;
}

/* Does each placeholder, wherever it is, stand for one of count attachments? The depth is
 * bounded by PL_JSON_SCRIPT_DEPTH_MAX. */
static bool
placeholders_are_good(const struct pl_json *v, unsigned count)
{
	struct pl_json *member;
	struct pl_str key;
	void *it = NULL;

	if (pl_json_type(v) == PL_JSON_ARRAY) {
		for (size_t i = 0; i < pl_json_length(v); i++)
			if (!placeholders_are_good(pl_json_at(v, i), count))
				return false;
		return true;
	}
	if (pl_json_type(v) != PL_JSON_OBJECT)
		return true;
	if (is_placeholder(v))
		return is_index(pl_json_get(v, "num"), count);
	while (pl_json_each(v, &it, &key, &member))
		if (!placeholders_are_good(member, count))
			return false;
	return true;
}

static const char *
cut_payload(struct pl_str *rest, struct pl_sio_packet *p)
{
	const char *why = NULL;

	if (rest->len == 0)
		return NULL;
	if (!strchr("[{\"", rest->ptr[0]))
		return "invalid payload";
	if (pl_json_parse_script(*rest, &p->json, &why) != PL_OK)
		return why ? why : "invalid payload";
	p->payload = *rest;
	if (!suits_type(p->json, p->type))
		return "invalid payload";
	if (p->attachments > 0 && !placeholders_are_good(p->json, p->attachments))
		return "illegal attachments";
	return NULL;
}

enum pl_err
pl_sio_packet_decode(struct pl_str text, struct pl_sio_packet *out, const char **why)
{
	static const char *(*const cutters[])(struct pl_str *, struct pl_sio_packet *) = {
	    cut_type, cut_attachments, cut_namespace, cut_ack_id, cut_payload};
	struct pl_sio_packet p = {.nsp = PL_STR("/"), .ack_id = PL_SIO_NO_ACK};
	const char *wrong = NULL;

	for (size_t i = 0; !wrong && i < sizeof(cutters) / sizeof(cutters[0]); i++)
		wrong = cutters[i](&text, &p);
	if (!wrong) {
		*out = p;
		return PL_OK;
	}
	if (why)
		*why = wrong;
	pl_sio_packet_fini(&p);
	return PL_E_INVALID;
}

void
pl_sio_packet_fini(struct pl_sio_packet *p)
{
	pl_json_free(p->json);
	*p = (struct pl_sio_packet){0};
}

struct pl_ref *
pl_sio_packet_encode(const struct pl_sio_packet *p)
{
	struct pl_ref *packet;
	struct pl_buf text;

	pl_buf_init(&text, PL_BUF_UNLIMITED);
	(void)pl_buf_printf(&text, "%d%d", PL_EIO_MESSAGE, p->type);
	if (p->attachments > 0)
		(void)pl_buf_printf(&text, "%u-", p->attachments);
	if (p->nsp.len > 0 && !pl_str_eq(p->nsp, PL_STR("/"))) {
		(void)pl_buf_add_str(&text, p->nsp);
		(void)pl_buf_add_char(&text, ',');
	}
	if (p->ack_id != PL_SIO_NO_ACK)
		(void)pl_buf_printf(&text, "%lld", (long long)p->ack_id);
	(void)pl_buf_add_str(&text, p->payload);
	packet = pl_ref_new(text.data, text.len);
	pl_buf_fini(&text);
	return packet;
}

static struct pl_str
trim_json(struct pl_str s)
{
	while (s.len > 0 && strchr(" \t\r\n", s.ptr[0]))
		skip(&s, 1);
	while (s.len > 0 && strchr(" \t\r\n", s.ptr[s.len - 1]))
		s.len--;
	return s;
}

/* The length of the JSON string or number that s starts with. */
static size_t
scalar_length(struct pl_str s)
{
	size_t n = 1;

	if (s.ptr[0] != '"') {
		while (n < s.len && !strchr(",] \t\r\n", s.ptr[n]))
			n++;
		return n;
	}
	while (n < s.len && s.ptr[n] != '"')
		n += s.ptr[n] == '\\' ? 2 : 1;
	return n < s.len ? n + 1 : s.len;
}

struct pl_str
pl_sio_event_args(struct pl_str payload)
{
	struct pl_str inside = trim_json(payload);

	if (inside.len < 3)
		return PL_STR_NONE;
	inside = trim_json(pl_str_n(inside.ptr + 1, inside.len - 2));
	if (inside.len == 0)
		return PL_STR_NONE;
	skip(&inside, scalar_length(inside));
	inside = trim_json(inside);
	if (inside.len == 0)
		return PL_STR_NONE;
	skip(&inside, 1); /* the comma */
	return trim_json(inside);
}
