#include "model/avatar.h"

#include "base/buf.h"
#include "base/mem.h"

static const char *const types[] = {
    [PL_AVATAR_PNG] = "image/png",
    [PL_AVATAR_JPEG] = "image/jpeg",
    [PL_AVATAR_WEBP] = "image/webp",
};

const char *
pl_avatar_type_name(enum pl_avatar_type type)
{
	return types[type];
}

bool
pl_avatar_type_parse(struct pl_str text, enum pl_avatar_type *out)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (pl_str_eq(text, pl_str(types[i]))) {
			*out = (enum pl_avatar_type)i;
			return true;
		}
	return false;
}

void
pl_avatar_fini(struct pl_avatar *a)
{
	pl_mem_free(a->bytes);
	*a = (struct pl_avatar){0};
}

void
pl_avatar_digest(struct pl_str bytes, struct pl_digest *out)
{
	*out = (struct pl_digest){0};
	pl_digest_add(out, bytes);
}

char *
pl_avatar_address(const struct pl_oid *user, const struct pl_digest *digest)
{
	char id[PL_OID_HEX_LEN + 1], hex[PL_DIGEST_HEX_LEN + 1];
	struct pl_buf b;

	pl_oid_format(user, id);
	pl_digest_format(digest, hex);
	pl_buf_init(&b, PL_BUF_UNLIMITED);
	(void)pl_buf_printf(&b, "/api/users/avatar/%s?v=%s", id, hex);
	return pl_buf_take(&b);
}
