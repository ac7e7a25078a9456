#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"

#define NAME_MAX_BYTES   128
#define SECRET_MAX_BYTES 16384 /* what a secret's file may hold */
#define GIVEN_MAX_BYTES  40    /* of a bad value, in its error */
#define LINE_MAX_BYTES   1024  /* an error */

/* A variable that is set. */
struct source {
	char name[NAME_MAX_BYTES];
	const char *text; /* NULL: none is */
};

static bool
is_read_by(const struct pl_setting *row, unsigned mask)
{
	return (row->services & mask) != 0;
}

static bool
is_text(const struct pl_setting *row)
{
	return row->type == PL_SETTING_STRING || row->type == PL_SETTING_SECRET;
}

/* ---- finding a value --------------------------------------------------------------- */

/* The row's name or alias, with suffix appended, whichever is set and not empty. False if
 * both are and differ. */
static bool
find_source(const struct pl_setting *row, const char *suffix, struct source *found,
    struct pl_buf *why)
{
	const char *names[] = {row->name, row->alias};

	*found = (struct source){0};
	for (int i = 0; i < 2 && names[i] != NULL; i++) {
		struct source one;

		snprintf(one.name, sizeof(one.name), "%s%s", names[i], suffix);
		one.text = getenv(one.name);
		if (one.text == NULL || one.text[0] == '\0')
			continue;
		if (found->text == NULL) {
			*found = one;
		} else if (strcmp(found->text, one.text) != 0) {
			pl_buf_printf(why, "%s and %s are both set and differ",
			    found->name, one.name);
			return false;
		}
	}
	return true;
}

/* Read at most size bytes; -1 and errno on failure. */
static ssize_t
read_whole(int fd, char *out, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, out + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static void
warn_if_others_read(int fd, const struct source *file)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && (st.st_mode & S_IROTH) != 0)
		pl_log_warn(
		    "secret's file was found readable by others, using it all the same",
		    PL_L_CSTR("setting", file->name), PL_L_CSTR("path", file->text));
}

static size_t
without_newline(const char *data, size_t len)
{
	if (len > 0 && data[len - 1] == '\n')
		len--;
	if (len > 0 && data[len - 1] == '\r')
		len--;
	return len;
}

/* The file's content for the caller to free, or NULL. */
static char *
read_secret(const struct source *file, struct pl_buf *why)
{
	char data[SECRET_MAX_BYTES + 1], *secret = NULL;
	ssize_t size = -1;
	size_t len;
	int fd = open(file->text, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		size = read_whole(fd, data, sizeof(data));
	if (size < 0) {
		pl_buf_printf(why, "%s names a file that cannot be read: %s", file->name,
		    strerror(errno));
		goto done;
	}
	warn_if_others_read(fd, file);
	len = without_newline(data, (size_t)size);
	if (len == 0)
		pl_buf_printf(why, "%s names an empty file", file->name);
	else if (len > SECRET_MAX_BYTES)
		pl_buf_printf(
		    why, "%s names a file over %d bytes", file->name, SECRET_MAX_BYTES);
	else if (memchr(data, '\0', len) != NULL)
		pl_buf_printf(why, "%s names a file with a NUL in it", file->name);
	else
		secret = pl_mem_strndup(data, len);
done:
	explicit_bzero(data, sizeof(data));
	if (fd >= 0)
		close(fd);
	return secret;
}

static void
warn_if_old(const struct pl_setting *row, const struct source *value)
{
	if (row->alias_is_old && value->text != NULL &&
	    strcmp(value->name, row->name) != 0)
		pl_log_warn("setting came by its old name, taking it all the same",
		    PL_L_CSTR("setting", value->name), PL_L_CSTR("now", row->name));
}

static bool
is_set_to_none(const struct pl_setting *row)
{
	const char *text = getenv(row->name);

	return row->empty_is_none && text != NULL && text[0] == '\0';
}

/* The row's value as text, for the caller to free; NULL if unset and without a default,
 * or set to none. */
static bool
find_text(const struct pl_setting *row, char **text, struct pl_buf *why)
{
	struct source value, file = {0};

	if (!find_source(row, "", &value, why))
		return false;
	if (row->type == PL_SETTING_SECRET && !find_source(row, "_FILE", &file, why))
		return false;
	warn_if_old(row, &value);
	if (value.text != NULL && file.text != NULL) {
		pl_buf_printf(
		    why, "%s and %s are both set, keep one", value.name, file.name);
		return false;
	}
	if (file.text != NULL) {
		*text = read_secret(&file, why);
		return *text != NULL;
	}
	if (value.text != NULL)
		*text = pl_mem_strdup(value.text);
	else if (!is_set_to_none(row))
		*text = pl_mem_strdup(row->preset);
	return true;
}

/* ---- understanding it -------------------------------------------------------------- */

/* What was given, if it is short and can be shown; secrets have types that do not come
 * here. */
static void
add_given(struct pl_buf *why, const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] > '~')
			return;
	if (len <= GIVEN_MAX_BYTES)
		pl_buf_printf(why, ", not '%s'", text);
}

/* No 0 stands in front: some read 010 as ten, others as eight. */
static bool
to_int(const char *text, int64_t *out)
{
	bool is_negative = text[0] == '-';
	const char *digits = text + is_negative;
	uint64_t size;

	if (!pl_str_to_u64(pl_str(digits), INT64_MAX, &size) ||
	    (digits[0] == '0' && digits[1] != '\0'))
		return false;
	*out = is_negative ? -(int64_t)size : (int64_t)size;
	return true;
}

static bool
parse_int(
    const struct pl_setting *row, const char *text, int64_t *out, struct pl_buf *why)
{
	int64_t value;

	if (to_int(text, &value) && value >= row->least && value <= row->most) {
		*out = value;
		return true;
	}
	pl_buf_printf(why, "%s must be a whole number from %lld to %lld", row->name,
	    (long long)row->least, (long long)row->most);
	if (row->unit != NULL && row->unit[0] != '\0')
		pl_buf_printf(why, " (%s)", row->unit);
	add_given(why, text);
	return false;
}

static bool
parse_bool(const struct pl_setting *row, const char *text, bool *out, struct pl_buf *why)
{
	bool is_true = strcmp(text, "1") == 0 || strcmp(text, "true") == 0;

	if (!is_true && strcmp(text, "0") != 0 && strcmp(text, "false") != 0) {
		pl_buf_printf(why, "%s must be 0, 1, true or false", row->name);
		add_given(why, text);
		return false;
	}
	*out = is_true;
	return true;
}

static bool
parse_choice(const struct pl_setting *row, const char *text, int *out, struct pl_buf *why)
{
	struct pl_str rest = pl_str(row->choices), choice;

	for (int i = 0; pl_str_split(&rest, '|', &choice); i++) {
		if (pl_str_eq(choice, pl_str(text))) {
			*out = i;
			return true;
		}
	}
	pl_buf_printf(why, "%s must be one of ", row->name);
	for (const char *c = row->choices; *c != '\0'; c++)
		pl_buf_add_cstr(why, *c == '|' ? ", " : (char[]){*c, '\0'});
	add_given(why, text);
	return false;
}

/* Put the value where it belongs; takes text. */
static bool
store_text(const struct pl_setting *row, char *text, void *place, struct pl_buf *why)
{
	bool ok = true;

	if (text == NULL)
		return true;
	switch (row->type) {
	case PL_SETTING_STRING:
	case PL_SETTING_SECRET:
		*(char **)place = text;
		return true;
	case PL_SETTING_INT:
		ok = parse_int(row, text, place, why);
		break;
	case PL_SETTING_BOOL:
		ok = parse_bool(row, text, place, why);
		break;
	case PL_SETTING_CHOICE:
		ok = parse_choice(row, text, place, why);
		break;
	}
	pl_mem_free(text);
	return ok;
}

static void *
place_of(const struct pl_setting *row, void *values)
{
	return (char *)values + row->offset;
}

/* ---- wiping ------------------------------------------------------------------------ */

/* proc(5), /proc/PID/stat: fields are counted from 1, and the third follows a ')'. */
#define STAT_ENV_START 50

/* The memory that /proc/PID/environ shows: the environment as the process was started
 * with. environ may point elsewhere since; kore moves it to make room for its title. */
struct shown {
	char *from;
	char *to;
};

static struct shown
find_shown(void)
{
	char line[2048], *at = NULL;
	FILE *file = fopen("/proc/self/stat", "re");
	uintptr_t from, to;

	if (file != NULL) {
		at = fgets(line, sizeof(line), file) != NULL ? strrchr(line, ')') : NULL;
		fclose(file);
	}
	for (int field = 2; at != NULL && field < STAT_ENV_START; field++)
		at = strchr(at + 1, ' ');
	if (at == NULL)
		return (struct shown){NULL, NULL};
	from = strtoull(at, &at, 10);
	to = strtoull(at, NULL, 10);
	return (struct shown){(char *)from, (char *)to};
}

/* entry has len bytes: "NAME=value". */
static void
wipe_if_named(char *entry, size_t len, const char *name)
{
	size_t name_len = strlen(name);

	if (len > name_len && strncmp(entry, name, name_len) == 0 &&
	    entry[name_len] == '=')
		explicit_bzero(entry + name_len + 1, len - name_len - 1);
}

/* unsetenv() alone does not wipe the text. */
static void
wipe_variable(const char *name, struct shown shown)
{
	size_t len;

	for (char **at = environ; at != NULL && *at != NULL; at++)
		wipe_if_named(*at, strlen(*at), name);
	for (char *at = shown.from; at < shown.to; at += len + 1) {
		len = strnlen(at, (size_t)(shown.to - at));
		wipe_if_named(at, len, name);
	}
	unsetenv(name);
}

/* All of them: a secret that this service does not read must not be shown either. */
static void
wipe_secrets(const struct pl_setting *table, size_t rows)
{
	struct shown shown = find_shown();

	for (size_t i = 0; i < rows; i++) {
		if (table[i].type != PL_SETTING_SECRET)
			continue;
		wipe_variable(table[i].name, shown);
		if (table[i].alias != NULL)
			wipe_variable(table[i].alias, shown);
	}
}

/* ---- the table --------------------------------------------------------------------- */

void
pl_config_add_line(struct pl_buf *why, struct pl_str line)
{
	if (why->len > 0)
		pl_buf_add_char(why, '\n');
	pl_buf_add_str(why, line);
}

/* False: *why has one more line. */
static bool
load_row(const struct pl_setting *row, void *place, struct pl_buf *why)
{
	struct pl_buf line;
	char *text = NULL;
	bool ok;

	pl_buf_init(&line, LINE_MAX_BYTES);
	ok = find_text(row, &text, &line) && store_text(row, text, place, &line);
	if (!ok)
		pl_config_add_line(why, pl_buf_str(&line));
	pl_buf_fini(&line);
	return ok;
}

enum pl_err
pl_config_load(const struct pl_setting *table, size_t rows, unsigned mask, void *values,
    struct pl_buf *why)
{
	bool ok = true;

	for (size_t i = 0; i < rows; i++)
		if (is_read_by(&table[i], mask) &&
		    !load_row(&table[i], place_of(&table[i], values), why))
			ok = false;
	wipe_secrets(table, rows);
	if (!ok)
		pl_config_free(table, rows, mask, values);
	return ok ? PL_OK : PL_E_INVALID;
}

static struct pl_str
choice_at(const char *choices, int index)
{
	struct pl_str rest = pl_str(choices), choice = PL_STR_NONE;

	while (index-- >= 0 && pl_str_split(&rest, '|', &choice))
		;
	return choice;
}

void
pl_config_add_value(const struct pl_setting *row, const void *values, struct pl_buf *out)
{
	const void *place = (const char *)values + row->offset;

	switch (row->type) {
	case PL_SETTING_INT:
		if (*(const int64_t *)place >= row->least)
			pl_buf_printf(out, "%lld", (long long)*(const int64_t *)place);
		break;
	case PL_SETTING_BOOL:
		pl_buf_add_char(out, *(const bool *)place ? '1' : '0');
		break;
	case PL_SETTING_CHOICE:
		pl_buf_add_str(out, choice_at(row->choices, *(const int *)place));
		break;
	case PL_SETTING_STRING:
	case PL_SETTING_SECRET:
		if (*(char *const *)place != NULL)
			pl_buf_add_cstr(out, *(char *const *)place);
		break;
	}
}

static struct pl_log_field
value_field(const struct pl_setting *row, const void *place)
{
	const char *text;

	switch (row->type) {
	case PL_SETTING_INT:
		return PL_L_INT("value", *(const int64_t *)place);
	case PL_SETTING_BOOL:
		return PL_L_CSTR("value", *(const bool *)place ? "true" : "false");
	case PL_SETTING_CHOICE:
		return PL_L_STR("value", choice_at(row->choices, *(const int *)place));
	case PL_SETTING_STRING:
	case PL_SETTING_SECRET:
		break;
	}
	text = *(char *const *)place;
	if (text == NULL)
		return PL_L_CSTR("value", "unset");
	return PL_L_CSTR("value", row->type == PL_SETTING_SECRET ? "set" : text);
}

void
pl_config_log(
    const struct pl_setting *table, size_t rows, unsigned mask, const void *values)
{
	for (size_t i = 0; i < rows; i++) {
		const struct pl_setting *row = &table[i];
		const char *unit = row->unit != NULL ? row->unit : "";

		if (is_read_by(row, mask))
			pl_log_info("setting was read", PL_L_CSTR("name", row->name),
			    value_field(row, (const char *)values + row->offset),
			    PL_L_CSTR(unit[0] != '\0' ? "unit" : NULL, unit));
	}
}

void
pl_config_free(const struct pl_setting *table, size_t rows, unsigned mask, void *values)
{
	for (size_t i = 0; i < rows; i++) {
		char **text = place_of(&table[i], values);

		if (!is_read_by(&table[i], mask) || !is_text(&table[i]) || *text == NULL)
			continue;
		pl_mem_wipe_free(*text, strlen(*text));
		*text = NULL;
	}
}
