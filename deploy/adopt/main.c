/*
 * parley-adopt: documents of another program's that Parley cannot serve as they are, in
 * the MongoDB of MONGO_DB_URI: says what it would change, and with APPLY=1 changes it.
 *
 *   MONGO_DB_URI=mongodb://host/chat [APPLY=1] parley-adopt
 *
 * MONGO_DB_URI_FILE names a file that holds the URI, so that a password shows in no list
 * of processes. store_adopt.h says what is changed, and how. What cannot be is named on
 * standard error, one line each. A run that was broken off is finished by another.
 *
 * Exit status: 0 nothing is left, or would be; 1 it could not be done; 2 something is
 * left; 78 a bad setting.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../migrate/place.h"
#include "base/config.h"
#include "base/log.h"
#include "ops/end.h"
#include "store/store_adopt.h"

enum { EXIT_LEFT = 2 };

struct settings {
	char *uri;
	bool is_applied;
};

static const struct pl_setting table[] = {
    {
	.name = "MONGO_DB_URI",
	.alias = "MONGODB_URI",
	.type = PL_SETTING_SECRET,
	.services = 1,
	.offset = offsetof(struct settings, uri),
    },
    {
	.name = "APPLY",
	.type = PL_SETTING_BOOL,
	.preset = "0",
	.services = 1,
	.offset = offsetof(struct settings, is_applied),
    },
};
#define ROWS (sizeof(table) / sizeof(table[0]))

static int
complain(int status, const char *what, const char *why)
{
	fprintf(stderr, "adopt: %s%s\n", what, why);
	return status;
}

/* ---- saying it ---- */

static void
on_left(void *arg, enum pl_adopt_of of, const char *id, const char *why)
{
	(void)arg;
	fprintf(stderr, "left: %s %s: %s\n", of == PL_ADOPT_USERS ? "user" : "message",
	    id, why);
}

/* One line a kind. */
static void
print_kinds(const struct pl_adopt_tally tallies[], bool is_left)
{
	for (int at = 0; at < PL_ADOPT_COLLECTIONS * PL_ADOPT_FIELDS * PL_ADOPT_FAULTS;
	     at++) {
		enum pl_adopt_fault fault = at % PL_ADOPT_FAULTS;
		enum pl_adopt_field field = at / PL_ADOPT_FAULTS % PL_ADOPT_FIELDS;
		enum pl_adopt_of of = at / PL_ADOPT_FAULTS / PL_ADOPT_FIELDS;
		int64_t count = tallies[of].by_kind[field][fault];
		struct pl_buf text;

		if (count == 0)
			continue;
		pl_buf_init(&text, PL_BUF_UNLIMITED);
		(void)pl_buf_printf(&text, "%s: ", pl_adopt_collection(of));
		pl_adopt_describe(&text, field, fault, is_left);
		printf("  %-48s %10" PRId64 "\n", text.data, count);
		pl_buf_fini(&text);
	}
}

static int64_t
sum(const struct pl_adopt_tally tallies[])
{
	int64_t documents = 0;

	for (int of = 0; of < PL_ADOPT_COLLECTIONS; of++)
		documents += tallies[of].documents;
	return documents;
}

static void
print_part(const char *what, const struct pl_adopt_tally tallies[], bool is_left)
{
	printf("%s: %" PRId64 " users, %" PRId64 " messages\n", what,
	    tallies[PL_ADOPT_USERS].documents, tallies[PL_ADOPT_MESSAGES].documents);
	print_kinds(tallies, is_left);
}

static int
say(const struct pl_adopt_report *r, bool is_applied)
{
	int64_t to_do = sum(r->mended) + r->half_way;

	print_part(is_applied ? "changed" : "would change", r->mended, false);
	if (r->half_way > 0)
		printf("a run that was broken off left %" PRId64 " users half-way\n",
		    r->half_way);
	print_part(is_applied ? "left" : "would leave", r->left, true);
	if (r->again > 0)
		return complain(EXIT_LEFT, "",
		    "somebody else changed some meanwhile; run it again to finish");
	if (!is_applied && to_do > 0)
		printf("nothing was changed; APPLY=1 does it\n");
	if (sum(r->left) > 0)
		return complain(EXIT_LEFT, "",
		    "what is left cannot be served as it is, and has to be mended or "
		    "removed by hand");
	if (is_applied || to_do == 0)
		printf("all users and messages can be served\n");
	return EXIT_SUCCESS;
}

/* ---- doing it ---- */

static int
adopt(const struct place *place, bool is_applied)
{
	static const struct pl_adopt_calls calls = {.left = on_left};
	struct pl_adopt_report report;
	enum pl_err err;

	printf("%s\n", place->shown);
	err = pl_store_adopt(&place->config, !is_applied, &calls, &report);
	if (err == PL_E_INVALID)
		return complain(PL_EXIT_CONFIG, "", "MONGO_DB_URI is no MongoDB URI");
	if (err != PL_OK)
		return complain(EXIT_FAILURE,
		    "broken off; run it again to finish: ", pl_err_name(err));
	return say(&report, is_applied);
}

static int
run(const struct settings *settings, struct pl_buf *why)
{
	struct place place = {.lock_fd = -1};
	int status;

	if (place_find(&place, settings->uri, true, why) != PL_OK)
		status = complain(PL_EXIT_CONFIG, "MONGO_DB_URI: ", why->data);
	else if (place.config.mongo_uri == NULL)
		status = complain(PL_EXIT_CONFIG, "",
		    "MONGO_DB_URI must be mongodb://... or mongodb+srv://...");
	else
		status = adopt(&place, settings->is_applied);
	place_close(&place);
	return status;
}

int
main(void)
{
	struct settings settings = {0};
	struct pl_buf why;
	int status;

	setvbuf(stdout, NULL, _IOLBF, 0);
	pl_log_init("adopt", PL_LOG_WARN);
	pl_buf_init(&why, 1024);
	if (pl_config_load(table, ROWS, 1, &settings, &why) != PL_OK)
		status = complain(PL_EXIT_CONFIG, "", why.data);
	else if (settings.uri == NULL)
		status = complain(PL_EXIT_CONFIG, "", "set MONGO_DB_URI");
	else
		status = run(&settings, &why);
	pl_buf_fini(&why);
	pl_config_free(table, ROWS, 1, &settings);
	pl_end(status); /* not waiting for indexes that are being made */
}
