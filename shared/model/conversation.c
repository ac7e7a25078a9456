#include "model/conversation.h"

void
pl_conversation_fini(struct pl_conversation *c)
{
	pl_user_fini(&c->user);
	if (c->has_last)
		pl_message_fini(&c->last);
	c->has_last = false;
}

static void
write_mark(struct pl_json_out *o, const char *key, const struct pl_message_pos *mark)
{
	pl_jo_key(o, key);
	if (mark->created_unix_ms == 0)
		pl_jo_raw(o, pl_str("null"));
	else
		pl_jo_oid(o, &mark->id);
}

void
pl_conversation_write(struct pl_json_out *o, const struct pl_conversation *c)
{
	pl_jo_object(o);
	pl_jo_key(o, PL_CONVERSATION_F_USER);
	pl_user_write(o, &c->user, PL_USER_WITH_NOTE);
	pl_jo_key(o, PL_CONVERSATION_F_LAST);
	if (c->has_last)
		pl_message_write(o, &c->last);
	else
		pl_jo_raw(o, pl_str("null"));
	pl_jo_key(o, PL_CONVERSATION_F_UNREAD);
	pl_jo_int(o, c->unread);
	write_mark(o, PL_CONVERSATION_F_READ, &c->read);
	write_mark(o, PL_CONVERSATION_F_THEIR_READ, &c->their_read);
	write_mark(o, PL_CONVERSATION_F_THEIR_DELIVERED, &c->their_delivered);
	pl_jo_end_object(o);
}

bool
pl_mark_parse(const struct pl_json *body, struct pl_oid *up_to, struct pl_invalid *why)
{
	struct pl_str text;

	if (pl_json_str(pl_json_get(body, PL_MARK_F_UP_TO), &text) &&
	    pl_oid_parse(text, up_to))
		return true;
	pl_invalid_set(why, "BAD_MESSAGE", "upTo must be the _id of a message");
	return false;
}
