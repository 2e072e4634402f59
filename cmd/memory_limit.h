/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much memory there is for the processes here, and how often the kernel killed for want of it.
 */
#ifndef MEMTRACE_CMD_MEMORY_LIMIT_H
#define MEMTRACE_CMD_MEMORY_LIMIT_H

#include <stdint.h>

struct memory_limit {
	uint64_t bytes;         /* the smallest that holds; 0: none is known */
	const char *what;       /* whose it is, for people */
	uint64_t group_kills;   /* processes of the control group killed by the OOM killer so far */
	uint64_t machine_kills; /* and of the whole machine */
	uint64_t address_space_bytes; /* RLIMIT_AS or RLIMIT_DATA; UINT64_MAX: unlimited */
};

/*
 * Looks at the control group of the caller, up to the root, and at the machine's memory.
 *
 * proc, groups  "/proc" and "/sys/fs/cgroup"; version 1 and 2 are known
 */
void memory_limit_read(const char *proc, const char *groups, struct memory_limit *ret_limit);

#endif
