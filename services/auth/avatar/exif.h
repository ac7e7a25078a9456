/*
 * exif: which way up a picture is. Of all that EXIF tells (place, camera, owner, a second
 * picture) nothing else is read, and nothing is kept.
 *
 *   "II" or "MM" (byte order)   42 (2)   where the first directory is (4)
 *   directory: count (2), then of each entry   tag (2)   type (2)   count (4)   value (4)
 *   Orientation: tag 0x0112, type 3 (SHORT), count 1, 1 to 8
 *
 * Pure.  Threads: any.  Source: EXIF 2.32, section 4.6; TIFF 6.0.
 */
#ifndef AUTH_AVATAR_EXIF_H
#define AUTH_AVATAR_EXIF_H

#include "base/str.h"

/* tiff: EXIF's block from its byte order on, perhaps after "Exif\0\0". 1 for anything
 * else. */
unsigned exif_orientation(struct pl_str tiff);

#endif
