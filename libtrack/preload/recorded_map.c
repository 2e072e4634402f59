/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/recorded_map.h"

#include <stddef.h>

#include "common/sys.h"
#include "libtrack/preload/real.h"
#include "libtrack/preload/tracker.h"

_Static_assert((1u << (RECORDED_PAGE_SHIFT - 3)) < UINT16_MAX / 2, "a page's bits are counted");

#define FOR_GOOD 0x8000u /* in a page's number */

_Atomic(struct recorded_leaf *) recorded_root[RECORDED_ROOT_ENTRIES];

static uint64_t bit_of(uintptr_t address)
{
	return 1ull << (address >> 3 & 63);
}

static inline bool is_alone(void)
{
	return !atomic_load_explicit(&tracker.stamping, memory_order_relaxed);
}

/*
 * A plain instruction can't be interrupted half-way by a signal handler of its thread. Two threads
 * at one word meet it only in the instant in which the second one begins to record.
 *
 * returns  false if the bit was set already
 */
static inline bool set_bit(uint64_t *word, uint64_t bit)
{
#if defined(__x86_64__)
	if (is_alone()) {
		bool is_new = !(*word & bit);
		__asm__ volatile("orq %1, %0" : "+m"(*word) : "r"(bit) : "cc");
		return is_new;
	}
#endif
	return !(__atomic_fetch_or(word, bit, __ATOMIC_RELAXED) & bit);
}

static inline void clear_bit(uint64_t *word, uint64_t bit)
{
#if defined(__x86_64__)
	if (is_alone()) {
		__asm__ volatile("andq %1, %0" : "+m"(*word) : "r"(~bit) : "cc");
		return;
	}
#endif
	(void)__atomic_fetch_and(word, ~bit, __ATOMIC_RELAXED);
}

/* difference  1 or -1 */
static inline void change_count(uint16_t *count, int16_t difference)
{
#if defined(__x86_64__)
	if (is_alone()) {
		__asm__ volatile("addw %1, %0" : "+m"(*count) : "r"(difference) : "cc");
		return;
	}
#endif
	(void)__atomic_fetch_add(count, (uint16_t)difference, __ATOMIC_RELAXED);
}

/* Marks the bootstrap pool, whose blocks the real free must never see. */
static void mark_pool(struct recorded_leaf *leaf, uintptr_t leaf_address)
{
	uintptr_t pool = (uintptr_t)bootstrap_pool;
	for (uintptr_t address = pool; address < pool + BOOTSTRAP_POOL_BYTES; address += 8) {
		if (address >> RECORDED_LEAF_SHIFT != leaf_address >> RECORDED_LEAF_SHIFT)
			continue;
		*recorded_word(leaf, address) |= bit_of(address);
		*recorded_count(leaf, address) = FOR_GOOD;
	}
}

static struct recorded_leaf *find_leaf(uintptr_t address)
{
	_Atomic(struct recorded_leaf *) *entry = &recorded_root[address >> RECORDED_LEAF_SHIFT];
	struct recorded_leaf *leaf = atomic_load_explicit(entry, memory_order_acquire);
	if (leaf)
		return leaf;
	leaf = sys_pages(sizeof(*leaf));
	if (!leaf)
		return NULL;
	/* A huge page for one bit would be a waste; fails without harm where there are none. */
	(void)sys_call6(SYS_madvise, (long)leaf, sizeof(*leaf), MADV_NOHUGEPAGE, 0, 0, 0);
	mark_pool(leaf, address);
	struct recorded_leaf *other = NULL;
	if (atomic_compare_exchange_strong(entry, &other, leaf))
		return leaf;
	sys_munmap(leaf, sizeof(*leaf));
	return other;
}

bool recorded_map_add(const void *block)
{
	uintptr_t address = (uintptr_t)block;
	if (address >> RECORDED_ADDRESS_BITS)
		return false;
	struct recorded_leaf *leaf = find_leaf(address);
	if (!leaf)
		return false;
	if (set_bit(recorded_word(leaf, address), bit_of(address)))
		change_count(recorded_count(leaf, address), 1);
	return true;
}

bool recorded_map_take(const void *block)
{
	uintptr_t address = (uintptr_t)block;
	/* A leaf is made in passing: the next release near by then costs a look only. */
	struct recorded_leaf *leaf = address >> RECORDED_ADDRESS_BITS ? NULL : find_leaf(address);
	if (!leaf || !(*recorded_word(leaf, address) & bit_of(address)))
		return false;
	clear_bit(recorded_word(leaf, address), bit_of(address));
	change_count(recorded_count(leaf, address), -1);
	return true;
}
