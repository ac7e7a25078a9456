#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ops/cgroup.h"

#define MiB (1024 * 1024)

static char root[64];

/* A file of the tree below root, with the folders that it stands in. */
static void
put(const char *path, const char *text)
{
	char name[512];
	FILE *file;

	snprintf(name, sizeof(name), "%s%s", root, path);
	for (char *c = name + strlen(root) + 1; *c != '\0'; c++) {
		if (*c != '/')
			continue;
		*c = '\0';
		mkdir(name, 0700);
		*c = '/';
	}
	file = fopen(name, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int
make_root(void **state)
{
	(void)state;
	strcpy(root, "/tmp/parley-cgroup-XXXXXX");
	return mkdtemp(root) != NULL ? 0 : -1;
}

static int
drop_root(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

static void
expect(int64_t memory_bytes, int64_t cpu_milli)
{
	struct pl_cgroup_limits limits;

	pl_cgroup_limits_read(root, &limits);
	assert_int_equal(limits.memory_bytes, memory_bytes);
	assert_int_equal(limits.cpu_milli, cpu_milli);
}

#define V2_MOUNT                                                                         \
	"22 1 0:21 / /proc rw,relatime - proc proc rw\n"                                 \
	"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 "              \
	"rw,nsdelegate\n"
#define V1_MOUNTS                                                                        \
	"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"                     \
	"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"    \
	"35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
#define V1_GROUPS                                                                        \
	"9:name=systemd:/\n4:memory:/docker/7f\n3:cpuset:/\n2:cpu,cpuacct:/docker/7f\n"

static void
sets_no_limit_where_nothing_can_be_read(void **state)
{
	(void)state;
	expect(INT64_MAX, INT64_MAX);
	put("/proc/self/cgroup", "0::/a\n");
	expect(INT64_MAX, INT64_MAX);
	put("/proc/self/mountinfo", V2_MOUNT);
	expect(INT64_MAX, INT64_MAX);
	put("/sys/fs/cgroup/a/memory.max", "max\n");
	put("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
	expect(INT64_MAX, INT64_MAX);
}

static void
reads_version_2(void **state)
{
	(void)state;
	put("/proc/self/cgroup", "0::/system.slice/parley-auth@1.service\n");
	put("/proc/self/mountinfo", V2_MOUNT);
	put("/sys/fs/cgroup/system.slice/parley-auth@1.service/memory.max",
	    "268435456\n");
	put("/sys/fs/cgroup/system.slice/parley-auth@1.service/cpu.max",
	    "150000 100000\n");
	expect(256 * MiB, 1500);
}

static void
takes_the_least_on_the_way_up(void **state)
{
	(void)state;
	put("/proc/self/cgroup", "0::/a/b/c\n");
	put("/proc/self/mountinfo", V2_MOUNT);
	put("/sys/fs/cgroup/a/b/c/memory.max", "max\n");
	put("/sys/fs/cgroup/a/b/memory.max", "536870912\n");
	put("/sys/fs/cgroup/a/b/memory.high", "134217728\n");
	put("/sys/fs/cgroup/a/memory.max", "268435456\n");
	put("/sys/fs/cgroup/a/b/c/cpu.max", "400000 100000\n");
	put("/sys/fs/cgroup/a/cpu.max", "50000 100000\n");
	expect(128 * MiB, 500);
}

static void
reads_version_1(void **state)
{
	(void)state;
	put("/proc/self/cgroup", V1_GROUPS);
	put("/proc/self/mountinfo", V1_MOUNTS);
	put("/sys/fs/cgroup/memory/docker/7f/memory.limit_in_bytes",
	    "9223372036854771712\n");
	put("/sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "268435456\n");
	put("/sys/fs/cgroup/cpu,cpuacct/docker/7f/cpu.cfs_quota_us", "-1\n");
	put("/sys/fs/cgroup/cpu,cpuacct/docker/7f/cpu.cfs_period_us", "100000\n");
	put("/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us", "300000\n");
	put("/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us", "100000\n");
	expect(256 * MiB, 3000);
}

static void
reads_both_where_both_are_there(void **state)
{
	(void)state;
	put("/proc/self/cgroup", V1_GROUPS "0::/x\n");
	put("/proc/self/mountinfo",
	    V1_MOUNTS "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
	put("/sys/fs/cgroup/memory/docker/7f/memory.limit_in_bytes", "268435456\n");
	put("/sys/fs/cgroup/unified/x/cpu.max", "200000 100000\n");
	expect(256 * MiB, 2000);
}

/* In a container the part of the tree that is mounted is its own. The path is the host's
 * if the container has no namespace of its own. */
static void
finds_a_container_in_the_part_that_is_mounted(void **state)
{
	(void)state;
	put("/proc/self/cgroup", "4:memory:/docker/7f\n");
	put("/proc/self/mountinfo",
	    "35 31 0:32 /docker/7f /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
	put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "67108864\n");
	expect(64 * MiB, INT64_MAX);
	put("/proc/self/cgroup", "4:memory:/docker/7f/own\n");
	put("/sys/fs/cgroup/memory/own/memory.limit_in_bytes", "33554432\n");
	expect(32 * MiB, INT64_MAX);
}

static void
takes_the_mount_where_the_path_lies_elsewhere(void **state)
{
	(void)state;
	put("/proc/self/cgroup", "0::/../other\n");
	put("/proc/self/mountinfo", V2_MOUNT);
	put("/sys/fs/cgroup/memory.max", "67108864\n");
	expect(64 * MiB, INT64_MAX);
	put("/proc/self/cgroup", "0::/kubepods/pod1\n");
	put("/proc/self/mountinfo",
	    "30 23 0:26 /kubepods/pod2 /sys/fs/cgroup rw - cgroup2 cgroup rw\n");
	expect(64 * MiB, INT64_MAX);
}

static void
reads_a_mount_with_a_blank_and_a_path_with_colons(void **state)
{
	(void)state;
	put("/proc/self/cgroup", "0::/a:b\n");
	put("/proc/self/mountinfo",
	    "30 23 0:26 / /my\\040groups rw - cgroup2 cgroup rw\n");
	put("/my groups/a:b/memory.max", "67108864\n");
	expect(64 * MiB, INT64_MAX);
}

static void
passes_over_what_is_no_number(void **state)
{
	(void)state;
	put("/proc/self/cgroup", "nonsense\n0::/a\n");
	put("/proc/self/mountinfo", "x\n\n1 2 3\n" V2_MOUNT);
	put("/sys/fs/cgroup/a/memory.max", "12 34\n");
	put("/sys/fs/cgroup/a/memory.high", "\n");
	put("/sys/fs/cgroup/a/cpu.max", "100000\n");
	expect(INT64_MAX, INT64_MAX);
	put("/sys/fs/cgroup/a/cpu.max", "100000 0\n");
	expect(INT64_MAX, INT64_MAX);
	put("/sys/fs/cgroup/a/cpu.max", "1 1000000\n");
	expect(INT64_MAX, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, drop_root)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(sets_no_limit_where_nothing_can_be_read),
	    TEST(reads_version_2),
	    TEST(takes_the_least_on_the_way_up),
	    TEST(reads_version_1),
	    TEST(reads_both_where_both_are_there),
	    TEST(finds_a_container_in_the_part_that_is_mounted),
	    TEST(takes_the_mount_where_the_path_lies_elsewhere),
	    TEST(reads_a_mount_with_a_blank_and_a_path_with_colons),
	    TEST(passes_over_what_is_no_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
