/*
 * uri: mongodb://[user:password@]host[:port][,...][/database][?options], as far as people
 * may read it.
 *
 *   mongodb://ann:secret@db1:27017,db2/chat?replicaSet=rs0
 *                        '--- shown ------'
 *
 * The options are the driver's to judge.  Source: the driver's Connection String
 * Spec.  Threads: any.
 */
#ifndef PL_STORE_MONGO_URI_H
#define PL_STORE_MONGO_URI_H

#include "base/str.h"

/* Hosts and database, borrowed from uri. False for another form, and for one of which it
 * is not clear what is the password: a special character that is not percent-encoded. */
bool pl_mongo_uri_shown(const char *uri, struct pl_str *shown);

/* What is said of one that is refused; it follows the setting's name. */
#define PL_MONGO_URI_RULE                                                                \
	"must look like mongodb://[user:password@]host[:port][,...][/database]"          \
	"[?options]; special characters in user and password are percent-encoded"

#endif
