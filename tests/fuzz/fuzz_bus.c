/*
 * fuzz_bus: what comes over the bus: events, revoked tokens, notes of who is online and
 * the lines of processes. The input is one payload, given to each parser; what a parser
 * takes has to keep its promises.
 */
#include <stdlib.h>

#include "base/utf8.h"
#include "bus/events.h"
#include "processes/announcement.h"
#include "online/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool is_so)
{
	if (!is_so)
		abort();
}

static bool
is_inside(struct pl_str part, struct pl_str whole)
{
	return part.len == 0 ||
	       (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void
try_event(struct pl_str payload)
{
	struct pl_event e;

	if (!pl_event_parse(payload, &e))
		return;
	must(e.name.len > 0 && is_inside(e.name, payload));
	must(is_inside(e.not_socket, payload) && is_inside(e.packet, payload));
	must(pl_trace_is_none(&e.trace) || strlen(e.trace.text) == PL_TRACE_LEN);
	must(e.packet.ptr + e.packet.len == payload.ptr + payload.len);
	must(pl_utf8_is_valid(e.packet) &&
	     memchr(e.packet.ptr, '\n', e.packet.len) == NULL);
	if (e.has_pos)
		must(e.stem.ptr == e.packet.ptr && e.stem.len < e.packet.len &&
		     e.stem.ptr[e.stem.len - 1] == '}');
}

/* What was read is written as it can be read again. */
static void
try_revoked(struct pl_str payload)
{
	struct pl_revocation e = {0}, again = {0};
	struct pl_buf out;

	if (!pl_event_revoked_parse(payload, &e))
		return;
	pl_buf_init(&out, PL_BUF_UNLIMITED);
	pl_event_revoked_write(&out, &e);
	must(pl_event_revoked_parse(pl_buf_str(&out), &again));
	must(memcmp(e.token_id, again.token_id, PL_JWT_ID_LEN) == 0);
	must(pl_oid_eq(&e.user, &again.user) && e.expires_unix_s == again.expires_unix_s);
	pl_buf_fini(&out);
}

static void
try_note(struct pl_str payload)
{
	struct pl_online_note note;
	struct pl_oid user;
	size_t changes;
	bool is_join;

	if (!pl_online_note_parse(payload, &note))
		return;
	must(pl_online_name_check(note.process) && is_inside(note.process, payload));
	must(note.number <= PL_ONLINE_NUMBER_MAX && is_inside(note.changes, payload));
	must(!note.is_retired || note.changes.len == 0);
	changes = note.changes.len / PL_ONLINE_CHANGE_LEN;
	must(changes * PL_ONLINE_CHANGE_LEN == note.changes.len);
	while (pl_online_note_next(&note.changes, &is_join, &user))
		changes--;
	must(changes == 0 && note.changes.len == 0);
}

/* The gateway trusts these to be words, with one space between them and no other. */
static void
try_process(struct pl_str payload)
{
	struct pl_process_line line;
	size_t spaces = 0;

	if (!pl_process_line_parse(payload, &line))
		return;
	must(line.service.len > 0 && is_inside(line.service, payload));
	must(line.name.len > 0 && line.name.len <= PL_PROCESS_NAME_MAX);
	must(is_inside(line.name, payload) && is_inside(line.address, payload));
	must(memchr(line.address.ptr, ':', line.address.len) != NULL);
	for (size_t i = 0; i < payload.len; i++) {
		must(payload.ptr[i] >= ' ' && payload.ptr[i] <= '~');
		spaces += payload.ptr[i] == ' ';
	}
	must(spaces == 3);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pl_str payload = pl_str_n(data, size);

	try_event(payload);
	try_revoked(payload);
	try_note(payload);
	try_process(payload);
	return 0;
}
