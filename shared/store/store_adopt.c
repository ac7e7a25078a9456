#include "store/store_adopt.h"

#include "store/store_backend.h"

const char *
pl_adopt_collection(enum pl_adopt_of of)
{
	return of == PL_ADOPT_USERS ? "users" : "messages";
}

static const char *
name_of(enum pl_adopt_field field)
{
	static const char *const names[] = {
	    [PL_ADOPT_ID] = PL_USER_F_ID,
	    [PL_ADOPT_USERNAME] = PL_USER_F_USERNAME,
	    [PL_ADOPT_SENDER] = PL_MESSAGE_F_SENDER,
	    [PL_ADOPT_RECEIVER] = PL_MESSAGE_F_RECEIVER,
	    [PL_ADOPT_TEXT] = PL_MESSAGE_F_TEXT,
	    [PL_ADOPT_CREATED] = PL_MESSAGE_F_CREATED_AT,
	    [PL_ADOPT_UPDATED] = PL_MESSAGE_F_UPDATED_AT,
	};

	return names[field];
}

/* The type that it would have to have. */
static const char *
wanted(enum pl_adopt_field field)
{
	switch (field) {
	case PL_ADOPT_ID:
	case PL_ADOPT_SENDER:
	case PL_ADOPT_RECEIVER:
		return "ObjectId";
	case PL_ADOPT_CREATED:
	case PL_ADOPT_UPDATED:
		return "time";
	default:
		return "text";
	}
}

void
pl_adopt_describe(struct pl_buf *out, enum pl_adopt_field field,
    enum pl_adopt_fault fault, bool is_left)
{
	static const char *const faults[] = {
	    [PL_ADOPT_MISSING] = "is missing",
	    [PL_ADOPT_STRING] = "is a string",
	    [PL_ADOPT_NUMBER] = "is a number",
	    [PL_ADOPT_OTHER] = "is of another type",
	    [PL_ADOPT_TAKEN] = "is another's, too",
	};

	(void)pl_buf_printf(out, "%s %s", name_of(field), faults[fault]);
	if (is_left && (fault == PL_ADOPT_STRING || fault == PL_ADOPT_NUMBER))
		(void)pl_buf_printf(out, " that is no %s", wanted(field));
}

enum pl_err
pl_store_adopt(const struct pl_store_config *config, bool is_dry,
    const struct pl_adopt_calls *calls, struct pl_adopt_report *out)
{
	*out = (struct pl_adopt_report){0};
	return config->mongo_uri != NULL ? pl_mongo_adopt(config, is_dry, calls, out)
					 : PL_OK;
}

enum pl_err
pl_store_name_unservable(const struct pl_store_config *config,
    const struct pl_adopt_calls *calls, int64_t *count)
{
	*count = 0;
	return config->mongo_uri != NULL ? pl_mongo_name_unservable(config, calls, count)
					 : PL_OK;
}
