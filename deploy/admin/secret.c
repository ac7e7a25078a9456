#include "secret.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"

static struct termios with_echo;

bool
secret_can_ask(void)
{
	return isatty(STDIN_FILENO) == 1;
}

/* ---- lines ---- */

/* Byte by byte, so that nothing behind the line is taken from whoever reads on. */
static enum pl_err
read_line(struct pl_buf *out)
{
	ssize_t n;
	char c;

	for (;;) {
		n = read(STDIN_FILENO, &c, 1);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0 || c == '\n')
			break;
		if (pl_buf_add_char(out, c) != PL_OK)
			return PL_E_INVALID;
	}
	return n < 0 || (n == 0 && out->len == 0) ? PL_E_INVALID : PL_OK;
}

/* Room at once: a buffer that grows leaves copies. */
static void
secret_init(struct pl_buf *out)
{
	pl_buf_init(out, SECRET_BYTES_MAX);
	(void)pl_buf_reserve(out, SECRET_BYTES_MAX);
}

void
secret_fini(struct pl_buf *secret)
{
	pl_mem_wipe_free(secret->data, secret->cap);
	*secret = (struct pl_buf){0};
}

enum pl_err
secret_read(struct pl_buf *out)
{
	secret_init(out);
	return read_line(out);
}

/* ---- the terminal ---- */

static void
restore_and_end(int sig)
{
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &with_echo);
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
}

static void
on_ends(void (*handler)(int sig))
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		(void)signal(ends[i], handler);
}

static enum pl_err
ask_without_echo(const char *question, struct pl_buf *out)
{
	struct termios quiet;
	enum pl_err err;

	secret_init(out);
	if (tcgetattr(STDIN_FILENO, &with_echo) != 0)
		return PL_E_INVALID;
	quiet = with_echo;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	on_ends(restore_and_end);
	fprintf(stderr, "%s", question);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	err = read_line(out);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &with_echo);
	on_ends(SIG_DFL);
	fprintf(stderr, "\n");
	return err;
}

enum pl_err
secret_ask(struct pl_buf *out)
{
	struct pl_buf again;
	enum pl_err err =
	    ask_without_echo("password (none: a one-time password is drawn): ", out);

	if (err != PL_OK || out->len == 0)
		return err;
	err = ask_without_echo("once more: ", &again);
	if (err == PL_OK && !pl_str_eq(pl_buf_str(out), pl_buf_str(&again)))
		err = PL_E_INVALID;
	secret_fini(&again);
	return err;
}

bool
secret_confirm(const char *question, const char *expected)
{
	struct pl_buf answer;
	bool is_same;

	fprintf(stderr, "%s", question);
	secret_init(&answer);
	is_same = read_line(&answer) == PL_OK &&
		  pl_str_eq(pl_buf_str(&answer), pl_str(expected));
	secret_fini(&answer);
	return is_same;
}
