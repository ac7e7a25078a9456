/*
 * avatar: any bytes become a picture that may be shown to anybody, or nothing.
 *
 *   PNG, JPEG or WebP ──► pixels, upright ──► a new file of the same kind
 *                         4 MiB at most       AVATAR_FILE_BYTES_MAX at most
 *
 * What is written holds pixels alone: no place, no camera, no profile, no text, nothing
 * after its end. A picture that is too long again as it came (PNG may grow) is written as
 * WebP, coarser each time. A photograph of all those pixels took 0.01 s of a processor
 * and 5 MiB, and noise, which a file of 256 KiB cannot hold, 1.0 s and 39 MiB: never on
 * the event loop (painter.h).
 * Pure.  Threads: any.
 */
#ifndef AUTH_AVATAR_AVATAR_H
#define AUTH_AVATAR_AVATAR_H

#include "base/buf.h"
#include "model/avatar.h"

#define AVATAR_FILE_BYTES_MAX ((size_t)256 * 1024)

/* *out is initialised by this; the caller finis it, also after a failure. PL_E_INVALID:
 * it is none of the three, or not whole. PL_E_TOO_BIG: more than PICTURE_SIDE_MAX pixels
 * on a side, or it does not get short enough. */
enum pl_err avatar_make(
    struct pl_str file, enum pl_avatar_type *type, struct pl_buf *out) PL_MUST_CHECK;

#endif
