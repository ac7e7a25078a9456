/*
 * settings_check: judges the settings in the environment for a shell script, before it
 * starts anything. Good ones are printed as assignments for the script to eval:
 *
 *   PORT='5000'
 *   GATEWAY_BIND='127.0.0.1 [::1]'
 *
 * Each that the script reads is there, with its default if it is unset. Secrets are
 * judged and not printed; run.sh is told where they lead:
 *
 *   redis_host='10.0.0.7' redis_port='6379'      of REDIS_URL; empty if that is not set
 *   mongo='db1:27017,db2/chat'                   of MONGO_DB_URI, for people to read
 */
#ifndef PARLEY_SETTINGS_CHECK_H
#define PARLEY_SETTINGS_CHECK_H

/* For whom: "run" (run.sh, of all that it starts) or "gateway" (render.sh). Gives the
 * exit status: 0, or PL_EXIT_CONFIG and a line on standard error for each bad setting. */
int settings_check(const char *whom);

#endif
