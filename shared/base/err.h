/*
 * err: the ways a call can fail, the same in every layer.
 *
 * A call that can fail in one way returns bool or NULL; in several ways, enum pl_err.
 * Outputs stay untouched on failure. http/reply maps each value to an HTTP answer.
 */
#ifndef PL_BASE_ERR_H
#define PL_BASE_ERR_H

#define PL_MUST_CHECK __attribute__((warn_unused_result))

enum pl_err {
	PL_OK = 0,
	PL_E_INVALID,     /* the peer's bytes break a rule */
	PL_E_TOO_BIG,     /* a ceiling was reached */
	PL_E_NOT_FOUND,   /* no such thing */
	PL_E_CONFLICT,    /* it exists already */
	PL_E_DENIED,      /* known, but not allowed */
	PL_E_BUSY,        /* a bounded queue is full: try later */
	PL_E_TIMEOUT,     /* its deadline passed */
	PL_E_CANCELLED,   /* its owner closed first */
	PL_E_UNAVAILABLE, /* a server we need does not answer */
	PL_E_FULL,        /* the disk is full */
	PL_E_IO,          /* reading or writing failed otherwise */
};

/* The value's name in lower case, for logs ("not_found"). Never NULL. */
const char *pl_err_name(enum pl_err err);

#endif
