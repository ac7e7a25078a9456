/*
 * people: finding users by the beginnings of their words, in the order of their names.
 *
 * A page has to cost the same whether a query finds everybody, nobody, or only those at
 * the end of the alphabet. So people stand on shelves: runs of the order by (name, id),
 * of at most PL_SHELF_MAX, and words are found shelf by shelf.
 *
 *   people_shelves  1: from ("", "")       2: from ("ines paz", ...)     3: from ...
 *   people_words    1 aisha, 1 garcia ...  2 ines, 2 paz ...
 *
 * A shelf where no word begins so costs one look-up; one where some do is read as a
 * whole, put in order, and mostly fills the page. A shelf that becomes too long is split
 * in two halves.
 *
 * people.c writes them, people_page.c reads them.  Only sqlite/ uses this.  Threads: the
 * session's.
 */
#ifndef PL_STORE_SQLITE_PEOPLE_H
#define PL_STORE_SQLITE_PEOPLE_H

#include "store/sqlite/query.h"

#define PL_SHELF_MAX 512

/* A place in the order; zeroed, it comes before all. */
struct pl_place {
	char *name; /* owned; NULL for "" */
	struct pl_oid id;
	bool has_id;
};

void pl_place_fini(struct pl_place *p);
/* Binds name and id, both. */
void pl_place_bind(struct pl_query *q, const struct pl_place *p);
/* Reads the columns name and id from first on; the caller finis *out. */
void pl_place_read(struct pl_query *q, int first, struct pl_place *out);
int pl_place_compare(const void *one, const void *other); /* as qsort() wants it */
/* Where the user stands; PL_E_NOT_FOUND: nowhere. The caller finis *out. */
enum pl_err pl_place_find(
    struct pl_sqlite *s, const struct pl_oid *id, struct pl_place *out) PL_MUST_CHECK;
/* The name of the place of a user of that full name; the caller frees it. */
char *pl_place_name(struct pl_str full_name);

struct pl_shelf {
	int64_t number;
	int64_t count;
	struct pl_place first;
};

/* The shelf on which p stands, or would. The caller finis out->first, also after a
 * failure. */
enum pl_err pl_shelf_find(
    struct pl_sqlite *s, const struct pl_place *p, struct pl_shelf *out) PL_MUST_CHECK;

#endif
