/*
 * buf: a byte buffer that grows up to a ceiling and no further.
 *
 *   data[0 .. len)  bytes held; data[len] is NUL whenever data is not NULL
 *   cap             bytes allocated; limit: the most that len may become
 *
 * An append that would pass the limit changes nothing and sets `overflowed`, so a writer
 * may append many times and ask once.  Threads: one at a time.
 */
#ifndef PL_BASE_BUF_H
#define PL_BASE_BUF_H

#include "base/err.h"
#include "base/str.h"

struct pl_buf {
	char *data;
	size_t len;
	size_t cap;
	size_t limit;
	bool overflowed;
};

#define PL_BUF_UNLIMITED ((size_t)1 << 40)

void pl_buf_init(struct pl_buf *b, size_t limit_bytes); /* allocates nothing yet */
void pl_buf_fini(struct pl_buf *b);                     /* frees; leaves it zeroed */
void pl_buf_clear(struct pl_buf *b);                    /* len 0, keeps the memory */
/* PL_E_TOO_BIG at the limit. The result may be ignored by those who read `overflowed`. */
enum pl_err pl_buf_add(struct pl_buf *b, const void *data, size_t len);
enum pl_err pl_buf_add_str(struct pl_buf *b, struct pl_str s);
enum pl_err pl_buf_add_cstr(struct pl_buf *b, const char *text);
enum pl_err pl_buf_add_char(struct pl_buf *b, char c);
enum pl_err pl_buf_printf(struct pl_buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* In decimal digits. */
enum pl_err pl_buf_add_number(struct pl_buf *b, uint64_t number);
/* As pl_buf_reserve(), if the memory that b has does not do. */
char *pl_buf_reserve_more(struct pl_buf *b, size_t len);
/* Room for len more bytes at data + len, for the caller to fill and add to b->len; NULL
 * at the limit. A caller that fills less sets data[len] to NUL. */
static inline char *
pl_buf_reserve(struct pl_buf *b, size_t len)
{
	if (b->data == NULL || len >= b->cap - b->len || len > b->limit - b->len)
		return pl_buf_reserve_more(b, len);
	b->data[b->len + len] = '\0';
	return b->data + b->len;
}
/* Drop the first count bytes (count <= len). */
void pl_buf_consume(struct pl_buf *b, size_t count);
/* The held bytes; borrowed until the next change. */
struct pl_str pl_buf_str(const struct pl_buf *b);
/* Hand the memory (NUL-terminated, never NULL) to the caller, who frees it with
 * pl_mem_free(); b is empty again. */
char *pl_buf_take(struct pl_buf *b);

#endif
