#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/capture.h"

static int saved_fd = -1;

void
capture_stderr(void)
{
	int fd = memfd_create("stderr", MFD_CLOEXEC);

	assert(saved_fd < 0 && fd >= 0);
	fflush(stderr);
	saved_fd = dup(STDERR_FILENO);
	dup2(fd, STDERR_FILENO);
	close(fd);
}

char *
capture_end(void)
{
	struct stat st;
	char *text;
	ssize_t got;

	assert(saved_fd >= 0);
	fflush(stderr);
	fstat(STDERR_FILENO, &st);
	text = malloc((size_t)st.st_size + 1);
	assert(text != NULL);
	got = pread(STDERR_FILENO, text, (size_t)st.st_size, 0);
	text[got > 0 ? got : 0] = '\0';
	dup2(saved_fd, STDERR_FILENO);
	close(saved_fd);
	saved_fd = -1;
	return text;
}
