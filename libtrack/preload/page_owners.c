/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/page_owners.h"

#include "common/segment.h"
#include "common/sys.h"
#include "libtrack/preload/tracker.h"

#define LEAF_BYTES (PAGE_OWNERS_LEAF_ENTRIES * sizeof(uint16_t))

_Static_assert(SEGMENT_RINGS < PAGE_OWNERS_MANY, "a ring's index + 1 names an owner");

_Atomic(_Atomic uint16_t *) page_owners_root[PAGE_OWNERS_ROOT_ENTRIES];

/* returns  NULL if there is none and none can be made */
static _Atomic uint16_t *find_leaf(uint64_t address)
{
	_Atomic(_Atomic uint16_t *) *entry = &page_owners_root[page_owners_entry(address)];
	_Atomic uint16_t *leaf = atomic_load_explicit(entry, memory_order_acquire);
	if (leaf || atomic_load_explicit(&tracker.is_filtered, memory_order_relaxed))
		return leaf;
	leaf = sys_pages(LEAF_BYTES);
	if (!leaf)
		return NULL;
	_Atomic uint16_t *other = NULL;
	if (!sys_failed(sys_call6(SYS_madvise, (long)leaf, LEAF_BYTES, MADV_WIPEONFORK, 0, 0, 0)) &&
	    atomic_compare_exchange_strong(entry, &other, leaf))
		return leaf;
	sys_munmap(leaf, LEAF_BYTES);
	return other;
}

void page_owners_claim(uint64_t address, uint32_t ring_index)
{
	_Atomic uint16_t *leaf = find_leaf(address);
	if (!leaf)
		return;
	_Atomic uint16_t *owner = &leaf[page_owners_page(address)];
	uint16_t there = atomic_load_explicit(owner, memory_order_relaxed);
	if (there == PAGE_OWNERS_MANY || there == ring_index + 1)
		return;
	if (there != 0 ||
	    !atomic_compare_exchange_strong(owner, &there, (uint16_t)(ring_index + 1)))
		atomic_store(owner, PAGE_OWNERS_MANY);
}
