#include "online/note.h"

bool
pl_online_name_check(struct pl_str name)
{
	if (name.len == 0 || name.len > PL_ONLINE_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] <= ' ' || name.ptr[i] > '~')
			return false;
	return true;
}

static bool
read_change(struct pl_str s, bool *is_join, struct pl_oid *user)
{
	if (s.ptr[0] != ' ' || (s.ptr[1] != '+' && s.ptr[1] != '-'))
		return false;
	*is_join = s.ptr[1] == '+';
	return pl_oid_parse(pl_str_n(s.ptr + 2, PL_OID_HEX_LEN), user);
}

bool
pl_online_note_next(struct pl_str *changes, bool *is_join, struct pl_oid *user)
{
	if (changes->len < PL_ONLINE_CHANGE_LEN || !read_change(*changes, is_join, user))
		return false;
	changes->ptr += PL_ONLINE_CHANGE_LEN;
	changes->len -= PL_ONLINE_CHANGE_LEN;
	return true;
}

static bool
check_changes(struct pl_str changes)
{
	struct pl_oid user;
	bool is_join;

	while (pl_online_note_next(&changes, &is_join, &user))
		continue;
	return changes.len == 0;
}

bool
pl_online_note_parse(struct pl_str payload, struct pl_online_note *out)
{
	struct pl_online_note note = {0};
	struct pl_str rest = payload;
	struct pl_str number;
	const char *end;

	if (!pl_str_split(&rest, ' ', &note.process) ||
	    !pl_online_name_check(note.process))
		return false;
	if (rest.len == 0)
		return false;
	end = memchr(rest.ptr, ' ', rest.len);
	number = pl_str_n(rest.ptr, end != NULL ? (size_t)(end - rest.ptr) : rest.len);
	if (!pl_str_to_u64(number, PL_ONLINE_NUMBER_MAX, &note.number))
		return false;
	note.changes = pl_str_n(rest.ptr + number.len, rest.len - number.len);
	if (pl_str_eq(note.changes, PL_STR(" ."))) {
		note.is_retired = true;
		note.changes = PL_STR_NONE;
	}
	if (!check_changes(note.changes))
		return false;
	*out = note;
	return true;
}
