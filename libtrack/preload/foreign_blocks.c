/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/foreign_blocks.h"

#include <stddef.h>

#define SLOTS 4096u
#define PROBES 16u

_Atomic uint64_t foreign_filter[FOREIGN_FILTER_WORDS];
static _Atomic uintptr_t slots[SLOTS]; /* addresses; 0 = free */

void foreign_blocks_add(const void *block)
{
	uintptr_t address = (uintptr_t)block;
	uint32_t hash = foreign_blocks_hash(block);
	atomic_fetch_or(&foreign_filter[hash / 64 % FOREIGN_FILTER_WORDS], 1ull << hash % 64);
	for (size_t i = 0; i < PROBES; i++) {
		uintptr_t empty = 0;
		if (atomic_compare_exchange_strong(&slots[(hash + i) % SLOTS], &empty, address))
			return;
	}
}

bool foreign_blocks_remove_slowly(const void *block)
{
	uint32_t hash = foreign_blocks_hash(block);
	for (size_t i = 0; i < PROBES; i++) {
		uintptr_t there = (uintptr_t)block;
		_Atomic uintptr_t *slot = &slots[(hash + i) % SLOTS];
		if (atomic_load_explicit(slot, memory_order_relaxed) == there &&
		    atomic_compare_exchange_strong(slot, &there, 0))
			return true;
	}
	return false;
}

void foreign_blocks_each(void (*visit)(void *context, void *block), void *context)
{
	for (size_t i = 0; i < SLOTS; i++) {
		uintptr_t address = atomic_load_explicit(&slots[i], memory_order_relaxed);
		if (address)
			visit(context, (void *)address);
	}
}
