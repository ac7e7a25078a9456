#include "ops/cgroup.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"

#define TABLE_BYTES_MAX ((size_t)4 << 20) /* a host of many containers has many mounts */
#define VALUE_BYTES_MAX 128
#define READ_BYTES      4096

/* ---- files ---- */

/* Fills *out with all of root + path, at most its limit; false if it cannot be read. */
static bool
read_file(const char *root, const char *path, struct pl_buf *out)
{
	struct pl_buf name;
	ssize_t got = -1;
	int fd;

	pl_buf_init(&name, PL_BUF_UNLIMITED);
	pl_buf_printf(&name, "%s%s", root, path);
	fd = open(name.data, O_RDONLY | O_CLOEXEC);
	pl_buf_fini(&name);
	while (fd >= 0) {
		char *room = pl_buf_reserve(out, READ_BYTES);

		got = room != NULL ? read(fd, room, READ_BYTES) : -1;
		if (got <= 0)
			break;
		out->len += (size_t)got;
	}
	if (fd >= 0)
		close(fd);
	return got == 0;
}

/* A number of a file of a group. False: none, "max", or no such file. */
static bool
read_value(const char *root, struct pl_str dir, const char *file, struct pl_str *value,
    struct pl_buf *text)
{
	struct pl_buf path;
	bool is_read;

	pl_buf_init(&path, PL_BUF_UNLIMITED);
	pl_buf_add_str(&path, dir);
	pl_buf_printf(&path, "/%s", file);
	pl_buf_init(text, VALUE_BYTES_MAX + READ_BYTES);
	is_read = read_file(root, path.data, text);
	pl_buf_fini(&path);
	*value = pl_buf_str(text);
	while (value->len > 0 && value->ptr[value->len - 1] == '\n')
		value->len--;
	return is_read;
}

static bool
read_number(const char *root, struct pl_str dir, const char *file, int64_t *out)
{
	struct pl_str value;
	struct pl_buf text;
	uint64_t number;
	bool is_number = read_value(root, dir, file, &value, &text) &&
			 pl_str_to_u64(value, INT64_MAX, &number);

	if (is_number)
		*out = (int64_t)number;
	pl_buf_fini(&text);
	return is_number;
}

/* ---- limits of one group ---- */

static void
lower(int64_t *limit, int64_t other)
{
	if (other < *limit)
		*limit = other;
}

static void
lower_cpu(int64_t *limit, int64_t quota_us, int64_t period_us)
{
	if (quota_us <= 0 || period_us <= 0 || quota_us > INT64_MAX / 1000)
		return;
	lower(limit, quota_us * 1000 < period_us ? 1 : quota_us * 1000 / period_us);
}

static void
read_memory(const char *root, struct pl_str dir, struct pl_cgroup_limits *out)
{
	static const char *const files[] = {
	    "memory.max", "memory.high", "memory.limit_in_bytes"};
	int64_t bytes;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (read_number(root, dir, files[i], &bytes))
			lower(&out->memory_bytes, bytes);
}

/* "max 100000" has no number in front: no limit. */
static void
read_cpu(const char *root, struct pl_str dir, struct pl_cgroup_limits *out)
{
	struct pl_str rest, part;
	int64_t quota, period;
	uint64_t first, second;
	struct pl_buf text;

	if (read_value(root, dir, "cpu.max", &rest, &text) &&
	    pl_str_split(&rest, ' ', &part) && pl_str_to_u64(part, INT64_MAX, &first) &&
	    pl_str_to_u64(rest, INT64_MAX, &second))
		lower_cpu(&out->cpu_milli, (int64_t)first, (int64_t)second);
	pl_buf_fini(&text);
	if (read_number(root, dir, "cpu.cfs_quota_us", &quota) &&
	    read_number(root, dir, "cpu.cfs_period_us", &period))
		lower_cpu(&out->cpu_milli, quota, period);
}

/* From the group up to the mount; dir begins with the path of the mount. */
static void
walk_up(const char *root, struct pl_str dir, size_t mount_len, bool has_memory,
    bool has_cpu, struct pl_cgroup_limits *out)
{
	for (;;) {
		if (has_memory)
			read_memory(root, dir, out);
		if (has_cpu)
			read_cpu(root, dir, out);
		while (dir.len > mount_len && dir.ptr[dir.len - 1] != '/')
			dir.len--;
		if (dir.len <= mount_len)
			return;
		dir.len--; /* the slash */
	}
}

/* ---- which group, and where it is mounted ---- */

/* The path of the line of /proc/self/cgroup with that controller; "" is version 2's. */
static bool
find_path(struct pl_str groups, struct pl_str controller, struct pl_str *path)
{
	struct pl_str line, id, names;

	while (pl_str_split(&groups, '\n', &line)) {
		if (!pl_str_split(&line, ':', &id) || !pl_str_split(&line, ':', &names))
			continue;
		if (controller.len > 0 ? pl_str_list_has(names, controller)
				       : names.len == 0) {
			*path = line;
			return true;
		}
	}
	return false;
}

/* A path of mountinfo: it has \040 for a blank. */
static void
add_unescaped(struct pl_buf *out, struct pl_str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\\' && i + 3 < text.len) {
			char octal[4] = {
			    text.ptr[i + 1], text.ptr[i + 2], text.ptr[i + 3]};

			pl_buf_add_char(out, (char)strtoul(octal, NULL, 8));
			i += 3;
		} else {
			pl_buf_add_char(out, text.ptr[i]);
		}
	}
}

struct mount {
	struct pl_str root;  /* which part of the tree is seen here */
	struct pl_str point; /* where */
	struct pl_str type;
	struct pl_str options; /* of the tree: for version 1 its controllers */
};

/* 36 35 0:29 /root /point rw shared:1 - cgroup cgroup rw,memory */
static bool
read_mount(struct pl_str line, struct mount *out)
{
	struct pl_str part;

	for (int i = 0; i < 3; i++)
		if (!pl_str_split(&line, ' ', &part))
			return false;
	if (!pl_str_split(&line, ' ', &out->root) ||
	    !pl_str_split(&line, ' ', &out->point))
		return false;
	do {
		if (!pl_str_split(&line, ' ', &part))
			return false;
	} while (!pl_str_eq(part, PL_STR("-")));
	return pl_str_split(&line, ' ', &out->type) && pl_str_split(&line, ' ', &part) &&
	       pl_str_split(&line, ' ', &out->options);
}

/* The path below the part that is mounted; empty if it lies elsewhere. */
static struct pl_str
path_below(struct pl_str path, struct pl_str mount_root)
{
	if (pl_str_eq(mount_root, PL_STR("/")))
		mount_root.len = 0;
	if (!pl_str_starts(path, mount_root) || pl_str_starts(path, PL_STR("/..")))
		return PL_STR_NONE;
	path = pl_str_n(path.ptr + mount_root.len, path.len - mount_root.len);
	return path.len > 1 && path.ptr[0] == '/' ? path : PL_STR_NONE;
}

static void
read_tree(const char *root, struct pl_str groups, const struct mount *m,
    struct pl_str controller, struct pl_cgroup_limits *out)
{
	bool is_v2 = controller.len == 0;
	struct pl_buf mount_root, dir;
	struct pl_str path;
	size_t mount_len;

	if (!find_path(groups, controller, &path))
		return;
	pl_buf_init(&mount_root, PL_BUF_UNLIMITED);
	pl_buf_init(&dir, PL_BUF_UNLIMITED);
	add_unescaped(&mount_root, m->root);
	add_unescaped(&dir, m->point);
	mount_len = dir.len;
	pl_buf_add_str(&dir, path_below(path, pl_buf_str(&mount_root)));
	walk_up(root, pl_buf_str(&dir), mount_len,
	    is_v2 || pl_str_eq(controller, PL_STR("memory")),
	    is_v2 || pl_str_eq(controller, PL_STR("cpu")), out);
	pl_buf_fini(&dir);
	pl_buf_fini(&mount_root);
}

void
pl_cgroup_limits_read(const char *root, struct pl_cgroup_limits *out)
{
	static const char *const controllers[] = {"memory", "cpu"};
	struct pl_buf groups, mounts;
	struct pl_str rest, line;
	struct mount m;

	*out = (struct pl_cgroup_limits){INT64_MAX, INT64_MAX};
	pl_buf_init(&groups, TABLE_BYTES_MAX);
	pl_buf_init(&mounts, TABLE_BYTES_MAX);
	if (!read_file(root, "/proc/self/cgroup", &groups) ||
	    !read_file(root, "/proc/self/mountinfo", &mounts))
		goto done;
	rest = pl_buf_str(&mounts);
	while (pl_str_split(&rest, '\n', &line)) {
		if (!read_mount(line, &m))
			continue;
		if (pl_str_eq(m.type, PL_STR("cgroup2")))
			read_tree(root, pl_buf_str(&groups), &m, PL_STR(""), out);
		for (size_t i = 0; i < 2 && pl_str_eq(m.type, PL_STR("cgroup")); i++)
			if (pl_str_list_has(m.options, pl_str(controllers[i])))
				read_tree(root, pl_buf_str(&groups), &m,
				    pl_str(controllers[i]), out);
	}
done:
	pl_buf_fini(&mounts);
	pl_buf_fini(&groups);
}
