/*
 * fuzz_avatar: a file of any bytes. What is made of it is short, of one of three kinds, can be made
 * again, and is as big then.
 */
#include <assert.h>
#include <stdlib.h>

#include "auth/avatar/avatar.h"
#include "auth/avatar/exif.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_made(const struct pl_buf *made, enum pl_avatar_type type)
{
	enum pl_avatar_type again;
	struct pl_buf twice;

	assert(made->len > 0 && made->len <= AVATAR_FILE_BYTES_MAX);
	assert(pl_avatar_type_name(type) != NULL);
	assert(avatar_make(pl_buf_str(made), &again, &twice) == PL_OK);
	pl_buf_fini(&twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned orientation = exif_orientation(pl_str_n(data, size));
	enum pl_avatar_type type;
	struct pl_buf made;

	assert(orientation >= 1 && orientation <= 8);
	if (avatar_make(pl_str_n(data, size), &type, &made) == PL_OK)
		check_made(&made, type);
	pl_buf_fini(&made);
	return 0;
}
