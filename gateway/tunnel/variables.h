/*
 * variables: texts as values of nginx' variables.
 */
#ifndef PARLEY_GATEWAY_VARIABLES_H
#define PARLEY_GATEWAY_VARIABLES_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#define TEXT(text) ((ngx_str_t)ngx_string(text))

#define VARIABLE_BYTES_MAX ((1U << 28) - 1) /* no head has as much */

/* Borrows text, for as long as its request lives. */
static inline ngx_http_variable_value_t
value_of(ngx_str_t text)
{
	return (ngx_http_variable_value_t){
	    .len = text.len & VARIABLE_BYTES_MAX, .valid = 1, .data = text.data};
}

#endif
