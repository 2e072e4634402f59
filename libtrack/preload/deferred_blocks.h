/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The process's side of common/deferred.h: slots of blocks that the collector is not told of yet.
 *
 * A block is one thread's between its allocation and its release, so is its slot: no two write to
 * it at a time, but for a scan, which takes what it finds while threads are parked.
 */
#ifndef MEMTRACE_PRELOAD_DEFERRED_BLOCKS_H
#define MEMTRACE_PRELOAD_DEFERRED_BLOCKS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/deferred.h"
#include "libtrack/preload/hidden.h"
#include "libtrack/preload/tracker.h"

#define DEFERRED_PLACES 4096u /* regions by address, those of 256 GiB without a collision */

struct deferred_place {
	_Atomic uint64_t
		number; /* 1 + that of its addresses, >> DEFERRED_REGION_SHIFT; 0: none yet */
	_Atomic(struct deferred_region *) region; /* NULL: none */
};

extern HIDDEN struct deferred_place deferred_places[DEFERRED_PLACES];

/* Maps the file, if the session has one and this process may. */
void deferred_blocks_start(void);

/* In a fork's child: what there is is the parent's. */
void deferred_blocks_enter_child(void);

/* What comes from here on is told of at once. No thread is at it, and all slots are empty. */
void deferred_blocks_end(void);

/* Makes the slot of an address that has none. returns NULL: there can't be one */
_Atomic uint64_t *deferred_blocks_make(uintptr_t address);

/* A number for a stack trace. returns 0: there are no more */
uint32_t deferred_blocks_number_stack(void);

/* The slot of an address. returns NULL: it has none */
static inline _Atomic uint64_t *deferred_blocks_find(uintptr_t address)
{
	uint64_t number = (address >> DEFERRED_REGION_SHIFT) + 1;
	const struct deferred_place *place = &deferred_places[number % DEFERRED_PLACES];
	struct deferred_region *region = atomic_load_explicit(&place->region, memory_order_acquire);
	if (__builtin_expect(!region, 0) ||
	    atomic_load_explicit(&place->number, memory_order_relaxed) != number ||
	    address & tracker.deferred_low_bits)
		return NULL;
	uint32_t slot = deferred_slot_index(address);
	return deferred_page_is_ready(region, slot) ? &region->slots[slot] : NULL;
}

/*
 * Takes what there is of a block. A scan may come in between, while a handler keeps this thread,
 * and take it too: it is one instruction. With one thread a lock is not needed for that.
 *
 * returns  the slot's value; 0: the collector knows of the block, or nobody does
 */
static inline uint64_t deferred_blocks_take(const void *block)
{
	/* A child that was not seen yet has its parent's slots before it. */
	if (!tracker.deferred_low_bits || __builtin_expect(!*tracker.alive, 0))
		return 0;
	_Atomic uint64_t *slot = deferred_blocks_find((uintptr_t)block);
	uint64_t value = slot ? atomic_load_explicit(slot, memory_order_relaxed) : 0;
	if (!value || (value & DEFERRED_HALF_BIT) != deferred_half((uintptr_t)block))
		return 0;
#if defined(__x86_64__)
	if (!atomic_load_explicit(&tracker.stamping, memory_order_relaxed)) {
		uint64_t found = value;
		__asm__ volatile("cmpxchgq %2, %0"
				 : "+m"(*slot), "+a"(found)
				 : "r"((uint64_t)0)
				 : "cc");
		return found == value ? value : 0;
	}
#endif
	return atomic_exchange_explicit(slot, 0, memory_order_relaxed);
}

#endif
