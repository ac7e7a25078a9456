/*
 * One's own words and one's own account, with each step failing: whoever takes something
 * back and is told of an error can do it again, and then it is done.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "contract/store_faults.h"
#include "store/store_erase.h"

#define HOUR_MS 3600000

/* ---- reads ---- */

static void
say_id(struct pl_buf *out, const struct pl_oid *id)
{
	char hex[PL_OID_HEX_LEN + 1] = "";

	pl_oid_format(id, hex);
	pl_buf_printf(out, " %s", hex);
}

static enum pl_err
users_of(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_oid ids[3] = {s->eve, s->first, s->ann};
	struct pl_user_list list;
	enum pl_err err = pl_store_users_of(s->store, ids, 3, &list);

	if (err != PL_OK)
		return err;
	for (size_t i = 0; i < list.count; i++)
		pl_buf_printf(
		    out, "%s %s\n", list.items[i].username, list.items[i].profile_pic);
	pl_user_list_fini(&list);
	return PL_OK;
}

static enum pl_err
user_states(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_oid ids[3] = {s->eve, s->first, s->ann};
	struct pl_user_state_list list;
	enum pl_err err = pl_store_user_states(s->store, ids, 3, &list);

	if (err != PL_OK)
		return err;
	for (size_t i = 0; i < list.count; i++) {
		say_id(out, &list.items[i].id);
		pl_buf_printf(out, " %s %d\n", pl_status_name(list.items[i].status),
		    list.items[i].is_disabled);
	}
	pl_user_state_list_fini(&list);
	return PL_OK;
}

static enum pl_err
avatar(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_avatar picture;
	enum pl_err err = pl_store_avatar(s->store, &s->eve, &picture);

	if (err == PL_OK) {
		pl_buf_printf(
		    out, "%d %.*s\n", picture.type, (int)picture.len, picture.bytes);
		pl_avatar_fini(&picture);
	}
	return err;
}

static enum pl_err
say_places(enum pl_err err, struct pl_pos_list *list, struct pl_buf *out)
{
	if (err != PL_OK)
		return err;
	for (size_t i = 0; i < list->count; i++)
		say_id(out, &list->items[i].id);
	pl_pos_list_fini(list);
	return PL_OK;
}

static enum pl_err
positions_of(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_pos_list list;

	return say_places(
	    pl_store_positions_of(s->store, &s->ann, NULL, 100, &list), &list, out);
}

static enum pl_err
changes_of_all(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_pos_list list;

	return say_places(pl_store_changes(s->store, NULL, NULL, 100, &list), &list, out);
}

static enum pl_err
changes_of_user(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_pos_list list;

	return say_places(
	    pl_store_changes(s->store, &s->ann, NULL, 100, &list), &list, out);
}

static enum pl_err
blocks_page(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_block_list list;
	enum pl_err err = pl_store_blocks_page(s->store, &s->eve, NULL, 10, &list);

	if (err != PL_OK)
		return err;
	for (size_t i = 0; i < list.count; i++)
		say_id(out, &list.items[i].other);
	pl_block_list_fini(&list);
	return PL_OK;
}

/* An error is never taken for "yes". */
static enum pl_err
may_write(struct faults_scene *s, struct pl_buf *out)
{
	enum pl_err err = pl_store_may_write(s->store, &s->bob, &s->eve);

	assert_int_not_equal(err, PL_OK);
	if (err != PL_E_DENIED)
		return err;
	pl_buf_printf(out, "denied\n");
	return pl_store_may_write(s->store, &s->ann, &s->bob);
}

static enum pl_err
erasures(struct faults_scene *s, struct pl_buf *out)
{
	size_t count = 1000;
	enum pl_err err = pl_store_erasures(s->store, &count);

	if (err == PL_OK)
		pl_buf_printf(out, "%zu\n", count);
	return err;
}

static enum pl_err
users_tag(struct faults_scene *s, struct pl_buf *out)
{
	uint8_t tag[PL_STORE_TAG_LEN];
	enum pl_err err = pl_store_users_tag(s->store, tag);

	(void)out;
	return err == PL_E_NOT_FOUND ? PL_OK : err;
}

/* ---- words ---- */

static struct pl_write
change_of(const struct pl_oid *by, const struct pl_oid *message, const char *text)
{
	return (struct pl_write){.kind = text != NULL ? PL_WRITE_EDIT : PL_WRITE_DELETE,
	    .u.change = {.by = *by,
		.message_id = *message,
		.text = pl_str(text),
		.edit_within_ms = HOUR_MS}};
}

static void
have_word(struct faults_scene *s)
{
	if (!s->has_word)
		s->word = store_send(s->f->store, &s->ann, &s->bob, "my word").id;
	s->has_word = true;
	s->changing = s->word;
}

static enum pl_err
change(struct faults_scene *s, const char *text)
{
	struct pl_write w = change_of(&s->ann, &s->word, text);
	enum pl_err err = store_write_one(s->store, &w);

	if (err != PL_OK) {
		assert_null(w.u.change.message.text);
		return err;
	}
	assert_string_equal(w.u.change.message.text, text != NULL ? text : "");
	pl_message_fini(&w.u.change.message);
	return PL_OK;
}

static enum pl_err
edit(struct faults_scene *s, struct pl_buf *out)
{
	char text[32];

	(void)out;
	snprintf(text, sizeof(text), "my word of round %u", s->round);
	return change(s, text);
}

static enum pl_err
delete_word(struct faults_scene *s, struct pl_buf *out)
{
	enum pl_err err = change(s, NULL);

	(void)out;
	if (err == PL_OK)
		s->has_word = false;
	return err;
}

/* Each is the old one, or what was asked for, and can still be taken back. */
static void
word_can_be_deleted(struct faults_scene *s)
{
	struct pl_write w = change_of(&s->ann, &s->word, NULL);

	assert_int_equal(store_write_one(s->f->store, &w), PL_OK);
	assert_int_equal(w.u.change.message.text_len, 0);
	pl_message_fini(&w.u.change.message);
	s->has_word = false;
}

/* ---- blocks ---- */

static enum pl_err
set_block(struct pl_store *store, const struct faults_scene *s, bool is_blocked)
{
	struct pl_write w = {.kind = PL_WRITE_BLOCK,
	    .u.block = {
		.user = s->eve, .other = s->ann, .is_blocked = is_blocked, .limit = 100}};

	return store_write_one(store, &w);
}

static void
be_unblocked(struct faults_scene *s)
{
	assert_int_equal(set_block(s->f->store, s, false), PL_OK);
}

static void
be_blocked(struct faults_scene *s)
{
	assert_int_equal(set_block(s->f->store, s, true), PL_OK);
}

static enum pl_err
block(struct faults_scene *s, struct pl_buf *out)
{
	(void)out;
	return set_block(s->store, s, true);
}

static enum pl_err
unblock(struct faults_scene *s, struct pl_buf *out)
{
	(void)out;
	return set_block(s->store, s, false);
}

/* ---- who one is ---- */

static enum pl_err
set_profile(struct faults_scene *s, struct pl_buf *out)
{
	char name[32];
	struct pl_write w = {.kind = PL_WRITE_PROFILE, .u.profile = {.user = s->eve}};
	struct pl_profile_change *c = &w.u.profile.change;
	enum pl_err err;

	(void)out;
	snprintf(name, sizeof(name), "Eve the %uth", s->round);
	*c = (struct pl_profile_change){.has_full_name = true,
	    .full_name = pl_str(name),
	    .has_gender = true,
	    .gender = s->round % 2 == 0 ? PL_GENDER_MALE : PL_GENDER_FEMALE};
	err = store_write_one(s->store, &w);
	if (err == PL_OK)
		assert_string_equal(w.u.profile.after.full_name, name);
	else
		assert_null(w.u.profile.after.full_name);
	pl_user_fini(&w.u.profile.after);
	return err;
}

/* text NULL: none. */
static enum pl_err
set_picture(struct pl_store *store, const struct faults_scene *s, char *text)
{
	struct pl_avatar picture = {.user = s->eve, .type = PL_AVATAR_PNG, .bytes = text};
	struct pl_write w = {.kind = PL_WRITE_AVATAR,
	    .u.avatar = {.user = s->eve, .avatar = text != NULL ? &picture : NULL}};
	enum pl_err err;

	picture.len = text != NULL ? strlen(text) : 0;
	err = store_write_one(store, &w);
	if (err != PL_OK)
		assert_null(w.u.avatar.after.username);
	pl_user_fini(&w.u.avatar.after);
	return err;
}

static void
have_picture(struct faults_scene *s)
{
	char text[] = "a picture";

	assert_int_equal(set_picture(s->f->store, s, text), PL_OK);
}

static void
have_no_picture(struct faults_scene *s)
{
	assert_int_equal(set_picture(s->f->store, s, NULL), PL_OK);
}

static enum pl_err
put_picture(struct faults_scene *s, struct pl_buf *out)
{
	char text[32];

	(void)out;
	snprintf(text, sizeof(text), "picture %u", s->round);
	return set_picture(s->store, s, text);
}

static enum pl_err
drop_picture(struct faults_scene *s, struct pl_buf *out)
{
	(void)out;
	return set_picture(s->store, s, NULL);
}

static void
log_in(struct faults_scene *s)
{
	struct pl_write w = {.kind = PL_WRITE_SESSION, .u.session = {.user = s->eve}};

	memcpy(w.u.session.token_id, &s->round, sizeof(s->round));
	w.u.session.issued_unix_s = pl_clock_unix_ms() / 1000;
	assert_int_equal(store_write_one(s->f->store, &w), PL_OK);
}

static enum pl_err
be_seen(struct faults_scene *s, struct pl_buf *out)
{
	struct pl_write w = {
	    .kind = PL_WRITE_SEEN, .u.seen = {.user = s->eve, .step_s = 60}};

	(void)out;
	memcpy(w.u.seen.token_id, &s->round, sizeof(s->round));
	w.u.seen.seen_unix_s = pl_clock_unix_ms() / 1000 + 7200;
	return store_write_one(s->store, &w);
}

/* Of this round, for one person. */
static void
code_of(const struct faults_scene *s, uint8_t code[PL_INVITE_ID_LEN])
{
	memset(code, 0xc0, PL_INVITE_ID_LEN);
	memcpy(code, &s->round, sizeof(s->round));
}

static void
invite_one(struct faults_scene *s)
{
	struct pl_invite invite = {.uses = 1,
	    .created_unix_ms = 1700000000000,
	    .expires_unix_ms = INT64_C(4102444800000)};
	struct pl_write w = {.kind = PL_WRITE_INVITE, .u.invite = &invite};

	code_of(s, invite.code_id);
	assert_int_equal(store_write_one(s->f->store, &w), PL_OK);
}

static enum pl_err
sign_up_invited(struct faults_scene *s, struct pl_buf *out)
{
	char name[16];
	struct pl_signup signup = {.full_name = PL_STR("In Vited")};
	struct pl_write w = {.kind = PL_WRITE_INVITED};
	struct pl_user user;
	enum pl_err err;

	(void)out;
	snprintf(name, sizeof(name), "v%u", s->round);
	signup.username = pl_str(name);
	pl_user_from_signup(&user, &signup, pl_mem_strdup("hash"), pl_clock_unix_ms());
	w.u.invited.user = &user;
	code_of(s, w.u.invited.code_id);
	err = store_write_one(s->store, &w);
	pl_user_fini(&user);
	return err;
}

/* ---- being gone ---- */

static enum pl_err
note_erasure(struct pl_store *store, const struct faults_scene *s)
{
	struct pl_write w = {.kind = PL_WRITE_ERASE, .u.erase = {.user = s->leaver}};

	pl_revocation_of_all(
	    &w.u.erase.revocation, &s->leaver, pl_clock_unix_ms() / 1000 + 2);
	return store_write_one(store, &w);
}

/* Until there is nothing left to do, or one fails. */
static enum pl_err
take_steps(struct pl_store *store)
{
	struct pl_erase_step step = {.worker = 1, .lease_ms = 60000};
	enum pl_err err;
	int steps = 0;

	do {
		err = pl_store_erase_step(store, &step);
		assert_true(steps++ < 10000);
	} while (err == PL_OK && step.state != PL_ERASE_NOTHING);
	return err;
}

static void
be_about_to_leave(struct faults_scene *s)
{
	char name[16];

	if (s->has_leaver)
		return;
	s->has_leaver = true;
	snprintf(name, sizeof(name), "l%u", s->round);
	s->leaver = store_add_user(s->f->store, name);
	s->changing = s->leaver;
	store_send(s->f->store, &s->leaver, &s->bob, "to be forgotten");
	store_send(s->f->store, &s->bob, &s->leaver, "to be kept");
}

static void
be_leaving(struct faults_scene *s)
{
	be_about_to_leave(s);
	assert_int_equal(note_erasure(s->f->store, s), PL_OK);
	s->has_leaver = false;
}

static void
name_leaver(struct faults_scene *s)
{
	s->changing = s->leaver;
}

static enum pl_err
leave(struct faults_scene *s, struct pl_buf *out)
{
	enum pl_err err = note_erasure(s->store, s);

	(void)out;
	if (err == PL_OK)
		s->has_leaver = false;
	return err;
}

/* The erasure of the scene goes on by one stage. */
static enum pl_err
take_step(struct faults_scene *s, struct pl_buf *out)
{
	(void)out;
	s->step.worker = 1;
	s->step.lease_ms = 60000;
	return pl_store_erase_step(s->store, &s->step);
}

/* Whatever was done, the rest can be: the user's words are gone, and bob's are there. */
static void
leaver_can_go(struct faults_scene *s)
{
	enum pl_err err = note_erasure(s->f->store, s);
	struct pl_message_list list;

	s->has_leaver = false;
	if (err != PL_E_NOT_FOUND)
		assert_int_equal(err, PL_OK);
	assert_int_equal(take_steps(s->f->store), PL_OK);
	assert_int_equal(pl_store_messages_page(s->f->store, &s->bob, &s->leaver,
			     PL_PAGE_AFTER, NULL, 10, &list),
	    PL_OK);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.items[0].text, "");
	assert_string_equal(list.items[1].text, "to be kept");
	pl_message_list_fini(&list);
}

static enum pl_err
take_last_steps(struct faults_scene *s, struct pl_buf *out)
{
	(void)out;
	return take_steps(s->store);
}

/* The one before is gone for good. */
static void
have_leaver(struct faults_scene *s)
{
	if (!s->has_leaver)
		leaver_can_go(s);
	be_about_to_leave(s);
}

/* ---- the calls ---- */

const struct faults_call store_faults_own[] = {
    {"users_of", .run = users_of},
    {"user_states", .run = user_states},
    {"avatar", .run = avatar},
    {"positions_of", .run = positions_of},
    {"changes of all", .run = changes_of_all},
    {"changes of a user", .run = changes_of_user},
    {"blocks_page", .run = blocks_page},
    {"may_write", .run = may_write},
    {"erasures", .run = erasures},
    {"users_tag", .run = users_tag},
    {"write edit", edit, .writes = true, .prepare = have_word,
	.check = word_can_be_deleted},
    {"write delete", delete_word, .writes = true, .prepare = have_word,
	.check = word_can_be_deleted},
    {"write block", block, .writes = true, .prepare = be_unblocked},
    {"write unblock", unblock, .writes = true, .prepare = be_blocked},
    {"write profile", set_profile, .writes = true},
    {"write avatar", put_picture, .writes = true, .steps = FAULTS_COMMANDS,
	.prepare = have_no_picture},
    {"write another avatar", put_picture, .writes = true, .steps = FAULTS_COMMANDS,
	.prepare = have_picture},
    {"write no avatar", drop_picture, .writes = true, .steps = FAULTS_COMMANDS,
	.prepare = have_picture},
    {"write seen", be_seen, .writes = true, .prepare = log_in},
    {"write invited", sign_up_invited, .writes = true, .steps = FAULTS_COMMANDS,
	.prepare = invite_one},
    /* An erasure begins with the scene; a step is done when nothing of it fails. */
    {"erase_step, first", take_step, .writes = true, .steps = FAULTS_COMMITS,
	.prepare = name_leaver},
    {"erase_step, second", take_step, .writes = true, .steps = FAULTS_COMMITS,
	.prepare = name_leaver},
    {"erase_step, third", take_step, .writes = true, .steps = FAULTS_COMMITS,
	.prepare = name_leaver},
    {"erase_step, fourth", take_step, .writes = true, .steps = FAULTS_COMMITS,
	.prepare = name_leaver},
    {"erase_step, fifth", take_step, .writes = true, .steps = FAULTS_COMMITS,
	.prepare = name_leaver},
    {"erase_step, sixth", take_step, .writes = true, .steps = FAULTS_COMMITS,
	.prepare = name_leaver},
    {"erase_step, seventh", take_step, .writes = true, .steps = FAULTS_COMMITS,
	.prepare = name_leaver},
    {"erase_step, the rest", take_last_steps, .writes = true, .steps = FAULTS_COMMITS,
	.prepare = name_leaver},
    {"write erase", leave, .writes = true, .steps = FAULTS_COMMANDS,
	.prepare = have_leaver, .check = leaver_can_go},
    {.name = NULL},
};

void
store_faults_play_own(struct faults_scene *s)
{
	struct pl_write w;

	s->eve = store_add_user(s->f->store, "eve");
	have_picture(s);
	w = (struct pl_write){.kind = PL_WRITE_BLOCK,
	    .u.block = {
		.user = s->eve, .other = s->bob, .is_blocked = true, .limit = 100}};
	assert_int_equal(store_write_one(s->f->store, &w), PL_OK);
	have_word(s);
	w = change_of(&s->ann, &s->word, "my last word");
	assert_int_equal(store_write_one(s->f->store, &w), PL_OK);
	pl_message_fini(&w.u.change.message);
	be_leaving(s);
}
