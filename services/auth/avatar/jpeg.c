/*
 * JPEG. A file of many scans is decoded anew for each, so they have an end; what libjpeg
 * only warns of and fills in with grey is a broken file here.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "exif.h"
#include "picture.h"

#define SCANS_MAX    100 /* libjpeg's own script of a progressive file has 10 */
#define MEMORY_BYTES (32L * 1024 * 1024)
#define EXIF_MARKER  (JPEG_APP0 + 1)
#define MARKER_BYTES 0xffff /* no marker is longer */

struct guard {
	struct jpeg_error_mgr errors; /* first: libjpeg hands it back */
	struct jpeg_progress_mgr progress;
	jmp_buf away;
};

/* ---- failures ---- */

static void
on_error(j_common_ptr c)
{
	struct guard *g = (struct guard *)c->err;

	longjmp(g->away, 1);
}

/* Pixels are missing, or wrong. */
static bool
is_damage(int code)
{
	switch (code) {
	case JWRN_ARITH_BAD_CODE:
	case JWRN_HIT_MARKER:
	case JWRN_HUFF_BAD_CODE:
	case JWRN_JPEG_EOF:
	case JWRN_MUST_RESYNC:
	case JWRN_BOGUS_PROGRESSION:
		return true;
	default:
		return false;
	}
}

static void
on_message(j_common_ptr c, int level)
{
	if (level < 0 && is_damage(c->err->msg_code))
		on_error(c);
}

static void
on_progress(j_common_ptr c)
{
	if (c->is_decompressor && ((j_decompress_ptr)c)->input_scan_number > SCANS_MAX)
		on_error(c);
}

static struct jpeg_error_mgr *
guard_init(struct guard *g)
{
	struct jpeg_error_mgr *errors = jpeg_std_error(&g->errors);

	g->errors.error_exit = on_error;
	g->errors.emit_message = on_message;
	g->progress = (struct jpeg_progress_mgr){.progress_monitor = on_progress};
	return errors;
}

/* ---- reading ---- */

/* Adobe's programs store how much ink is missing. */
static void
ink_to_light(uint8_t *row, uint32_t width, bool is_adobe)
{
	for (uint8_t *at = row; width > 0; width--, at += 4) {
		unsigned black = is_adobe ? at[3] : 255U - at[3];

		for (int i = 0; i < 3; i++) {
			unsigned light = is_adobe ? at[i] : 255U - at[i];

			at[i] = (uint8_t)((light * black + 127) / 255);
		}
		at[3] = 255;
	}
}

static unsigned
find_orientation(const struct jpeg_decompress_struct *c)
{
	static const char name[] = "Exif\0";

	for (const struct jpeg_marker_struct *m = c->marker_list; m; m = m->next) {
		struct pl_str data = pl_str_n(m->data, m->data_length);

		if (m->marker == EXIF_MARKER &&
		    pl_str_starts(data, pl_str_n(name, sizeof(name))))
			return exif_orientation(data);
	}
	return 1;
}

static bool
is_ink(const struct jpeg_decompress_struct *c)
{
	return c->jpeg_color_space == JCS_CMYK || c->jpeg_color_space == JCS_YCCK;
}

static enum pl_err
read_head(struct jpeg_decompress_struct *c, struct pl_str file, struct picture *p,
    unsigned *orientation)
{
	jpeg_mem_src(c, (const unsigned char *)file.ptr, file.len);
	jpeg_save_markers(c, EXIF_MARKER, MARKER_BYTES);
	(void)jpeg_read_header(c, TRUE);
	*orientation = find_orientation(c);
	c->out_color_space = is_ink(c) ? JCS_CMYK : JCS_EXT_RGBA;
	return picture_init(p, c->image_width, c->image_height);
}

static void
read_rows(struct jpeg_decompress_struct *c, struct picture *p)
{
	(void)jpeg_start_decompress(c);
	while (c->output_scanline < c->output_height) {
		uint8_t *row = p->rgba + (size_t)c->output_scanline * p->width * 4;

		(void)jpeg_read_scanlines(c, &row, 1);
		if (c->out_color_space == JCS_CMYK)
			ink_to_light(row, p->width, c->saw_Adobe_marker);
	}
	(void)jpeg_finish_decompress(c);
}

/* What libjpeg refuses comes back by longjmp(): all that outlives it is the caller's. */
static enum pl_err
decode(struct jpeg_decompress_struct *c, struct guard *g, struct pl_str file,
    struct picture *p, unsigned *orientation)
{
	enum pl_err err;

	if (setjmp(g->away) != 0)
		return PL_E_INVALID;
	jpeg_create_decompress(c);
	c->progress = &g->progress;
	c->mem->max_memory_to_use = MEMORY_BYTES;
	err = read_head(c, file, p, orientation);
	if (err == PL_OK)
		read_rows(c, p);
	return err;
}

enum pl_err
jpeg_read(struct pl_str file, struct picture *out, unsigned *orientation)
{
	struct jpeg_decompress_struct c = {0};
	struct picture p = {0};
	unsigned found = 1;
	struct guard g;
	enum pl_err err;

	c.err = guard_init(&g);
	err = decode(&c, &g, file, &p, &found);
	if (err == PL_OK) {
		*orientation = found;
		*out = p;
	} else {
		picture_fini(&p);
	}
	jpeg_destroy_decompress(&c);
	return err;
}

/* ---- writing ---- */

struct written {
	unsigned char *bytes; /* of malloc() */
	unsigned long len;
};

static bool
encode(struct jpeg_compress_struct *c, struct guard *g, const struct picture *p,
    int quality, struct written *to)
{
	if (setjmp(g->away) != 0)
		return false;
	jpeg_create_compress(c);
	jpeg_mem_dest(c, &to->bytes, &to->len);
	c->image_width = p->width;
	c->image_height = p->height;
	c->input_components = 4;
	c->in_color_space = JCS_EXT_RGBX;
	jpeg_set_defaults(c);
	jpeg_set_quality(c, quality, TRUE);
	jpeg_start_compress(c, TRUE);
	while (c->next_scanline < c->image_height) {
		uint8_t *row = p->rgba + (size_t)c->next_scanline * p->width * 4;

		(void)jpeg_write_scanlines(c, &row, 1);
	}
	jpeg_finish_compress(c);
	return true;
}

enum pl_err
jpeg_write(const struct picture *p, int quality, struct pl_buf *out)
{
	struct jpeg_compress_struct c = {0};
	struct written to = {0};
	enum pl_err err = PL_E_INVALID;
	struct guard g;

	c.err = guard_init(&g);
	if (encode(&c, &g, p, quality, &to)) {
		err = pl_buf_add(out, to.bytes, to.len);
		free(to.bytes);
	} /* else libjpeg may have freed them already: there was no memory for more */
	jpeg_destroy_compress(&c);
	return err;
}
