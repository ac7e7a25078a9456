/*
 * fuzz_config: settings from the environment. The input is lines NAME=value for the
 * variables of a table with each type of setting; those of SECRET_FILE become a file's
 * bytes. What is taken is in its range, a secret is in no sentence and no longer in the
 * environment, and all is freed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "base/log.h"
#include "base/utf8.h"

#define FILE_VARIABLE "SECRET_FILE"
#define VALUE_MAX     20000
#define FILE_MAX      16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct values {
	char *text;
	char *secret;
	int64_t number;
	bool flag;
	int choice;
};

#define AT(field_) offsetof(struct values, field_)

static const struct pl_setting table[] = {
    {.name = "TEXT",
	.alias = "WORDS",
	.type = PL_SETTING_STRING,
	.preset = "preset",
	.empty_is_none = true,
	.services = 1,
	.offset = AT(text)},
    {.name = "SECRET",
	.alias = "KEY",
	.type = PL_SETTING_SECRET,
	.services = 1,
	.offset = AT(secret)},
    {.name = "NUMBER",
	.type = PL_SETTING_INT,
	.preset = "7",
	.least = -20,
	.most = 4000,
	.unit = "ms",
	.services = 1,
	.offset = AT(number)},
    {.name = "FLAG",
	.type = PL_SETTING_BOOL,
	.preset = "0",
	.services = 1,
	.offset = AT(flag)},
    {.name = "CHOICE",
	.type = PL_SETTING_CHOICE,
	.preset = "a",
	.choices = "a|bc|d",
	.services = 1,
	.offset = AT(choice)},
};
#define ROWS (sizeof(table) / sizeof(table[0]))

static const char *const variables[] = {
    "TEXT", "WORDS", "SECRET", "KEY", FILE_VARIABLE, "NUMBER", "FLAG", "CHOICE"};

static void
must(bool is_so)
{
	if (!is_so)
		abort();
}

static int
secret_file(char path[32])
{
	static int fd = -1;

	if (fd == -1) {
		fd = memfd_create("secret", MFD_CLOEXEC);
		must(fd != -1 && fchmod(fd, 0600) == 0);
		pl_log_init("fuzz", PL_LOG_ERROR);
	}
	(void)snprintf(path, 32, "/proc/self/fd/%d", fd);
	return fd;
}

static void
set_variable(const char *name, struct pl_str value)
{
	char text[VALUE_MAX + 1], path[32];
	int fd;

	if (strcmp(name, FILE_VARIABLE) == 0) {
		fd = secret_file(path);
		must(ftruncate(fd, 0) == 0);
		must(pwrite(fd, value.ptr, value.len, 0) == (ssize_t)value.len);
		must(setenv(name, path, 1) == 0);
		return;
	}
	if (value.len > VALUE_MAX || memchr(value.ptr, '\0', value.len) != NULL)
		return;
	memcpy(text, value.ptr, value.len);
	text[value.len] = '\0';
	must(setenv(name, text, 1) == 0);
}

/* The last one may be the file, whose value is all that is left. */
static void
set_all(struct pl_str rest)
{
	struct pl_str line, name;

	while (rest.len > 0) {
		if (pl_str_starts(rest, PL_STR(FILE_VARIABLE "="))) {
			set_variable(
			    FILE_VARIABLE, pl_str_n(rest.ptr + 12, rest.len - 12));
			return;
		}
		if (!pl_str_split(&rest, '\n', &line) || !pl_str_split(&line, '=', &name))
			continue;
		for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
			if (line.ptr != NULL && pl_str_eq(name, pl_str(variables[i])))
				set_variable(variables[i], line);
	}
}

static void
check_values(const struct values *v, bool is_file)
{
	must(v->number >= -20 && v->number <= 4000);
	must(v->choice >= 0 && v->choice <= 2);
	must(v->text == NULL || v->text[0] != '\0');
	if (v->secret != NULL)
		must(v->secret[0] != '\0' &&
		     strlen(v->secret) <= (is_file ? FILE_MAX : VALUE_MAX));
}

/* Long enough to be in no sentence by chance. */
static void
must_not_tell(const struct pl_buf *why, const char *secret)
{
	if (why->len > 0 && secret != NULL && strlen(secret) >= 8)
		must(memmem(why->data, why->len, secret, strlen(secret)) == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct values values = {0};
	char *secrets[2] = {NULL, NULL};
	struct pl_buf why;
	enum pl_err err;
	char path[32];

	(void)secret_file(path);
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		must(unsetenv(variables[i]) == 0);
	set_all(pl_str_n(data, size));
	for (int i = 0; i < 2; i++)
		if (getenv(i == 0 ? "SECRET" : "KEY") != NULL)
			secrets[i] = strdup(getenv(i == 0 ? "SECRET" : "KEY"));
	pl_buf_init(&why, PL_BUF_UNLIMITED);
	err = pl_config_load(table, ROWS, 1, &values, &why);
	must((err == PL_OK) == (why.len == 0));
	if (why.len > 0)
		must(why.data[why.len - 1] != '\n' && pl_utf8_is_valid(pl_buf_str(&why)));
	must(getenv("SECRET") == NULL && getenv("KEY") == NULL);
	for (int i = 0; i < 2; i++)
		must_not_tell(&why, secrets[i]);
	if (err == PL_OK)
		check_values(&values, getenv(FILE_VARIABLE) != NULL);
	pl_config_free(table, ROWS, 1, &values);
	must(values.text == NULL && values.secret == NULL);
	pl_buf_fini(&why);
	free(secrets[0]);
	free(secrets[1]);
	return 0;
}
