/*
 * fuzz_fold: a name of any bytes. What is made of it is bounded and UTF-8, begins with no
 * space, and does not change if it is made again: the folded name's words are the name's.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/fold.h"
#include "base/mem.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_words(struct pl_fold_words *w)
{
	pl_fold_words_sort(w);
	assert(w->count <= PL_FOLD_WORDS_MAX);
	for (size_t i = 0; i < w->count; i++) {
		assert(w->items[i][0] != '\0');
		assert(strlen(w->items[i]) <= PL_FOLD_WORD_BYTES_MAX);
		assert(pl_utf8_is_valid(pl_str(w->items[i])));
		assert(i == 0 || strcmp(w->items[i - 1], w->items[i]) < 0);
	}
	pl_fold_words_fini(w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pl_fold_words words = {0}, query = {0};
	struct pl_buf once, twice;
	char *copy = pl_mem_alloc(size ? size : 1);

	if (size > 0)
		memcpy(copy, data, size);
	pl_buf_init(&once, PL_BUF_UNLIMITED);
	pl_buf_init(&twice, PL_BUF_UNLIMITED);
	pl_fold_name(pl_str_n(copy, size), &once);
	assert(once.len <= PL_FOLD_NAME_BYTES_MAX);
	assert(pl_utf8_is_valid(pl_buf_str(&once)));
	assert(once.len == 0 || once.data[0] != ' ');
	pl_fold_name(pl_buf_str(&once), &twice);
	/* What was cut may end in another way. */
	assert(once.len + 32 > PL_FOLD_NAME_BYTES_MAX ||
	       pl_str_eq(pl_buf_str(&once), pl_buf_str(&twice)));
	pl_fold_words(pl_str_n(copy, size), &words);
	check_words(&words);
	pl_fold_query(pl_str_n(copy, size), &query);
	check_words(&query);
	pl_buf_fini(&once);
	pl_buf_fini(&twice);
	pl_mem_free(copy);
	return 0;
}
