#include "support/redis_fixture.h"
#include "bus/events.h"

#define ID_A  "65a000000000000000000001"
#define ID_B  "65a000000000000000000002"
#define ID_M  "65a0000000000000000000ff"
#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static struct pl_oid
oid(const char *hex)
{
	struct pl_oid id;

	assert_true(pl_oid_parse(pl_str(hex), &id));
	return id;
}

static void
message_init(struct pl_message *m, const char *text)
{
	struct pl_oid a = oid(ID_A), b = oid(ID_B);

	pl_message_init(m, &a, &b, pl_str(text), INT64_C(1769862896789));
	m->id = oid(ID_M);
}

/* Parses what was written, and checks that no shorter or longer text parses. */
static void
parse_exactly(const struct pl_buf *out, struct pl_event *e)
{
	struct pl_event none;

	assert_true(pl_event_parse(pl_buf_str(out), e));
	for (size_t len = 0; len < out->len; len++) {
		char *exact = pl_mem_alloc(len + 1);

		memcpy(exact, out->data, len);
		if (pl_event_parse(pl_str_n(exact, len), &none))
			fail_msg("took the first %zu bytes of %s", len, out->data);
		pl_mem_free(exact);
	}
}

#define POS "19c140c9c95-" ID_M
#define STEM                                                                             \
	"2[\"newMessage\",{\"senderId\":\"" ID_A "\",\"receiverId\":\"" ID_B             \
	"\",\"message\":\"a \\\"b\\\"\\n\xc3\xa9\",\"_id\":\"" ID_M                      \
	"\",\"createdAt\":\"2026-01-31T12:34:56.789Z\","                                 \
	"\"updatedAt\":\"2026-01-31T12:34:56.789Z\",\"__v\":0}"

static void
check_new_message(const struct pl_event *e)
{
	struct pl_oid id = oid(ID_M);

	assert_true(pl_str_eq(e->name, PL_STR("newMessage")));
	assert_true(e->has_pos);
	assert_int_equal(e->pos.created_unix_ms, INT64_C(1769862896789));
	assert_true(pl_oid_eq(&e->pos.id, &id));
	assert_true(pl_str_eq(e->stem, PL_STR(STEM)));
}

static void
new_message_has_its_position_in_both_lines(void **state)
{
	struct pl_message m;
	struct pl_event e;
	struct pl_buf out, stem;

	(void)state;
	message_init(&m, "a \"b\"\n\xc3\xa9");
	pl_buf_init(&out, 100000);
	pl_buf_init(&stem, 100000);
	pl_event_new_message(&out, &m, NULL);
	pl_event_new_message_stem(&stem, &m);
	assert_string_equal(out.data, "{\"name\":\"newMessage\",\"id\":\"" ID_M
				      "\",\"pos\":\"" POS "\"}\n" STEM ",\"" POS "\"]");
	assert_string_equal(stem.data, STEM);
	parse_exactly(&out, &e);
	check_new_message(&e);
	assert_true(e.has_id);
	assert_true(pl_oid_eq(&e.id, &m.id));
	assert_int_equal(e.not_socket.len, 0);
	pl_buf_fini(&out);
	pl_buf_fini(&stem);
	pl_message_fini(&m);
}

/* A rolling upgrade: the version before wrote no pos in the first line, and a later one
 * may leave out that of the packet. */
static void
new_message_of_other_versions_has_its_position(void **state)
{
	static const char *const rows[] = {
	    "{\"name\":\"newMessage\",\"id\":\"" ID_M "\"}\n" STEM ",\"" POS "\"]",
	    "{\"name\":\"newMessage\",\"trace\":\"" TRACE "\"}\n" STEM ",\"" POS "\"]",
	    "{\"name\":\"newMessage\",\"pos\":\"?\"}\n" STEM ",\"" POS "\"]",
	    "{\"name\":\"newMessage\",\"x\":\"y\",\"pos\":\"" POS "\"}\n" STEM "]",
	};
	struct pl_event e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(pl_event_parse(pl_str(rows[i]), &e));
		check_new_message(&e);
	}
}

static void
a_position_stands_behind_a_message_only(void **state)
{
	static const char *const rows[] = {
	    "{\"name\":\"newMessage\"}\n2[\"newMessage\",{}]",
	    "{\"name\":\"newMessage\"}\n2[\"newMessage\",{},\"x\"]",
	    "{\"name\":\"newMessage\"}\n2[\"newMessage\",\"" POS "\"]",
	    "{\"name\":\"newMessage\"}\n2[\"newMessage\",{},0" POS "\"]",
	    "{\"name\":\"newMessage\"}\n2[\"newMessage\",{},\"\\\"" POS "\"]",
	    "{\"name\":\"newMessage\"}\n2[\"newMessage\",1]",
	    "{\"name\":\"newMessage\",\"pos\":\"" POS "\"}\n2[\"newMessage\",{},\"1-" ID_M
	    "\"]",
	    "{\"name\":\"typing\",\"pos\":\"" POS "\"}\n2[\"typing\",{}]",
	    "{\"name\":\"messageSent\"}\n2[\"messageSent\",{},\"" POS "\"]",
	};
	struct pl_event e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(pl_event_parse(pl_str(rows[i]), &e));
		if (e.has_pos)
			fail_msg("took %s", rows[i]);
	}
}

/* No position stands in the packet: whoever does not know the event hands it on as it is. */
static void
changes_have_a_place_of_their_own_in_the_first_line(void **state)
{
	struct pl_oid id = oid(ID_M), a = oid(ID_A);
	struct pl_message m;
	struct pl_buf out, stem, json;
	struct pl_json_out o;
	struct pl_event e;

	(void)state;
	message_init(&m, "b");
	for (int i = 0; i < 2; i++) {
		struct pl_message_pos place;

		m.edited_unix_ms = m.updated_unix_ms = INT64_C(1769862896800);
		m.deleted_unix_ms = i == 0 ? 0 : INT64_C(1769862896900);
		place = pl_message_change_pos(&m.id, pl_message_changed(&m));
		pl_buf_init(&out, 100000);
		pl_buf_init(&stem, 100000);
		pl_buf_init(&json, 100000);
		pl_jo_init(&o, &json);
		pl_message_write(&o, &m);
		pl_event_message_changed(&out, &m, pl_buf_str(&json), NULL,
		    PL_STR("h_the-longest-id-of-a-socket"));
		pl_event_message_changed_stem(&stem, &m);
		assert_true(pl_event_parse(pl_buf_str(&out), &e));
		assert_true(e.is_change);
		assert_true(pl_str_eq(e.name,
		    i == 0 ? PL_STR("messageUpdated") : PL_STR("messageDeleted")));
		assert_true(pl_oid_eq(&e.id, &id));
		assert_true(pl_oid_eq(&e.from, &a));
		assert_true(e.has_pos);
		assert_int_equal(pl_message_pos_compare(&e.pos, &place), 0);
		assert_true(
		    pl_str_eq(e.not_socket, PL_STR("h_the-longest-id-of-a-socket")));
		assert_true(pl_str_eq(e.stem, pl_buf_str(&stem)));
		assert_int_equal(e.packet.len, e.stem.len + 1);
		pl_buf_fini(&out);
		pl_buf_fini(&stem);
		pl_buf_fini(&json);
	}
	pl_message_fini(&m);
}

static void
message_sent_names_the_socket_that_does_not_hear_it(void **state)
{
	static const struct {
		const char *socket;
		bool is_kept;
	} rows[] = {{"kzS-9_aB0", true}, {"", false}, {"a\"b", false}, {"a b", false},
	    {"a\n", false},
	    {"0123456789012345678901234567890123456789012345678901234567890123", true},
	    {"01234567890123456789012345678901234567890123456789012345678901234", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pl_message m;
		struct pl_event e;
		struct pl_buf out;

		message_init(&m, "x");
		pl_buf_init(&out, 100000);
		pl_event_message_sent(&out, &m, NULL, pl_str(rows[i].socket));
		parse_exactly(&out, &e);
		assert_true(pl_str_eq(e.name, PL_STR("messageSent")));
		assert_true(e.has_id);
		assert_true(pl_str_eq(e.not_socket,
		    rows[i].is_kept ? pl_str(rows[i].socket) : PL_STR_NONE));
		/* No trailing string, which a client would keep as its offset. */
		assert_memory_equal(out.data + out.len - 2, "}]", 2);
		pl_buf_fini(&out);
		pl_message_fini(&m);
	}
}

/* The sockets get the same bytes as without it. */
static void
a_trace_stands_in_the_first_line_alone(void **state)
{
	struct pl_trace trace = {TRACE}, none = {0};
	struct pl_message m;
	struct pl_event e, plain_e;
	struct pl_buf out, plain;

	(void)state;
	message_init(&m, "x");
	pl_buf_init(&out, 100000);
	pl_buf_init(&plain, 100000);
	pl_event_new_message(&out, &m, &trace);
	pl_event_new_message(&plain, &m, &none);
	assert_true(pl_str_starts(pl_buf_str(&out),
	    PL_STR("{\"name\":\"newMessage\",\"id\":\"" ID_M "\",\"pos\":\"" POS
		   "\",\"trace\":\"" TRACE "\"}\n2[")));
	parse_exactly(&out, &e);
	parse_exactly(&plain, &plain_e);
	assert_string_equal(e.trace.text, TRACE);
	assert_true(pl_trace_is_none(&plain_e.trace));
	assert_true(pl_str_eq(e.packet, plain_e.packet));
	pl_buf_clear(&out);
	pl_event_message_sent(&out, &m, &trace,
	    PL_STR("0123456789012345678901234567890123456789012345678901234567890123"));
	parse_exactly(&out, &e);
	assert_string_equal(e.trace.text, TRACE);
	assert_int_equal(e.not_socket.len, 64);
	assert_null(memmem(e.packet.ptr, e.packet.len, "4bf92f", 6));
	pl_buf_fini(&out);
	pl_buf_fini(&plain);
	pl_message_fini(&m);
}

static void
passes_over_what_a_later_version_may_say(void **state)
{
	static const struct {
		const char *head, *trace;
	} rows[] = {{"{\"name\":\"a\",\"x\":\"1\"}", ""},
	    {"{\"name\":\"a\",\"id\":\"" ID_A "\",\"x\":\"\",\"y\":\"\xc3\xa9\"}", ""},
	    {"{\"name\":\"a\",\"x\":\"1\",\"trace\":\"" TRACE "\",\"y\":\"2\"}", TRACE},
	    {"{\"name\":\"a\",\"trace\":\"01-4bf92f3577b34da6a3ce929d0e0e4736-"
	     "00f067aa0ba902b7-01-more\"}",
		TRACE},
	    {"{\"name\":\"a\",\"trace\":\"\"}", ""},
	    {"{\"name\":\"a\",\"trace\":\"x\\n\"}", ""}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pl_event e;
		struct pl_buf text;

		pl_buf_init(&text, 1000);
		pl_buf_printf(&text, "%s\n2[\"a\",1]", rows[i].head);
		if (!pl_event_parse(pl_buf_str(&text), &e))
			fail_msg("row %zu: %s", i, rows[i].head);
		assert_string_equal(e.trace.text, rows[i].trace);
		pl_buf_fini(&text);
	}
}

static void
status_and_typing_are_these_bytes(void **state)
{
	struct pl_oid user = oid(ID_A);
	struct pl_event e;
	struct pl_buf out;

	(void)state;
	pl_buf_init(&out, 1000);
	pl_event_status_changed(&out, &user, PL_STATUS_BUSY, PL_STR("back \"soon\""));
	assert_string_equal(out.data,
	    "{\"name\":\"statusChanged\",\"id\":\"" ID_A
	    "\"}\n2[\"statusChanged\",{\"userId\":\"" ID_A
	    "\",\"status\":\"BUSY\",\"note\":\"back \\\"soon\\\"\"}]");
	parse_exactly(&out, &e);
	assert_true(e.has_id && pl_oid_eq(&e.id, &user));
	pl_buf_clear(&out);
	pl_event_status_changed(&out, &user, PL_STATUS_AVAILABLE, PL_STR_NONE);
	assert_non_null(strstr(out.data, "\"AVAILABLE\",\"note\":\"\"}]"));
	pl_buf_clear(&out);
	pl_event_typing(&out, &user, true, false);
	assert_string_equal(out.data,
	    "{\"name\":\"typing\"}\n2[\"typing\",{\"from\":\"" ID_A
	    "\",\"isTyping\":true}]");
	parse_exactly(&out, &e);
	pl_buf_clear(&out);
	pl_event_typing(&out, &user, false, true);
	assert_string_equal(out.data,
	    "{\"name\":\"typing\"}\n2[\"typing\",{\"from\":\"" ID_A
	    "\",\"isTyping\":false,\"auto\":true}]");
	parse_exactly(&out, &e);
	pl_buf_fini(&out);
}

static void
marks_are_these_bytes(void **state)
{
	struct pl_oid ann = oid(ID_A), last = oid(ID_M);
	struct pl_event e;
	struct pl_buf out;

	(void)state;
	pl_buf_init(&out, 1000);
	pl_event_messages_read(&out, &ann, &last, INT64_C(1769862896789));
	assert_string_equal(out.data,
	    "{\"name\":\"messagesRead\"}\n2[\"messagesRead\",{\"userId\":\"" ID_A
	    "\",\"upTo\":\"" ID_M "\",\"at\":\"2026-01-31T12:34:56.789Z\"}]");
	parse_exactly(&out, &e);
	pl_buf_clear(&out);
	pl_event_messages_delivered(&out, &ann, &last, INT64_C(1769862896789));
	assert_string_equal(out.data,
	    "{\"name\":\"messagesDelivered\"}\n2[\"messagesDelivered\",{\"userId\":"
	    "\"" ID_A "\",\"upTo\":\"" ID_M "\",\"at\":\"2026-01-31T12:34:56.789Z\"}]");
	parse_exactly(&out, &e);
	pl_buf_clear(&out);
	pl_event_conversation_read(&out, &ann, &last, 3, PL_STR("kzS-9_aB0"));
	assert_string_equal(out.data,
	    "{\"name\":\"conversationRead\",\"not\":\"kzS-9_aB0\"}"
	    "\n2[\"conversationRead\",{\"userId\":\"" ID_A "\",\"upTo\":\"" ID_M
	    "\",\"unread\":3}]");
	parse_exactly(&out, &e);
	assert_true(pl_str_eq(e.not_socket, PL_STR("kzS-9_aB0")));
	pl_buf_fini(&out);
}

static void
refuses_what_it_would_not_write(void **state)
{
#define P "\n2[\"a\",1]"
	static const struct {
		const char *text;
		bool is_good;
	} rows[] = {
	    {"{\"name\":\"a\"}" P, true},
	    {"{\"name\":\"a\",\"id\":\"" ID_A "\",\"not\":\"s\"}" P, true},
	    {"{\"name\":\"a\",\"not\":\"s\",\"id\":\"" ID_A "\"}" P, false},
	    {"{\"name\": \"a\"}" P, false},
	    {" {\"name\":\"a\"}" P, false},
	    {"{\"name\":\"\"}\n2[\"\",1]", false},
	    {"{\"name\":\"a1\"}\n2[\"a1\",1]", false},
	    {"{\"name\":\"abcdefghijklmnopqrstuvwxyzabcdefg\"}"
	     "\n2[\"abcdefghijklmnopqrstuvwxyzabcdefg\",1]",
		false},
	    {"{\"name\":\"b\"}" P, false},
	    {"{\"name\":\"a\",\"id\":\"65a00000000000000000000\"}" P, false},
	    {"{\"name\":\"a\",\"id\":\"65a00000000000000000000g\"}" P, false},
	    {"{\"name\":\"a\",\"not\":\"\"}" P, false},
	    {"{\"name\":\"a\",\"not\":\"s s\"}" P, false},
	    {"{\"name\":\"a\",\"x\":1}" P, false},
	    {"{\"name\":\"a\",\"x\":\"1}" P, false},
	    {"{\"name\":\"a\",\"x\":\"1\",}" P, false},
	    {"{\"name\":\"a\",\"x\",\"1\"}" P, false},
	    {"{\"name\":\"a\",\"\":\"1\"}" P, false},
	    {"{\"name\":\"a\"}}" P, false},
	    {"{\"name\":\"a\"}\r" P, false},
	    {"{\"name\":\"a\"}\n2[\"a\"]", false},
	    {"{\"name\":\"a\"}\n2[\"a\",]", false},
	    {"{\"name\":\"a\"}\n2[\"a\",1", false},
	    {"{\"name\":\"a\"}\n3[\"a\",1]", false},
	    {"{\"name\":\"a\"}\n42[\"a\",1]", false},
	    {"{\"name\":\"a\"}\n2[\"a\",\"\x01\"]", false},
	    {"{\"name\":\"a\"}\n2[\"a\",\"\xff\"]", false},
	    {"{\"name\":\"a\"}\n2[\"a\",\"\xed\xa0\x80\"]", false},
	    {"{\"name\":\"a\"}\n2[\"a\",1]\n", false},
	    {"", false},
	    {"\n", false},
	    {"{\"name\":\"a", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pl_event e = {.has_id = true};

		if (pl_event_parse(pl_str(rows[i].text), &e) != rows[i].is_good)
			fail_msg("row %zu: %s", i, rows[i].text);
		if (!rows[i].is_good)
			assert_true(e.has_id && e.name.ptr == NULL);
	}
	assert_false(pl_event_parse(PL_STR_NONE, &(struct pl_event){0}));
	assert_false(pl_event_parse(
	    pl_str_n("{\"name\":\"a\"}\n2[\"a\",\"\0\"]", 21), &(struct pl_event){0}));
}

static void
refuses_events_past_its_limits(void **state)
{
	size_t len = (1 << 20) + 4096 + 1;
	char *text = pl_mem_alloc(len);
	struct pl_event e;

	(void)state;
	memset(text, '1', len);
	memcpy(text, "{\"name\":\"a\"}\n2[\"a\",", 19);
	text[len - 2] = ']';
	text[len - 1] = ']';
	assert_true(pl_event_parse(pl_str_n(text, len - 1), &e));
	assert_false(pl_event_parse(pl_str_n(text, len), &e));
	memset(text, ' ', 300);
	text[299] = '\n';
	assert_false(pl_event_parse(pl_str_n(text, len - 1), &e));
	pl_mem_free(text);
}

static void
the_longest_message_fits(void **state)
{
	char *text = pl_mem_alloc(65537);
	struct pl_message m;
	struct pl_event e;
	struct pl_buf out;

	(void)state;
	memset(text, 1, 65536); /* each byte as \u0001 */
	text[65536] = '\0';
	message_init(&m, text);
	pl_buf_init(&out, PL_BUF_UNLIMITED);
	pl_event_new_message(&out, &m, NULL);
	assert_true(pl_event_parse(pl_buf_str(&out), &e));
	pl_buf_fini(&out);
	pl_message_fini(&m);
	pl_mem_free(text);
}

/* Of what BODY_BYTES_MAX and MESSAGE_BYTES_MAX may be set to. */
static void
the_longest_message_that_may_be_allowed_fits(void **state)
{
	const size_t len = (1048576 - sizeof("{\"message\":\"\"}") + 1) / 2;
	char *text = pl_mem_alloc(len + 1);
	struct pl_trace trace = {TRACE};
	struct pl_message m;
	struct pl_event e;
	struct pl_buf out;

	(void)state;
	memset(text, '"', len); /* two bytes in the body, and two here */
	text[len] = '\0';
	message_init(&m, text);
	pl_buf_init(&out, PL_BUF_UNLIMITED);
	pl_event_new_message(&out, &m, &trace);
	assert_true(pl_event_parse(pl_buf_str(&out), &e));
	assert_true(e.has_pos);
	pl_buf_clear(&out);
	pl_event_message_sent(&out, &m, &trace, PL_STR("sock"));
	assert_true(pl_event_parse(pl_buf_str(&out), &e));
	pl_buf_fini(&out);
	pl_message_fini(&m);
	pl_mem_free(text);
}

static void
any_changed_byte_is_refused_or_harmless(void **state)
{
	struct pl_trace trace = {TRACE};
	struct pl_message m;
	struct pl_event e;
	struct pl_buf out;

	(void)state;
	message_init(&m, "hello");
	pl_buf_init(&out, 10000);
	pl_event_message_sent(&out, &m, &trace, PL_STR("sock"));
	for (size_t i = 0; i < out.len; i++) {
		char was = out.data[i];

		for (int c = 0; c < 256; c++) {
			out.data[i] = (char)c;
			if (!pl_event_parse(pl_buf_str(&out), &e))
				continue;
			assert_true(e.name.len > 0 && e.packet.len > 0);
			assert_true(e.packet.ptr + e.packet.len == out.data + out.len);
		}
		out.data[i] = was;
	}
	pl_buf_fini(&out);
	pl_message_fini(&m);
}

static void
revoked_goes_there_and_back(void **state)
{
	struct pl_revocation in = {.user = oid(ID_A), .expires_unix_s = 1769862896}, got;
	struct pl_buf out;

	(void)state;
	for (size_t i = 0; i < PL_JWT_ID_LEN; i++)
		in.token_id[i] = (uint8_t)(i * 17);
	pl_buf_init(&out, 1000);
	pl_event_revoked_write(&out, &in);
	assert_string_equal(out.data,
	    "{\"token\":\"00112233445566778899aabbccddeeff\",\"user\":\"" ID_A
	    "\",\"expires\":1769862896}");
	assert_true(pl_event_revoked_parse(pl_buf_str(&out), &got));
	assert_memory_equal(got.token_id, in.token_id, PL_JWT_ID_LEN);
	assert_true(pl_oid_eq(&got.user, &in.user));
	assert_int_equal(got.expires_unix_s, in.expires_unix_s);
	for (size_t len = 0; len < out.len; len++)
		assert_false(pl_event_revoked_parse(pl_str_n(out.data, len), &got));
	pl_buf_fini(&out);
}

static void
blocked_goes_there_and_back(void **state)
{
	static const char *const bad[] = {"", "{}", "[]", "null",
	    "{\"user\":\"" ID_A "\"}", "{\"user\":\"" ID_A "\",\"other\":7}",
	    "{\"user\":\"" ID_A "\",\"other\":\"x\"}"};
	struct pl_oid user = oid(ID_A), other = oid(ID_B), got[2];
	struct pl_buf out;

	(void)state;
	pl_buf_init(&out, 1000);
	pl_event_blocked_write(&out, &user, &other);
	assert_string_equal(out.data, "{\"user\":\"" ID_A "\",\"other\":\"" ID_B "\"}");
	assert_true(pl_event_blocked_parse(pl_buf_str(&out), &got[0], &got[1]));
	assert_true(pl_oid_eq(&got[0], &user));
	assert_true(pl_oid_eq(&got[1], &other));
	for (size_t len = 0; len < out.len; len++)
		assert_false(
		    pl_event_blocked_parse(pl_str_n(out.data, len), &got[0], &got[1]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(pl_event_blocked_parse(pl_str(bad[i]), &got[0], &got[1]));
	/* A later version may say more. */
	assert_true(pl_event_blocked_parse(
	    PL_STR("{\"user\":\"" ID_A "\",\"other\":\"" ID_B "\",\"more\":1}"), &got[0],
	    &got[1]));
	pl_buf_fini(&out);
}

static void
refuses_bad_revocations(void **state)
{
#define T "\"token\":\"00112233445566778899aabbccddeeff\""
#define U "\"user\":\"" ID_A "\""
#define X "\"expires\":1"
	static const char *const rows[] = {"", "{}", "[]", "null", "{" T "," U "}",
	    "{" T "," U "," X ",\"y\":1}", "{" T "," U "," X "," X "}",
	    "{" T "," U ",\"expires\":\"1\"}", "{" T "," U ",\"expires\":-1}",
	    "{" T "," U ",\"expires\":1.5}", "{" T ",\"user\":\"x\"," X "}",
	    "{\"token\":\"00112233445566778899aabbccddeef\"," U "," X "}",
	    "{\"token\":\"00112233445566778899aabbccddeegg\"," U "," X "}",
	    "{" T "," U "," X "} x"};
	struct pl_revocation e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (pl_event_revoked_parse(pl_str(rows[i]), &e))
			fail_msg("took %s", rows[i]);
	assert_true(pl_event_revoked_parse(PL_STR("{" T "," U "," X "}"), &e));
}

static void
a_users_channel_ends_in_his_id(void **state)
{
	char channel[PL_CHANNEL_USER_LEN + 1];
	struct pl_oid user = oid(ID_A);

	(void)state;
	pl_channel_user(&user, channel);
	assert_string_equal(channel, "parley:user:" ID_A);
}

static void
writes_who_looks_otherwise_now(void **state)
{
	struct pl_user user = {.id = {.bytes = {0x6a}},
	    .full_name = (char[]){"Ann \"A\""},
	    .username = (char[]){"ann"},
	    .password_hash = (char[]){"$secret"},
	    .profile_pic = (char[]){"/api/users/avatar/x?v=y"},
	    .given_pic = (char[]){"https://example.org/given"},
	    .note = (char[]){"a note"}};
	struct pl_event event;
	struct pl_buf out;

	(void)state;
	pl_buf_init(&out, PL_BUF_UNLIMITED);
	pl_event_user_updated(&out, &user);
	assert_true(pl_event_parse(pl_buf_str(&out), &event));
	assert_true(pl_str_eq(event.name, PL_STR("userUpdated")));
	assert_true(event.has_id);
	assert_true(pl_oid_eq(&event.id, &user.id));
	assert_true(pl_str_eq(event.packet,
	    PL_STR("2[\"userUpdated\",{\"user\":{\"_id\":\"6a0000000000000000000000\","
		   "\"fullName\":\"Ann \\\"A\\\"\",\"username\":\"ann\","
		   "\"profilePic\":\"/api/users/avatar/x?v=y\","
		   "\"status\":\"AVAILABLE\"}}]")));
	pl_buf_fini(&out);
}

static void
writes_who_is_gone(void **state)
{
	static const struct pl_oid user = {.bytes = {0x6a}};
	struct pl_event event;
	struct pl_buf out;

	(void)state;
	pl_buf_init(&out, PL_BUF_UNLIMITED);
	pl_event_user_deleted(&out, &user);
	assert_true(pl_event_parse(pl_buf_str(&out), &event));
	assert_true(pl_str_eq(event.name, PL_STR("userDeleted")));
	assert_true(event.has_id);
	assert_true(pl_oid_eq(&event.id, &user));
	assert_true(pl_str_eq(event.packet,
	    PL_STR("2[\"userDeleted\",{\"userId\":\"6a0000000000000000000000\"}]")));
	pl_buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes_who_looks_otherwise_now),
	    cmocka_unit_test(writes_who_is_gone),
	    cmocka_unit_test(new_message_has_its_position_in_both_lines),
	    cmocka_unit_test(new_message_of_other_versions_has_its_position),
	    cmocka_unit_test(a_position_stands_behind_a_message_only),
	    cmocka_unit_test(changes_have_a_place_of_their_own_in_the_first_line),
	    cmocka_unit_test(message_sent_names_the_socket_that_does_not_hear_it),
	    cmocka_unit_test(a_trace_stands_in_the_first_line_alone),
	    cmocka_unit_test(passes_over_what_a_later_version_may_say),
	    cmocka_unit_test(status_and_typing_are_these_bytes),
	    cmocka_unit_test(marks_are_these_bytes),
	    cmocka_unit_test(refuses_what_it_would_not_write),
	    cmocka_unit_test(refuses_events_past_its_limits),
	    cmocka_unit_test(the_longest_message_fits),
	    cmocka_unit_test(the_longest_message_that_may_be_allowed_fits),
	    cmocka_unit_test(any_changed_byte_is_refused_or_harmless),
	    cmocka_unit_test(revoked_goes_there_and_back),
	    cmocka_unit_test(blocked_goes_there_and_back),
	    cmocka_unit_test(refuses_bad_revocations),
	    cmocka_unit_test(a_users_channel_ends_in_his_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
