/*
 * cgroup: how much memory and processor time the control groups leave this process.
 *
 *   /proc/self/cgroup        0::/parley/auth          4:memory:/docker/7f3a
 *   /proc/self/mountinfo     where these trees are mounted, and which part of them
 *   v2   <mount>/parley/auth/memory.max, memory.high, cpu.max ("150000 100000": 1.5 processors)
 *   v1   <mount>/docker/7f3a/memory.limit_in_bytes, cpu.cfs_quota_us, cpu.cfs_period_us
 *
 * A group is held by the limits of all groups above it, too, so each is read up to the
 * mount, and the least one counts. In a container the mount is often a part of the tree,
 * and the path names what cannot be seen from there: then the mount itself is the group.
 * Both versions may be there at once. What cannot be read sets no limit.
 * Sources: cgroups(7), proc_pid_mountinfo(5), the kernel's admin-guide/cgroup-v2.rst.
 * Threads: any.
 */
#ifndef PL_OPS_CGROUP_H
#define PL_OPS_CGROUP_H

#include <stdint.h>

struct pl_cgroup_limits {
	int64_t memory_bytes; /* INT64_MAX: none */
	int64_t cpu_milli;    /* thousandths of a processor, 1 or more; INT64_MAX: none */
};

/* root is what stands in front of /proc and of the mounts: "" but in tests. */
void pl_cgroup_limits_read(const char *root, struct pl_cgroup_limits *out);

#endif
