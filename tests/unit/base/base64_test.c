#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>

#include "base/base64.h"
#include "base/random.h"

typedef enum pl_err decode_fn(struct pl_buf *, struct pl_str);

/* RFC 4648 §10, and bytes that show the two alphabets. */
static const struct {
	struct pl_str bytes;
	const char *standard;
	const char *url;
} vectors[] = {
    {{"", 0}, "", ""},
    {{"f", 1}, "Zg==", "Zg"},
    {{"fo", 2}, "Zm8=", "Zm8"},
    {{"foo", 3}, "Zm9v", "Zm9v"},
    {{"foob", 4}, "Zm9vYg==", "Zm9vYg"},
    {{"fooba", 5}, "Zm9vYmE=", "Zm9vYmE"},
    {{"foobar", 6}, "Zm9vYmFy", "Zm9vYmFy"},
    {{"\xFB\xEF\xBE\xFF", 4}, "++++/w==", "----_w"},
    {{"\0\0", 2}, "AAA=", "AAA"},
};

#define VECTORS (sizeof(vectors) / sizeof(*vectors))

static void
check_decodes(decode_fn *decode, const char *text, struct pl_str bytes)
{
	struct pl_buf b;

	pl_buf_init(&b, bytes.len + 1);
	pl_buf_add_char(&b, '>');
	assert_int_equal(decode(&b, pl_str(text)), PL_OK);
	assert_int_equal(b.len, bytes.len + 1);
	assert_memory_equal(b.data + 1, bytes.ptr, bytes.len);
	assert_int_equal(b.data[b.len], '\0');
	pl_buf_fini(&b);
}

static void
check_refuses(decode_fn *decode, const char *text)
{
	struct pl_buf b;

	pl_buf_init(&b, 100);
	pl_buf_add_cstr(&b, "before");
	assert_int_equal(decode(&b, pl_str(text)), PL_E_INVALID);
	assert_string_equal(b.data, "before");
	assert_int_equal(b.len, 6);
	pl_buf_fini(&b);
}

static void
encodes_the_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < VECTORS; i++) {
		struct pl_buf b;

		pl_buf_init(&b, strlen(vectors[i].standard));
		assert_int_equal(
		    pl_base64_encode(&b, vectors[i].bytes.ptr, vectors[i].bytes.len),
		    PL_OK);
		assert_string_equal(b.data, vectors[i].standard);
		assert_int_equal(b.len, PL_BASE64_LEN(vectors[i].bytes.len));
		pl_buf_clear(&b);
		assert_int_equal(
		    pl_base64url_encode(&b, vectors[i].bytes.ptr, vectors[i].bytes.len),
		    PL_OK);
		assert_string_equal(b.data, vectors[i].url);
		pl_buf_fini(&b);
	}
}

static void
decodes_the_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < VECTORS; i++) {
		check_decodes(pl_base64_decode, vectors[i].standard, vectors[i].bytes);
		check_decodes(pl_base64url_decode, vectors[i].url, vectors[i].bytes);
	}
}

static void
refuses_bad_padding(void **state)
{
	static const char *const bad[] = {"=", "==", "Zg", "Zg=", "Zg===", "Zm8",
	    "Zm8==", "Zm9v=", "Zm9v==", "Zm9v====", "Zg==Zg==", "Z=g=", "=Zg=", "Z",
	    "Z==="};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		check_refuses(pl_base64_decode, bad[i]);
	check_refuses(pl_base64url_decode, "Zg==");
	check_refuses(pl_base64url_decode, "Zm8=");
	check_refuses(pl_base64url_decode, "Z");
	check_refuses(pl_base64url_decode, "Zm9vY");
}

static void
refuses_stray_bits(void **state)
{
	(void)state;
	check_refuses(pl_base64_decode, "Zh==");
	check_refuses(pl_base64_decode, "Zm9=");
	check_refuses(pl_base64url_decode, "Zh");
	check_refuses(pl_base64url_decode, "Zm9");
}

static void
refuses_every_byte_outside_the_alphabet(void **state)
{
	static const char standard[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char url[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	(void)state;
	for (int c = 0; c < 256; c++) {
		char text[] = {'Z', (char)c, '9', 'v'};
		struct pl_buf b;

		pl_buf_init(&b, 3);
		assert_int_equal(pl_base64_decode(&b, pl_str_n(text, 4)),
		    memchr(standard, c, 64) ? PL_OK : PL_E_INVALID);
		pl_buf_clear(&b);
		assert_int_equal(pl_base64url_decode(&b, pl_str_n(text, 4)),
		    memchr(url, c, 64) ? PL_OK : PL_E_INVALID);
		pl_buf_fini(&b);
	}
	check_refuses(pl_base64_decode, "Zm9v\n");
	check_refuses(pl_base64_decode, "Zm9v Zm9v");
	check_refuses(pl_base64_decode, " Zm9v");
}

static void
stops_at_the_limit(void **state)
{
	struct pl_buf b;

	(void)state;
	pl_buf_init(&b, 4);
	assert_int_equal(pl_base64_encode(&b, "abcd", 4), PL_E_TOO_BIG);
	assert_int_equal(pl_base64_decode(&b, PL_STR("Zm9vYmE=")), PL_E_TOO_BIG);
	assert_int_equal(b.len, 0);
	assert_int_equal(pl_base64_decode(&b, PL_STR("Zm9vYg==")), PL_OK);
	pl_buf_fini(&b);
}

static void
comes_back_as_it_was(void **state)
{
	unsigned char bytes[300];

	(void)state;
	pl_random_bytes(bytes, sizeof(bytes));
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		struct pl_buf text;

		pl_buf_init(&text, PL_BUF_UNLIMITED);
		assert_int_equal(pl_base64_encode(&text, bytes, len), PL_OK);
		check_decodes(pl_base64_decode, text.data, pl_str_n(bytes, len));
		pl_buf_clear(&text);
		assert_int_equal(pl_base64url_encode(&text, bytes, len), PL_OK);
		check_decodes(pl_base64url_decode, text.data, pl_str_n(bytes, len));
		pl_buf_fini(&text);
	}
}

/* libsodium is as strict, where it is given ASCII. */
static void
refuses_and_takes_what_libsodium_does(void **state)
{
	static const char drawn[] = "ABCDwxyz0189+/-_== \n";

	(void)state;
	for (int i = 0; i < 200000; i++) {
		char text[13];
		unsigned char theirs[13];
		size_t len = pl_random_below(sizeof(text)), got = 0;
		bool is_url = i % 2 == 0;
		struct pl_buf b;
		enum pl_err err;

		for (size_t n = 0; n < len; n++)
			text[n] = drawn[pl_random_below(sizeof(drawn) - 1)];
		pl_buf_init(&b, 100);
		err = (is_url ? pl_base64url_decode : pl_base64_decode)(
		    &b, pl_str_n(text, len));
		assert_int_equal(err == PL_OK,
		    sodium_base642bin(theirs, sizeof(theirs), text, len, NULL, &got, NULL,
			is_url ? sodium_base64_VARIANT_URLSAFE_NO_PADDING
			       : sodium_base64_VARIANT_ORIGINAL) == 0);
		assert_int_equal(b.len, err == PL_OK ? got : 0);
		if (b.len > 0)
			assert_memory_equal(b.data, theirs, b.len);
		pl_buf_fini(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(encodes_the_vectors),
	    cmocka_unit_test(decodes_the_vectors),
	    cmocka_unit_test(refuses_bad_padding),
	    cmocka_unit_test(refuses_stray_bits),
	    cmocka_unit_test(refuses_every_byte_outside_the_alphabet),
	    cmocka_unit_test(stops_at_the_limit),
	    cmocka_unit_test(comes_back_as_it_was),
	    cmocka_unit_test(refuses_and_takes_what_libsodium_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
