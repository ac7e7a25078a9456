#include "model/status.h"

const char *
pl_status_name(enum pl_status status)
{
	return status == PL_STATUS_BUSY ? "BUSY" : "AVAILABLE";
}

bool
pl_status_parse(struct pl_str text, enum pl_status *out)
{
	if (pl_str_eq(text, PL_STR("AVAILABLE")))
		*out = PL_STATUS_AVAILABLE;
	else if (pl_str_eq(text, PL_STR("BUSY")))
		*out = PL_STATUS_BUSY;
	else
		return false;
	return true;
}
