/*
 * invalid: why input was refused, in words for a person, naming the field. The model's
 * parsers fill it; http/reply turns it into the 400.  Threads: any.
 */
#ifndef PL_MODEL_INVALID_H
#define PL_MODEL_INVALID_H

struct pl_invalid {
	const char *code; /* constant: "INVALID_FIELD", "PASSWORDS_DONT_MATCH" */
	char text[160];   /* "fullName must be 1 to 100 characters long" */
};

void pl_invalid_set(struct pl_invalid *why, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
