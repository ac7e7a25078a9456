#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"

#define CAP_LEAST  64
#define DIGITS_MAX 20 /* of 64 bits */

void
pl_buf_init(struct pl_buf *b, size_t limit_bytes)
{
	*b = (struct pl_buf){.limit = limit_bytes};
}

void
pl_buf_fini(struct pl_buf *b)
{
	pl_mem_free(b->data);
	*b = (struct pl_buf){0};
}

void
pl_buf_clear(struct pl_buf *b)
{
	b->len = 0;
	b->overflowed = false;
	if (b->data != NULL)
		b->data[0] = '\0';
}

/* Allocate for at least need bytes and the NUL. Doubling keeps many small appends
 * linear. */
static void
grow(struct pl_buf *b, size_t need)
{
	size_t cap = b->cap * 2;

	if (cap > b->limit + 1)
		cap = b->limit + 1;
	if (cap < need + 1)
		cap = need + 1;
	if (cap < CAP_LEAST)
		cap = CAP_LEAST;
	b->data = pl_mem_realloc(b->data, cap);
	b->cap = cap;
}

char *
pl_buf_reserve_more(struct pl_buf *b, size_t len)
{
	if (len > b->limit || b->len > b->limit - len) {
		b->overflowed = true;
		return NULL;
	}
	if (b->data == NULL || b->len + len >= b->cap)
		grow(b, b->len + len);
	b->data[b->len + len] = '\0';
	return b->data + b->len;
}

enum pl_err
pl_buf_add(struct pl_buf *b, const void *data, size_t len)
{
	char *room = pl_buf_reserve(b, len);

	if (room == NULL)
		return PL_E_TOO_BIG;
	if (len > 0)
		memcpy(room, data, len);
	b->len += len;
	return PL_OK;
}

enum pl_err
pl_buf_add_str(struct pl_buf *b, struct pl_str s)
{
	return pl_buf_add(b, s.ptr, s.len);
}

enum pl_err
pl_buf_add_cstr(struct pl_buf *b, const char *text)
{
	return pl_buf_add(b, text, strlen(text));
}

enum pl_err
pl_buf_add_char(struct pl_buf *b, char c)
{
	char *room = pl_buf_reserve(b, 1);

	if (room == NULL)
		return PL_E_TOO_BIG;
	*room = c;
	b->len++;
	return PL_OK;
}

enum pl_err
pl_buf_add_number(struct pl_buf *b, uint64_t number)
{
	char digits[DIGITS_MAX];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	return pl_buf_add(b, digits + at, sizeof(digits) - at);
}

enum pl_err
pl_buf_printf(struct pl_buf *b, const char *format, ...)
{
	va_list args;
	char *room;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0)
		return PL_E_INVALID; /* unreached: of wide characters alone, which we have none of */
	room = pl_buf_reserve(b, (size_t)len);
	if (room == NULL)
		return PL_E_TOO_BIG;
	va_start(args, format);
	vsnprintf(room, (size_t)len + 1, format, args);
	va_end(args);
	b->len += (size_t)len;
	return PL_OK;
}

void
pl_buf_consume(struct pl_buf *b, size_t count)
{
	if (count == 0)
		return;
	b->len -= count;
	memmove(b->data, b->data + count, b->len);
	b->data[b->len] = '\0';
}

struct pl_str
pl_buf_str(const struct pl_buf *b)
{
	return (struct pl_str){b->data, b->len};
}

char *
pl_buf_take(struct pl_buf *b)
{
	char *data = b->data != NULL ? b->data : pl_mem_alloc(1);

	data[b->len] = '\0';
	pl_buf_init(b, b->limit);
	return data;
}
