/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table `real` starts out full of functions that look the real ones up and call them, so that
 * a hook just calls through the table at any time. While the look-up itself allocates, it gets
 * blocks from the pool; a block has its size in front, and is never given back.
 */
#include "libtrack/preload/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <stdatomic.h>
#include <string.h>

#include "libtrack/preload/thread.h"

#define POOL_ALIGNMENT 16u

_Alignas(4096) char bootstrap_pool[BOOTSTRAP_POOL_BYTES];
static _Atomic size_t pool_used = POOL_ALIGNMENT;
static _Atomic uint32_t is_looking_up;

size_t bootstrap_size(const void *block)
{
	size_t size_bytes;
	memcpy(&size_bytes, (const char *)block - POOL_ALIGNMENT, sizeof(size_bytes));
	return size_bytes;
}

static void *pool_allocate(size_t alignment, size_t size_bytes)
{
	if (size_bytes > BOOTSTRAP_POOL_BYTES / 2 || alignment > BOOTSTRAP_POOL_BYTES / 2)
		return NULL;
	if (alignment < POOL_ALIGNMENT)
		alignment = POOL_ALIGNMENT;
	size_t begin = atomic_load(&pool_used);
	size_t at;
	size_t end;
	do {
		at = (begin + POOL_ALIGNMENT + alignment - 1) / alignment * alignment;
		end = at + (size_bytes + POOL_ALIGNMENT - 1) / POOL_ALIGNMENT * POOL_ALIGNMENT;
		if (end > BOOTSTRAP_POOL_BYTES)
			return NULL;
	} while (!atomic_compare_exchange_weak(&pool_used, &begin, end));
	memcpy(bootstrap_pool + at - POOL_ALIGNMENT, &size_bytes, sizeof(size_bytes));
	return bootstrap_pool + at;
}

static bool are_of_one_module(void *first, void *second)
{
	struct dl_find_object of_first;
	struct dl_find_object of_second;
	return first && second && _dl_find_object(first, &of_first) == 0 &&
	       _dl_find_object(second, &of_second) == 0 &&
	       of_first.dlfo_map_start == of_second.dlfo_map_start;
}

/*
 * dlerror() makes its text with malloc and realloc. A program that has a malloc of its own and no
 * realloc, as bare as it gets along, must not be made to call it: glibc's realloc would get a
 * block that it does not know, and abort.
 */
void real_clear_dlerror(void)
{
	if (are_of_one_module(dlsym(RTLD_DEFAULT, "malloc"), dlsym(RTLD_DEFAULT, "realloc")))
		(void)dlerror();
}

/* Fills the table. returns false if this call came out of the look-up itself: use the pool */
static bool look_up(void)
{
	uint32_t nobody = 0;
	if (!atomic_compare_exchange_strong(&is_looking_up, &nobody, 1))
		return false;
	uint32_t activity = thread_self.activity;
	int saved_errno = errno;
	thread_self.activity = THREAD_FOREIGN;
	struct real_functions found;
#define HOOK(result, name, parameters) found.name = (result(*) parameters)dlsym(RTLD_NEXT, #name);
#include "libtrack/preload/hooks.def"
#undef HOOK
	/* An allocator may have none: libc's knows nothing of its blocks. */
	void *usable_size = dlsym(RTLD_NEXT, "malloc_usable_size");
	bool is_of_allocator = are_of_one_module((void *)found.malloc, usable_size);
	found.malloc_usable_size = is_of_allocator ? (size_t(*)(void *))usable_size : NULL;
	/* Other allocators have a __libc_malloc too. */
	found.is_glibc = are_of_one_module((void *)found.malloc, (void *)gnu_get_libc_version);
	/* What libc lacks: the message of the failed look-up must not reach the program. */
	real_clear_dlerror();
	real = found;
	errno = saved_errno;
	thread_self.activity = activity;
	return true;
}

static void *early_malloc(size_t size_bytes)
{
	return look_up() ? real.malloc(size_bytes) : pool_allocate(0, size_bytes);
}

static void early_free(void *block)
{
	if (look_up())
		real.free(block);
}

static void *early_calloc(size_t count, size_t size_bytes)
{
	if (look_up())
		return real.calloc(count, size_bytes);
	size_t total;
	/* The pool starts zeroed and no block is handed out twice. */
	return __builtin_mul_overflow(count, size_bytes, &total) ? NULL : pool_allocate(0, total);
}

static void *early_realloc(void *block, size_t size_bytes)
{
	if (look_up())
		return real.realloc(block, size_bytes);
	void *grown = pool_allocate(0, size_bytes);
	if (grown && block) {
		size_t old_bytes = bootstrap_size(block);
		memcpy(grown, block, old_bytes < size_bytes ? old_bytes : size_bytes);
	}
	return grown;
}

static void *early_memalign(size_t alignment, size_t size_bytes)
{
	return look_up() ? real.memalign(alignment, size_bytes)
			 : pool_allocate(alignment, size_bytes);
}

static void *early_aligned_alloc(size_t alignment, size_t size_bytes)
{
	return look_up() ? real.aligned_alloc(alignment, size_bytes)
			 : pool_allocate(alignment, size_bytes);
}

static int early_posix_memalign(void **ret_block, size_t alignment, size_t size_bytes)
{
	if (look_up())
		return real.posix_memalign(ret_block, alignment, size_bytes);
	void *block = pool_allocate(alignment, size_bytes);
	if (!block)
		return ENOMEM;
	*ret_block = block;
	return 0;
}

static void *early_valloc(size_t size_bytes)
{
	return look_up() ? real.valloc(size_bytes) : pool_allocate(4096, size_bytes);
}

static void *early_pvalloc(size_t size_bytes)
{
	if (look_up())
		return real.pvalloc(size_bytes);
	if (size_bytes > BOOTSTRAP_POOL_BYTES)
		return NULL; /* rounded up it might be small */
	return pool_allocate(4096, (size_bytes + 4095) / 4096 * 4096);
}

struct real_functions real = {
	.malloc = early_malloc,
	.free = early_free,
	.calloc = early_calloc,
	.realloc = early_realloc,
	.memalign = early_memalign,
	.aligned_alloc = early_aligned_alloc,
	.posix_memalign = early_posix_memalign,
	.valloc = early_valloc,
	.pvalloc = early_pvalloc,
};

void real_find(void)
{
	(void)look_up();
}
