/*
 * become: root, which reads the secrets, goes on as whose the data folder is. What root
 * made there the services could not write.
 */
#ifndef PARLEY_ADMIN_BECOME_H
#define PARLEY_ADMIN_BECOME_H

#include "base/buf.h"

/* Does nothing for anybody but root, or if the folder is not there or root's. Call it
 * before any thread is started. PL_E_IO: *why is a line that says what is wrong. */
enum pl_err become_owner(const char *folder, struct pl_buf *why) PL_MUST_CHECK;

#endif
