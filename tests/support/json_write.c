#include "support/json_write.h"

#include <jansson.h>

static int
add_piece(const char *bytes, size_t len, void *out)
{
	(void)pl_buf_add(out, bytes, len);
	return 0;
}

/* A struct pl_json is jansson's json_t: see unwrap() in base/json.c. */
void
json_write(const struct pl_json *v, struct pl_buf *out)
{
	if (!v)
		(void)pl_buf_add_cstr(out, "null");
	else
		(void)json_dump_callback((const json_t *)(const void *)v, add_piece, out,
		    JSON_COMPACT | JSON_ENCODE_ANY);
}
