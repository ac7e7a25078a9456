/*
 * lines: which requests get a line in the access log, as gateway/lines.lua says it, which
 * does the same where there is no module; in memory that nginx' workers share.
 *
 *   zone -> struct book -> tree: key (bytes of an address) -> struct address
 *
 * When a request is chosen depends on what it is:
 *   before access   most: many give up before they are answered, and earlier the address
 *                   may be a proxy's
 *   its answer      what was no request (400); and again whoever has none yet, but failed
 *   its end         one without a line is counted, for the next of its address
 * What is chosen is said by $is_logged and $lines_left_out.
 *
 * A full zone forgets the address that was last seen longest ago. Threads: none; workers
 * take the zone's lock.
 */
#ifndef PARLEY_GATEWAY_LINES_H
#define PARLEY_GATEWAY_LINES_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

/* Of the configuration; zone is NULL where that says nothing: then nothing is chosen. */
struct lines {
	ngx_shm_zone_t *zone;
	ngx_uint_t per_second;                  /* lines of an address; 0: any number */
	ngx_int_t address, is_logged, left_out; /* indices of variables */
};

/* lines, for so many a second. */
ngx_int_t lines_init(ngx_conf_t *cf, struct lines *lines, ngx_uint_t per_second);

/* Before access, and again with no effect after an inner redirect. */
void lines_choose(ngx_http_request_t *r, const struct lines *lines);

/* As the head of its answer is about to be written. */
void lines_choose_again(ngx_http_request_t *r, const struct lines *lines);

/* At its end. */
void lines_note(ngx_http_request_t *r, const struct lines *lines);

/* How many were left out, of all addresses. */
ngx_uint_t lines_left_out(const struct lines *lines);

#endif
