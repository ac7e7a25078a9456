/*
 * parley-settings: prints every setting from the table in shared/ops/settings.c.
 *
 *   --markdown  the README's tables, one for each group of readers
 *   --env       env.example: each setting with its default, commented out
 *   --units     /etc/parley/parley.env: the same, of those that systemd's units leave open
 *   --check run | gateway
 *               judges the environment, see settings_check.h
 */
#include <stdio.h>
#include <string.h>

#include "settings_check.h"
#include "ops/settings.h"

/* Each setting is printed once, under the first group that has all its readers. */
static const struct {
	const char *title;
	unsigned services;
} groups[] = {
    {"auth", PL_SVC_AUTH},
    {"message", PL_SVC_MESSAGE},
    {"presence", PL_SVC_PRESENCE},
    {"llm-responder", PL_SVC_RESPONDER},
    {"Several services", PL_SVC_ALL | PL_SVC_LOCAL | PL_SVC_GATEWAY},
    {"Gateway and `make run`", PL_SVC_LOCAL | PL_SVC_GATEWAY},
};

#define GROUPS (sizeof(groups) / sizeof(groups[0]))

static size_t
group_of(const struct pl_setting *row)
{
	size_t g = 0;

	if ((row->services & PL_SVC_ALL) == 0)
		return GROUPS - 1;
	while (g < GROUPS - 2 && (row->services & ~groups[g].services) != 0)
		g++;
	return g;
}

static bool
has_rows(size_t group)
{
	for (size_t i = 0; i < pl_settings_rows; i++)
		if (group_of(&pl_settings_table[i]) == group)
			return true;
	return false;
}

static void
print_readers(const struct pl_setting *row)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
	    {PL_SVC_AUTH, "auth"},
	    {PL_SVC_MESSAGE, "message"},
	    {PL_SVC_PRESENCE, "presence"},
	    {PL_SVC_RESPONDER, "llm-responder"},
	    {PL_SVC_LOCAL, "make run"},
	    {PL_SVC_GATEWAY, "gateway"},
	};
	const char *comma = "";

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((row->services & names[i].bit) == 0)
			continue;
		printf("%s%s", comma, names[i].name);
		comma = ", ";
	}
}

static void
print_values(const struct pl_setting *row)
{
	switch (row->type) {
	case PL_SETTING_INT:
		printf("%lld to %lld", (long long)row->least, (long long)row->most);
		if (row->unit[0] != '\0')
			printf(" %s", row->unit);
		break;
	case PL_SETTING_BOOL:
		printf("0 or 1");
		break;
	case PL_SETTING_CHOICE:
		for (const char *c = row->choices; *c != '\0'; c++)
			*c == '|' ? (void)printf(", ") : (void)putchar(*c);
		break;
	case PL_SETTING_SECRET:
		printf("secret");
		break;
	case PL_SETTING_STRING:
		printf("text");
		break;
	}
}

static void
print_markdown_row(const struct pl_setting *row)
{
	printf("| `%s`", row->name);
	if (row->alias != NULL)
		printf(" (%s `%s`)", row->alias_is_old ? "once" : "or", row->alias);
	if (row->preset != NULL)
		printf(" | `%s` | ", row->preset);
	else
		printf(" | | ");
	print_values(row);
	printf(" | ");
	print_readers(row);
	printf(" | %s |\n", row->help);
}

static void
print_markdown(size_t group)
{
	printf("%s### %s\n\n", group > 0 ? "\n" : "", groups[group].title);
	printf("| setting | default | values | read by | |\n");
	printf("| --- | --- | --- | --- | --- |\n");
	for (size_t i = 0; i < pl_settings_rows; i++)
		if (group_of(&pl_settings_table[i]) == group)
			print_markdown_row(&pl_settings_table[i]);
}

static void
print_title(size_t group)
{
	printf("%s# ---- %s ----\n", group > 0 ? "\n" : "", groups[group].title);
}

static void
print_env_row(const struct pl_setting *row)
{
	printf("#%s=%s\n", row->name, row->preset != NULL ? row->preset : "");
}

static void
print_env(size_t group)
{
	print_title(group);
	for (size_t i = 0; i < pl_settings_rows; i++) {
		const struct pl_setting *row = &pl_settings_table[i];

		if (group_of(row) != group)
			continue;
		printf("# %s\n", row->help);
		if (row->type == PL_SETTING_SECRET)
			printf("# A secret: may come as %s_FILE, the path of a file.\n",
			    row->name);
		print_env_row(row);
	}
}

/* Not what a unit sets for each process of its own, and not what only `make run` reads. */
static bool
is_left_open(const struct pl_setting *row)
{
	return (row->services & (PL_SVC_ALL | PL_SVC_GATEWAY)) != 0 &&
	       strcmp(row->name, "LISTEN") != 0 &&
	       strcmp(row->name, "PROCESS_NAME") != 0 &&
	       strcmp(row->name, "DATA_DIR") != 0;
}

/* Secrets have files of their own there, and are not to be put in here. */
static void
print_units(size_t group)
{
	print_title(group);
	for (size_t i = 0; i < pl_settings_rows; i++) {
		const struct pl_setting *row = &pl_settings_table[i];

		if (group_of(row) != group || !is_left_open(row))
			continue;
		printf("# %s\n", row->help);
		if (row->type == PL_SETTING_SECRET)
			printf("# A secret: put it into /etc/parley/secrets/%s\n",
			    row->name);
		else
			print_env_row(row);
	}
}

int
main(int argc, char **argv)
{
	void (*print)(size_t group) = NULL;

	if (argc == 2 && strcmp(argv[1], "--markdown") == 0)
		print = print_markdown;
	else if (argc == 2 && strcmp(argv[1], "--env") == 0)
		print = print_env;
	else if (argc == 2 && strcmp(argv[1], "--units") == 0)
		print = print_units;
	else if (argc == 3 && strcmp(argv[1], "--check") == 0)
		return settings_check(argv[2]);
	if (print == NULL) {
		fprintf(stderr, "usage: parley-settings --markdown | --env | --units | "
				"--check run | --check gateway\n");
		return 2;
	}
	for (size_t g = 0; g < GROUPS; g++)
		if (has_rows(g))
			print(g);
	return 0;
}
