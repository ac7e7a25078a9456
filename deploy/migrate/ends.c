#include "ends.h"

#include "base/config.h"

/* Secrets: a URI may hold a password. */
static const struct pl_setting table[] = {
    {
	.name = "FROM",
	.type = PL_SETTING_SECRET,
	.services = 1,
	.offset = offsetof(struct ends, from),
    },
    {
	.name = "TO",
	.type = PL_SETTING_SECRET,
	.services = 1,
	.offset = offsetof(struct ends, to),
    },
};
#define ROWS (sizeof(table) / sizeof(table[0]))

enum pl_err
ends_load(struct ends *ends, struct pl_buf *why)
{
	return pl_config_load(table, ROWS, 1, ends, why);
}

void
ends_free(struct ends *ends)
{
	pl_config_free(table, ROWS, 1, ends);
}
