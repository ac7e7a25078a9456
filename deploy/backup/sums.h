/*
 * sums: the file SHA256SUMS of a folder, as sha256sum(1) writes it and `sha256sum -c`
 * reads it. With it a backup is whole; it is written last.
 */
#ifndef PARLEY_BACKUP_SUMS_H
#define PARLEY_BACKUP_SUMS_H

#include "base/buf.h"

#define SUMS_FILE   "SHA256SUMS"
#define SUMS_ID_LEN 64

/* Of all files in folder, each of which is on the disk afterwards, with its name. */
enum pl_err sums_write(const char *folder, struct pl_buf *why) PL_MUST_CHECK;
/* Is each file there as it was written, and no other? PL_E_INVALID: *why says which is
 * not. id: the sum of SHA256SUMS itself, in hex; of no other backup. */
enum pl_err sums_check(
    const char *folder, char id[SUMS_ID_LEN + 1], struct pl_buf *why) PL_MUST_CHECK;

#endif
