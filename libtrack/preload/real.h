/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The functions that the hooks stand in front of: the next ones in the search order, so that a
 * preloaded or linked jemalloc, mimalloc or tcmalloc is found before libc.
 *
 * Until they are looked up, and while dlsym, which may allocate, is at it, a small pool serves.
 */
#ifndef MEMTRACE_PRELOAD_REAL_H
#define MEMTRACE_PRELOAD_REAL_H

#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct real_functions {
#define HOOK(result, name, parameters) result(*name) parameters;
#include "libtrack/preload/hidden.h"
#include "libtrack/preload/hooks.def"
#undef HOOK
	/* Not a hook: for scrubbing. NULL where the allocator has none. */
	size_t (*malloc_usable_size)(void *);
	bool is_glibc; /* the allocator is glibc's: a block has its size and flags in front */
};

extern HIDDEN struct real_functions real;

/* Fills the table, for hooks that have no early stand-in and may be called before constructors. */
void real_find(void);

/* Drops the message of a failed look-up, which must not reach the program. */
void real_clear_dlerror(void);

#define BOOTSTRAP_POOL_BYTES (64u << 10)
extern HIDDEN char bootstrap_pool[BOOTSTRAP_POOL_BYTES];

static inline bool is_from_bootstrap_pool(const void *block)
{
	return (uintptr_t)block - (uintptr_t)bootstrap_pool < BOOTSTRAP_POOL_BYTES;
}

/* Size that was asked for when a block of the pool was made. */
size_t bootstrap_size(const void *block);

#endif
