#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <png.h>
#include <jpeglib.h>
#include <zlib.h>

#include "services/auth/avatar/avatar.h"
#include "services/auth/avatar/exif.h"
#include "services/auth/avatar/picture.h"
#include "base/mem.h"
#include "support/patience.h"

/* ---- files that the test makes, by the libraries' own ways --------------------------- */

static void
on_png_bytes(png_structp png, png_bytep data, png_size_t len)
{
	pl_buf_add(png_get_io_ptr(png), data, len);
}

struct png_kind {
	uint32_t width, height;
	int depth, color, interlace;
};

/* Each sample is by value(): sample c of the pixel at (x, y). */
static void
make_png(struct pl_buf *out, const struct png_kind *k,
    unsigned (*value)(uint32_t x, uint32_t y, unsigned c))
{
	static const png_color colors[] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}};
	static const png_byte alphas[] = {255, 128, 0};
	png_structp png =
	    png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png_create_info_struct(png);
	unsigned channels = k->color == PNG_COLOR_TYPE_RGB_ALPHA ? 4
			    : k->color == PNG_COLOR_TYPE_RGB     ? 3
								 : 1;
	size_t stride = (size_t)k->width * channels * (unsigned)(k->depth / 8);
	png_bytep *rows = pl_mem_alloc(k->height * sizeof(*rows));

	pl_buf_init(out, PL_BUF_UNLIMITED);
	png_set_write_fn(png, out, on_png_bytes, NULL);
	png_set_IHDR(png, info, k->width, k->height, k->depth, k->color, k->interlace,
	    PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	if (k->color == PNG_COLOR_TYPE_PALETTE) {
		png_set_PLTE(png, info, colors, 3);
		png_set_tRNS(png, info, alphas, 3, NULL);
	}
	png_write_info(png, info);
	for (uint32_t y = 0; y < k->height; y++) {
		rows[y] = pl_mem_zalloc(stride);
		for (uint32_t x = 0; x < k->width; x++)
			for (unsigned c = 0; c < channels; c++) {
				unsigned v = value(x, y, c);
				size_t at = (x * channels + c) * (unsigned)(k->depth / 8);

				rows[y][at] = (png_byte)(k->depth == 16 ? v >> 8 : v);
				if (k->depth == 16)
					rows[y][at + 1] = (png_byte)v;
			}
	}
	png_write_image(png, rows);
	png_write_end(png, info);
	for (uint32_t y = 0; y < k->height; y++)
		pl_mem_free(rows[y]);
	pl_mem_free(rows);
	png_destroy_write_struct(&png, &info);
}

static void
add_u32(struct pl_buf *b, uint32_t v)
{
	uint8_t bytes[] = {
	    (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

	pl_buf_add(b, bytes, 4);
}

static void
add_chunk(struct pl_buf *b, const char *type, struct pl_str data)
{
	uint32_t crc = (uint32_t)crc32(
	    crc32(0, (const Bytef *)type, 4), (const Bytef *)data.ptr, (uInt)data.len);

	add_u32(b, (uint32_t)data.len);
	pl_buf_add(b, type, 4);
	pl_buf_add_str(b, data);
	add_u32(b, crc);
}

/* Put a chunk right after IHDR. */
static void
insert_chunk(struct pl_buf *png, const char *type, struct pl_str data)
{
	struct pl_buf out;

	pl_buf_init(&out, PL_BUF_UNLIMITED);
	pl_buf_add(&out, png->data, 33);
	add_chunk(&out, type, data);
	pl_buf_add(&out, png->data + 33, png->len - 33);
	pl_buf_fini(png);
	*png = out;
}

struct jpeg_kind {
	uint32_t width, height;
	J_COLOR_SPACE space;
	bool is_progressive;
};

static void
make_jpeg(struct pl_buf *out, const struct jpeg_kind *k, const uint8_t *pixel)
{
	struct jpeg_compress_struct c = {0};
	struct jpeg_error_mgr errors;
	int channels = k->space == JCS_CMYK ? 4 : k->space == JCS_GRAYSCALE ? 1 : 3;
	uint8_t *row = pl_mem_alloc((size_t)k->width * 4);
	unsigned char *bytes = NULL;
	unsigned long len = 0;

	c.err = jpeg_std_error(&errors);
	jpeg_create_compress(&c);
	jpeg_mem_dest(&c, &bytes, &len);
	c.image_width = k->width;
	c.image_height = k->height;
	c.input_components = channels;
	c.in_color_space = k->space;
	jpeg_set_defaults(&c);
	jpeg_set_quality(&c, 95, TRUE);
	if (k->is_progressive)
		jpeg_simple_progression(&c);
	jpeg_start_compress(&c, TRUE);
	for (uint32_t x = 0; x < k->width; x++)
		memcpy(row + x * (unsigned)channels, pixel, (size_t)channels);
	while (c.next_scanline < c.image_height)
		jpeg_write_scanlines(&c, &row, 1);
	jpeg_finish_compress(&c);
	pl_buf_init(out, PL_BUF_UNLIMITED);
	pl_buf_add(out, bytes, len);
	jpeg_destroy_compress(&c);
	free(bytes);
	pl_mem_free(row);
}

/* After SOI. */
static void
insert_segment(struct pl_buf *jpeg, uint8_t marker, struct pl_str data)
{
	uint8_t head[] = {
	    0xff, marker, (uint8_t)((data.len + 2) >> 8), (uint8_t)(data.len + 2)};
	struct pl_buf out;

	pl_buf_init(&out, PL_BUF_UNLIMITED);
	pl_buf_add(&out, jpeg->data, 2);
	pl_buf_add(&out, head, 4);
	pl_buf_add_str(&out, data);
	pl_buf_add(&out, jpeg->data + 2, jpeg->len - 2);
	pl_buf_fini(jpeg);
	*jpeg = out;
}

/* Orientation 6, and a place: N 52. */
#define EXIF_TIFF                                                                        \
	"MM\0\x2a\0\0\0\x08"                                                             \
	"\0\x02"                                                                         \
	"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"                                             \
	"\x88\x25\0\x04\0\0\0\x01\0\0\0\x26"                                             \
	"\0\0\0\0"                                                                       \
	"\0\x01"                                                                         \
	"\0\x01\0\x02\0\0\0\x02N\0\0\0"                                                  \
	"\0\0\0\0GPS-52.5200"

/* ---- reading what came of it --------------------------------------------------------- */

static enum pl_err
make(const struct pl_buf *file, enum pl_avatar_type *type, struct pl_buf *out)
{
	return avatar_make(pl_buf_str(file), type, out);
}

static void
refuses(const struct pl_buf *file, enum pl_err why)
{
	enum pl_avatar_type type;
	struct pl_buf out;

	assert_int_equal(make(file, &type, &out), why);
	pl_buf_fini(&out);
}

static void
read_back(struct pl_str file, enum pl_avatar_type type, struct picture *out)
{
	unsigned turn = 0;

	if (type == PL_AVATAR_PNG)
		assert_int_equal(png_read(file, out, &turn), PL_OK);
	else if (type == PL_AVATAR_JPEG)
		assert_int_equal(jpeg_read(file, out, &turn), PL_OK);
	else
		assert_int_equal(webp_read(file, out, &turn), PL_OK);
	assert_int_equal(turn, 1);
}

/* Make it, look that it is of that type, and take its pixels; file is finied. */
static void
remake(struct pl_buf *file, enum pl_avatar_type wanted, struct picture *out)
{
	enum pl_avatar_type type;
	struct pl_buf made;

	assert_int_equal(make(file, &type, &made), PL_OK);
	assert_int_equal(type, wanted);
	assert_true(made.len <= AVATAR_FILE_BYTES_MAX);
	read_back(pl_buf_str(&made), type, out);
	pl_buf_fini(&made);
	pl_buf_fini(file);
}

static void
is_pixel(const struct picture *p, uint32_t x, uint32_t y, uint32_t rgba, int off)
{
	const uint8_t *at = p->rgba + 4 * ((size_t)y * p->width + x);

	for (int i = 0; i < 4; i++) {
		int wanted = (int)(rgba >> (24 - 8 * i) & 255);

		if (abs(at[i] - wanted) > off)
			fail_msg("(%u, %u) is %02x%02x%02x%02x", x, y, at[0], at[1],
			    at[2], at[3]);
	}
}

static bool
holds(const struct pl_buf *b, const char *text)
{
	return memmem(b->data, b->len, text, strlen(text)) != NULL;
}

/* ---- samples ------------------------------------------------------------------------- */

/* Four quarters: red, green / blue, white. */
static unsigned
quarters(uint32_t x, uint32_t y, unsigned c)
{
	static const uint8_t colors[2][2][4] = {{{255, 0, 0, 255}, {0, 255, 0, 255}},
	    {{0, 0, 255, 255}, {255, 255, 255, 255}}};

	return colors[y >= 4][x >= 4][c];
}

static unsigned
deep_quarters(uint32_t x, uint32_t y, unsigned c)
{
	return quarters(x, y, c) == 255 ? 0xffff : 0x8000;
}

static unsigned
index_by_column(uint32_t x, uint32_t y, unsigned c)
{
	(void)y, (void)c;
	return x % 3;
}

static unsigned
black(uint32_t x, uint32_t y, unsigned c)
{
	(void)x, (void)y, (void)c;
	return 0;
}

static uint64_t noise_state = 88172645463325252U;

static unsigned
noise(uint32_t x, uint32_t y, unsigned c)
{
	(void)x, (void)y, (void)c;
	noise_state ^= noise_state << 13;
	noise_state ^= noise_state >> 7;
	noise_state ^= noise_state << 17;
	return (unsigned)noise_state & 255;
}

static const struct png_kind plain = {8, 8, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE};

static void
check_quarters(const struct picture *p, int off)
{
	assert_int_equal(p->width, 8);
	assert_int_equal(p->height, 8);
	is_pixel(p, 0, 0, 0xff0000ff, off);
	is_pixel(p, 7, 0, 0x00ff00ff, off);
	is_pixel(p, 0, 7, 0x0000ffff, off);
	is_pixel(p, 7, 7, 0xffffffff, off);
}

/* ---- PNG ----------------------------------------------------------------------------- */

static void
keeps_the_pixels_of_each_kind_of_png(void **state)
{
	static const struct png_kind kinds[] = {
	    {8, 8, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE},
	    {8, 8, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_ADAM7},
	    {8, 8, 8, PNG_COLOR_TYPE_RGB_ALPHA, PNG_INTERLACE_NONE},
	    {8, 8, 8, PNG_COLOR_TYPE_RGB_ALPHA, PNG_INTERLACE_ADAM7},
	};
	struct picture p;
	struct pl_buf file;

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		make_png(&file, &kinds[i], quarters);
		remake(&file, PL_AVATAR_PNG, &p);
		check_quarters(&p, 0);
		picture_fini(&p);
	}
}

static void
makes_16_bits_8(void **state)
{
	static const struct png_kind deep = {
	    8, 8, 16, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_ADAM7};
	struct picture p;
	struct pl_buf file;

	(void)state;
	make_png(&file, &deep, deep_quarters);
	remake(&file, PL_AVATAR_PNG, &p);
	is_pixel(&p, 0, 0, 0xff8080ff, 1);
	is_pixel(&p, 7, 7, 0xffffffff, 1);
	picture_fini(&p);
}

static void
keeps_the_alpha_of_a_palette(void **state)
{
	static const struct png_kind palette = {
	    6, 2, 8, PNG_COLOR_TYPE_PALETTE, PNG_INTERLACE_NONE};
	struct picture p;
	struct pl_buf file;

	(void)state;
	make_png(&file, &palette, index_by_column);
	remake(&file, PL_AVATAR_PNG, &p);
	is_pixel(&p, 0, 0, 0xff0000ff, 0);
	is_pixel(&p, 1, 0, 0x00ff0080, 0);
	assert_int_equal(p.rgba[2 * 4 + 3], 0);
	picture_fini(&p);
}

static void
keeps_grey(void **state)
{
	static const struct png_kind grey = {
	    8, 8, 8, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE};
	struct picture p;
	struct pl_buf file;

	(void)state;
	make_png(&file, &grey, quarters);
	remake(&file, PL_AVATAR_PNG, &p);
	is_pixel(&p, 0, 0, 0xffffffff, 0);
	is_pixel(&p, 7, 0, 0x000000ff, 0);
	picture_fini(&p);
}

static void
drops_all_that_is_no_pixel_of_a_png(void **state)
{
	enum pl_avatar_type type;
	struct pl_buf file, out;

	(void)state;
	make_png(&file, &plain, quarters);
	insert_chunk(&file, "tEXt", PL_STR("Comment\0<script>alert(1)</script>"));
	insert_chunk(&file, "eXIf", pl_str_n(EXIF_TIFF, sizeof(EXIF_TIFF)));
	insert_chunk(&file, "iCCP", PL_STR("x\0\0no profile at all"));
	insert_chunk(&file, "acTL", PL_STR("\0\0\0\x02\0\0\0\0"));
	pl_buf_add_cstr(&file, "<script>trailer</script>PK\x03\x04zip");
	assert_int_equal(make(&file, &type, &out), PL_OK);
	assert_int_equal(type, PL_AVATAR_PNG);
	assert_false(holds(&out, "script"));
	assert_false(holds(&out, "GPS"));
	assert_false(holds(&out, "PK\x03\x04"));
	assert_false(holds(&out, "tEXt") || holds(&out, "eXIf") || holds(&out, "iCCP"));
	pl_buf_fini(&out);
	pl_buf_fini(&file);
}

static void
turns_a_png_as_its_exif_says(void **state)
{
	static const struct png_kind wide = {
	    8, 6, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE};
	struct picture p;
	struct pl_buf file;

	(void)state;
	make_png(&file, &wide, quarters);
	insert_chunk(&file, "eXIf", pl_str_n(EXIF_TIFF, sizeof(EXIF_TIFF)));
	remake(&file, PL_AVATAR_PNG, &p);
	assert_int_equal(p.width, 6);
	assert_int_equal(p.height, 8);
	is_pixel(
	    &p, 5, 0, 0xff0000ff, 0); /* a quarter to the right: top left is top right */
	is_pixel(&p, 5, 7, 0x00ff00ff, 0);
	is_pixel(&p, 0, 0, 0x0000ffff, 0);
	picture_fini(&p);
}

static void
refuses_a_png_that_is_cut_anywhere(void **state)
{
	struct pl_buf file;

	(void)state;
	make_png(&file, &plain, quarters);
	for (size_t len = file.len; len-- > 0;) {
		struct pl_buf cut = {.data = file.data, .len = len};

		refuses(&cut, PL_E_INVALID);
	}
	pl_buf_fini(&file);
}

static void
refuses_a_png_of_too_many_pixels_by_its_head(void **state)
{
	static const struct png_kind wide = {
	    1025, 1, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE};
	static const struct png_kind high = {
	    1, 1025, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE};
	struct pl_buf file;

	(void)state;
	make_png(&file, &wide, black);
	refuses(&file, PL_E_TOO_BIG);
	pl_buf_fini(&file);
	make_png(&file, &high, black);
	refuses(&file, PL_E_TOO_BIG);
	pl_buf_fini(&file);
	make_png(&file, &plain, quarters);
	memcpy(file.data + 16, "\x7f\xff\xff\xff\x7f\xff\xff\xff", 8);
	refuses(&file, PL_E_TOO_BIG);
	memcpy(file.data + 16, "\0\0\0\0", 4);
	memcpy(file.data + 20, "\0\0\0\x08", 4);
	refuses(&file, PL_E_INVALID);
	pl_buf_fini(&file);
}

#define PNG_ROOM_BYTES 8192 /* libpng's own, whatever the picture */

static size_t most_room; /* that inflate() had at once */

/* Before zlib's, for libpng too. */
int
inflate(z_streamp stream, int flush)
{
	int (*real)(z_streamp, int) =
	    (int (*)(z_streamp, int))dlsym(RTLD_NEXT, "inflate");

	if (stream->avail_out > most_room)
		most_room = stream->avail_out;
	return real(stream, flush);
}

static void
add_packed_zeros(struct pl_buf *out, size_t len)
{
	uLongf packed_len = compressBound(len);
	Bytef *zeros = pl_mem_zalloc(len), *packed = pl_mem_alloc(packed_len);

	assert_int_equal(compress2(packed, &packed_len, zeros, len, 9), Z_OK);
	pl_buf_add(out, packed, packed_len);
	pl_mem_free(packed);
	pl_mem_free(zeros);
}

/* 64 MiB of zeros in 64 KiB, where the head says 8 by 8, and 4 MiB beside the picture.
 * libpng goes through what is left behind the last row, and keeps nothing of it. */
static void
unpacks_into_no_more_room_than_the_head_says(void **state)
{
	enum pl_avatar_type type;
	struct pl_buf pixels, text, file, out;

	(void)state;
	pl_buf_init(&pixels, PL_BUF_UNLIMITED);
	add_packed_zeros(&pixels, (size_t)64 << 20);
	pl_buf_init(&text, PL_BUF_UNLIMITED);
	pl_buf_add_str(&text, PL_STR("Comment\0\0"));
	add_packed_zeros(&text, (size_t)4 << 20);
	pl_buf_init(&file, PL_BUF_UNLIMITED);
	pl_buf_add_cstr(&file, "\x89PNG\r\n\x1a\n");
	add_chunk(&file, "IHDR", PL_STR("\0\0\0\x08\0\0\0\x08\x08\x02\0\0\0"));
	add_chunk(&file, "zTXt", pl_buf_str(&text));
	add_chunk(&file, "IDAT", pl_buf_str(&pixels));
	add_chunk(&file, "IEND", PL_STR(""));
	most_room = 0;
	assert_int_equal(make(&file, &type, &out), PL_OK);
	assert_in_range(most_room, 1, PNG_ROOM_BYTES);
	pl_buf_fini(&out);
	pl_buf_fini(&file);
	pl_buf_fini(&text);
	pl_buf_fini(&pixels);
}

/* ---- JPEG ---------------------------------------------------------------------------- */

static void
keeps_the_colours_of_each_kind_of_jpeg(void **state)
{
	static const uint8_t orange[] = {230, 120, 40}, grey[] = {100};
	static const struct jpeg_kind base = {16, 8, JCS_RGB, false},
				      progressive = {16, 8, JCS_RGB, true},
				      gray = {16, 8, JCS_GRAYSCALE, false};
	struct picture p;
	struct pl_buf file;

	(void)state;
	make_jpeg(&file, &base, orange);
	remake(&file, PL_AVATAR_JPEG, &p);
	assert_int_equal(p.width, 16);
	is_pixel(&p, 3, 3, 0xe67828ff, 6);
	picture_fini(&p);
	make_jpeg(&file, &progressive, orange);
	remake(&file, PL_AVATAR_JPEG, &p);
	is_pixel(&p, 3, 3, 0xe67828ff, 6);
	picture_fini(&p);
	make_jpeg(&file, &gray, grey);
	remake(&file, PL_AVATAR_JPEG, &p);
	is_pixel(&p, 3, 3, 0x646464ff, 6);
	picture_fini(&p);
}

/* Of libjpeg: an Adobe marker, and so ink that is missing. */
static void
turns_ink_into_light(void **state)
{
	static const uint8_t red[] = {255, 0, 0, 255};
	static const struct jpeg_kind ink = {16, 16, JCS_CMYK, false};
	struct picture p;
	struct pl_buf file;

	(void)state;
	make_jpeg(&file, &ink, red);
	remake(&file, PL_AVATAR_JPEG, &p);
	is_pixel(&p, 8, 8, 0xff0000ff, 8);
	picture_fini(&p);
}

static void
drops_all_that_is_no_pixel_of_a_jpeg(void **state)
{
	static const uint8_t orange[] = {230, 120, 40};
	static const struct jpeg_kind base = {16, 8, JCS_RGB, false};
	enum pl_avatar_type type;
	struct pl_buf file, out;
	struct picture p;

	(void)state;
	make_jpeg(&file, &base, orange);
	insert_segment(
	    &file, 0xe1, pl_str_n("Exif\0\0" EXIF_TIFF, 6 + sizeof(EXIF_TIFF)));
	insert_segment(&file, 0xfe, PL_STR("<script>comment</script>"));
	insert_segment(&file, 0xe2, PL_STR("ICC_PROFILE\0\x01\x01 nothing"));
	pl_buf_add_cstr(&file, "<script>trailer</script>PK\x03\x04zip");
	assert_int_equal(make(&file, &type, &out), PL_OK);
	assert_false(holds(&out, "Exif") || holds(&out, "GPS") || holds(&out, "script") ||
		     holds(&out, "ICC_PROFILE") || holds(&out, "PK\x03\x04"));
	read_back(pl_buf_str(&out), type, &p);
	assert_int_equal(p.width, 8); /* it was turned */
	assert_int_equal(p.height, 16);
	picture_fini(&p);
	pl_buf_fini(&out);
	pl_buf_fini(&file);
}

static void
refuses_a_jpeg_that_is_cut_anywhere(void **state)
{
	static const uint8_t orange[] = {230, 120, 40};
	static const struct jpeg_kind base = {64, 64, JCS_RGB, true};
	struct pl_buf file;

	(void)state;
	make_jpeg(&file, &base, orange);
	for (size_t len = file.len; len-- > 0;) {
		struct pl_buf cut = {.data = file.data, .len = len};

		refuses(&cut, PL_E_INVALID);
	}
	pl_buf_fini(&file);
}

static void
refuses_a_jpeg_of_too_many_pixels(void **state)
{
	static const uint8_t orange[] = {230, 120, 40};
	static const struct jpeg_kind wide = {1025, 8, JCS_RGB, false},
				      high = {8, 1025, JCS_RGB, true};
	struct pl_buf file;

	(void)state;
	make_jpeg(&file, &wide, orange);
	refuses(&file, PL_E_TOO_BIG);
	pl_buf_fini(&file);
	make_jpeg(&file, &high, orange);
	refuses(&file, PL_E_TOO_BIG);
	pl_buf_fini(&file);
}

/* The last scan again and again: each would be gone through for all 1,024 by 1,024
 * pixels. */
static void
goes_through_a_hundred_scans_at_most(void **state)
{
	static const uint8_t orange[] = {230, 120, 40};
	static const struct jpeg_kind full = {1024, 1024, JCS_RGB, true};
	struct pl_buf file, bomb;
	size_t scan = 0;
	clock_t before;

	(void)state;
	make_jpeg(&file, &full, orange);
	for (size_t i = 2; i + 1 < file.len; i++)
		if ((uint8_t)file.data[i] == 0xff && (uint8_t)file.data[i + 1] == 0xda)
			scan = i;
	assert_true(scan > 0);
	pl_buf_init(&bomb, PL_BUF_UNLIMITED);
	pl_buf_add(&bomb, file.data, scan);
	while (bomb.len < (size_t)256 * 1024)
		pl_buf_add(&bomb, file.data + scan, file.len - 2 - scan);
	pl_buf_add(&bomb, "\xff\xd9", 2);
	before = clock();
	refuses(&bomb, PL_E_INVALID);
	assert_true((clock() - before) * 1000 / CLOCKS_PER_SEC < patient_ms(5000));
	pl_buf_fini(&bomb);
	pl_buf_fini(&file);
}

/* ---- WebP ---------------------------------------------------------------------------- */

static void
make_webp(struct pl_buf *out, uint32_t width, uint32_t height, uint32_t rgba)
{
	struct picture p;

	pl_buf_init(out, PL_BUF_UNLIMITED);
	assert_int_equal(picture_init(&p, width, height), PL_OK);
	for (size_t i = 0; i < (size_t)width * height; i++)
		for (int c = 0; c < 4; c++)
			p.rgba[4 * i + (size_t)c] = (uint8_t)(rgba >> (24 - 8 * c));
	assert_int_equal(webp_write(&p, 90, out), PL_OK);
	picture_fini(&p);
}

static void
add_riff(struct pl_buf *b, const char *type, struct pl_str data)
{
	uint32_t len = (uint32_t)data.len;
	uint8_t bytes[] = {(uint8_t)len, (uint8_t)(len >> 8), (uint8_t)(len >> 16), 0};

	pl_buf_add(b, type, 4);
	pl_buf_add(b, bytes, 4);
	pl_buf_add_str(b, data);
	if (len % 2 == 1)
		pl_buf_add_char(b, '\0');
}

static void
wrap_riff(struct pl_buf *out, struct pl_buf *chunks)
{
	struct pl_buf body;

	pl_buf_init(&body, PL_BUF_UNLIMITED);
	pl_buf_add_cstr(&body, "WEBP");
	pl_buf_add_str(&body, pl_buf_str(chunks));
	pl_buf_init(out, PL_BUF_UNLIMITED);
	add_riff(out, "RIFF", pl_buf_str(&body));
	pl_buf_fini(&body);
	pl_buf_fini(chunks);
}

static void
keeps_the_colours_and_the_alpha_of_a_webp(void **state)
{
	struct picture p;
	struct pl_buf file;

	(void)state;
	make_webp(&file, 16, 8, 0x3070b0ff);
	remake(&file, PL_AVATAR_WEBP, &p);
	assert_int_equal(p.width, 16);
	is_pixel(&p, 3, 3, 0x3070b0ff, 8);
	picture_fini(&p);
	make_webp(&file, 16, 8, 0x3070b080);
	remake(&file, PL_AVATAR_WEBP, &p);
	is_pixel(&p, 3, 3, 0x3070b080, 8);
	picture_fini(&p);
}

/* 4 by 4 at (2, 2) of a canvas of 16 by 12, then a second frame; and a place. */
static void
takes_the_first_frame_where_it_stands(void **state)
{
	static const char vp8x[] = "\x0a\0\0\0\x0f\0\0\x0b\0\0"; /* exif, animation */
	static const char at_2_2[] = "\x01\0\0\x01\0\0\x03\0\0\x03\0\0\x64\0\0\x02";
	struct pl_buf frame, chunks, anmf, file, made;
	enum pl_avatar_type type;
	struct picture p;

	(void)state;
	make_webp(&frame, 4, 4, 0xff0000ff);
	pl_buf_init(&chunks, PL_BUF_UNLIMITED);
	add_riff(&chunks, "VP8X", pl_str_n(vp8x, 10));
	add_riff(&chunks, "ANIM", PL_STR("\0\0\0\0\0\0"));
	pl_buf_init(&anmf, PL_BUF_UNLIMITED);
	pl_buf_add(&anmf, at_2_2, 16);
	pl_buf_add(&anmf, frame.data + 12, frame.len - 12);
	add_riff(&chunks, "ANMF", pl_buf_str(&anmf));
	add_riff(&chunks, "ANMF", pl_buf_str(&anmf));
	add_riff(&chunks, "EXIF", pl_str_n(EXIF_TIFF, sizeof(EXIF_TIFF)));
	wrap_riff(&file, &chunks);
	assert_int_equal(make(&file, &type, &made), PL_OK);
	assert_false(holds(&made, "GPS") || holds(&made, "ANMF") || holds(&made, "EXIF"));
	read_back(pl_buf_str(&made), type, &p);
	assert_int_equal(p.width, 12); /* turned by a quarter */
	assert_int_equal(p.height, 16);
	is_pixel(&p, 12 - 1 - 3, 3, 0xff0000ff, 12);
	assert_int_equal(p.rgba[3], 0);
	picture_fini(&p);
	pl_buf_fini(&made);
	pl_buf_fini(&file);
	pl_buf_fini(&anmf);
	pl_buf_fini(&frame);
}

static void
refuses_a_webp_that_is_cut_anywhere(void **state)
{
	struct pl_buf file;

	(void)state;
	make_webp(&file, 16, 8, 0x3070b0ff);
	for (size_t len = file.len; len-- > 0;) {
		struct pl_buf cut = {.data = file.data, .len = len};

		refuses(&cut, PL_E_INVALID);
	}
	pl_buf_fini(&file);
}

static void
refuses_a_webp_of_too_many_pixels(void **state)
{
	static const char vp8l[] =
	    "\x2f\xff\xff\xff\x0f\0\0\0\0\0"; /* 16,384 by 16,384 */
	struct pl_buf chunks, file;

	(void)state;
	pl_buf_init(&chunks, PL_BUF_UNLIMITED);
	add_riff(&chunks, "VP8L", pl_str_n(vp8l, 10));
	wrap_riff(&file, &chunks);
	refuses(&file, PL_E_TOO_BIG);
	pl_buf_fini(&file);
}

/* ---- all ----------------------------------------------------------------------------- */

static void
refuses_what_is_no_picture(void **state)
{
	static const char *const others[] = {"", "x", "\x89PNG\r\n\x1a\n", "\xff\xd8\xff",
	    "RIFF\x04\0\0\0WEBP", "GIF89a\x01\0\x01\0\0\0\0;", "<svg onload=alert(1)>",
	    "%PDF-1.4", "<!doctype html><script>", "PK\x03\x04", "BM"};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct pl_buf file;

		pl_buf_init(&file, PL_BUF_UNLIMITED);
		pl_buf_add_cstr(&file, others[i]);
		refuses(&file, PL_E_INVALID);
		pl_buf_fini(&file);
	}
}

/* Noise of all pixels does not pack: as PNG it would be 3 and 4 MiB. */
static void
makes_the_worst_picture_short_enough_in_time(void **state)
{
	static const struct png_kind kinds[] = {
	    {1024, 1024, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE},
	    {1024, 1024, 8, PNG_COLOR_TYPE_RGB_ALPHA, PNG_INTERLACE_ADAM7}};
	struct pl_buf file;
	struct picture p;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		clock_t before;

		make_png(&file, &kinds[i], noise);
		before = clock();
		remake(&file, PL_AVATAR_WEBP, &p);
		print_message("%.2f s\n", (double)(clock() - before) / CLOCKS_PER_SEC);
		assert_int_equal(p.width, 1024);
		picture_fini(&p);
	}
}

static void
turns_by_each_orientation(void **state)
{
	/* where the pixel at (0, 0) of 3 by 2 goes */
	static const uint32_t corner[9][2] = {[1] = {0, 0},
	    [2] = {2, 0},
	    [3] = {2, 1},
	    [4] = {0, 1},
	    [5] = {0, 0},
	    [6] = {1, 0},
	    [7] = {1, 2},
	    [8] = {0, 2}};
	/* and the one at (1, 0) */
	static const uint32_t next[9][2] = {[1] = {1, 0},
	    [2] = {1, 0},
	    [3] = {1, 1},
	    [4] = {1, 1},
	    [5] = {0, 1},
	    [6] = {1, 1},
	    [7] = {1, 1},
	    [8] = {0, 1}};

	(void)state;
	for (unsigned o = 1; o <= 8; o++) {
		struct picture p;

		assert_int_equal(picture_init(&p, 3, 2), PL_OK);
		p.rgba[0] = 7;
		p.rgba[4] = 8;
		picture_turn(&p, o);
		assert_int_equal(p.width, o >= 5 ? 2 : 3);
		is_pixel(&p, corner[o][0], corner[o][1], 0x07000000, 0);
		is_pixel(&p, next[o][0], next[o][1], 0x08000000, 0);
		picture_fini(&p);
	}
}

static void
reads_an_orientation_and_nothing_else(void **state)
{
	static const char little[] =
	    "II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x08\0\0";
	char far[sizeof(little)];

	(void)state;
	assert_int_equal(exif_orientation(pl_str_n(EXIF_TIFF, sizeof(EXIF_TIFF))), 6);
	assert_int_equal(
	    exif_orientation(pl_str_n("Exif\0\0" EXIF_TIFF, 6 + sizeof(EXIF_TIFF))), 6);
	assert_int_equal(exif_orientation(pl_str_n(little, sizeof(little))), 8);
	for (size_t len = 0; len + 1 < sizeof(little); len++)
		assert_int_equal(exif_orientation(pl_str_n(little, len)), 1);
	memcpy(far, little, sizeof(far));
	memcpy(far + 4, "\xff\xff\xff\xff", 4);
	assert_int_equal(exif_orientation(pl_str_n(far, sizeof(far))), 1);
	memcpy(far, little, sizeof(far));
	far[18] = 9;
	assert_int_equal(exif_orientation(pl_str_n(far, sizeof(far))), 1);
	assert_int_equal(exif_orientation(PL_STR_NONE), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keeps_the_pixels_of_each_kind_of_png),
	    cmocka_unit_test(makes_16_bits_8),
	    cmocka_unit_test(keeps_the_alpha_of_a_palette),
	    cmocka_unit_test(keeps_grey),
	    cmocka_unit_test(drops_all_that_is_no_pixel_of_a_png),
	    cmocka_unit_test(turns_a_png_as_its_exif_says),
	    cmocka_unit_test(refuses_a_png_that_is_cut_anywhere),
	    cmocka_unit_test(refuses_a_png_of_too_many_pixels_by_its_head),
	    cmocka_unit_test(unpacks_into_no_more_room_than_the_head_says),
	    cmocka_unit_test(keeps_the_colours_of_each_kind_of_jpeg),
	    cmocka_unit_test(turns_ink_into_light),
	    cmocka_unit_test(drops_all_that_is_no_pixel_of_a_jpeg),
	    cmocka_unit_test(refuses_a_jpeg_that_is_cut_anywhere),
	    cmocka_unit_test(refuses_a_jpeg_of_too_many_pixels),
	    cmocka_unit_test(goes_through_a_hundred_scans_at_most),
	    cmocka_unit_test(keeps_the_colours_and_the_alpha_of_a_webp),
	    cmocka_unit_test(takes_the_first_frame_where_it_stands),
	    cmocka_unit_test(refuses_a_webp_that_is_cut_anywhere),
	    cmocka_unit_test(refuses_a_webp_of_too_many_pixels),
	    cmocka_unit_test(refuses_what_is_no_picture),
	    cmocka_unit_test(makes_the_worst_picture_short_enough_in_time),
	    cmocka_unit_test(turns_by_each_orientation),
	    cmocka_unit_test(reads_an_orientation_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
