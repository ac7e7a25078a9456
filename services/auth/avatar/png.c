/*
 * PNG. libpng gets a copy of the file that has the picture's own chunks alone. So nothing
 * unpacks text, profiles or the frames of an animation, of which the default picture is
 * shown, and whatever stands after the end is never read.
 */
#include <png.h>

#include "exif.h"
#include "picture.h"
#include "base/mem.h"

#define SIGNATURE "\x89PNG\r\n\x1a\n"
#define FRAME_LEN 12 /* of a chunk: length, type, checksum */
#define HEAD_LEN  13 /* of IHDR's data */

struct chunk {
	struct pl_str type;
	struct pl_str data;
	struct pl_str all;
};

static uint32_t
read_u32(const char *at)
{
	const uint8_t *b = (const uint8_t *)at;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static bool
next_chunk(struct pl_str *rest, struct chunk *out)
{
	size_t len;

	if (rest->len < FRAME_LEN)
		return false;
	len = read_u32(rest->ptr);
	if (len > rest->len - FRAME_LEN)
		return false;
	out->type = pl_str_n(rest->ptr + 4, 4);
	out->data = pl_str_n(rest->ptr + 8, len);
	out->all = pl_str_n(rest->ptr, len + FRAME_LEN);
	rest->ptr += out->all.len;
	rest->len -= out->all.len;
	return true;
}

static bool
is_of_the_picture(struct pl_str type)
{
	return pl_str_eq(type, PL_STR("IHDR")) || pl_str_eq(type, PL_STR("PLTE")) ||
	       pl_str_eq(type, PL_STR("tRNS")) || pl_str_eq(type, PL_STR("IDAT")) ||
	       pl_str_eq(type, PL_STR("IEND"));
}

/* Without it a picture cannot be shown right: the fifth bit of the first letter. */
static bool
is_critical(struct pl_str type)
{
	return (type.ptr[0] & 0x20) == 0;
}

static enum pl_err
check_head(const struct chunk *head)
{
	if (!pl_str_eq(head->type, PL_STR("IHDR")) || head->data.len != HEAD_LEN)
		return PL_E_INVALID;
	return read_u32(head->data.ptr) > PICTURE_SIDE_MAX ||
		       read_u32(head->data.ptr + 4) > PICTURE_SIDE_MAX
		   ? PL_E_TOO_BIG
		   : PL_OK;
}

/* Copy what is of the picture, up to its end. */
static enum pl_err
take_chunks(struct pl_str file, struct pl_buf *out, unsigned *orientation)
{
	struct pl_str rest = file;
	struct chunk c;
	enum pl_err err;

	if (!pl_str_starts(file, PL_STR(SIGNATURE)))
		return PL_E_INVALID;
	rest.ptr += sizeof(SIGNATURE) - 1;
	rest.len -= sizeof(SIGNATURE) - 1;
	if (!next_chunk(&rest, &c))
		return PL_E_INVALID;
	err = check_head(&c);
	(void)pl_buf_add_str(out, PL_STR(SIGNATURE));
	(void)pl_buf_add_str(out, c.all);
	while (err == PL_OK && !pl_str_eq(c.type, PL_STR("IEND"))) {
		if (!next_chunk(&rest, &c))
			return PL_E_INVALID;
		if (is_of_the_picture(c.type))
			(void)pl_buf_add_str(out, c.all);
		else if (is_critical(c.type))
			err = PL_E_INVALID;
		else if (pl_str_eq(c.type, PL_STR("eXIf")))
			*orientation = exif_orientation(c.data);
	}
	return err;
}

/* What libpng refuses comes back by longjmp(): all that outlives it is here. */
struct reader {
	png_structp png;
	png_infop info;
	struct pl_str rest;
	struct picture picture;
	png_bytep rows[PICTURE_SIDE_MAX];
};

static void
on_read(png_structp png, png_bytep to, size_t len)
{
	struct reader *r = png_get_io_ptr(png);

	if (len > r->rest.len)
		png_error(png, "it ends too soon");
	memcpy(to, r->rest.ptr, len);
	r->rest.ptr += len;
	r->rest.len -= len;
}

static void
on_warning(png_structp png, png_const_charp text)
{
	(void)png, (void)text;
}

static void
on_error(png_structp png, png_const_charp text)
{
	(void)text;
	png_longjmp(png, 1);
}

/* 8 bits of red, green, blue and alpha, whatever the file has. (The simplified API of
 * libpng 1.6.39 mixes up the rows of interlaced pictures of 16 bits.) */
static enum pl_err
ask_for_rgba(struct reader *r)
{
	png_set_scale_16(r->png);
	png_set_expand(r->png);
	png_set_gray_to_rgb(r->png);
	png_set_add_alpha(r->png, 255, PNG_FILLER_AFTER);
	(void)png_set_interlace_handling(r->png);
	png_read_update_info(r->png, r->info);
	return png_get_rowbytes(r->png, r->info) == (size_t)r->picture.width * 4
		   ? PL_OK
		   : PL_E_INVALID;
}

static enum pl_err
read_pixels(struct reader *r)
{
	enum pl_err err;

	if (setjmp(png_jmpbuf(r->png)) != 0)
		return PL_E_INVALID;
	png_set_read_fn(r->png, r, on_read);
	png_set_user_limits(r->png, PICTURE_SIDE_MAX, PICTURE_SIDE_MAX);
	png_read_info(r->png, r->info);
	err = picture_init(&r->picture, png_get_image_width(r->png, r->info),
	    png_get_image_height(r->png, r->info));
	if (err == PL_OK)
		err = ask_for_rgba(r);
	if (err != PL_OK)
		return err;
	for (uint32_t y = 0; y < r->picture.height; y++)
		r->rows[y] = r->picture.rgba + (size_t)y * r->picture.width * 4;
	png_read_image(r->png, r->rows);
	return PL_OK;
}

static enum pl_err
decode(struct pl_str file, struct picture *out)
{
	struct reader *r = pl_mem_zalloc(sizeof(*r));
	enum pl_err err = PL_E_UNAVAILABLE; /* no memory */

	r->rest = file;
	r->png =
	    png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
	if (r->png != NULL)
		r->info = png_create_info_struct(r->png);
	if (r->info != NULL)
		err = read_pixels(r);
	if (err == PL_OK)
		*out = r->picture;
	else
		picture_fini(&r->picture);
	png_destroy_read_struct(&r->png, &r->info, NULL);
	pl_mem_free(r);
	return err;
}

enum pl_err
png_read(struct pl_str file, struct picture *out, unsigned *orientation)
{
	unsigned found = 1;
	struct pl_buf chunks;
	enum pl_err err;

	pl_buf_init(&chunks, PL_BUF_UNLIMITED); /* no longer than file */
	err = take_chunks(file, &chunks, &found);
	if (err == PL_OK)
		err = decode(pl_buf_str(&chunks), out);
	pl_buf_fini(&chunks);
	if (err == PL_OK)
		*orientation = found;
	return err;
}

/* ---- writing ---- */

static uint8_t *
without_alpha(const struct picture *p)
{
	size_t count = (size_t)p->width * p->height;
	uint8_t *rgb = pl_mem_alloc(count * 3);

	for (size_t i = 0; i < count; i++)
		memcpy(rgb + 3 * i, p->rgba + 4 * i, 3);
	return rgb;
}

enum pl_err
png_write(const struct picture *p, struct pl_buf *out)
{
	uint8_t *rgb = picture_is_opaque(p) ? without_alpha(p) : NULL;
	png_image image = {.version = PNG_IMAGE_VERSION,
	    .width = p->width,
	    .height = p->height,
	    .format = rgb != NULL ? PNG_FORMAT_RGB : PNG_FORMAT_RGBA};
	png_alloc_size_t len = out->limit - out->len;
	char *to = pl_buf_reserve(out, len);
	enum pl_err err = PL_E_TOO_BIG;

	if (to != NULL && png_image_write_to_memory(&image, to, &len, 0,
			      rgb != NULL ? rgb : p->rgba, 0, NULL)) {
		out->len += len;
		out->data[out->len] = '\0';
		err = PL_OK;
	}
	png_image_free(&image);
	pl_mem_free(rgb);
	return err;
}
