/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/foreign_blocks.h"

#include <stddef.h>

#define SLOTS 4096u
#define PROBES 16u

_Atomic uint32_t foreign_block_count;
static _Atomic uintptr_t slots[SLOTS]; /* addresses; 0 = free */

static size_t first_slot(uintptr_t address)
{
	return (size_t)((address >> 4) * 0x9e3779b97f4a7c15u >> 40);
}

void foreign_blocks_add(const void *block)
{
	uintptr_t address = (uintptr_t)block;
	size_t slot = first_slot(address);
	for (size_t i = 0; i < PROBES; i++) {
		uintptr_t empty = 0;
		if (!atomic_compare_exchange_strong(&slots[(slot + i) % SLOTS], &empty, address))
			continue;
		atomic_fetch_add(&foreign_block_count, 1);
		return;
	}
}

bool foreign_blocks_remove_slowly(const void *block)
{
	uintptr_t address = (uintptr_t)block;
	size_t slot = first_slot(address);
	for (size_t i = 0; i < PROBES; i++) {
		uintptr_t there = address;
		if (!atomic_compare_exchange_strong(&slots[(slot + i) % SLOTS], &there, 0))
			continue;
		atomic_fetch_sub(&foreign_block_count, 1);
		return true;
	}
	return false;
}
