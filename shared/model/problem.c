#include "model/problem.h"

static const struct pl_problem_row rows[] = {
    [PL_PROBLEM_NO_TOKEN] = {401, "NO_TOKEN", "Unauthorized - No Token Provided"},
    [PL_PROBLEM_BAD_TOKEN] = {401, "BAD_TOKEN", "Unauthorized - Invalid Token"},
    [PL_PROBLEM_AMBIGUOUS] = {401, "AMBIGUOUS_SESSION",
	"Unauthorized - Sessions Of Two Users, Log Out First"},
    [PL_PROBLEM_BAD_LOGIN] = {400, "BAD_LOGIN", "Invalid username or password"},
    [PL_PROBLEM_BAD_PASSWORD] = {403, "BAD_PASSWORD", "The password is wrong"},
    [PL_PROBLEM_USERNAME_TAKEN] = {400, "USERNAME_TAKEN", "Username already exists"},
    [PL_PROBLEM_NO_USER] = {404, "USER_NOT_FOUND", "User not found"},
    [PL_PROBLEM_NO_ROUTE] = {404, "NOT_FOUND", "Not found"},
    [PL_PROBLEM_NO_AVATAR] = {404, "NO_AVATAR", "This user has no picture of their own"},
    [PL_PROBLEM_BAD_IMAGE] = {400, "BAD_IMAGE",
	"The picture must be a whole PNG, JPEG or WebP file"},
    [PL_PROBLEM_IMAGE_SIDES] = {400, "IMAGE_TOO_LARGE",
	"The picture must have at most 1,024 by 1,024 pixels"},
    [PL_PROBLEM_NO_SESSION] = {404, "NO_SESSION", "You have no such session"},
    [PL_PROBLEM_NOT_YOURS] = {403, "FORBIDDEN", "You can only change your own status"},
    [PL_PROBLEM_NO_MESSAGE] = {404, "MESSAGE_NOT_FOUND", "Message not found"},
    [PL_PROBLEM_NOT_YOUR_MESSAGE] = {403, "FORBIDDEN",
	"You can only change your own messages"},
    [PL_PROBLEM_AUTO_REPLY] = {403, "AUTO_REPLY", "An automatic reply cannot be edited"},
    [PL_PROBLEM_TOO_LATE] = {403, "TOO_LATE", "It is too late to edit this message"},
    [PL_PROBLEM_DELETED] = {410, "DELETED", "This message was deleted"},
    [PL_PROBLEM_ORIGIN] = {403, "BAD_ORIGIN", "This origin may not use the API"},
    [PL_PROBLEM_OFFLINE] = {403, "OFFLINE",
	"You are offline. Connect or log in again to chat."},
    [PL_PROBLEM_INVITE_NEEDED] = {403, "INVITE_NEEDED",
	"A valid invite code is needed to sign up"},
    [PL_PROBLEM_SIGNUP_CLOSED] = {403, "SIGNUP_CLOSED", "Sign-up is closed"},
    [PL_PROBLEM_DISABLED] = {403, "DISABLED", "This account is disabled"},
    [PL_PROBLEM_RECIPIENT_OFFLINE] = {409, "RECIPIENT_OFFLINE",
	"The recipient is offline"},
    /* The same for both: who has blocked whom is the blocker's own business. */
    [PL_PROBLEM_BLOCKED] = {403, "BLOCKED", "You cannot write to this user"},
    [PL_PROBLEM_BLOCKS_ONESELF] = {400, "BLOCKS_ONESELF", "You cannot block yourself"},
    [PL_PROBLEM_BLOCKS_MANY] = {409, "TOO_MANY_BLOCKS",
	"You have blocked as many users as one may, unblock somebody first"},
    [PL_PROBLEM_BAD_ID] = {400, "BAD_ID", "id must be 24 hexadecimal digits"},
    [PL_PROBLEM_BAD_MESSAGE] = {400, "BAD_MESSAGE",
	"upTo must be the _id of a message of this conversation"},
    [PL_PROBLEM_BAD_JSON] = {400, "BAD_JSON", "The body must be one valid JSON object"},
    [PL_PROBLEM_BAD_REQUEST] = {400, "BAD_REQUEST", "Bad request"},
    [PL_PROBLEM_NOT_JSON] = {415, "NOT_JSON", "Content-Type must be application/json"},
    [PL_PROBLEM_CODING] = {415, "UNSUPPORTED_ENCODING",
	"The body must be sent as it is, without Content-Encoding"},
    [PL_PROBLEM_METHOD] = {405, "METHOD_NOT_ALLOWED", "Method not allowed"},
    [PL_PROBLEM_TOO_BIG] = {413, "TOO_LARGE", "The request body is too large"},
    [PL_PROBLEM_TOO_MANY] = {429, "TOO_MANY_REQUESTS",
	"Too many requests, try again later"},
    [PL_PROBLEM_QUOTA] = {429, "QUOTA",
	"You have sent as much as one user may send in a day"},
    [PL_PROBLEM_IDEMPOTENCY] = {422, "IDEMPOTENCY_KEY_REUSED",
	"Idempotency-Key was used with another body"},
    [PL_PROBLEM_HEADERS] = {431, "TOO_MANY_HEADERS", "Too many request headers"},
    [PL_PROBLEM_BUSY] = {503, "UNAVAILABLE", "Service unavailable, try again"},
    [PL_PROBLEM_FULL] = {507, "STORAGE_FULL", "No storage left"},
    [PL_PROBLEM_INTERNAL] = {500, "INTERNAL", "Internal server error"},
};

const struct pl_problem_row *
pl_problem_row(enum pl_problem problem)
{
	return &rows[problem];
}

enum pl_problem
pl_problem_of(enum pl_err err)
{
	switch (err) {
	case PL_E_UNAVAILABLE:
	case PL_E_TIMEOUT:
	case PL_E_BUSY:
	case PL_E_CANCELLED:
		return PL_PROBLEM_BUSY;
	case PL_E_FULL:
		return PL_PROBLEM_FULL;
	default:
		return PL_PROBLEM_INTERNAL;
	}
}

int64_t
pl_problem_wait_s(int64_t wait_ms)
{
	return wait_ms > 1000 ? (wait_ms + 999) / 1000 : 1;
}

const char *
pl_problem_outcome(int status)
{
	if (status == 429)
		return "limited";
	return status >= 500 ? "failed" : status >= 400 ? "refused" : "ok";
}
