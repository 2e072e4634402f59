/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a program can tell memtrace while it is being recorded. This header is all that is needed:
 * there is no library to link with. Outside of `memtrace run` each call is a load and a branch, in
 * any kind of executable, static ones included. For C and C++, gcc and clang, x86-64 and aarch64.
 *
 * A program that hands out memory itself (an arena, a pool, a slab allocator) can report what it
 * hands out:
 *
 *	void *arena_allocate(struct arena *arena, size_t size)
 *	{
 *		void *block = arena_take(arena, size);
 *		memtrace_pool_allocated(block, size);
 *		return block;
 *	}
 *
 * Blocks of pools are shown apart from the heap (`summary`: "pools"), and count in none of the
 * heap's figures. The chunks that a pool is made of come from malloc or mmap and are counted there,
 * so nothing is counted twice, and the difference of the two is what the pool keeps for itself.
 * Every block is recorded, also when the heap is sampled.
 *
 * All of these may be called by any thread at any time, signal handlers included, and keep errno.
 */
#ifndef MEMTRACE_MEMTRACE_H
#define MEMTRACE_MEMTRACE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The recorder's functions: the object memtrace_api_v1, if there is one. Entries are only ever
 * added at the end; `size_bytes` says how many there are, and an entry may be NULL.
 */
struct memtrace_api {
	size_t size_bytes;
	void (*pool_allocated)(const void *block, size_t size_bytes);
	void (*pool_released)(const void *block);
	void (*pool_moved)(const void *old_block, const void *block, size_t size_bytes);
	void (*pause)(void);
	void (*resume)(void);
	void (*marker)(const char *text);
	void (*is_recording)(int *ret_is_recording);
	void (*leak_check)(int *ret_has_leaks);
	void (*ignore)(const void *block);
	void (*disable)(void);
	void (*enable)(void);
};

/*
 * Read from the global offset table and weak: 0 without memtrace. An ordinary weak reference is
 * settled as 0 when an executable is linked that is not position-independent.
 */
__asm__(".weak memtrace_api_v1");

static inline const struct memtrace_api *memtrace_find_api(void)
{
	const struct memtrace_api *api;
#if defined(__x86_64__)
	__asm__("movq memtrace_api_v1@GOTPCREL(%%rip), %0" : "=r"(api));
#elif defined(__aarch64__)
	__asm__("adrp %0, :got:memtrace_api_v1\n\tldr %0, [%0, :got_lo12:memtrace_api_v1]"
		: "=r"(api));
#else
	api = NULL;
#endif
	return api;
}

#define MEMTRACE_CALL(entry, arguments)                                                            \
	do {                                                                                       \
		const struct memtrace_api *memtrace_found = memtrace_find_api();                   \
		if (memtrace_found &&                                                              \
		    offsetof(struct memtrace_api, entry) < memtrace_found->size_bytes &&           \
		    memtrace_found->entry)                                                         \
			memtrace_found->entry arguments;                                           \
	} while (0)

/* The program's own allocator has given out a block. NULL does nothing. */
static inline void memtrace_pool_allocated(const void *block, size_t size_bytes)
{
	MEMTRACE_CALL(pool_allocated, (block, size_bytes));
}

/*
 * It is about to take a block back: to be called before another thread can get it. All blocks of a
 * pool that is thrown away as a whole have to be reported.
 */
static inline void memtrace_pool_released(const void *block)
{
	MEMTRACE_CALL(pool_released, (block));
}

/* It has resized a block, in place or to another one. */
static inline void memtrace_pool_moved(const void *old_block, const void *block, size_t size_bytes)
{
	MEMTRACE_CALL(pool_moved, (old_block, block, size_bytes));
}

/*
 * Between these, no thread's allocations, mappings and pool blocks are recorded; releases are, so
 * that what is live stays right. They nest.
 */
static inline void memtrace_pause(void)
{
	MEMTRACE_CALL(pause, ());
}

static inline void memtrace_resume(void)
{
	MEMTRACE_CALL(resume, ());
}

/* Leaves a note, of at most 255 bytes, at this time of the recording. */
static inline void memtrace_marker(const char *text)
{
	MEMTRACE_CALL(marker, (text));
}

/* 1: what the program allocates now is being recorded; else 0. */
static inline int memtrace_is_recording(void)
{
	int is_recording = 0;
	MEMTRACE_CALL(is_recording, (&is_recording));
	return is_recording;
}

/*
 * Leak checks. Each does nothing where the memtrace that records does not look for leaks.
 *
 * Scans the process for lost blocks now, and waits for the result, which goes into the log.
 * returns  0: there are none; 1: there are some; -1: no check was made
 */
static inline int memtrace_leak_check(void)
{
	int has_leaks = -1;
	MEMTRACE_CALL(leak_check, (&has_leaks));
	return has_leaks;
}

/* The block, and what is reached through it, is never reported as lost. */
static inline void memtrace_ignore(const void *block)
{
	MEMTRACE_CALL(ignore, (block));
}

/* What this thread allocates between these is never reported as lost. They nest. */
static inline void memtrace_disable(void)
{
	MEMTRACE_CALL(disable, ());
}

static inline void memtrace_enable(void)
{
	MEMTRACE_CALL(enable, ());
}

#ifdef __cplusplus
}
#endif

#endif
