/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which ring has the events of a page of memory, so that only those events carry a stamp whose
 * order between threads matters: blocks of one page of which two threads have recorded something.
 *
 * A page's first event claims it for the ring, and is stamped. From then on the ring's events there
 * go without, until another ring's event finds the page taken: that one, and all after it, of
 * whichever ring, are stamped. So an event without a stamp comes after a stamped one of its ring,
 * the claim, and before any other ring's event on the page, which has a stamp; the rest is the
 * program's doing, which can't hand over a block before we have published what we know of it.
 * While one thread alone records there are neither stamps nor owners: all of that comes before
 * the claims of later ones, and what is under way when the second one comes is waited for
 * (ring_header.busy).
 *
 *   root[address >> 28]  ->  leaf of 2^16 owners for 256 MiB of addresses, mapped when first needed
 *
 * Leaves are zero in a fork's child, whose rings are others. Where that is not to be had, or no
 * memory, there is no leaf, and every event is stamped.
 */
#ifndef MEMTRACE_PRELOAD_PAGE_OWNERS_H
#define MEMTRACE_PRELOAD_PAGE_OWNERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libtrack/preload/hidden.h"

#define PAGE_OWNERS_ADDRESS_BITS 47
#define PAGE_OWNERS_LEAF_SHIFT 28
#define PAGE_OWNERS_PAGE_SHIFT 12
#define PAGE_OWNERS_ROOT_ENTRIES (1u << (PAGE_OWNERS_ADDRESS_BITS - PAGE_OWNERS_LEAF_SHIFT))
#define PAGE_OWNERS_LEAF_ENTRIES (1u << (PAGE_OWNERS_LEAF_SHIFT - PAGE_OWNERS_PAGE_SHIFT))

/* Of a page: 0 nobody, the index of a ring + 1, or PAGE_OWNERS_MANY. */
#define PAGE_OWNERS_MANY UINT16_MAX

extern HIDDEN _Atomic(_Atomic uint16_t *) page_owners_root[PAGE_OWNERS_ROOT_ENTRIES];

/* Of a pool's blocks too: their addresses differ from the chunk's in bits that are left out. */
static inline uint32_t page_owners_entry(uint64_t address)
{
	return (uint32_t)(address >> PAGE_OWNERS_LEAF_SHIFT) & (PAGE_OWNERS_ROOT_ENTRIES - 1);
}

static inline uint32_t page_owners_page(uint64_t address)
{
	return (uint32_t)(address >> PAGE_OWNERS_PAGE_SHIFT) & (PAGE_OWNERS_LEAF_ENTRIES - 1);
}

/* The page is the ring's alone, and has been before this event. */
static inline bool page_owners_has(uint64_t address, uint32_t ring_index)
{
	const _Atomic uint16_t *leaf = atomic_load_explicit(
		&page_owners_root[page_owners_entry(address)], memory_order_acquire);
	return __builtin_expect(leaf != NULL, 1) &&
	       atomic_load_explicit(&leaf[page_owners_page(address)], memory_order_relaxed) ==
		       ring_index + 1;
}

/* The ring is about to record a stamped event of a page that page_owners_has() denied it. */
void page_owners_claim(uint64_t address, uint32_t ring_index);

#endif
