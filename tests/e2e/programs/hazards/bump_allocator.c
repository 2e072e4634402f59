/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An allocator that may be called anywhere, signal handlers included: it takes back only what it
 * gave last. Preloaded behind memtrace, it is the real one. It has no malloc_usable_size, and
 * libc's would take what is in front of a block for a large size.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct header {
	size_t size_bytes;
	size_t begin;
	size_t end;
	size_t mark;
};

#define MARK 0x4002u

static _Alignas(4096) char arena[1 << 28];
static _Atomic size_t used;

static void *allocate(size_t alignment, size_t size_bytes)
{
	size_t room = (size_bytes + alignment + sizeof(struct header) + 31) / 16 * 16;
	size_t begin = atomic_fetch_add(&used, room);
	if (begin + room > sizeof(arena))
		return NULL;
	char *block = arena +
		      (begin + sizeof(struct header) + alignment - 1) / alignment * alignment;
	((struct header *)block)[-1] = (struct header){size_bytes, begin, begin + room, MARK};
	return block;
}

void *aligned_alloc(size_t alignment, size_t size_bytes)
{
	return allocate(alignment < 16 ? 16 : alignment, size_bytes);
}

void *malloc(size_t size_bytes)
{
	return allocate(16, size_bytes);
}

void *memalign(size_t alignment, size_t size_bytes)
{
	return allocate(alignment < 16 ? 16 : alignment, size_bytes);
}

int posix_memalign(void **block, size_t alignment, size_t size_bytes)
{
	*block = allocate(alignment, size_bytes);
	return *block ? 0 : 12;
}

void *calloc(size_t count, size_t size_bytes)
{
	void *block = allocate(16, count * size_bytes);
	return block ? memset(block, 0, count * size_bytes) : NULL;
}

void *realloc(void *old, size_t size_bytes)
{
	void *block = allocate(16, size_bytes);
	if (old) {
		size_t old_bytes = ((struct header *)old)[-1].size_bytes;
		memcpy(block, old, old_bytes < size_bytes ? old_bytes : size_bytes);
	}
	return block;
}

void free(void *block)
{
	if (!block)
		return;
	struct header header = ((struct header *)block)[-1];
	if (header.mark != MARK)
		abort();
	atomic_compare_exchange_strong(&used, &header.end, header.begin);
}
