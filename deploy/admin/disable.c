/* parley-admin disable, enable: whether a user may log in. */
#include "admin.h"

/* Disabled first: no session begins after that, so that none is left when they end. */
int
admin_disable(struct admin *a, bool is_disabled)
{
	struct pl_write w = {.kind = PL_WRITE_DISABLED};
	struct pl_user user;
	enum pl_err err;
	int status = admin_find(a, &user);

	if (status != ADMIN_DONE)
		return status;
	w.u.disabled.user = user.id;
	w.u.disabled.is_disabled = is_disabled;
	err = admin_write(a, &w, NULL);
	if (err != PL_OK)
		status = admin_fail("nothing was changed", err);
	else if (is_disabled)
		status = admin_end_sessions(a, &user, "disabled: ");
	else
		admin_say("enabled: ", user.username);
	pl_user_fini(&user);
	return status;
}
