#include <stdarg.h>
#include <stdio.h>

#include "model/invalid.h"

void
pl_invalid_set(struct pl_invalid *why, const char *code, const char *format, ...)
{
	va_list args;

	why->code = code;
	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
}
