/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/scrub.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

#include "common/sys.h"
#include "libtrack/preload/real.h"

/* Larger blocks are left to realloc, which may extend them in place or move their pages. */
#define MOVED_BYTES_MAX (32u << 10)
#define GLIBC_IS_MMAPPED 2u
#define GLIBC_ARENA_BYTES ((uintptr_t)64 << 20)
#define GLIBC_CHUNK_MIN 32u
#define GLIBC_CACHED_MAX 1040u /* the largest chunks that are kept by thread */
#define PROBE_BYTES 24u        /* of the smallest chunks */

/* Goes back to the kernel when it is freed: nobody gets its contents. */
static bool has_own_mapping(const void *block)
{
	return real.is_glibc && ((const size_t *)block)[-1] & GLIBC_IS_MMAPPED;
}

_Atomic size_t scrub_free_key;

/* The word in a block that was freed just now, and is made again by the next malloc of its size. */
static size_t key_of_freed(void **block)
{
	real.free(*block);
	size_t key = ((const size_t *)*block)[1];
	*block = real.malloc(PROBE_BYTES);
	return key;
}

/*
 * What malloc_usable_size() says of a block that has not been freed, from the headers of its chunk
 * and the next one; 0 if that says that it is free.
 */
static size_t usable_in_chunk(const void *block)
{
	size_t header = ((const size_t *)block)[-1];
	size_t chunk_bytes = header & ~(size_t)7;
	if (header & GLIBC_IS_MMAPPED)
		return chunk_bytes - 2 * GLIBC_HEADER_BYTES;
	const size_t *next = (const void *)((const char *)block + chunk_bytes - GLIBC_HEADER_BYTES);
	return *next & GLIBC_PREVIOUS_IS_IN_USE ? chunk_bytes - GLIBC_HEADER_BYTES : 0;
}

/* So it is with this glibc: it need not be asked. */
static _Atomic bool knows_chunks;

static bool is_usable_known(void *block)
{
	return block && usable_in_chunk(block) == real.malloc_usable_size(block);
}

void scrub_start(void)
{
	if (!real.is_glibc || !real.malloc_usable_size)
		return;
	void *block = real.malloc(PROBE_BYTES);
	void *above = real.malloc(PROBE_BYTES); /* keeps the block's page in the heap */
	atomic_store_explicit(&knows_chunks, is_usable_known(block) && is_usable_known(above),
			      memory_order_relaxed);
	void *first = block;
	size_t key = block && above ? key_of_freed(&block) : 0;
	/* Once, another word than the key might stand there. */
	if (key && block == first && key_of_freed(&block) == key)
		atomic_store_explicit(&scrub_free_key, key, memory_order_relaxed);
	real.free(block);
	real.free(above);
}

/* The end of the heap that grows by brk, as it was when it was asked for last. */
static _Atomic uintptr_t heap_end;

/*
 * Whether a block of glibc's looks like one that is live. What was freed already, or whose header
 * was written over, is left to glibc, which ends the program with a message.
 */
static bool looks_live(const void *block)
{
	size_t header = ((const size_t *)block)[-1];
	size_t size_bytes = header & ~(size_t)7;
	uintptr_t start = (uintptr_t)block - 16;
	uintptr_t end = start + size_bytes;
	if (size_bytes < GLIBC_CHUNK_MIN || size_bytes % GLIBC_ALIGNMENT != 0 || end < start)
		return false;
	if (header & GLIBC_IS_MMAPPED)
		return true;
	if (size_bytes <= GLIBC_CACHED_MAX && ((const size_t *)block)[1] != 0 &&
	    ((const size_t *)block)[1] ==
		    atomic_load_explicit(&scrub_free_key, memory_order_relaxed))
		return false;
	if (header & GLIBC_IS_IN_ARENA) {
		/* Behind the last block of a heap there is always some free memory. */
		uintptr_t heap = start & ~(GLIBC_ARENA_BYTES - 1);
		return end < heap + ((const size_t *)heap)[2];
	}
	uintptr_t known_end = atomic_load_explicit(&heap_end, memory_order_relaxed);
	if (end < known_end)
		return true;
	known_end = (uintptr_t)sys_call6(SYS_brk, 0, 0, 0, 0, 0, 0);
	atomic_store_explicit(&heap_end, known_end, memory_order_relaxed);
	/* Where brk did not do, that heap has mappings too. */
	return end < known_end || start >= known_end;
}

/* 0 where it can't be told, or a free is about to end the program with a message. */
static size_t usable_bytes(void *block)
{
	if (!real.malloc_usable_size || (uintptr_t)block % GLIBC_ALIGNMENT != 0 ||
	    (real.is_glibc && !looks_live(block)))
		return 0;
	return atomic_load_explicit(&knows_chunks, memory_order_relaxed)
		       ? usable_in_chunk(block)
		       : real.malloc_usable_size(block);
}

void scrub_block(void *block)
{
	size_t size_bytes = usable_bytes(block);
	if (size_bytes > 0 && !has_own_mapping(block))
		scrub_zero(block, size_bytes);
}

static void *move(void *old, size_t old_bytes, size_t size_bytes)
{
	void *block = real.malloc(size_bytes);
	if (!block)
		return real.realloc(old, size_bytes); /* there may be room where it is */
	scrub_fresh(block, size_bytes);
	memcpy(block, old, old_bytes);
	scrub_zero(old, old_bytes);
	real.free(old);
	return block;
}

/*
 * How many bytes the program may still use of a block of `old_bytes` that becomes smaller: all of
 * them are its own, also those beyond its size, if it asked malloc_usable_size(). Only glibc's way
 * is known, which cuts the block in place if the rest is enough for another one.
 */
static size_t shortened_bytes(size_t old_bytes, size_t size_bytes)
{
	size_t chunk_bytes = (size_bytes + GLIBC_HEADER_BYTES + GLIBC_ALIGNMENT - 1) &
			     ~(size_t)(GLIBC_ALIGNMENT - 1);
	if (chunk_bytes < GLIBC_CHUNK_MIN)
		chunk_bytes = GLIBC_CHUNK_MIN;
	size_t usable = size_bytes ? chunk_bytes - GLIBC_HEADER_BYTES : 0; /* 0: it is freed */
	bool is_cut = !size_bytes || usable + GLIBC_CHUNK_MIN <= old_bytes;
	return real.is_glibc && is_cut ? usable : old_bytes;
}

void *scrub_realloc(void *old, size_t size_bytes)
{
	if (!old) {
		void *made = real.realloc(NULL, size_bytes);
		if (made)
			scrub_fresh(made, size_bytes);
		return made;
	}
	size_t old_bytes = usable_bytes(old);
	if (old_bytes == 0 || has_own_mapping(old))
		return real.realloc(old, size_bytes);
	if (size_bytes > old_bytes && old_bytes <= MOVED_BYTES_MAX)
		return move(old, old_bytes, size_bytes);
	if (size_bytes < old_bytes) {
		size_t kept_bytes = shortened_bytes(old_bytes, size_bytes);
		scrub_zero((char *)old + kept_bytes, old_bytes - kept_bytes);
	}
	void *block = real.realloc(old, size_bytes);
	if (block && size_bytes > old_bytes)
		scrub_fresh((char *)block + old_bytes, size_bytes - old_bytes);
	return block;
}
