#include "base/err.h"

const char *
pl_err_name(enum pl_err err)
{
	switch (err) {
	case PL_OK:
		return "ok";
	case PL_E_INVALID:
		return "invalid";
	case PL_E_TOO_BIG:
		return "too_big";
	case PL_E_NOT_FOUND:
		return "not_found";
	case PL_E_CONFLICT:
		return "conflict";
	case PL_E_DENIED:
		return "denied";
	case PL_E_BUSY:
		return "busy";
	case PL_E_TIMEOUT:
		return "timeout";
	case PL_E_CANCELLED:
		return "cancelled";
	case PL_E_UNAVAILABLE:
		return "unavailable";
	case PL_E_FULL:
		return "full";
	case PL_E_IO:
		return "io";
	}
	return "unknown";
}
