/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Allocations that a traced process has not told of yet: a file in memory, made by the collector,
 * mapped by every process of a leak check that nobody wants the whole log of.
 *
 * Most blocks are freed again soon, and a leak check has no use for those. So an allocation is put
 * down here, in a slot that its address alone gives, and a release of a block that has a slot
 * clears it and is over. What is still here when a scan begins, or when the process has ended, is
 * what the collector reads and takes for allocations of the times that the slots tell.
 *
 *   offset 0                   struct deferred_header: which regions are whose
 *   DEFERRED_REGION_OFFSET(i)  region i: for 64 MiB of a process's addresses, 8 bytes for each 32
 *
 * The file has no room of its own: of a region those pages exist that its owner has asked for
 * (`ready`), so a store to one of them can't fail, and some that it may ask for next.
 */
#ifndef MEMTRACE_COMMON_DEFERRED_H
#define MEMTRACE_COMMON_DEFERRED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/format.h"
#include "common/segment.h"

#define DEFERRED_MAGIC "MTDEFER"
#define DEFERRED_REGIONS 1024u
#define DEFERRED_REGION_SHIFT 26
#define DEFERRED_GRANULE 32u /* no two blocks of glibc's begin in one */
#define DEFERRED_REGION_SLOTS ((1u << DEFERRED_REGION_SHIFT) / DEFERRED_GRANULE)
#define DEFERRED_PAGE_SLOTS (SEGMENT_PAGE / 8u)
#define DEFERRED_REGION_PAGES (DEFERRED_REGION_SLOTS / DEFERRED_PAGE_SLOTS)

struct deferred_region {
	_Atomic uint8_t ready[SEGMENT_PAGE]; /* bits, by page of `slots` */
	_Atomic uint64_t slots[DEFERRED_REGION_SLOTS];
};
_Static_assert(DEFERRED_REGION_PAGES <= SEGMENT_PAGE * 8u, "every page has its bit");

struct deferred_owner {
	_Atomic uint64_t image_serial;  /* 0: the region is free */
	_Atomic uint64_t first_address; /* what the first slot is for; 1: not said yet */
};
#define DEFERRED_NO_ADDRESS 1u

struct deferred_header {
	char magic[8];
	uint64_t start_monotonic_ns; /* the segment's: it is the same recording */
	struct deferred_owner owners[DEFERRED_REGIONS];
};
#define DEFERRED_HEADER_BYTES                                                                      \
	((sizeof(struct deferred_header) + SEGMENT_PAGE - 1) / SEGMENT_PAGE * SEGMENT_PAGE)
#define DEFERRED_REGION_OFFSET(index)                                                              \
	(DEFERRED_HEADER_BYTES + (uint64_t)(index) * sizeof(struct deferred_region))
#define DEFERRED_FILE_BYTES DEFERRED_REGION_OFFSET(DEFERRED_REGIONS)

/*
 * A slot, 0 if there is nothing to tell, from the top: time (17 bits), size in bytes (22), kind
 * (3), bit 4 of the block's address (1), number of the stack trace in its image, from 1 (21).
 */
#define DEFERRED_STACK_BITS 21
#define DEFERRED_HALF_BIT (1u << DEFERRED_STACK_BITS)
#define DEFERRED_KIND_SHIFT (DEFERRED_STACK_BITS + 1)
#define DEFERRED_KIND_BITS 3
#define DEFERRED_SIZE_BITS 22
#define DEFERRED_STACKS_MAX ((1u << DEFERRED_STACK_BITS) - 1)
#define DEFERRED_SIZE_MAX ((1u << DEFERRED_SIZE_BITS) - 1)
#define DEFERRED_SIZE_SHIFT (DEFERRED_KIND_SHIFT + DEFERRED_KIND_BITS)
#define DEFERRED_TIME_SHIFT (DEFERRED_SIZE_SHIFT + DEFERRED_SIZE_BITS)

/*
 * A time in 17 bits, rounded down: units of 64 microseconds, four thousand of them exactly, then
 * twelve bits of precision. Later times have larger codes.
 */
#define DEFERRED_TIME_UNIT_BITS 6
#define DEFERRED_MANTISSA_BITS 12

static inline uint64_t deferred_time_encode(uint64_t time_us)
{
	uint64_t units = time_us >> DEFERRED_TIME_UNIT_BITS;
	if (units < 1u << DEFERRED_MANTISSA_BITS)
		return units;
	unsigned exponent = 63u - (unsigned)__builtin_clzll(units) - DEFERRED_MANTISSA_BITS;
	uint64_t mantissa = units >> exponent & ((1u << DEFERRED_MANTISSA_BITS) - 1);
	uint64_t code = (uint64_t)(exponent + 1) << DEFERRED_MANTISSA_BITS | mantissa;
	uint64_t last = (1u << (64 - DEFERRED_TIME_SHIFT)) - 1;
	return code < last ? code : last;
}

static inline uint64_t deferred_time_decode(uint64_t code)
{
	uint64_t exponent = code >> DEFERRED_MANTISSA_BITS;
	uint64_t mantissa = code & ((1u << DEFERRED_MANTISSA_BITS) - 1);
	if (exponent > 0)
		mantissa = (mantissa | 1u << DEFERRED_MANTISSA_BITS) << (exponent - 1);
	return mantissa << DEFERRED_TIME_UNIT_BITS;
}

static inline uint64_t deferred_half(uint64_t address)
{
	return (address >> 4 & 1) * DEFERRED_HALF_BIT;
}

/* stack from 1 to DEFERRED_STACKS_MAX; size_bytes up to DEFERRED_SIZE_MAX */
static inline uint64_t deferred_slot_make(uint64_t address, uint64_t time_code, uint64_t size_bytes,
					  unsigned kind, uint32_t stack)
{
	return time_code << DEFERRED_TIME_SHIFT | size_bytes << DEFERRED_SIZE_SHIFT |
	       (uint64_t)kind << DEFERRED_KIND_SHIFT | deferred_half(address) | stack;
}

static inline uint32_t deferred_slot_index(uint64_t address)
{
	return (uint32_t)(address / DEFERRED_GRANULE) % DEFERRED_REGION_SLOTS;
}

/* The address of the block in slot number `index` of the region for `first_address`. */
static inline uint64_t deferred_slot_address(uint64_t first_address, uint32_t index, uint64_t slot)
{
	return first_address + (uint64_t)index * DEFERRED_GRANULE +
	       (slot & DEFERRED_HALF_BIT ? DEFERRED_GRANULE / 2 : 0);
}

static inline uint64_t deferred_slot_time_us(uint64_t slot)
{
	return deferred_time_decode(slot >> DEFERRED_TIME_SHIFT);
}

static inline uint64_t deferred_slot_size(uint64_t slot)
{
	return slot >> DEFERRED_SIZE_SHIFT & DEFERRED_SIZE_MAX;
}

static inline unsigned deferred_slot_kind(uint64_t slot)
{
	return (unsigned)(slot >> DEFERRED_KIND_SHIFT) & ((1u << DEFERRED_KIND_BITS) - 1);
}

static inline uint32_t deferred_slot_stack(uint64_t slot)
{
	return (uint32_t)slot & DEFERRED_STACKS_MAX;
}

static inline bool deferred_page_is_ready(const struct deferred_region *region, uint32_t slot)
{
	uint32_t page = slot / DEFERRED_PAGE_SLOTS;
	return atomic_load_explicit(&region->ready[page / 8], memory_order_acquire) >> (page % 8) &
	       1;
}

#endif
