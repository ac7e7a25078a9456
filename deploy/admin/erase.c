/* parley-admin erase: a user, and the text of all that they wrote. */
#include "admin.h"

#include "store/store_erase.h"

/* What is begun is finished by an auth process, or by the next one that starts. */
int
admin_erase(struct admin *a)
{
	struct pl_revocation r;
	struct pl_user user;
	int status = admin_find(a, &user), tries = 0;
	enum pl_err err;

	if (status != ADMIN_DONE)
		return status;
	do
		err = pl_store_erase_user(a->store, &user.id, &r);
	while (pl_store_try_again(err, &tries));
	if (err == PL_E_NOT_FOUND && tries > 0)
		err = PL_OK; /* a try whose answer was lost has done it */
	status = err == PL_OK
		     ? admin_tell(a, &r, true, "erased: ", user.username)
		     : admin_fail("not erased, or not to the end; do it again", err);
	pl_user_fini(&user);
	return status;
}
