#include "base/json_out.h"
#include "dialect.h"
#include "refusal.h"

/* ---- the prompt ---- */

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

/* The text form marks roles within the text. So that a message cannot write a mark of its
 * own, the brackets that would begin one become round. */
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
	pl_jo_key(o, "inputs");
	pl_jo_str(o, pl_buf_str(&inputs));
	pl_buf_fini(&inputs);
}

void
dialect_write_prompt(
    struct pl_buf *out, const struct dialect *d, const struct prompt *prompt)
{
	struct pl_json_out o;

	pl_jo_init(&o, out);
	pl_jo_object(&o);
	if (d->kind == ENDPOINT_TEXT) {
		write_text(&o, prompt);
		return;
	}
	pl_jo_key(&o, "model");
	pl_jo_cstr(&o, d->model);
	pl_jo_key(&o, "messages");
	write_messages(&o, d, prompt);
}

/* ---- the options ---- */

static const char *
tokens_name(const struct dialect *d, const struct dialect_options *options)
{
	if (options->tokens_name != NULL)
		return options->tokens_name;
	if (d->kind == ENDPOINT_OLLAMA)
		return "num_predict";
	return d->kind == ENDPOINT_TEXT ? "max_new_tokens" : "max_tokens";
}

static void
write_sampling(
    struct pl_json_out *o, const struct dialect *d, const struct dialect_options *options)
{
	if (options->max_tokens > 0) {
		pl_jo_key(o, tokens_name(d, options));
		pl_jo_int(o, options->max_tokens);
	}
	if (options->temperature != NULL) {
		pl_jo_key(o, "temperature");
		pl_jo_raw(o, pl_str(options->temperature));
	}
}

void
dialect_write_options(
    struct pl_buf *out, const struct dialect *d, const struct dialect_options *options)
{
	struct pl_json_out o;
	bool is_nested = d->kind != ENDPOINT_CHAT;

	pl_jo_init(&o, out);
	o.needs_comma = true; /* the prompt comes first */
	if (d->kind != ENDPOINT_TEXT && options->stream != DIALECT_STREAM_UNSAID) {
		pl_jo_key(&o, "stream");
		pl_jo_bool(&o, options->stream == DIALECT_STREAM_YES);
	}
	if (is_nested) {
		pl_jo_key(&o, d->kind == ENDPOINT_TEXT ? "parameters" : "options");
		pl_jo_object(&o);
	}
	write_sampling(&o, d, options);
	if (d->kind == ENDPOINT_TEXT) {
		pl_jo_key(&o, "return_full_text");
		pl_jo_bool(&o, false);
		if (!options->is_without_details) { /* or no reason is said */
			pl_jo_key(&o, "details");
			pl_jo_bool(&o, true);
		}
	}
	if (is_nested)
		pl_jo_end_object(&o);
	pl_jo_end_object(&o);
}

/* ---- options that a server refuses ---- */

static bool
adapt_tokens(const struct dialect *d, const struct refusal *refusal,
    struct dialect_options *options)
{
	static const char *const others[] = {
	    "max_completion_tokens", "max_output_tokens", "max_new_tokens"};
	const char *name = tokens_name(d, options);

	if (options->max_tokens == 0)
		return false;
	if (d->kind == ENDPOINT_CHAT && options->tokens_name == NULL)
		for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
			if (refusal_names(refusal, others[i]) ||
			    (refusal_names(refusal, name) &&
				refusal_says(refusal, others[i]))) {
				options->tokens_name = others[i];
				return true;
			}
	if (!refusal_names(refusal, name))
		return false;
	options->max_tokens = 0;
	return true;
}

static bool
adapt_temperature(const struct refusal *refusal, struct dialect_options *options)
{
	if (options->temperature == NULL || !refusal_names(refusal, "temperature"))
		return false;
	options->temperature = NULL;
	return true;
}

/* "This model only supports stream mode", or the parameter "stream" is refused. */
static bool
adapt_stream(const struct refusal *refusal, struct dialect_options *options)
{
	bool wants = refusal_says_part(refusal, "only support") &&
		     refusal_says_part(refusal, "stream");

	if (options->stream != DIALECT_STREAM_NO ||
	    (!wants && !refusal_quotes(refusal, "stream")))
		return false;
	wants = wants || refusal_says(refusal, "true");
	options->stream = wants ? DIALECT_STREAM_YES : DIALECT_STREAM_UNSAID;
	return true;
}

bool
dialect_adapt(
    const struct dialect *d, struct pl_str body, struct dialect_options *options)
{
	struct refusal refusal;
	bool changed = false;

	refusal_init(&refusal, body);
	if (!refusal_is_of_length(&refusal)) {
		changed = adapt_tokens(d, &refusal, options);
		changed = adapt_temperature(&refusal, options) || changed;
		if (d->kind != ENDPOINT_TEXT)
			changed = adapt_stream(&refusal, options) || changed;
		else if (!options->is_without_details &&
			 refusal_quotes(&refusal, "details"))
			changed = options->is_without_details = true;
	}
	refusal_fini(&refusal);
	return changed;
}
