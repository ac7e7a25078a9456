#include "avatar.h"

#include "picture.h"

static bool
find_type(struct pl_str file, enum pl_avatar_type *out)
{
	if (pl_str_starts(file, PL_STR("\x89PNG\r\n\x1a\n")))
		*out = PL_AVATAR_PNG;
	else if (pl_str_starts(file, PL_STR("\xff\xd8\xff")))
		*out = PL_AVATAR_JPEG;
	else if (pl_str_starts(file, PL_STR("RIFF")) && file.len >= 12 &&
		 memcmp(file.ptr + 8, "WEBP", 4) == 0)
		*out = PL_AVATAR_WEBP;
	else
		return false;
	return true;
}

static enum pl_err
read_file(struct pl_str file, enum pl_avatar_type type, struct picture *out,
    unsigned *orientation)
{
	switch (type) {
	case PL_AVATAR_PNG:
		return png_read(file, out, orientation);
	case PL_AVATAR_JPEG:
		return jpeg_read(file, out, orientation);
	case PL_AVATAR_WEBP:
		return webp_read(file, out, orientation);
	}
	return PL_E_INVALID;
}

/* As what it came, if it gets short enough. */
static enum pl_err
write_same(const struct picture *p, enum pl_avatar_type type, struct pl_buf *out)
{
	switch (type) {
	case PL_AVATAR_PNG:
		return png_write(p, out);
	case PL_AVATAR_JPEG:
		return jpeg_write(p, 88, out);
	case PL_AVATAR_WEBP:
		break;
	}
	return webp_write(p, 88, out);
}

static enum pl_err
write_file(const struct picture *p, enum pl_avatar_type *type, struct pl_buf *out)
{
	static const int coarser[] = {75, 45, 15, 0};
	enum pl_err err = write_same(p, *type, out);

	for (size_t i = 0; err == PL_E_TOO_BIG && i < sizeof(coarser) / sizeof(int);
	     i++) {
		*type = PL_AVATAR_WEBP;
		err = webp_write(p, coarser[i], out);
	}
	return err;
}

enum pl_err
avatar_make(struct pl_str file, enum pl_avatar_type *type, struct pl_buf *out)
{
	enum pl_avatar_type found;
	struct picture p;
	unsigned orientation = 1;
	enum pl_err err;

	pl_buf_init(out, AVATAR_FILE_BYTES_MAX);
	if (!find_type(file, &found))
		return PL_E_INVALID;
	err = read_file(file, found, &p, &orientation);
	if (err != PL_OK)
		return err;
	picture_turn(&p, orientation);
	err = write_file(&p, &found, out);
	picture_fini(&p);
	if (err == PL_OK)
		*type = found;
	return err;
}
