#include "sums.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/mem.h"

#define SUMS_BYTES_MAX (1024 * 1024)
#define PIECE_BYTES    65536
#define SUM_LEN        32

/* ---- one file ---- */

/* Hex of the sum of fd's bytes; kept, if not NULL, gets the bytes. */
static enum pl_err
sum_of(int fd, struct pl_buf *kept, char hex[SUMS_ID_LEN + 1])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	char *piece = pl_mem_alloc(PIECE_BYTES);
	unsigned char sum[SUM_LEN];
	enum pl_err err = PL_OK;
	ssize_t got = 0;

	EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
	while (err == PL_OK && (got = read(fd, piece, PIECE_BYTES)) > 0) {
		EVP_DigestUpdate(ctx, piece, (size_t)got);
		if (kept != NULL)
			err = pl_buf_add(kept, piece, (size_t)got);
	}
	EVP_DigestFinal_ex(ctx, sum, NULL);
	EVP_MD_CTX_free(ctx);
	pl_mem_free(piece);
	pl_hex_encode(sum, SUM_LEN, hex);
	hex[SUMS_ID_LEN] = '\0';
	return got < 0 ? PL_E_IO : err;
}

static enum pl_err
sum_file(int dir, const char *name, bool is_flushed, struct pl_buf *kept,
    char hex[SUMS_ID_LEN + 1])
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	enum pl_err err = fd < 0 ? PL_E_IO : sum_of(fd, kept, hex);

	if (err == PL_OK && is_flushed && fsync(fd) != 0)
		err = PL_E_IO;
	if (fd >= 0)
		close(fd);
	return err;
}

static bool
is_summed(const char *name)
{
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       strcmp(name, SUMS_FILE) != 0;
}

/* ---- writing ---- */

static enum pl_err
add_lines(DIR *dir, struct pl_buf *lines, struct pl_buf *why)
{
	char hex[SUMS_ID_LEN + 1];
	struct dirent *entry;

	while ((entry = readdir(dir)) != NULL) {
		enum pl_err err;

		if (!is_summed(entry->d_name))
			continue;
		err = sum_file(dirfd(dir), entry->d_name, true, NULL, hex);
		if (err != PL_OK) {
			(void)pl_buf_printf(why, "%s cannot be read", entry->d_name);
			return err;
		}
		(void)pl_buf_printf(lines, "%s  %s\n", hex, entry->d_name);
	}
	return PL_OK;
}

static enum pl_err
write_lines(int dir, const struct pl_buf *lines, struct pl_buf *why)
{
	int fd = openat(dir, SUMS_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool is_done = fd >= 0 &&
		       write(fd, lines->data, lines->len) == (ssize_t)lines->len &&
		       fsync(fd) == 0 && fsync(dir) == 0;

	if (fd >= 0)
		close(fd);
	if (!is_done)
		(void)pl_buf_printf(why, SUMS_FILE " cannot be written");
	return is_done ? PL_OK : PL_E_IO;
}

enum pl_err
sums_write(const char *folder, struct pl_buf *why)
{
	DIR *dir = opendir(folder);
	struct pl_buf lines;
	enum pl_err err;

	if (dir == NULL)
		return PL_E_IO;
	pl_buf_init(&lines, SUMS_BYTES_MAX);
	err = add_lines(dir, &lines, why);
	if (err == PL_OK)
		err = write_lines(dirfd(dir), &lines, why);
	pl_buf_fini(&lines);
	closedir(dir);
	return err;
}

/* ---- checking ---- */

static enum pl_err
check_line(int dir, struct pl_str line, struct pl_buf *why)
{
	char hex[SUMS_ID_LEN + 1], *name;
	enum pl_err err;

	if (line.len < SUMS_ID_LEN + 3) {
		(void)pl_buf_printf(why, "a line of " SUMS_FILE " is broken");
		return PL_E_INVALID;
	}
	name = pl_mem_strndup(line.ptr + SUMS_ID_LEN + 2, line.len - SUMS_ID_LEN - 2);
	err = sum_file(dir, name, false, NULL, hex);
	if (err != PL_OK)
		(void)pl_buf_printf(why, "%s is missing", name);
	else if (memcmp(hex, line.ptr, SUMS_ID_LEN) != 0)
		(void)pl_buf_printf(why, "%s is not as it was written", name);
	pl_mem_free(name);
	return why->len > 0 ? PL_E_INVALID : PL_OK;
}

static size_t
files_in(DIR *dir)
{
	struct dirent *entry;
	size_t count = 0;

	while ((entry = readdir(dir)) != NULL)
		count += is_summed(entry->d_name);
	return count;
}

static enum pl_err
check_lines(DIR *dir, struct pl_str rest, struct pl_buf *why)
{
	enum pl_err err = PL_OK;
	struct pl_str line;
	size_t count = 0;

	while (err == PL_OK && pl_str_split(&rest, '\n', &line)) {
		if (line.len == 0)
			continue;
		err = check_line(dirfd(dir), line, why);
		count++;
	}
	if (err == PL_OK && (count == 0 || count != files_in(dir))) {
		(void)pl_buf_printf(
		    why, "there are other files than " SUMS_FILE " names");
		err = PL_E_INVALID;
	}
	return err;
}

enum pl_err
sums_check(const char *folder, char id[SUMS_ID_LEN + 1], struct pl_buf *why)
{
	DIR *dir = opendir(folder);
	struct pl_buf lines;
	enum pl_err err = PL_E_INVALID;

	pl_buf_init(&lines, SUMS_BYTES_MAX);
	if (dir == NULL || sum_file(dirfd(dir), SUMS_FILE, false, &lines, id) != PL_OK)
		(void)pl_buf_printf(why, "there is no " SUMS_FILE " in %s", folder);
	else
		err = check_lines(dir, pl_buf_str(&lines), why);
	pl_buf_fini(&lines);
	if (dir != NULL)
		closedir(dir);
	return err;
}
