/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/rule_cache.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>

#include "common/sys.h"
#include "libtrack/preload/cfi_table.h"
#include "libtrack/preload/tracker.h"

#define SET_BITS 12u
#define WAYS 4u
#define TAG_BITS (48u - SET_BITS)
static_assert(TAG_BITS + RULE_BITS == 64, "an entry is one word");

static const uint64_t multiplier = 0x9e3779b97f4bu;
static _Alignas(64) _Atomic uint64_t sets[1u << SET_BITS][WAYS]; /* 0 = empty */

/* A program that records at all soon needs most of it. */
static void populate(void)
{
	static _Atomic uint32_t is_populated;
	if (!atomic_load_explicit(&is_populated, memory_order_relaxed) &&
	    !atomic_load_explicit(&tracker.is_filtered, memory_order_relaxed)) {
		atomic_store_explicit(&is_populated, 1, memory_order_relaxed);
		(void)sys_populate(sets, sizeof(sets));
	}
}

static uint32_t decode(uint64_t key, _Atomic uint64_t *set, uint64_t tag)
{
	uintptr_t address = (uintptr_t)RULE_KEY_ADDRESS(key);
	/* A return address may be the first one behind its function: the call is before it. */
	uint32_t rule = cfi_rule(key & RULE_KEY_EXACT ? address : address - 1);
	uint32_t way = 0;
	populate();
	while (way < WAYS && atomic_load_explicit(&set[way], memory_order_relaxed))
		way++;
	if (way == WAYS)
		way = (uint32_t)(tag % WAYS);
	atomic_store_explicit(&set[way], tag << RULE_BITS | rule, memory_order_relaxed);
	return rule;
}

uint32_t rule_cache_get(uint64_t key)
{
	uint64_t product = key * multiplier << 16; /* mod 2^48, in the upper bits */
	_Atomic uint64_t *set = sets[product >> (64 - SET_BITS)];
	uint64_t tag = product << SET_BITS >> (64 - TAG_BITS);
	for (uint32_t way = 0; way < WAYS; way++) {
		uint64_t entry = atomic_load_explicit(&set[way], memory_order_relaxed);
		if (entry >> RULE_BITS == tag && entry)
			return (uint32_t)entry & RULE_MASK;
	}
	return decode(key, set, tag);
}

void rule_cache_clear(void)
{
	for (size_t i = 0; i < 1u << SET_BITS; i++)
		for (size_t way = 0; way < WAYS; way++)
			if (atomic_load_explicit(&sets[i][way], memory_order_relaxed))
				atomic_store_explicit(&sets[i][way], 0, memory_order_relaxed);
}
