#include "session/sessions_impl.h"

#include "base/clock.h"
#include "base/mem.h"

/* Checks one token after the other, each with its own wait for the store. */
struct choice {
	struct pl_sessions *ss;
	const struct pl_credential *found; /* the first that is good; NULL: none yet */
	size_t next;
	bool has_expired;
	pl_verdict_fn *on_verdict;
	void *arg;
	size_t count;
	struct pl_credential items[];
};

static void
choice_end(struct choice *ch, enum pl_session_verdict verdict)
{
	ch->on_verdict(
	    ch->arg, verdict, verdict == PL_SESSION_OK ? &ch->found->claims : NULL);
	pl_mem_free(ch);
}

/* Can this token change the choice? */
static bool
matters(const struct choice *ch, const struct pl_credential *it)
{
	return ch->found == NULL ||
	       (it->place == ch->found->place &&
		   !pl_oid_eq(&it->claims.user, &ch->found->claims.user));
}

static void choice_go_on(struct choice *ch);

static void
on_looked_at(
    void *arg, enum pl_session_verdict verdict, const struct pl_jwt_claims *claims)
{
	struct choice *ch = arg;

	(void)claims; /* those of the item */
	if (verdict == PL_SESSION_UNKNOWN) {
		choice_end(ch, PL_SESSION_UNKNOWN);
	} else if (verdict != PL_SESSION_OK) {
		choice_go_on(ch);
	} else if (ch->found != NULL) {
		choice_end(ch, PL_SESSION_AMBIGUOUS);
	} else {
		ch->found = &ch->items[ch->next - 1];
		choice_go_on(ch);
	}
}

static void
choice_go_on(struct choice *ch)
{
	while (ch->next < ch->count) {
		const struct pl_credential *it = &ch->items[ch->next++];

		if (!matters(ch, it) || pl_sessions_refuse(ch->ss, &it->claims))
			continue;
		if (!pl_jwt_is_over(&it->claims, pl_clock_unix_ms() / 1000)) {
			pl_sessions_check_claims(ch->ss, &it->claims, on_looked_at, ch);
			return;
		}
		ch->has_expired = true;
	}
	if (ch->found != NULL)
		choice_end(ch, PL_SESSION_OK);
	else
		choice_end(
		    ch, ch->has_expired ? PL_SESSION_EXPIRED : PL_SESSION_BAD_TOKEN);
}

void
pl_sessions_choose(struct pl_sessions *ss, const struct pl_credentials *c,
    pl_verdict_fn *on_verdict, void *arg)
{
	struct choice *ch;

	if (!c->has_token) {
		on_verdict(arg, PL_SESSION_NO_TOKEN, NULL);
		return;
	}
	ch = pl_mem_zalloc(sizeof(*ch) + c->count * sizeof(ch->items[0]));
	ch->ss = ss;
	ch->has_expired = c->has_expired;
	ch->on_verdict = on_verdict;
	ch->arg = arg;
	ch->count = c->count;
	if (c->count > 0)
		memcpy(ch->items, c->items, c->count * sizeof(ch->items[0]));
	choice_go_on(ch);
}
