/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Blocks that code called by the tracker has allocated: not the program's, so not recorded. When
 * the program's libc frees one (the TLS that libunwind made ld.so allocate, for example), that is
 * not recorded either.
 *
 * A small table that is read and written without locks. When it is full, a block is forgotten, and
 * its release will be an anomaly in the log.
 */
#ifndef MEMTRACE_PRELOAD_FOREIGN_BLOCKS_H
#define MEMTRACE_PRELOAD_FOREIGN_BLOCKS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

extern _Atomic uint32_t foreign_block_count;

void foreign_blocks_add(const void *address);

/* Takes a block out. returns false if it is not there */
bool foreign_blocks_remove_slowly(const void *address);

static inline bool foreign_blocks_remove(const void *address)
{
	if (__builtin_expect(atomic_load_explicit(&foreign_block_count, memory_order_relaxed) == 0,
			     1))
		return false;
	return foreign_blocks_remove_slowly(address);
}

#endif
