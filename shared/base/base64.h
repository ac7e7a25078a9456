/*
 * base64: RFC 4648 §4 (with padding) and §5 (URL alphabet, without).
 * Decoding is strict: no white space, no missing or extra padding, no stray bits.
 * Threads: any.
 */
#ifndef PL_BASE_BASE64_H
#define PL_BASE_BASE64_H

#include "base/buf.h"

#define PL_BASE64_LEN(bytes) (((bytes) + 2) / 3 * 4)

enum pl_err pl_base64_encode(struct pl_buf *out, const void *data, size_t len);
enum pl_err pl_base64_decode(struct pl_buf *out, struct pl_str text) PL_MUST_CHECK;
enum pl_err pl_base64url_encode(struct pl_buf *out, const void *data, size_t len);
enum pl_err pl_base64url_decode(struct pl_buf *out, struct pl_str text) PL_MUST_CHECK;

#endif
