/*
 * parley-backup: all that a store keeps into a folder, while Parley runs; and back.
 *
 *   FROM=data TO=/backups/monday parley-backup
 *   FROM=/backups/monday TO=data parley-backup restore
 *
 * The store is a data folder or a mongodb:// URI; FROM_FILE and TO_FILE name files that
 * hold them, so that a password shows in no list of processes. store_backup.h says what
 * is in a backup, and sums.h how it is known to be whole. A backup has its name once it
 * is complete and on the disk. Nothing is restored over what is there.
 *
 * Exit status: 0 done, 1 it could not be done, 78 a bad FROM or TO.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../migrate/ends.h"
#include "../migrate/place.h"
#include "base/config.h"
#include "base/log.h"
#include "folder.h"
#include "ops/end.h"
#include "store/store_backup.h"
#include "sums.h"

static int
complain(int status, const char *what, const char *why)
{
	fprintf(stderr, "backup: %s%s\n", what, why);
	return status;
}

/* why, or the name of the error if that is empty. */
static int
give_up(const char *what, enum pl_err err, const struct pl_buf *why)
{
	return complain(EXIT_FAILURE, what, why->len > 0 ? why->data : pl_err_name(err));
}

static void
print_parts(const struct pl_backup_list *parts)
{
	for (size_t i = 0; i < parts->count; i++)
		printf(
		    "%-18s %10" PRId64 "\n", parts->items[i].name, parts->items[i].count);
}

/* ---- out ---- */

static enum pl_err
fill_folder(const struct place *from, const char *folder, struct pl_buf *why)
{
	struct pl_backup_list parts;
	enum pl_err err = pl_store_backup(&from->config, folder, &parts, why);

	if (err == PL_OK)
		err = sums_write(folder, why);
	if (err == PL_OK)
		print_parts(&parts);
	pl_backup_list_fini(&parts);
	return err;
}

static int
back_up(const struct ends *ends, struct pl_buf *why)
{
	struct place from;
	struct folder to = {.lock_fd = -1};
	enum pl_err err = place_find(&from, ends->from, false, why);
	int status = EXIT_SUCCESS;

	if (err != PL_OK)
		status = give_up("FROM: ", err, why);
	else if ((err = folder_begin(&to, ends->to, why)) != PL_OK)
		status = give_up("TO: ", err, why);
	else if ((err = fill_folder(&from, to.partial, why)) != PL_OK ||
		 (err = folder_finish(&to, why)) != PL_OK)
		status = give_up("not done: ", err, why);
	else
		printf("%s is in %s\n", from.shown, ends->to);
	folder_drop(&to);
	place_close(&from);
	return status;
}

/* ---- in ---- */

/* A data folder is made and locked; a MongoDB is opened by the restore itself. */
static enum pl_err
open_target(struct place *to, const struct ends *ends, struct pl_buf *why)
{
	enum pl_err err = place_find(to, ends->to, true, why);
	bool is_folder = err == PL_OK && to->config.mongo_uri == NULL;

	if (err == PL_OK && is_folder != pl_store_has_sqlite(ends->from)) {
		(void)pl_buf_printf(why, is_folder
					     ? "the backup is of a MongoDB; restore it "
					       "to one, then make migrate"
					     : "the backup is of SQLite; restore it to a "
					       "folder, then make migrate");
		return PL_E_INVALID;
	}
	return is_folder ? place_open(to, why) : err;
}

static int
restore(const struct ends *ends, struct pl_buf *why)
{
	struct place to = {.lock_fd = -1};
	struct pl_backup_list parts = {0};
	char id[SUMS_ID_LEN + 1];
	enum pl_err err = sums_check(ends->from, id, why);
	int status = EXIT_SUCCESS;

	if (err != PL_OK)
		return give_up("FROM: ", err, why);
	if ((err = open_target(&to, ends, why)) != PL_OK) {
		status = give_up("TO: ", err, why);
	} else if ((err = pl_store_restore(&to.config, ends->from, id, &parts, why)) !=
		   PL_OK) {
		status = give_up("TO: not restored: ", err, why);
	} else {
		print_parts(&parts);
		printf("all of the backup is in %s\n", to.shown);
	}
	pl_backup_list_fini(&parts);
	place_close(&to);
	return status;
}

/* ---- both ---- */

int
main(int argc, char **argv)
{
	bool is_restore = argc == 2 && strcmp(argv[1], "restore") == 0;
	struct ends ends = {0};
	struct pl_buf why;
	int status;

	setvbuf(stdout, NULL, _IOLBF, 0);
	pl_log_init("backup", PL_LOG_WARN);
	pl_buf_init(&why, 4096);
	if (argc > 1 && !is_restore)
		status = complain(PL_EXIT_CONFIG, "", "the one argument is: restore");
	else if (ends_load(&ends, &why) != PL_OK)
		status = complain(PL_EXIT_CONFIG, "", why.data);
	else if (ends.from == NULL || ends.to == NULL)
		status = complain(PL_EXIT_CONFIG, "",
		    "set FROM and TO: a store (a data folder or a mongodb:// URI) and a "
		    "folder for the backup");
	else
		status = is_restore ? restore(&ends, &why) : back_up(&ends, &why);
	pl_buf_fini(&why);
	ends_free(&ends);
	pl_end(status); /* not waiting for indexes that are being made */
}
