/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the allocator hooks do when a call is, or may be, to be recorded. The hooks themselves
 * (hooks.c) only tell whether it is and jump here, so the caller of one of these functions is the
 * program: they read its registers off their own frames, and are compiled with frame pointers.
 *
 * Each does what the real function does, with the same result and errno.
 */
#ifndef MEMTRACE_PRELOAD_HOOKS_RECORDING_H
#define MEMTRACE_PRELOAD_HOOKS_RECORDING_H

#include <stddef.h>

void *recorded_malloc(size_t size_bytes);
void recorded_free(void *block);
void *recorded_calloc(size_t count, size_t size_bytes);
void *recorded_realloc(void *old, size_t size_bytes);
void *recorded_reallocarray(void *old, size_t count, size_t size_bytes);
void *recorded_memalign(size_t alignment, size_t size_bytes);
void *recorded_aligned_alloc(size_t alignment, size_t size_bytes);
int recorded_posix_memalign(void **ret_block, size_t alignment, size_t size_bytes);
void *recorded_valloc(size_t size_bytes);
void *recorded_pvalloc(size_t size_bytes);

#endif
