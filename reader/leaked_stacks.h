/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which stack traces a leak check speaks of: those of blocks that were live at its scan, or, where
 * what a scan said does not hold, at the end.
 */
#ifndef MEMTRACE_READER_LEAKED_STACKS_H
#define MEMTRACE_READER_LEAKED_STACKS_H

#include <stdbool.h>
#include <stdint.h>

#include "reader/loaded_log.h"

/*
 * Whether what a scan of this process said of its blocks holds: there was one, it could read all
 * memory, and nothing of the process's events is missing.
 */
bool leaked_stacks_are_scanned(const struct loaded_log *log, uint32_t process);

#define LEAKED_STACKS_ALL UINT32_MAX

/*
 * Marks the nodes of these stack traces.
 *
 * kinds  bits 1 << enum leak_kind: others are left out, where a scan told of kinds
 * used   [node_count] of the process's trie
 */
void leaked_stacks_mark(const struct loaded_log *log, uint32_t process, uint32_t kinds, bool *used);

#endif
