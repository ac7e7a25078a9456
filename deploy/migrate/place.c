#include "place.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/mongo/uri.h"

#define LOCK_FILE "lock" /* as in deploy/local/run.sh */

static bool
is_mongo(struct pl_str name)
{
	return pl_str_starts(name, PL_STR("mongodb://")) ||
	       pl_str_starts(name, PL_STR("mongodb+srv://"));
}

/* ---- MongoDB ---- */

static enum pl_err
find_mongo(struct place *p, const char *uri, struct pl_buf *why)
{
	struct pl_str shown;
	struct pl_buf text;

	p->config.mongo_uri = uri;
	p->config.is_patient = true;
	if (!pl_mongo_uri_shown(uri, &shown)) {
		pl_buf_add_cstr(why, "a MongoDB URI " PL_MONGO_URI_RULE);
		return PL_E_INVALID;
	}
	pl_buf_init(&text, PL_BUF_UNLIMITED);
	pl_buf_printf(&text, "MongoDB at %.*s", (int)shown.len, shown.ptr);
	p->shown = pl_buf_take(&text);
	return PL_OK;
}

/* ---- a data folder ---- */

/* The folder of a path that ends in /parley.db, or the path as it is. */
static char *
folder_of(const char *path)
{
	size_t len = strlen(path), tail = sizeof("/" PL_STORE_SQLITE_FILE) - 1;

	if (len > tail && strcmp(path + len - tail, "/" PL_STORE_SQLITE_FILE) == 0)
		len -= tail;
	else if (strcmp(path, PL_STORE_SQLITE_FILE) == 0)
		return pl_mem_strdup(".");
	return pl_mem_strndup(path, len);
}

static char *
path_in(const char *folder, const char *name)
{
	struct pl_buf path;
	char *text;

	pl_buf_init(&path, PL_BUF_UNLIMITED);
	pl_buf_printf(&path, "%s/%s", folder, name);
	text = pl_mem_strdup(path.data);
	pl_buf_fini(&path);
	return text;
}

static enum pl_err
lock_folder(struct place *p, struct pl_buf *why)
{
	char *path = path_in(p->folder, LOCK_FILE);

	p->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	pl_mem_free(path);
	if (p->lock_fd < 0) {
		pl_buf_printf(why, "cannot write to the folder %s", p->folder);
		return PL_E_IO;
	}
	if (flock(p->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return PL_OK;
	pl_buf_printf(why, "%s is in use by a running Parley; stop it first", p->folder);
	return PL_E_BUSY;
}

static enum pl_err
find_folder(struct place *p, const char *name, bool is_new, struct pl_buf *why)
{
	char *path;
	bool is_there;

	p->folder = folder_of(name);
	p->config.data_dir = p->folder;
	path = path_in(p->folder, PL_STORE_SQLITE_FILE);
	is_there = access(path, R_OK | W_OK) == 0;
	pl_mem_free(path);
	if (!is_there && !is_new) {
		pl_buf_printf(
		    why, "there is no %s in %s", PL_STORE_SQLITE_FILE, p->folder);
		return PL_E_NOT_FOUND;
	}
	p->shown = path_in(p->folder, PL_STORE_SQLITE_FILE);
	return PL_OK;
}

/* ---- either ---- */

enum pl_err
place_find(struct place *p, const char *name, bool is_new, struct pl_buf *why)
{
	*p = (struct place){.lock_fd = -1};
	return is_mongo(pl_str(name)) ? find_mongo(p, name, why)
				      : find_folder(p, name, is_new, why);
}

enum pl_err
place_open(struct place *p, struct pl_buf *why)
{
	enum pl_err err = pl_store_open(&p->config, &p->store);

	if (err != PL_OK)
		pl_buf_printf(why, "%s cannot be opened: %s", p->shown, pl_err_name(err));
	else if (p->folder != NULL) /* which is there by now */
		err = lock_folder(p, why);
	return err;
}

void
place_close(struct place *p)
{
	pl_store_close(p->store);
	if (p->lock_fd >= 0)
		close(p->lock_fd);
	pl_mem_free(p->folder);
	pl_mem_free(p->shown);
	*p = (struct place){.lock_fd = -1};
}
