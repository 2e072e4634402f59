/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which blocks are in the log, so that the release of a block that was not recorded costs a look
 * and no more: one bit for every 8 bytes of address space (allocators other than glibc's align
 * small blocks to 8), and for every page the number of its bits that are set. While sampling there
 * is hardly a page with any, and the numbers, 2 bytes a page, stay in the cache where the bits of a
 * large heap don't.
 *
 *   root[address >> 28]  ->  leaf for 256 MiB of addresses, mapped when first needed
 *
 * A missing leaf means "look closer": so while everything is recorded and nothing may ever be
 * sampled there are no leaves, and every release is looked at. The blocks of the bootstrap pool
 * are marked for good. A fork's child has a copy of its own.
 *
 * Bits and numbers are changed with one instruction; with the lock prefix once more than one thread
 * records.
 */
#ifndef MEMTRACE_PRELOAD_RECORDED_MAP_H
#define MEMTRACE_PRELOAD_RECORDED_MAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libtrack/preload/hidden.h"

#if defined(__x86_64__)
#define RECORDED_ADDRESS_BITS 47
#else
#define RECORDED_ADDRESS_BITS 48
#endif
#define RECORDED_LEAF_SHIFT 28
#define RECORDED_ROOT_ENTRIES (1u << (RECORDED_ADDRESS_BITS - RECORDED_LEAF_SHIFT))
#define RECORDED_PAGE_SHIFT 12
#define RECORDED_LEAF_PAGES (1u << (RECORDED_LEAF_SHIFT - RECORDED_PAGE_SHIFT))
#define RECORDED_LEAF_WORDS (1u << (RECORDED_LEAF_SHIFT - 3 - 6))

struct recorded_leaf {
	uint16_t counts[RECORDED_LEAF_PAGES];
	uint64_t bits[RECORDED_LEAF_WORDS];
};

extern HIDDEN _Atomic(struct recorded_leaf *) recorded_root[RECORDED_ROOT_ENTRIES];

static inline uint16_t *recorded_count(struct recorded_leaf *leaf, uintptr_t address)
{
	return &leaf->counts[address >> RECORDED_PAGE_SHIFT & (RECORDED_LEAF_PAGES - 1)];
}

static inline uint64_t *recorded_word(struct recorded_leaf *leaf, uintptr_t address)
{
	return &leaf->bits[address >> 9 & (RECORDED_LEAF_WORDS - 1)];
}

/* The block is known not to be recorded. */
static inline bool recorded_map_lacks(const void *block)
{
	uintptr_t address = (uintptr_t)block;
	struct recorded_leaf *leaf = atomic_load_explicit(
		&recorded_root[address >> RECORDED_LEAF_SHIFT & (RECORDED_ROOT_ENTRIES - 1)],
		memory_order_relaxed);
	if (__builtin_expect(leaf == NULL, 0))
		return false;
	return __builtin_expect(
		       __atomic_load_n(recorded_count(leaf, address), __ATOMIC_RELAXED) == 0, 1) ||
	       !(__atomic_load_n(recorded_word(leaf, address), __ATOMIC_RELAXED) >>
			 (address >> 3 & 63) &
		 1);
}

/* Marks a block. returns false if it can't be: it is not to be recorded then */
bool recorded_map_add(const void *block);

/* Takes the mark off. returns false if there was none: the block is not in the log */
bool recorded_map_take(const void *block);

#endif
