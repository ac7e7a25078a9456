/*
 * fuzz_llm: the body of an LLM server's answer, read as an answer, as an error and as the
 * refusal of an option. What comes out must be fit to be stored: valid UTF-8, within its
 * length, without control characters and marks of templates. Refusals must come to an
 * end.
 */
#include <assert.h>

#include "base/utf8.h"
#include "services/llm-responder/answer.h"
#include "services/llm-responder/dialect.h"
#include "services/llm-responder/mark.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_text(struct pl_str text)
{
	uint32_t c;

	assert(pl_utf8_is_valid(text));
	assert(!mark_is_in(text));
	assert(pl_utf8_count(text) <= ANSWER_CHARS_MAX);
	while (pl_utf8_next(&text, &c))
		assert(c == '\n' || !pl_utf8_is_control(c));
}

static void
check_refusals(struct pl_str body)
{
	static const enum endpoint_kind kinds[] = {
	    ENDPOINT_CHAT, ENDPOINT_OLLAMA, ENDPOINT_TEXT};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct dialect d = {.kind = kinds[i]};
		struct dialect_options o = {.max_tokens = 80, .temperature = "0.5"};
		unsigned changes = 0;

		while (dialect_adapt(&d, body, &o))
			changes++;
		assert(changes <= 4);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pl_str body = pl_str_n(data, size);
	struct dialect_error error;
	struct pl_buf text;

	pl_buf_init(&text, PL_BUF_UNLIMITED);
	if (dialect_read_answer(body, &text) == PL_OK) {
		assert(text.len > 0);
		check_text(pl_buf_str(&text));
	}
	pl_buf_clear(&text);
	if (pl_utf8_is_valid(body) && answer_clean(body, size % 2 == 0, &text) == PL_OK)
		check_text(pl_buf_str(&text));
	pl_buf_fini(&text);
	check_refusals(body);
	dialect_read_error(body, "secret", &error);
	assert(pl_utf8_is_valid(pl_str(error.text)));
	return 0;
}
