/* parley-admin invite: a code to sign up with, where SIGNUP=invite. */
#include <stdio.h>

#include "admin.h"
#include "base/clock.h"

#define DAY_MS (24 * 3600 * INT64_C(1000))

int
admin_invite(struct admin *a)
{
	struct pl_invite invite = {.uses = a->args.uses};
	struct pl_write w = {.kind = PL_WRITE_INVITE, .u.invite = &invite};
	char code[PL_INVITE_CODE_LEN + 1], expires[PL_CLOCK_ISO_LEN + 1];
	bool again;
	enum pl_err err;

	pl_invite_draw(&invite, code);
	invite.created_unix_ms = pl_clock_unix_ms();
	invite.expires_unix_ms = invite.created_unix_ms + a->args.days * DAY_MS;
	err = admin_write(a, &w, &again);
	if (err != PL_OK && !(err == PL_E_CONFLICT && again))
		return admin_fail("no invite was made", err);
	pl_clock_format_iso(invite.expires_unix_ms, expires);
	fprintf(stderr, "parley-admin: good for %lld sign-up%s until %s\n",
	    (long long)invite.uses, invite.uses == 1 ? "" : "s", expires);
	return admin_print(code);
}
