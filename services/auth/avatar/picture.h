/*
 * picture: pixels in memory, and the three kinds of file that they come from and go to.
 *
 *   rgba   height rows of width pixels of 4 bytes: red, green, blue, alpha (not premultiplied);
 *          4 MiB at most, which is the ceiling of what a file may unpack to
 *
 * Files are judged by their bytes. Readers take one picture (of an animation the first
 * frame) as sRGB, and nothing else: a colour profile is dropped, its picture may look a
 * little paler. Orientation is left to the caller. Reading: PL_E_INVALID, it is no whole
 * file of that kind; PL_E_TOO_BIG, it has more than PICTURE_SIDE_MAX pixels on a side.
 * Writing: PL_E_TOO_BIG, it takes more than out's limit. *out is untouched by a failed
 * read.
 *
 * Pure: bytes in, bytes out, no file and no clock.  Threads: any.
 * Sources: PNG (3rd edition), ITU-T T.81, the WebP container; libpng 1.6, libjpeg-turbo
 * 2.1, libwebp 1.2.
 */
#ifndef AUTH_AVATAR_PICTURE_H
#define AUTH_AVATAR_PICTURE_H

#include "base/buf.h"
#include "base/err.h"

#define PICTURE_SIDE_MAX 1024

struct picture {
	uint32_t width;
	uint32_t height;
	uint8_t *rgba; /* owned */
};

/* Zeroed pixels: all are transparent. PL_E_INVALID: a side is 0. */
enum pl_err picture_init(
    struct picture *p, uint32_t width, uint32_t height) PL_MUST_CHECK;
void picture_fini(struct picture *p);
bool picture_is_opaque(const struct picture *p);
/* Turn and mirror it as EXIF's Orientation asks: 1 to 8, 1 is upright. */
void picture_turn(struct picture *p, unsigned orientation);

/* *orientation is 1 if the file tells none. */
enum pl_err png_read(
    struct pl_str file, struct picture *out, unsigned *orientation) PL_MUST_CHECK;
enum pl_err jpeg_read(
    struct pl_str file, struct picture *out, unsigned *orientation) PL_MUST_CHECK;
enum pl_err webp_read(
    struct pl_str file, struct picture *out, unsigned *orientation) PL_MUST_CHECK;

enum pl_err png_write(const struct picture *p, struct pl_buf *out) PL_MUST_CHECK;
/* It must be opaque. quality: 1 to 100. */
enum pl_err jpeg_write(
    const struct picture *p, int quality, struct pl_buf *out) PL_MUST_CHECK;
enum pl_err webp_write(
    const struct picture *p, int quality, struct pl_buf *out) PL_MUST_CHECK;

#endif
