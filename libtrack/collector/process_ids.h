/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One process, three numbers: its own, in the pid namespace that it lives in; ours, which
 * pidfd_open and kill take; and its name under /proc, which may be mounted for another namespace
 * than ours. They differ in containers: `unshare --pid`, with the collector inside or outside.
 */
#ifndef MEMTRACE_COLLECTOR_PROCESS_IDS_H
#define MEMTRACE_COLLECTOR_PROCESS_IDS_H

#include <stdint.h>

struct process_ids {
	uint64_t namespace; /* ours: inode number of /proc/self/ns/pid; 0: not known */
	uint32_t level;     /* place of our numbers in the NSpid lines of /proc */
};

struct process_id {
	uint32_t ours;    /* 0: there is no such process, or it is out of sight */
	uint32_t in_proc; /* 0: likewise */
};

void process_ids_init(struct process_ids *ids);

/*
 * Finds the process that calls itself `pid`.
 *
 * namespace  inode number of its pid namespace; 0: not known, taken as ours
 */
struct process_id process_ids_find(const struct process_ids *ids, uint32_t pid, uint64_t namespace);

/* returns  the name below /proc/PROCESS/task of the thread that calls itself `thread_id`; 0: none
 */
uint32_t process_ids_thread(const struct process_ids *ids, uint32_t process, uint32_t own_pid,
			    uint32_t thread_id);

#endif
