#include "exif.h"

#define HEAD_LEN        8
#define ENTRY_LEN       12
#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT      3

struct block {
	const uint8_t *bytes;
	size_t len;
	bool is_big; /* the most significant byte comes first */
};

/* There are that many bytes: the caller has looked. */
static uint32_t
read_number(const struct block *b, size_t at, size_t len)
{
	uint32_t value = 0;

	for (size_t i = 0; i < len; i++)
		value = value << 8 | b->bytes[b->is_big ? at + i : at + len - 1 - i];
	return value;
}

static unsigned
read_entry(const struct block *b, size_t at)
{
	uint32_t value = read_number(b, at + 8, 2);

	if (read_number(b, at, 2) != TAG_ORIENTATION ||
	    read_number(b, at + 2, 2) != TYPE_SHORT || read_number(b, at + 4, 4) != 1)
		return 0;
	return value >= 1 && value <= 8 ? value : 1;
}

static unsigned
read_directory(const struct block *b)
{
	uint32_t at = read_number(b, 4, 4);
	unsigned orientation = 0;
	uint32_t count;

	if (at > b->len || b->len - at < 2)
		return 1;
	count = read_number(b, at, 2);
	at += 2;
	for (; count > 0 && orientation == 0 && b->len - at >= ENTRY_LEN; count--) {
		orientation = read_entry(b, at);
		at += ENTRY_LEN;
	}
	return orientation == 0 ? 1 : orientation;
}

unsigned
exif_orientation(struct pl_str tiff)
{
	static const char name[] = "Exif\0"; /* and the NUL behind it */
	struct block b;

	if (pl_str_starts(tiff, pl_str_n(name, sizeof(name)))) {
		tiff.ptr += sizeof(name);
		tiff.len -= sizeof(name);
	}
	if (tiff.len < HEAD_LEN)
		return 1;
	b = (struct block){(const uint8_t *)tiff.ptr, tiff.len, tiff.ptr[0] == 'M'};
	if ((!pl_str_starts(tiff, PL_STR("II")) && !pl_str_starts(tiff, PL_STR("MM"))) ||
	    read_number(&b, 2, 2) != 42)
		return 1;
	return read_directory(&b);
}
