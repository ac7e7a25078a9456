/*
 * http_post: POSTs of JSON to one URL, on the event loop (libcurl's multi interface
 * inside). Each is one request, on a connection of its own.
 *
 * What it never does: follow a redirect, use a proxy or a .netrc, speak another scheme
 * than the URL's, accept a certificate that does not verify, keep more than
 * HTTP_POST_ANSWER_MAX bytes of an answer, or let the token reach another host or a log.
 * Threads: the loop's.
 */
#ifndef RESPONDER_HTTP_POST_H
#define RESPONDER_HTTP_POST_H

#include "base/buf.h"
#include "loop/loop.h"
#include "proto/trace.h"

#define HTTP_POST_ANSWER_MAX         ((size_t)256 << 10)
#define HTTP_POST_CONNECT_TIMEOUT_MS 2000

struct http_client;

struct http_client_config {
	const char *url;   /* copied, as the token */
	const char *token; /* NULL: none */
	unsigned connections_max;
};

/* NULL: libcurl did not start. */
struct http_client *http_client_new(
    struct pl_loop *loop, const struct http_client_config *config);
void http_client_free(struct http_client *client); /* no post may be on its way */

/* The caller's; zero it, set body, trace, done and arg. */
struct http_post {
	struct pl_str body;           /* borrowed until done */
	const struct pl_trace *trace; /* sent as a header, unless it is none */
	void (*done)(struct http_post *post);
	void *arg;
	/* out */
	enum pl_err err;    /* PL_OK: an answer with any status; PL_E_UNAVAILABLE: no
				 connection; PL_E_TIMEOUT; PL_E_TOO_BIG; PL_E_IO */
	const char *detail; /* constant, for the log; NULL with PL_OK */
	int status;
	int64_t retry_after_ms; /* what Retry-After and RateLimit ask for */
	struct pl_buf answer;
	/* inside */
	struct http_client *client;
	void *easy;       /* NULL while not on its way */
	void *own_header; /* in front of the client's; NULL: none */
};

/* done is called once, from the loop, unless it is cancelled first. */
void http_post_start(
    struct http_client *client, struct http_post *post, int64_t timeout_ms);
void http_post_cancel(struct http_post *post); /* or nothing: it is not on its way */
void http_post_fini(struct http_post *post);   /* cancels, frees the answer */

#endif
