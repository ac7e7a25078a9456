/*
 * fuzz_avatar: a file of any bytes. What is made of it is short, of the kind that is said
 * of it, no larger on a side than it may be, upright without being told to, and ends with
 * its last byte; made again, it is as large. A PNG made again has the same pixels.
 */
#include <assert.h>
#include <stdlib.h>

#include "auth/avatar/avatar.h"
#include "auth/avatar/exif.h"
#include "auth/avatar/picture.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads it as a file of the kind alone. */
static struct picture
read_as(enum pl_avatar_type type, struct pl_str file)
{
	unsigned orientation = 0;
	struct picture p = {0};
	enum pl_err err = PL_E_INVALID;

	switch (type) {
	case PL_AVATAR_PNG:
		err = png_read(file, &p, &orientation);
		break;
	case PL_AVATAR_JPEG:
		err = jpeg_read(file, &p, &orientation);
		break;
	case PL_AVATAR_WEBP:
		err = webp_read(file, &p, &orientation);
		break;
	}
	assert(err == PL_OK && orientation == 1);
	assert(p.width > 0 && p.width <= PICTURE_SIDE_MAX);
	assert(p.height > 0 && p.height <= PICTURE_SIDE_MAX);
	return p;
}

/* Its last chunk or marker is the last there is. */
static bool
ends_at_its_end(enum pl_avatar_type type, struct pl_str file)
{
	const uint8_t *b = (const uint8_t *)file.ptr;

	switch (type) {
	case PL_AVATAR_PNG:
		return file.len > 12 && memcmp(b + file.len - 8, "IEND", 4) == 0;
	case PL_AVATAR_JPEG:
		return file.len > 2 && b[file.len - 2] == 0xff && b[file.len - 1] == 0xd9;
	case PL_AVATAR_WEBP:
		return file.len > 8 && (b[4] | b[5] << 8 | b[6] << 16) + 8U == file.len;
	}
	return false;
}

static void
check_made(const struct pl_buf *made, enum pl_avatar_type type)
{
	struct picture first = read_as(type, pl_buf_str(made)), second;
	enum pl_avatar_type again;
	struct pl_buf twice;

	assert(made->len > 0 && made->len <= AVATAR_FILE_BYTES_MAX);
	assert(pl_avatar_type_name(type) != NULL);
	assert(ends_at_its_end(type, pl_buf_str(made)));
	assert(avatar_make(pl_buf_str(made), &again, &twice) == PL_OK);
	second = read_as(again, pl_buf_str(&twice));
	assert(first.width == second.width && first.height == second.height);
	assert(
	    type != PL_AVATAR_PNG || again != PL_AVATAR_PNG ||
	    memcmp(first.rgba, second.rgba, (size_t)first.width * first.height * 4) == 0);
	picture_fini(&first);
	picture_fini(&second);
	pl_buf_fini(&twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned orientation = exif_orientation(pl_str_n(data, size));
	enum pl_avatar_type type;
	struct pl_buf made;

	assert(orientation >= 1 && orientation <= 8);
	if (avatar_make(pl_str_n(data, size), &type, &made) == PL_OK)
		check_made(&made, type);
	pl_buf_fini(&made);
	return 0;
}
