#include "answer.h"
#include "base/json.h"
#include "base/json_out.h"
#include "base/utf8.h"
#include "dialect.h"

/* ---- asking ---- */

static void
write_turn(struct pl_json_out *o, const char *role, struct pl_str content)
{
	pl_jo_object(o);
	pl_jo_key(o, "role");
	pl_jo_cstr(o, role);
	pl_jo_key(o, "content");
	pl_jo_str(o, content);
	pl_jo_end_object(o);
}

static void
write_folded_turn(struct pl_json_out *o, const struct prompt *prompt)
{
	struct pl_buf text;

	pl_buf_init(&text, PL_BUF_UNLIMITED);
	pl_buf_add_cstr(&text, prompt->system);
	pl_buf_add_cstr(&text, "\n\n");
	pl_buf_add_str(&text, pl_buf_str(&prompt->turns[0].text));
	write_turn(o, "user", pl_buf_str(&text));
	pl_buf_fini(&text);
}

static void
write_messages(
    struct pl_json_out *o, const struct dialect *d, const struct prompt *prompt)
{
	size_t first = 0;

	pl_jo_array(o);
	if (d->folds_system) {
		write_folded_turn(o, prompt);
		first = 1;
	} else {
		write_turn(o, "system", pl_str(prompt->system));
	}
	for (size_t i = first; i < prompt->count; i++) {
		const struct prompt_turn *turn = &prompt->turns[i];

		write_turn(
		    o, turn->is_reply ? "assistant" : "user", pl_buf_str(&turn->text));
	}
	pl_jo_end_array(o);
}

static void
write_chat(struct pl_json_out *o, const struct dialect *d, const struct prompt *prompt)
{
	pl_jo_object(o);
	pl_jo_key(o, "model");
	pl_jo_cstr(o, d->model);
	pl_jo_key(o, "messages");
	write_messages(o, d, prompt);
	pl_jo_key(o, "stream");
	pl_jo_bool(o, false);
	if (d->kind == ENDPOINT_OLLAMA) {
		pl_jo_key(o, "options");
		pl_jo_object(o);
		pl_jo_key(o, "num_predict");
		pl_jo_int(o, DIALECT_TOKENS_MAX);
		pl_jo_end_object(o);
	} else {
		pl_jo_key(o, "max_tokens");
		pl_jo_int(o, DIALECT_TOKENS_MAX);
		pl_jo_key(o, "temperature");
		pl_jo_raw(o, PL_STR("0.5"));
	}
	pl_jo_end_object(o);
}

/* In the text form roles are marked within the text, so that a message could write a mark of
 * its own: the brackets that begin one become round. */
static void
add_unmarked(struct pl_buf *out, struct pl_str text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i], next = i + 1 < text.len ? text.ptr[i + 1] : ' ';

		if ((c == '<' && strchr("/|sS", next) != NULL && next != '\0') ||
		    (c == '[' && strchr("/Ii", next) != NULL && next != '\0'))
			c = '(';
		pl_buf_add_char(out, c);
	}
}

/* Mistral's form: [INST] user [/INST] assistant</s>[INST] user [/INST] */
static void
write_inputs(struct pl_buf *out, const struct prompt *prompt)
{
	for (size_t i = 0; i < prompt->count; i++) {
		const struct prompt_turn *turn = &prompt->turns[i];

		pl_buf_add_cstr(out, turn->is_reply ? " " : "[INST] ");
		if (i == 0) {
			add_unmarked(out, pl_str(prompt->system));
			pl_buf_add_cstr(out, "\n\n");
		}
		add_unmarked(out, pl_buf_str(&turn->text));
		pl_buf_add_cstr(out, turn->is_reply ? "</s>" : " [/INST]");
	}
}

static void
write_text(struct pl_json_out *o, const struct prompt *prompt)
{
	struct pl_buf inputs;

	pl_buf_init(&inputs, PL_BUF_UNLIMITED);
	write_inputs(&inputs, prompt);
	pl_jo_object(o);
	pl_jo_key(o, "inputs");
	pl_jo_str(o, pl_buf_str(&inputs));
	pl_jo_key(o, "parameters");
	pl_jo_object(o);
	pl_jo_key(o, "max_new_tokens");
	pl_jo_int(o, DIALECT_TOKENS_MAX);
	pl_jo_key(o, "return_full_text");
	pl_jo_bool(o, false);
	pl_jo_key(o, "details"); /* or it does not say that it was cut off */
	pl_jo_bool(o, true);
	pl_jo_end_object(o);
	pl_jo_end_object(o);
	pl_buf_fini(&inputs);
}

void
dialect_write_request(
    struct pl_buf *out, const struct dialect *d, const struct prompt *prompt)
{
	struct pl_json_out o;

	pl_jo_init(&o, out);
	if (d->kind == ENDPOINT_TEXT)
		write_text(&o, prompt);
	else
		write_chat(&o, d, prompt);
}

/* ---- reading an answer ---- */

/* A string, or the text parts of an array. False for neither. */
static bool
read_content(const struct pl_json *content, struct pl_buf *out)
{
	struct pl_str text, type;

	if (pl_json_str(content, &text))
		return pl_buf_add_str(out, text) == PL_OK;
	if (pl_json_type(content) == PL_JSON_NULL)
		return true;
	if (pl_json_type(content) != PL_JSON_ARRAY)
		return false;
	for (size_t i = 0; i < pl_json_length(content); i++) {
		const struct pl_json *part = pl_json_at(content, i);

		if (pl_json_str(pl_json_get(part, "type"), &type) &&
		    pl_str_eq(type, PL_STR("text")) &&
		    pl_json_str(pl_json_get(part, "text"), &text))
			pl_buf_add_str(out, text);
	}
	return true;
}

/* Whichever of the forms it is. */
static bool
find_content(
    const struct pl_json *root, struct pl_buf *out, const struct pl_json **reason)
{
	const struct pl_json *choice = pl_json_at(pl_json_get(root, "choices"), 0);
	const struct pl_json *generated = pl_json_get(root, "generated_text");

	if (choice != NULL) {
		*reason = pl_json_get(choice, "finish_reason");
		return read_content(
		    pl_json_get(pl_json_get(choice, "message"), "content"), out);
	}
	if (pl_json_get(root, "message") != NULL) {
		*reason = pl_json_get(root, "done_reason");
		return read_content(
		    pl_json_get(pl_json_get(root, "message"), "content"), out);
	}
	if (generated == NULL) {
		root = pl_json_at(root, 0);
		generated = pl_json_get(root, "generated_text");
	}
	*reason = pl_json_get(pl_json_get(root, "details"), "finish_reason");
	return read_content(generated, out);
}

enum pl_err
dialect_read_answer(struct pl_str body, struct pl_buf *text)
{
	const struct pl_json *reason = NULL;
	struct pl_json *root = NULL;
	struct pl_str word = PL_STR_NONE;
	struct pl_buf raw;
	enum pl_err err = PL_E_INVALID;

	pl_buf_init(&raw, body.len);
	if (pl_json_parse(body, &root, NULL) == PL_OK &&
	    find_content(root, &raw, &reason)) {
		(void)pl_json_str(reason, &word);
		if (pl_str_eq(word, PL_STR("content_filter")))
			err = PL_E_NOT_FOUND; /* refused half-way */
		else
			err = answer_clean(
			    pl_buf_str(&raw), pl_str_eq(word, PL_STR("length")), text);
	}
	pl_buf_fini(&raw);
	pl_json_free(root);
	return err;
}

/* ---- reading an error ---- */

/* {"error":{"message"}}, {"error"}, {"message"}, {"detail"}: the first that is a string. */
static bool
find_error(const struct pl_json *root, struct pl_str *text)
{
	const struct pl_json *error = pl_json_get(root, "error");

	return pl_json_str(pl_json_get(error, "message"), text) ||
	       pl_json_str(error, text) ||
	       pl_json_str(pl_json_get(root, "message"), text) ||
	       pl_json_str(pl_json_get(root, "detail"), text);
}

static void
copy_whole_chars(char *out, size_t size, struct pl_str text)
{
	size_t len = text.len < size ? text.len : size - 1;

	while (len > 0 && len < text.len && ((unsigned char)text.ptr[len] & 0xC0) == 0x80)
		len--;
	memcpy(out, text.ptr, len);
	out[len] = '\0';
}

/* Before it is shortened: a part of a secret is one, too. */
static struct pl_str
hide(struct pl_str text, const char *secret)
{
	bool shows_it =
	    secret != NULL && memmem(text.ptr, text.len, secret, strlen(secret)) != NULL;

	return shows_it ? PL_STR("(hidden)") : text;
}

void
dialect_read_error(struct pl_str body, const char *secret, struct dialect_error *out)
{
	struct pl_json *root = NULL;
	struct pl_str text;
	double seconds;

	*out = (struct dialect_error){0};
	if (pl_json_parse(body, &root, NULL) != PL_OK)
		return;
	if (find_error(root, &text))
		copy_whole_chars(out->text, sizeof(out->text), hide(text, secret));
	if (pl_json_real(pl_json_get(root, "estimated_time"), &seconds) && seconds > 0 &&
	    seconds < 86400)
		out->retry_after_ms = (int64_t)(seconds * 1000);
	pl_json_free(root);
}
