#include <sodium.h>

#include "base/base64.h"

#define STANDARD sodium_base64_VARIANT_ORIGINAL
#define URL      sodium_base64_VARIANT_URLSAFE_NO_PADDING

static enum pl_err
encode(struct pl_buf *out, const void *data, size_t len, int variant)
{
	/* libsodium counts the NUL and wants room for it; pl_buf_reserve() has it to
	 * spare. */
	size_t size = sodium_base64_encoded_len(len, variant);
	char *room = pl_buf_reserve(out, size - 1);

	if (room == NULL)
		return PL_E_TOO_BIG;
	sodium_bin2base64(room, size, data, len, variant);
	out->len += size - 1;
	return PL_OK;
}

/* The bytes that text stands for, if it is well formed. */
static size_t
decoded_len(struct pl_str text)
{
	size_t digits = text.len;

	while (digits > 0 && text.len - digits < 2 && text.ptr[digits - 1] == '=')
		digits--;
	return digits / 4 * 3 + digits % 4 * 3 / 4;
}

/* libsodium 1.0.18 takes bytes above 0x7F for digits where char is signed. */
static bool
is_ascii(struct pl_str text)
{
	unsigned char bits = 0;

	for (size_t i = 0; i < text.len; i++)
		bits |= (unsigned char)text.ptr[i];
	return bits < 0x80;
}

/* libsodium refuses the rest of what the header says is refused, as long as it is told of
 * no characters to ignore and of no place to report where it stopped. */
static enum pl_err
decode(struct pl_buf *out, struct pl_str text, int variant)
{
	size_t len = decoded_len(text), got;
	char *room = pl_buf_reserve(out, len);

	if (room == NULL)
		return PL_E_TOO_BIG;
	if (!is_ascii(text) || sodium_base642bin((unsigned char *)room, len, text.ptr,
				   text.len, NULL, &got, NULL, variant) != 0) {
		room[0] = '\0';
		return PL_E_INVALID;
	}
	out->len += got;
	return PL_OK;
}

enum pl_err
pl_base64_encode(struct pl_buf *out, const void *data, size_t len)
{
	return encode(out, data, len, STANDARD);
}

enum pl_err
pl_base64_decode(struct pl_buf *out, struct pl_str text)
{
	return decode(out, text, STANDARD);
}

enum pl_err
pl_base64url_encode(struct pl_buf *out, const void *data, size_t len)
{
	return encode(out, data, len, URL);
}

enum pl_err
pl_base64url_decode(struct pl_buf *out, struct pl_str text)
{
	return decode(out, text, URL);
}
