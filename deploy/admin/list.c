/* parley-admin list: every user, a page at a time, in the order of their ids. */
#include <stdio.h>

#include "admin.h"
#include "base/clock.h"
#include "show.h"

#define PAGE_USERS 500

static void
add_text(struct pl_buf *out, const struct pl_user *user)
{
	char id[PL_OID_HEX_LEN + 1], created[PL_CLOCK_ISO_LEN + 1];

	pl_oid_format(&user->id, id);
	pl_clock_format_iso(user->created_unix_ms, created);
	(void)pl_buf_printf(out, "%s  %s  %-8s  ", id, created,
	    user->is_disabled ? "disabled" : "enabled");
	show_text(out, pl_str(user->username));
	(void)pl_buf_add_char(out, '\t');
	show_text(out, pl_str(user->full_name));
	(void)pl_buf_add_char(out, '\n');
}

static void
add_json(struct pl_buf *out, const struct pl_user *user)
{
	char id[PL_OID_HEX_LEN + 1], created[PL_CLOCK_ISO_LEN + 1];

	pl_oid_format(&user->id, id);
	pl_clock_format_iso(user->created_unix_ms, created);
	(void)pl_buf_printf(out, "{\"_id\":\"%s\",\"username\":", id);
	show_json(out, pl_str(user->username));
	(void)pl_buf_add_cstr(out, ",\"fullName\":");
	show_json(out, pl_str(user->full_name));
	(void)pl_buf_printf(out,
	    ",\"status\":\"%s\",\"disabled\":%s,\"createdAt\":\"%s\"}",
	    pl_status_name(user->status), user->is_disabled ? "true" : "false", created);
}

/* The first user of all has nothing before them. */
static bool
print_page(const struct pl_user_list *page, bool is_json, bool is_first)
{
	struct pl_buf text;
	bool is_done;

	pl_buf_init(&text, PL_BUF_UNLIMITED);
	for (size_t i = 0; i < page->count; i++) {
		if (!is_json) {
			add_text(&text, &page->items[i]);
			continue;
		}
		(void)pl_buf_add_cstr(&text, is_first && i == 0 ? "\n" : ",\n");
		add_json(&text, &page->items[i]);
	}
	is_done = fwrite(text.data, 1, text.len, stdout) == text.len;
	pl_buf_fini(&text);
	return is_done;
}

static enum pl_err
read_page(struct admin *a, const struct pl_oid *after, struct pl_user_list *page)
{
	int tries = 0;
	enum pl_err err;

	do
		err = pl_store_users_page(a->store, after, PAGE_USERS, page);
	while (pl_store_try_again(err, &tries));
	return err;
}

static int
print_users(struct admin *a)
{
	struct pl_oid last;
	bool is_first = true, is_printed = true;
	size_t count;

	do {
		struct pl_user_list page;
		enum pl_err err = read_page(a, is_first ? NULL : &last, &page);

		if (err != PL_OK)
			return admin_fail("the list was broken off", err);
		count = page.count;
		if (count > 0) {
			last = page.items[count - 1].id;
			is_printed = print_page(&page, a->args.json, is_first);
		}
		is_first = false;
		pl_user_list_fini(&page);
	} while (count == PAGE_USERS && is_printed);
	if (is_printed)
		return ADMIN_DONE;
	admin_say("the list could not be printed", NULL);
	return ADMIN_NOT_DONE;
}

int
admin_list(struct admin *a)
{
	int status;

	if (a->args.json)
		(void)fputc('[', stdout);
	status = print_users(a);
	if (status != ADMIN_DONE)
		return status;
	return a->args.json ? admin_print("\n]") : ADMIN_DONE;
}
