/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes events to the calling thread's ring: what the hooks call.
 *
 * A release is recorded before the real call, an allocation after it, so that another thread that
 * gets the block in between is recorded in the right order. Every function keeps errno.
 */
#ifndef MEMTRACE_PRELOAD_RECORDER_H
#define MEMTRACE_PRELOAD_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/format.h"
#include "libtrack/preload/thread.h"
#include "libtrack/preload/unwind.h"

/*
 * A block of `size_bytes` requested bytes came to be at `address` (not NULL).
 * interval_bytes  it is a sample, taken with this mean distance; 0: all are recorded
 */
void recorder_allocated(enum allocation_kind kind, const void *address, size_t size_bytes,
			uint64_t interval_bytes, const struct unwind_start *start);

/* Where the calling thread's recording stands. */
struct recorder_position {
	uint64_t countdown;
	uint64_t head;
};

/*
 * Whether the allocation of the block at `address` passed a hook since `before`: it is recorded
 * then, or sampling has passed it by.
 */
struct recorder_position recorder_position(void);
bool recorder_has_seen(const struct recorder_position *before, const void *address);

/*
 * The block at `address` (not NULL) is about to be freed.
 * returns  its size in bytes, where that is known; else 0
 */
size_t recorder_released(enum allocation_kind kind, const void *address);

/*
 * A realloc of the block at `address` begins; then one of the two that follow, or neither when it
 * freed the block, or made one that isn't sampled.
 * returns  false: the block isn't in the log, and none of these is to follow
 */
bool recorder_move_begins(const void *address);
void recorder_moved(const void *address, size_t size_bytes, uint64_t interval_bytes,
		    const struct unwind_start *start);
void recorder_move_failed(const void *address);

/* A block of the program's own allocator: always recorded, also when the heap is sampled. */
void recorder_pool_allocated(const void *address, size_t size_bytes,
			     const struct unwind_start *start);
void recorder_pool_released(const void *address);

/*
 * The program has mapped memory; is about to unmap some (or to move it: then recorder_mapped with
 * MAPPING_MOVED follows); and the unmapping failed. Sizes are whole pages, but for the break.
 */
void recorder_mapped(enum mapping_source source, const void *address, size_t size_bytes,
		     const struct unwind_start *start);
void recorder_unmapped(const void *address, size_t size_bytes);
void recorder_unmap_failed(void);

/* The thread is called `name` from now on. */
void recorder_name_thread(uint32_t thread_id, const char *name);

struct module_note {
	uint32_t id;
	uintptr_t start;
	uintptr_t end;
	uintptr_t bias;
	const char *path; /* "" for the program itself */
	const uint8_t *build_id;
	size_t build_id_bytes;
};

/* Notes, each a record group of its own, in a block that was entered. returns false: not written */
bool recorder_note_image(struct thread_block *block);
bool recorder_note_thread(struct thread_block *block, uint32_t thread_id);
bool recorder_note_module(struct thread_block *block, const struct module_note *note);
/* The block at this address, recorded before, is no leak. */
void recorder_note_ignore(struct thread_block *block, const void *address);
void recorder_note_unload(struct thread_block *block, uint32_t id);
void recorder_note_name(struct thread_block *block, uint32_t thread_id, const char *name);
void recorder_note_untraced(struct thread_block *block, uint32_t pid, const char *path,
			    const char *reason);
void recorder_note_marker(struct thread_block *block, enum ring_marker kind, const char *text);

#endif
