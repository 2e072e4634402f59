/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/recorded_map.h"

#include <stddef.h>

#include "common/sys.h"
#include "libtrack/preload/real.h"
#include "libtrack/preload/tracker.h"

#define LEAF_BYTES (RECORDED_LEAF_WORDS * sizeof(uint64_t))

_Atomic(uint64_t *) recorded_root[RECORDED_ROOT_ENTRIES];

static uint64_t *word_in(uint64_t *leaf, uintptr_t address)
{
	return &leaf[address >> 9 & (RECORDED_LEAF_WORDS - 1)];
}

static uint64_t bit_of(uintptr_t address)
{
	return 1ull << (address >> 3 & 63);
}

/*
 * A plain instruction can't be interrupted half-way by a signal handler of its thread. Two threads
 * at one word meet it only in the instant in which the second one begins to record.
 */
static inline void set_bits(uint64_t *word, uint64_t bits)
{
#if defined(__x86_64__)
	if (!atomic_load_explicit(&tracker.stamping, memory_order_relaxed)) {
		__asm__ volatile("orq %1, %0" : "+m"(*word) : "r"(bits) : "cc");
		return;
	}
#endif
	(void)__atomic_fetch_or(word, bits, __ATOMIC_RELAXED);
}

static inline void clear_bits(uint64_t *word, uint64_t bits)
{
#if defined(__x86_64__)
	if (!atomic_load_explicit(&tracker.stamping, memory_order_relaxed)) {
		__asm__ volatile("andq %1, %0" : "+m"(*word) : "r"(~bits) : "cc");
		return;
	}
#endif
	(void)__atomic_fetch_and(word, ~bits, __ATOMIC_RELAXED);
}

/* Marks the bootstrap pool, whose blocks the real free must never see. */
static void mark_pool(uint64_t *leaf, uintptr_t leaf_address)
{
	uintptr_t pool = (uintptr_t)bootstrap_pool;
	for (uintptr_t address = pool; address < pool + BOOTSTRAP_POOL_BYTES; address += 8)
		if (address >> RECORDED_LEAF_SHIFT == leaf_address >> RECORDED_LEAF_SHIFT)
			*word_in(leaf, address) |= bit_of(address);
}

static uint64_t *find_leaf(uintptr_t address)
{
	_Atomic(uint64_t *) *entry = &recorded_root[address >> RECORDED_LEAF_SHIFT];
	uint64_t *leaf = atomic_load_explicit(entry, memory_order_acquire);
	if (leaf)
		return leaf;
	leaf = sys_pages(LEAF_BYTES);
	if (!leaf)
		return NULL;
	/* A huge page for one bit would be a waste; fails without harm where there are none. */
	(void)sys_call6(SYS_madvise, (long)leaf, LEAF_BYTES, MADV_NOHUGEPAGE, 0, 0, 0);
	mark_pool(leaf, address);
	uint64_t *other = NULL;
	if (atomic_compare_exchange_strong(entry, &other, leaf))
		return leaf;
	sys_munmap(leaf, LEAF_BYTES);
	return other;
}

bool recorded_map_add(const void *block)
{
	uintptr_t address = (uintptr_t)block;
	if (address >> RECORDED_ADDRESS_BITS)
		return false;
	uint64_t *leaf = find_leaf(address);
	if (!leaf)
		return false;
	set_bits(word_in(leaf, address), bit_of(address));
	return true;
}

bool recorded_map_take(const void *block)
{
	uintptr_t address = (uintptr_t)block;
	/* A leaf is made in passing: the next release near by then costs a look only. */
	uint64_t *leaf = address >> RECORDED_ADDRESS_BITS ? NULL : find_leaf(address);
	if (!leaf || !(*word_in(leaf, address) & bit_of(address)))
		return false;
	clear_bits(word_in(leaf, address), bit_of(address));
	return true;
}
