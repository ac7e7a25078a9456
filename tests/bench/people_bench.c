/*
 * people_bench: what finding people costs, on SQLite.
 *
 *   people_bench [USERS] [FOLDER]    100,000 in a temporary folder
 *
 * One line for each kind of page of 50: CPU of this process, the middle one of many and
 * the greatest, in microseconds. The bars: 1,000 for a page of all, 3,000 for any query.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store.h"

#define SAMPLES 41
#define PAGE    51 /* one more says that more follow */
#define BATCH   512

static const char *const first_names[] = {"Aisha", "Ben", "Chloé", "Dimitri", "Eve",
    "Farid", "Guðrún", "Hans", "Ines", "José", "Ken", "Łukasz", "María", "Nguyễn", "Omar",
    "Pia", "Quinn", "Rosa", "Søren", "Tomás", "Uma", "Viktor", "Wei", "Xenia", "Yusuf",
    "Zoe"};
static const char *const family_names[] = {"García", "Smith", "Müller", "Novák", "O'Neil",
    "Rossi", "Svensson", "Tanaka", "Žukauskas", "Papadopoulos", "van Dijk", "王", "김"};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static double
cpu_us(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return 1e6 * (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

/* ---- users --------------------------------------------------------------------------- */

/* All usernames begin with the same letter; the last ones, by name, have a word that
 * nobody else has; each has a number. */
static void
make_user(struct pl_user *out, unsigned i, unsigned users)
{
	char full_name[100], username[100];
	struct pl_signup signup;

	if (i % 10 == 9) /* whose words are in step with their names */
		snprintf(full_name, sizeof(full_name), "Person %07u", i);
	else
		snprintf(full_name, sizeof(full_name), "%s %s %u",
		    first_names[i % COUNT(first_names)],
		    family_names[i / 7 % COUNT(family_names)], i % 1000);
	snprintf(username, sizeof(username), "u%u%s", i,
	    i % COUNT(first_names) == 25 && i > users / 2 ? ".late" : "");
	signup = (struct pl_signup){
	    .full_name = pl_str(full_name), .username = pl_str(username)};
	pl_user_from_signup(out, &signup, pl_mem_strdup("hash"), 1700000000000);
}

static void
add_batch(struct pl_store *s, unsigned from, unsigned count, unsigned users)
{
	static struct pl_user batch[BATCH];
	static struct pl_write writes[BATCH];
	struct pl_write *list[BATCH];

	for (unsigned i = 0; i < count; i++) {
		make_user(&batch[i], from + i, users);
		writes[i] = (struct pl_write){.kind = PL_WRITE_USER, .u.user = &batch[i]};
		list[i] = &writes[i];
	}
	pl_store_write(s, list, count);
	for (unsigned i = 0; i < count; i++) {
		if (writes[i].err != PL_OK)
			exit(1);
		pl_user_fini(&batch[i]);
	}
}

/* ---- pages --------------------------------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
	double one = *(const double *)a, other = *(const double *)b;

	return one < other ? -1 : one > other;
}

static size_t
read_page(struct pl_store *s, const char *query, const struct pl_oid *after,
    struct pl_oid *last)
{
	struct pl_user_list page;
	size_t count;

	if (pl_store_people_page(s, pl_str(query), after, PAGE, &page) != PL_OK)
		exit(1);
	count = page.count;
	if (count > 0 && last != NULL)
		*last = page.items[count / 2].id;
	pl_user_list_fini(&page);
	return count;
}

static void
measure(struct pl_store *s, const char *what, const char *query, int pages_before)
{
	double cpu[SAMPLES];
	struct pl_oid after;
	size_t count = 0;

	for (int i = 0; i < pages_before; i++)
		(void)read_page(s, query, i > 0 ? &after : NULL, &after);
	for (int i = 0; i < SAMPLES; i++) {
		double begin = cpu_us();

		count = read_page(s, query, pages_before > 0 ? &after : NULL, NULL);
		cpu[i] = cpu_us() - begin;
	}
	qsort(cpu, SAMPLES, sizeof(*cpu), compare);
	printf("%-44s %4zu found   cpu %6.0f us, at most %6.0f\n", what, count,
	    cpu[SAMPLES / 2], cpu[SAMPLES - 1]);
}

static void
measure_all(struct pl_store *s)
{
	measure(s, "all, the first page", "", 0);
	measure(s, "all, after 40 pages", "", 40);
	measure(s, "u: the word of everybody", "u", 0);
	measure(s, "u: after 40 pages", "u", 40);
	measure(s, "g: one letter", "g", 0);
	measure(s, "late: only at the end of the alphabet", "late", 0);
	measure(s, "u9: words in step with names", "u9", 0);
	measure(s, "u12345: one", "u12345", 0);
	measure(s, "q: one letter, few", "q", 0);
	measure(s, "nobody: none", "nobodyatall", 0);
	measure(s, "maria garcia", "maria garcia", 0);
	measure(s, "garcia nobody", "garcia nobodyatall", 0);
	measure(s, "p u: two letters", "p u", 0);
	measure(s, "late p: each many, never together", "late p", 0);
	measure(s, "O'Ne", "O'Ne", 0);
	measure(s, "one Chinese character", "王", 0);
}

int
main(int argc, char **argv)
{
	char temporary[] = "/tmp/parley-bench-XXXXXX";
	unsigned users = argc > 1 ? (unsigned)atoi(argv[1]) : 100000;
	struct pl_store_config config = {
	    .data_dir = argc > 2 ? argv[2] : mkdtemp(temporary)};
	struct pl_store *s;
	double begin;

	if (pl_store_open(&config, &s) != PL_OK)
		return 1;
	begin = cpu_us();
	for (unsigned i = 0; i < users; i += BATCH)
		add_batch(s, i, users - i < BATCH ? users - i : BATCH, users);
	printf("%u users, cpu %.0f us for each of them\n", users,
	    (cpu_us() - begin) / users);
	measure_all(s);
	pl_store_close(s);
	printf("SQLite's database is left in %s\n", config.data_dir);
	return 0;
}
