#include "args.h"

#include <stddef.h>
#include <stdio.h>

#include "base/utf8.h"

/* ---- the tables ---- */

static const struct {
	const char *name;
	bool has_username;
	const char *help;
} commands[] = {
    [ADMIN_LIST] = {"list", false,
	"prints every user, a line each; --json: one JSON array of objects"},
    [ADMIN_ADD] = {"add", true,
	"adds a user, whatever SIGNUP says; at a terminal it asks for the password,\n"
	"      else, or if none is typed, it draws a one-time password and prints it"},
    [ADMIN_RESET_PASSWORD] = {"reset-password", true,
	"draws a one-time password, prints it, and ends all sessions of the user"},
    [ADMIN_DISABLE] = {"disable", true,
	"ends all sessions of the user, and refuses log-ins; messages to them wait"},
    [ADMIN_ENABLE] = {"enable", true, "lets them log in again"},
    [ADMIN_ERASE] = {"erase", true,
	"deletes the user and the text of all that they wrote, for good; asks first"},
    [ADMIN_INVITE] = {"invite", false,
	"prints a code to sign up with where SIGNUP=invite"},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

enum option_type { FLAG, TEXT, NUMBER };

static const struct option {
	const char *name;
	enum option_type type;
	enum admin_command of;
	size_t offset; /* in struct args */
	int64_t most;  /* of a number, which is at least 1 */
	const char *help;
} options[] = {
    {"--json", FLAG, ADMIN_LIST, offsetof(struct args, json), 0, ""},
    {"--name", TEXT, ADMIN_ADD, offsetof(struct args, name), 0,
	"FULL NAME; the username if it is not given"},
    {"--gender", TEXT, ADMIN_ADD, offsetof(struct args, gender), 0,
	"male or female, for the picture; male if it is not given"},
    {"--password-stdin", FLAG, ADMIN_ADD, offsetof(struct args, password_stdin), 0,
	"the password is the first line of standard input"},
    {"--one-time", FLAG, ADMIN_ADD, offsetof(struct args, one_time), 0,
	"do not ask, draw one"},
    {"--yes", FLAG, ADMIN_ERASE, offsetof(struct args, yes), 0,
	"do not ask, as without a terminal"},
    {"--uses", NUMBER, ADMIN_INVITE, offsetof(struct args, uses), ADMIN_INVITE_USES_MAX,
	"how many may sign up with it; 1 if it is not given"},
    {"--days", NUMBER, ADMIN_INVITE, offsetof(struct args, days), ADMIN_INVITE_DAYS_MAX,
	"for how long it is good; 7 if it is not given"},
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

void
args_print_help(void)
{
	static const char *const values[] = {
	    [FLAG] = "", [TEXT] = " TEXT", [NUMBER] = " N"};

	printf("usage: parley-admin COMMAND [USERNAME] [OPTIONS]\n\n");
	for (size_t c = 0; c < COMMANDS; c++) {
		printf("  %s%s\n      %s\n", commands[c].name,
		    commands[c].has_username ? " USERNAME" : "", commands[c].help);
		for (size_t i = 0; i < OPTIONS; i++)
			if (options[i].of == c && options[i].help[0] != '\0')
				printf("      %s%s: %s\n", options[i].name,
				    values[options[i].type], options[i].help);
	}
	printf("  --help, --version\n\n"
	       "A username that begins with a dash comes last, after --.\n\n"
	       "It reads DATA_DIR, MONGO_DB_URI, REDIS_URL and PASSWORD_MIN_LENGTH from "
	       "the\n"
	       "environment, as the services do, or NAME_FILE.\n\n"
	       "Exit status: 0 done; 1 not done; 2 wrong usage; 3 done, but Redis was "
	       "away, so\n"
	       "that running processes learn of it later; 78 a bad setting.\n");
}

/* ---- reading ---- */

struct reader {
	int argc;
	char **argv;
	int at;
	bool has_command;
	bool is_options_end;
	struct args *args;
	struct pl_buf *why;
};

static enum pl_err
refuse(struct reader *r, const char *text, const char *what)
{
	(void)pl_buf_printf(r->why, "%s%s", text, what);
	return PL_E_INVALID;
}

static enum pl_err
set_command(struct reader *r, const char *name)
{
	for (size_t c = 0; c < COMMANDS; c++) {
		if (strcmp(commands[c].name, name) != 0)
			continue;
		r->args->command = (enum admin_command)c;
		r->has_command = true;
		return PL_OK;
	}
	return refuse(r, "there is no such command; --help names them", "");
}

static enum pl_err
set_argument(struct reader *r, const char *text)
{
	if (!r->has_command)
		return set_command(r, text);
	if (!commands[r->args->command].has_username)
		return refuse(
		    r, "too many arguments for ", commands[r->args->command].name);
	if (r->args->username != NULL)
		return refuse(r, "one username at a time; quote one with spaces", "");
	r->args->username = text;
	return PL_OK;
}

static enum pl_err
set_value(struct reader *r, const struct option *o, const char *value)
{
	char *field = (char *)r->args + o->offset;
	uint64_t number;

	if (o->type == TEXT) {
		memcpy(field, &value, sizeof(value));
		return PL_OK;
	}
	if (!pl_str_to_u64(pl_str(value), (uint64_t)o->most, &number) || number == 0) {
		(void)pl_buf_printf(r->why, "%s must be a number from 1 to %lld", o->name,
		    (long long)o->most);
		return PL_E_INVALID;
	}
	memcpy(field, &(int64_t){(int64_t)number}, sizeof(int64_t));
	return PL_OK;
}

/* "--uses", "5" or "--uses=5". */
static enum pl_err
set_option(struct reader *r, const struct option *o, const char *text)
{
	const char *equals = strchr(text, '=');

	if (r->has_command && r->args->command != o->of)
		return refuse(r, o->name, " is no option of this command");
	if (!r->has_command)
		return refuse(r, "the command comes before ", o->name);
	if (o->type == FLAG) {
		if (equals != NULL)
			return refuse(r, o->name, " takes no value");
		memcpy((char *)r->args + o->offset, &(bool){true}, sizeof(bool));
		return PL_OK;
	}
	if (equals != NULL)
		return set_value(r, o, equals + 1);
	if (++r->at >= r->argc)
		return refuse(r, o->name, " needs a value");
	return set_value(r, o, r->argv[r->at]);
}

static enum pl_err
find_option(struct reader *r, const char *text)
{
	size_t len = strcspn(text, "=");

	for (size_t i = 0; i < OPTIONS; i++)
		if (pl_str_eq(pl_str_n(text, len), pl_str(options[i].name)))
			return set_option(r, &options[i], text);
	return refuse(r,
	    "there is no such option; a username that begins with a dash comes "
	    "after --",
	    "");
}

static enum pl_err
read_one(struct reader *r, const char *text)
{
	if (!pl_utf8_is_valid(pl_str(text)))
		return refuse(r, "an argument is not UTF-8", "");
	if (r->is_options_end || text[0] != '-' || text[1] == '\0')
		return set_argument(r, text);
	if (strcmp(text, "--") == 0) {
		r->is_options_end = true;
		return PL_OK;
	}
	return find_option(r, text);
}

/* Anywhere before "--" it is all that is asked for. */
static bool
asks_for(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], name) == 0)
			return true;
	return false;
}

static enum pl_err
check(struct reader *r)
{
	if (!r->has_command)
		return refuse(r, "which command? --help names them", "");
	if (commands[r->args->command].has_username && r->args->username == NULL)
		return refuse(r, commands[r->args->command].name, " needs a username");
	if (r->args->password_stdin && r->args->one_time)
		return refuse(r, "--password-stdin or --one-time, not both", "");
	return PL_OK;
}

enum pl_err
args_parse(int argc, char **argv, struct args *out, struct pl_buf *why)
{
	struct reader r = {.argc = argc, .argv = argv, .at = 1, .args = out, .why = why};

	*out = (struct args){.gender = "male", .uses = 1, .days = 7};
	if (asks_for(argc, argv, "--help") || asks_for(argc, argv, "-h")) {
		out->command = ADMIN_HELP;
		return PL_OK;
	}
	if (asks_for(argc, argv, "--version")) {
		out->command = ADMIN_VERSION;
		return PL_OK;
	}
	for (; r.at < argc; r.at++)
		if (read_one(&r, argv[r.at]) != PL_OK)
			return PL_E_INVALID;
	return check(&r);
}
