#include "auth/invite.h"

bool
pl_invite_id(struct pl_str typed, uint8_t code_id[PL_INVITE_ID_LEN])
{
	char bare[PL_TYPABLE_BARE(PL_INVITE_GROUPS) + 1];
	struct pl_digest digest = {0};

	if (!pl_typable_read(typed, bare, PL_INVITE_GROUPS))
		return false;
	pl_digest_add(&digest, PL_STR("invite"));
	pl_digest_add(&digest, pl_str(bare));
	memcpy(code_id, digest.bytes, PL_INVITE_ID_LEN);
	return true;
}

void
pl_invite_draw(struct pl_invite *out, char code[PL_INVITE_CODE_LEN + 1])
{
	pl_typable_draw(code, PL_INVITE_GROUPS);
	(void)!pl_invite_id(pl_str(code), out->code_id);
}
