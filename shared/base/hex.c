#include <endian.h>

#include "base/hex.h"

/* clang-format off */
const uint8_t pl_hex_values[256] = {
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7,
	['7'] = 8, ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14,
	['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15,
	['F'] = 16,
};
/* clang-format on */

/* The two digits of each byte. */
#define ROW(h)                                                                           \
	h "0" h "1" h "2" h "3" h "4" h "5" h "6" h "7" h "8" h "9" h "a" h "b" h "c" h  \
	  "d" h "e" h "f"
static const char pairs[] = ROW("0") ROW("1") ROW("2") ROW("3") ROW("4") ROW("5") ROW("6")
    ROW("7") ROW("8") ROW("9") ROW("a") ROW("b") ROW("c") ROW("d") ROW("e") ROW("f");

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))
#define EACH_PAIR(b) (UINT64_C(0x0001000100010001) * (b))

/* The eight digits of four bytes, the first in the lowest place: of each byte first its
 * high half. */
static uint64_t
eight_digits(uint32_t four)
{
	uint64_t halves, letters, x = four;

	x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
	x = (x | x << 8) & EACH_PAIR(0xff);
	halves = (x >> 4 & EACH_PAIR(0x0f)) | (x & EACH_PAIR(0x0f)) << 8;
	letters = (halves + EACH_BYTE(6)) >> 4 & EACH_BYTE(1); /* 10 and more */
	return halves + EACH_BYTE('0') + letters * ('a' - '0' - 10);
}

void
pl_hex_encode(const void *bytes, size_t len, char *out)
{
	const uint8_t *b = bytes;
	size_t i = 0;

	for (; i + 4 <= len; i += 4) {
		uint32_t four;
		uint64_t eight;

		memcpy(&four, b + i, sizeof(four));
		eight = htole64(eight_digits(le32toh(four)));
		memcpy(out + 2 * i, &eight, sizeof(eight));
	}
	for (; i < len; i++)
		memcpy(out + 2 * i, pairs + 2 * b[i], 2);
	out[2 * len] = '\0';
}

static bool
decode_byte(const char *digits, uint8_t *out)
{
	int high = pl_hex_value(digits[0]), low = pl_hex_value(digits[1]);

	if (high < 0 || low < 0)
		return false;
	*out = (uint8_t)(high << 4 | low);
	return true;
}

bool
pl_hex_decode(struct pl_str text, void *out, size_t len)
{
	uint8_t *bytes = out;

	if (text.len != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!decode_byte(text.ptr + 2 * i, &bytes[i]))
			return false;
	return true;
}

bool
pl_percent_take(struct pl_str *rest, char *out)
{
	size_t size = 1;
	uint8_t byte = (uint8_t)rest->ptr[0];

	if (byte == '%') {
		if (rest->len < 3 || !decode_byte(rest->ptr + 1, &byte))
			return false;
		size = 3;
	}
	rest->ptr += size;
	rest->len -= size;
	*out = (char)byte;
	return true;
}

static bool
stays_plain(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || (c != '\0' && strchr("-_.!~*'()", c) != NULL);
}

void
pl_percent_add(struct pl_buf *out, struct pl_str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (stays_plain(text.ptr[i]))
			(void)pl_buf_add_char(out, text.ptr[i]);
		else
			(void)pl_buf_printf(out, "%%%02X", (unsigned char)text.ptr[i]);
	}
}
