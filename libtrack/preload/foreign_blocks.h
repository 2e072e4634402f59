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

#include "libtrack/preload/hidden.h"

/*
 * A bit for each hash that a foreign block ever had: nearly every release is told apart by it, and
 * the table, which costs more, is left alone.
 */
#define FOREIGN_FILTER_WORDS 16u
extern HIDDEN _Atomic uint64_t foreign_filter[FOREIGN_FILTER_WORDS];

static inline uint32_t foreign_blocks_hash(const void *address)
{
	return (uint32_t)(((uintptr_t)address >> 3) * 0x9e3779b97f4a7c15u >> 40);
}

void foreign_blocks_add(const void *address);

/* Takes a block out. returns false if it is not there */
bool foreign_blocks_remove_slowly(const void *address);

/* Calls `visit` for each block that is there. */
void foreign_blocks_each(void (*visit)(void *context, void *block), void *context);

static inline bool foreign_blocks_remove(const void *address)
{
	uint32_t hash = foreign_blocks_hash(address);
	uint64_t word = atomic_load_explicit(&foreign_filter[hash / 64 % FOREIGN_FILTER_WORDS],
					     memory_order_relaxed);
	if (__builtin_expect(!(word >> hash % 64 & 1), 1))
		return false;
	return foreign_blocks_remove_slowly(address);
}

#endif
