/*
 * parley-admin: an operator's hand in the accounts: list, add, reset-password, disable,
 * enable, erase, invite; --help has them all. Works on the store, while Parley runs or
 * not, and tells running processes over Redis.
 *
 *   DATA_DIR=data REDIS_URL_FILE=data/run/redis.url parley-admin disable ann
 *
 * Settings are those of the services, by the same rows of their table. As root it reads
 * secrets, and goes on as the owner of DATA_DIR (become.h).
 *
 * Exit status: 0 done; 1 not done; 2 wrong usage; 3 done, but running processes could not
 * be told; 78 a bad setting.
 */
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin.h"
#include "base/log.h"
#include "become.h"
#include "ops/end.h"
#include "ops/sandbox.h"
#include "ops/settings.h"
#include "redis/client.h"
#include "secret.h"

/* ---- settings ---- */

static const char *const used[] = {
    "DATA_DIR", "MONGO_DB_URI", "REDIS_URL", "PASSWORD_MIN_LENGTH"};
#define USED (sizeof(used) / sizeof(used[0]))

static enum pl_err
load_settings(struct pl_buf *why)
{
	struct pl_setting rows[USED];
	size_t count = 0;

	for (size_t i = 0; i < pl_settings_rows; i++)
		for (size_t j = 0; j < USED; j++)
			if (strcmp(pl_settings_table[i].name, used[j]) == 0)
				rows[count++] = pl_settings_table[i];
	return pl_config_load(rows, count, PL_SVC_ALL, &pl_settings, why);
}

static int
complain(int status, const char *text)
{
	admin_say(text, NULL);
	return status;
}

static int
check_settings(const struct pl_store_config *config, struct pl_buf *why)
{
	const char *fault = pl_redis_url_fault(pl_settings.redis_url);

	if (fault != NULL)
		return complain(PL_EXIT_CONFIG, fault);
	if (become_owner(pl_settings.data_dir, why) != PL_OK)
		return complain(ADMIN_NOT_DONE, why->data);
	if (config->mongo_uri != NULL || pl_store_has_sqlite(config->data_dir))
		return ADMIN_DONE;
	(void)pl_buf_printf(why,
	    "there is no parley.db in DATA_DIR (%s), or no right to look: a service that "
	    "starts makes it",
	    config->data_dir);
	return complain(PL_EXIT_CONFIG, why->data);
}

/* ---- what is asked of the operator ---- */

static int
ask_password(struct admin *a)
{
	if (a->args.password_stdin) {
		if (secret_read(&a->password) == PL_OK && a->password.len > 0)
			return ADMIN_DONE;
		return complain(ADMIN_NOT_DONE, "the first line of standard input is no "
						"password: it is empty, or too "
						"long");
	}
	if (a->args.one_time || !secret_can_ask() || secret_ask(&a->password) == PL_OK)
		return ADMIN_DONE;
	return complain(
	    ADMIN_NOT_DONE, "the two are not the same, or too long: nothing was added");
}

static int
ask_whether_to_erase(const struct admin *a)
{
	if (a->args.yes || !secret_can_ask())
		return ADMIN_DONE; /* a script names whom it means */
	admin_say("this deletes the user and the text of all that they wrote, for good: ",
	    a->args.username);
	if (secret_confirm("type the username again to go on: ", a->args.username))
		return ADMIN_DONE;
	return complain(ADMIN_NOT_DONE, "nothing was erased");
}

/* Before the sandbox, which knows no terminal. */
static int
ask(struct admin *a)
{
	if (a->args.command == ADMIN_ADD)
		return ask_password(a);
	if (a->args.command == ADMIN_ERASE)
		return ask_whether_to_erase(a);
	return ADMIN_DONE;
}

/* ---- doing it ---- */

static int
open_store(struct admin *a, const struct pl_store_config *config)
{
	int tries = 0;
	enum pl_err err = pl_store_check(config);

	if (err == PL_E_INVALID)
		return complain(PL_EXIT_CONFIG,
		    "MONGO_DB_URI must be mongodb://... or mongodb+srv://...");
	if (err != PL_OK)
		return admin_fail("the store cannot be used", err);
	do
		err = pl_store_open(config, &a->store);
	while (pl_store_try_again(err, &tries));
	return err == PL_OK ? ADMIN_DONE : admin_fail("the store did not open", err);
}

static int
carry_out(struct admin *a)
{
	switch (a->args.command) {
	case ADMIN_LIST:
		return admin_list(a);
	case ADMIN_ADD:
		return admin_add(a);
	case ADMIN_RESET_PASSWORD:
		return admin_reset_password(a);
	case ADMIN_DISABLE:
		return admin_disable(a, true);
	case ADMIN_ENABLE:
		return admin_disable(a, false);
	case ADMIN_ERASE:
		return admin_erase(a);
	case ADMIN_INVITE:
		return admin_invite(a);
	case ADMIN_HELP:
	case ADMIN_VERSION:
		break;
	}
	return ADMIN_USAGE;
}

static int
run(struct admin *a, struct pl_buf *why)
{
	struct pl_store_config config;
	int status;

	if (load_settings(why) != PL_OK)
		return complain(PL_EXIT_CONFIG, why->data);
	config = (struct pl_store_config){
	    .data_dir = pl_settings.data_dir, .mongo_uri = pl_settings.mongo_uri};
	a->redis_url = pl_settings.redis_url;
	a->password_chars_min = (unsigned)pl_settings.password_min_length;
	status = check_settings(&config, why);
	if (status == ADMIN_DONE)
		status = ask(a);
	if (status != ADMIN_DONE)
		return status;
	pl_sandbox_enter(false);
	status = open_store(a, &config);
	if (status == ADMIN_DONE)
		status = carry_out(a);
	pl_store_close(a->store);
	return status;
}

int
main(int argc, char **argv)
{
	struct admin a = {0};
	struct pl_buf why;
	int status;

	pl_sandbox_forbid_dumps();
	pl_log_init("admin", PL_LOG_ERROR);
	umask(0077);
	pl_buf_init(&why, PL_SETTINGS_WHY_BYTES);
	if (sodium_init() < 0)
		status = complain(ADMIN_NOT_DONE, "libsodium did not start");
	else if (args_parse(argc, argv, &a.args, &why) != PL_OK)
		status = complain(ADMIN_USAGE, why.data);
	else if (a.args.command == ADMIN_HELP)
		args_print_help(), status = ADMIN_DONE;
	else if (a.args.command == ADMIN_VERSION)
		status = admin_print("parley-admin " PARLEY_VERSION);
	else
		status = run(&a, &why);
	if (fflush(stdout) != 0 && status == ADMIN_DONE)
		status = complain(ADMIN_NOT_DONE, "standard output could not be written");
	secret_fini(&a.password);
	pl_buf_fini(&why);
	pl_end(status); /* not waiting for indexes that are being made */
}
