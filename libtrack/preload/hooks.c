/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The interposed allocator functions, and dlopen, which looks at its caller. Each looks whether the
 * call may have to be recorded, which while sampling is hardly ever so, and jumps on: to the real
 * function, or to the one that records (hooks_recording.c). Jumps, not calls: this file is compiled
 * with -O2 and without frame pointers, so that a hook leaves no frame behind.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>

#include "libtrack/preload/deepbind.h"
#include "libtrack/preload/hooks_recording.h"
#include "libtrack/preload/real.h"
#include "libtrack/preload/recorded_map.h"
#include "libtrack/preload/sampler.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT void *malloc(size_t size_bytes)
{
	if (sampler_passes(size_bytes))
		return real.malloc(size_bytes);
	return recorded_malloc(size_bytes);
}

EXPORT void free(void *block)
{
	if (recorded_map_lacks(block))
		real.free(block);
	else
		recorded_free(block);
}

EXPORT void *calloc(size_t count, size_t size_bytes)
{
	size_t total;
	if (!__builtin_mul_overflow(count, size_bytes, &total) && sampler_passes(total))
		return real.calloc(count, size_bytes);
	return recorded_calloc(count, size_bytes);
}

EXPORT void *realloc(void *old, size_t size_bytes)
{
	if (recorded_map_lacks(old) && sampler_passes(size_bytes))
		return real.realloc(old, size_bytes);
	return recorded_realloc(old, size_bytes);
}

EXPORT void *reallocarray(void *old, size_t count, size_t size_bytes)
{
	size_t total;
	if (!__builtin_mul_overflow(count, size_bytes, &total) && recorded_map_lacks(old) &&
	    sampler_passes(total))
		return real.realloc(old, total);
	return recorded_reallocarray(old, count, size_bytes);
}

EXPORT void *memalign(size_t alignment, size_t size_bytes)
{
	if (sampler_passes(size_bytes))
		return real.memalign(alignment, size_bytes);
	return recorded_memalign(alignment, size_bytes);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size_bytes)
{
	if (sampler_passes(size_bytes))
		return real.aligned_alloc(alignment, size_bytes);
	return recorded_aligned_alloc(alignment, size_bytes);
}

EXPORT int posix_memalign(void **ret_block, size_t alignment, size_t size_bytes)
{
	if (sampler_passes(size_bytes))
		return real.posix_memalign(ret_block, alignment, size_bytes);
	return recorded_posix_memalign(ret_block, alignment, size_bytes);
}

EXPORT void *valloc(size_t size_bytes)
{
	if (sampler_passes(size_bytes))
		return real.valloc(size_bytes);
	return recorded_valloc(size_bytes);
}

EXPORT void *pvalloc(size_t size_bytes)
{
	if (sampler_passes(size_bytes))
		return real.pvalloc(size_bytes);
	return recorded_pvalloc(size_bytes);
}

EXPORT void *dlopen(const char *path, int mode)
{
	if (!real.dlopen)
		real_find();
	if (deepbind_is_due(path, mode, __builtin_return_address(0)))
		return deepbind_open(path, mode);
	return real.dlopen(path, mode);
}
