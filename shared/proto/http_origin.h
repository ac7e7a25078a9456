/*
 * http_origin: may a page from this Origin use us?
 *
 * In Origin a browser says which page a request comes from, also on every WebSocket
 * handshake, to which the same-origin policy does not apply: without this check any site
 * could open a socket with our user's cookie (cross-site WebSocket hijacking).
 *
 * At https://chat.example.org, with https://app.example.com listed:
 *
 *   Origin
 *   (absent)                   NONE: not a browser
 *   https://chat.example.org   SAME, also as https://CHAT.example.org:443
 *   https://app.example.com    LISTED
 *   http://chat.example.org    REFUSED, as are `null`, another port, a path, two
 *                              origins, and https://app.example.com.evil.net
 *
 * Scheme, host and port must all be equal; the ASCII case of scheme and host does not
 * count, and an absent port is 80 for http and 443 for https (an app's own scheme, as
 * capacitor://localhost, has none). An entry of the list that is not such an origin
 * matches nothing, so neither `*` nor `null` opens a door; as a setting such a list is
 * refused.
 *
 * Source: RFC 6454 §4, §7; OWASP ASVS 3.4.2, 4.4.2.  Threads: any.
 */
#ifndef PL_PROTO_HTTP_ORIGIN_H
#define PL_PROTO_HTTP_ORIGIN_H

#include "base/str.h"

enum pl_http_origin {
	PL_ORIGIN_NONE,   /* no Origin header */
	PL_ORIGIN_SAME,   /* our own */
	PL_ORIGIN_LISTED, /* one of ALLOWED_ORIGINS: CORS may echo it */
	PL_ORIGIN_REFUSED,
};

/* An absent header has ptr NULL. All borrowed. */
struct pl_http_origin_rq {
	struct pl_str origin;
	bool repeated;        /* Origin came more than once */
	struct pl_str scheme; /* how the client reached us: "https" or "http" */
	struct pl_str host;   /* the Host header: name[:port] */
};

/* allowed: ALLOWED_ORIGINS, separated by commas, spaces around them ignored; may be
 * empty. */
enum pl_http_origin pl_http_origin_check(
    const struct pl_http_origin_rq *rq, struct pl_str allowed);
/* Is each entry of the list an origin, or empty? */
bool pl_http_origin_list_is_good(struct pl_str allowed);
/* What is said of a list that is not good; the setting's name stands before it. */
#define PL_HTTP_ORIGIN_LIST_RULE                                                         \
	"must be like https://chat.example.org, and commas between"

#endif
