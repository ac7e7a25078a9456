/*
 * upgrade: what becomes of a request whose WebSocket its service has opened: it ends, and
 * its connections go to the service (handover.h), or on as a tunnel (tunnel.h).
 *
 * Threads: none.
 */
#ifndef PARLEY_GATEWAY_UPGRADE_H
#define PARLEY_GATEWAY_UPGRADE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

/* As the head of r's answer is about to be written. NGX_DECLINED: it is to be. NGX_OK: it is
 * not, for its client is the service's. Else the status of another answer, or NGX_ERROR. */
ngx_int_t upgrade_take(ngx_http_request_t *r);

/* The variable $handover_name. */
ngx_int_t upgrade_handover_name(
    ngx_http_request_t *r, ngx_http_variable_value_t *value, uintptr_t data);

#endif
