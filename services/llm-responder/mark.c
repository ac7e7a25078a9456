#include "mark.h"

#define NAME_MAX_BYTES    64
#define ELEMENT_MAX_BYTES 256            /* with its attributes */
#define WIDE_BAR          "\xEF\xBD\x9C" /* U+FF5C, DeepSeek's */
#define LOW_BLOCK         "\xE2\x96\x81" /* U+2581, for a space */
#define LEFT_TRIANGLE     "\xE2\x97\x81" /* U+25C1, Kimi's */
#define RIGHT_TRIANGLE    "\xE2\x96\xB7" /* U+25B7 */
#define FLORETTE          "\xE2\x9C\xBF" /* U+273F, Qwen's */

static const struct mark none;

/* ---- names ---- */

/* In lower case, with '_' for a space. */
struct name {
	char text[NAME_MAX_BYTES + 1];
	size_t len;
};

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_name_char(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("_-:./", c));
}

static bool
take(struct pl_str *s, const char *text)
{
	size_t len = strlen(text);

	if (!pl_str_starts(*s, pl_str_n(text, len)))
		return false;
	s->ptr += len;
	s->len -= len;
	return true;
}

static bool
take_bar(struct pl_str *s)
{
	return take(s, "|") || take(s, WIDE_BAR);
}

/* Take a name off *s, in lower case. False: it is too long. */
static bool
take_name(struct pl_str *s, struct name *name)
{
	while (s->len > 0) {
		char c = *s->ptr;
		bool is_block = take(s, LOW_BLOCK);

		if (!is_block && !is_name_char(c))
			break;
		if (name->len == NAME_MAX_BYTES)
			return false;
		if (!is_block)
			take(s, (char[]){c, '\0'});
		name->text[name->len++] =
		    is_block ? '_' : (char)(is_letter(c) ? c | 0x20 : c);
	}
	name->text[name->len] = '\0';
	return true;
}

static bool
is_any(const char *name, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(name, *words) == 0)
			return true;
	return false;
}

static bool
has_any(const char *name, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strstr(name, *words) != NULL)
			return true;
	return false;
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const char *const thinking[] = {
    "think", "thought", "reason", "reflect", "monolog", "scratchpad", NULL};

static bool
is_closing(const char *name)
{
	return name[0] == '/' || strncmp(name, "end", 3) == 0 ||
	       has_any(name, WORDS("_end", "-end", "/end"));
}

/* ---- tokens ---- */

static enum mark_kind
role_of(const char *name)
{
	if (has_any(name, WORDS("assistant", "chatbot", "model")) ||
	    is_any(name, WORDS("bot", "ai", "gpt")))
		return MARK_OURS;
	if (has_any(name, WORDS("user", "human", "system", "developer")))
		return MARK_THEIRS;
	return MARK_BORDER;
}

/* What a token means, by its name; the first row that fits counts. */
static enum mark_kind
token_kind(const char *name)
{
	bool closes = is_closing(name);

	if (has_any(name, WORDS("tool", "function", "call", "action", "python_tag",
			      "plugin", "interpreter", "observation", "ipython")))
		return MARK_CALL;
	if (has_any(name, thinking))
		return closes ? MARK_THOUGHT_END : MARK_THOUGHT;
	if (has_any(name, WORDS("solution", "response", "answer")))
		return closes ? MARK_ANSWER_END : MARK_ANSWER;
	if (has_any(name, WORDS("constrain", "_box")))
		return MARK_NOTHING;
	if (strcmp(name, "channel") == 0)
		return MARK_CHANNEL;
	if (is_any(name, WORDS("message", "im_sep", "im_middle", "sep")) ||
	    (closes && has_any(name, WORDS("header", "role"))))
		return MARK_BODY;
	if (closes)
		return MARK_BORDER;
	if (is_any(name, WORDS("start", "turn")) ||
	    (has_any(name, WORDS("start", "begin")) &&
		has_any(name, WORDS("im_", "header", "role", "turn"))))
		return MARK_HEADER;
	return role_of(name);
}

/* <|channel>thought ... <channel|>: Gemma's halves. */
static enum mark_kind
half_kind(const char *name, bool is_first)
{
	if (strcmp(name, "channel") == 0)
		return is_first ? MARK_THOUGHT : MARK_THOUGHT_END;
	if (has_any(name, thinking))
		return is_first ? MARK_THOUGHT : MARK_THOUGHT_END;
	if (!is_first && token_kind(name) != MARK_CALL)
		return MARK_BORDER;
	return token_kind(name);
}

static const char *
find_end(struct pl_str s)
{
	return memchr(s.ptr, '>', s.len < ELEMENT_MAX_BYTES ? s.len : ELEMENT_MAX_BYTES);
}

/* A part may follow the second bar: <｜DSML｜invoke name="x">, DeepSeek's call. */
static struct mark
token_at(struct pl_str text)
{
	struct name name = {.len = 0};
	struct pl_str s = text;
	bool is_slashed, opens, closes;

	take(&s, "<");
	is_slashed = take(&s, "/");
	opens = take_bar(&s);
	if (!take_name(&s, &name) || name.len < 2)
		return none;
	closes = take_bar(&s);
	if ((!opens && !closes) || is_slashed > opens)
		return none;
	if (opens && closes && pl_str_starts(pl_str(name.text), PL_STR("dsml"))) {
		const char *end = find_end(s);

		return end == NULL ? none
				   : (struct mark){.kind = MARK_CALL,
					 .len = (size_t)(end + 1 - text.ptr),
					 .is_token = true};
	}
	if (!take(&s, ">"))
		return none;
	return (struct mark){
	    .kind = opens && closes ? token_kind(name.text) : half_kind(name.text, opens),
	    .len = text.len - s.len,
	    .is_token = true,
	};
}

/* ---- elements ---- */

static enum mark_kind
either(bool is_end, enum mark_kind start, enum mark_kind end)
{
	return is_end ? end : start;
}

/* MedGemma's thoughts stand between two tokens that nobody named. */
static enum mark_kind
bare_token_kind(const char *name)
{
	if (strcmp(name, "unused94") == 0)
		return MARK_THOUGHT;
	if (strcmp(name, "unused95") == 0)
		return MARK_THOUGHT_END;
	if (is_any(name, WORDS("s", "bos", "eos", "pad", "unk", "sop", "eop", "eot",
			     "eod", "endoftext", "im_end")))
		return MARK_BORDER;
	if (has_any(name, WORDS("start_of_", "begin_of_", "end_of_")) ||
	    strcmp(name, "im_start") == 0)
		return token_kind(name);
	return MARK_NONE;
}

static bool
is_thought_name(const char *name)
{
	return strncmp(name, "think", 5) == 0 || strncmp(name, "thought", 7) == 0 ||
	       strncmp(name, "reasoning", 9) == 0 ||
	       has_any(name, WORDS("reflect", "monologue", "scratchpad")) ||
	       is_any(name, WORDS("analysis", "rationale", "cot", "inner_thoughts",
				"internal_thoughts"));
}

static bool
is_call_name(const char *name)
{
	return has_any(name,
		   WORDS("tool_call", "toolcall", "tool_use", "tool_code", "tool_re",
		       "function_call", "functioncall", "function_re")) ||
	       is_any(name, WORDS("tool", "tools", "function", "functions", "invoke",
				"use_tool", "arg_key", "arg_value"));
}

static struct mark
name_element(const char *name, bool is_end, struct pl_str attributes)
{
	struct mark m = {0};

	if (is_thought_name(name)) {
		m.kind = either(is_end, MARK_THOUGHT, MARK_THOUGHT_END);
	} else if (is_call_name(name)) {
		m.kind = MARK_CALL;
	} else if (is_any(name, WORDS("answer", "final_answer"))) {
		m.kind = either(is_end, MARK_ANSWER, MARK_ANSWER_END);
	} else if (is_any(name, WORDS("final", "response", "output", "solution", "reply",
				    "assistant"))) {
		m.kind = either(is_end, MARK_ANSWER, MARK_ANSWER_END);
		m.is_weak = true;
	} else if (strcmp(name, "details") == 0) { /* Open WebUI's */
		m.kind = either(is_end, MARK_THOUGHT, MARK_THOUGHT_END);
		m.is_weak = is_end;
		if (!is_end &&
		    memmem(attributes.ptr, attributes.len, "reasoning", 9) == NULL)
			m.kind = MARK_NONE;
	} else {
		m.kind = bare_token_kind(name);
	}
	return m;
}

/* <name>, </name>, <name/>, <name attribute="x">, <name=x>; of "a:name" the part after
 * the colon. */
static struct mark
element_at(struct pl_str text)
{
	struct name name = {.len = 0};
	struct pl_str s = text;
	const char *end, *local;
	struct mark m;
	bool is_end;

	take(&s, "<");
	is_end = take(&s, "/");
	if (s.len == 0 || !is_letter(*s.ptr) || !take_name(&s, &name) || s.len == 0 ||
	    strchr("> =\t\n", *s.ptr) == NULL)
		return none;
	end = find_end(s);
	if (end == NULL)
		return none;
	local = strrchr(name.text, ':');
	local = local != NULL ? local + 1 : name.text;
	if (name.len > 1 && name.text[name.len - 1] == '/') {
		name.text[name.len - 1] = '\0';
		m = name_element(local, false, s);
		m.kind = m.kind == MARK_THOUGHT ? MARK_NOTHING : m.kind;
	} else {
		m = name_element(local, is_end, pl_str_n(s.ptr, (size_t)(end - s.ptr)));
	}
	m.len = (size_t)(end + 1 - text.ptr);
	return m;
}

/* ---- the others ---- */

static enum mark_kind
bracket_kind(const char *name, bool is_end)
{
	if (strcmp(name, "inst") == 0)
		return either(is_end, MARK_THEIRS, MARK_OURS);
	if (strcmp(name, "system_prompt") == 0)
		return either(is_end, MARK_THEIRS, MARK_BORDER);
	if (strcmp(name, "think") == 0)
		return either(is_end, MARK_THOUGHT, MARK_THOUGHT_END);
	if (has_any(name, WORDS("tool_", "_tools", "function_call")))
		return MARK_CALL;
	if (is_any(name, WORDS("bos", "eos", "gmask")))
		return MARK_BORDER;
	return MARK_NONE;
}

static struct mark
bracket_at(struct pl_str text)
{
	struct name name = {.len = 0};
	struct pl_str s = text;
	bool is_end;

	take(&s, "[");
	is_end = take(&s, "/");
	if (!take_name(&s, &name) || !take(&s, "]"))
		return none;
	return (struct mark){
	    .kind = bracket_kind(name.text, is_end), .len = text.len - s.len};
}

static struct mark
triangle_at(struct pl_str text)
{
	struct name name = {.len = 0};
	struct pl_str s = text;
	bool is_end;

	take(&s, LEFT_TRIANGLE);
	is_end = take(&s, "/");
	if (!take_name(&s, &name) || !take(&s, RIGHT_TRIANGLE) ||
	    !has_any(name.text, thinking))
		return none;
	return (struct mark){.kind = either(is_end, MARK_THOUGHT, MARK_THOUGHT_END),
	    .len = text.len - s.len};
}

static struct mark
florette_at(struct pl_str text)
{
	struct name name = {.len = 0};
	struct pl_str s = text;

	take(&s, FLORETTE);
	if (!take_name(&s, &name) || !take(&s, FLORETTE) ||
	    !is_any(name.text, WORDS("function", "args", "result", "return")))
		return none;
	return (struct mark){.kind = MARK_CALL, .len = text.len - s.len};
}

static struct mark
sys_at(struct pl_str text)
{
	struct pl_str s = text;

	if (take(&s, "<<SYS>>"))
		return (struct mark){.kind = MARK_THEIRS, .len = 7};
	if (take(&s, "<</SYS>>"))
		return (struct mark){.kind = MARK_THEIRS, .len = 8}; /* still */
	return none;
}

struct mark
mark_at(struct pl_str text)
{
	struct mark m = none;

	if (pl_str_starts(text, PL_STR("<"))) {
		m = token_at(text);
		if (m.kind == MARK_NONE)
			m = element_at(text);
		if (m.kind == MARK_NONE)
			m = sys_at(text);
	} else if (pl_str_starts(text, PL_STR("["))) {
		m = bracket_at(text);
	} else if (pl_str_starts(text, PL_STR(LEFT_TRIANGLE))) {
		m = triangle_at(text);
	} else if (pl_str_starts(text, PL_STR(FLORETTE))) {
		m = florette_at(text);
	}
	return m;
}

bool
mark_is_unfinished(struct pl_str text)
{
	struct name name = {.len = 0};
	struct pl_str s = text;

	if (!take(&s, "<") && !take(&s, "[") && !take(&s, LEFT_TRIANGLE))
		return false;
	take(&s, "/");
	(void)take_bar(&s);
	if (!take_name(&s, &name))
		return false;
	(void)take_bar(&s);
	return s.len == 0;
}

size_t
mark_distance(struct pl_str text)
{
	size_t at = 0;

	while (at < text.len && text.ptr[at] != '<' && text.ptr[at] != '[' &&
	       text.ptr[at] != '\xE2')
		at++;
	return at;
}

/* ---- what is left ---- */

/* "<|ab" or "ab|>": half a token, which is not for a reader either. */
static bool
is_part_of_token(struct pl_str text)
{
	struct name name = {.len = 0};
	struct pl_str s = text;

	return take(&s, "<") && take_bar(&s) && (take_name(&s, &name), name.len >= 2);
}

bool
mark_is_in(struct pl_str text)
{
	struct mark m;
	size_t letters = 0;

	for (; text.len > 0; text.ptr++, text.len--) {
		struct pl_str s = text;

		m = mark_at(text);
		if ((m.kind != MARK_NONE && !m.is_weak) || is_part_of_token(text))
			return true;
		if (letters >= 2 && take_bar(&s) && take(&s, ">"))
			return true;
		letters = is_name_char(*text.ptr) ? letters + 1 : 0;
	}
	return false;
}
