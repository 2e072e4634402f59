/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The interposed functions of the address space. What libc maps for itself (malloc's arenas,
 * threads' stacks, libraries) does not pass here; what an allocator in a library of its own maps
 * does, and its stack traces say so.
 *
 * An allocator may call these while it holds its locks, or while it starts: nothing here starts
 * the tracker, and before the real functions are known the kernel is asked directly.
 *
 * As with blocks, an unmapping is recorded before it happens, because another thread may be given
 * the range as soon as it has; a mapping afterwards.
 */
/* With it the headers make one name of mmap and mmap64. */
#undef _FILE_OFFSET_BITS
#include <errno.h>
#include <stdarg.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "common/format.h"
#include "common/sys.h"
#include "libtrack/preload/real.h"
#include "libtrack/preload/recorder.h"
#include "libtrack/preload/tracker.h"

#define EXPORT __attribute__((visibility("default")))

static void *result_of(long result)
{
	if (!sys_failed(result))
		return (void *)result;
	errno = (int)-result;
	return MAP_FAILED;
}

static size_t whole_pages(size_t size_bytes)
{
	static size_t page_bytes;
	if (page_bytes == 0)
		page_bytes = getauxval(AT_PAGESZ);
	return (size_bytes + page_bytes - 1) & ~(page_bytes - 1);
}

/* Says whether there can be mappings in a range: if not, calls that name it fail. */
static bool is_range(const void *address, size_t size_bytes)
{
	uintptr_t start = (uintptr_t)address;
	uint64_t end = 1ull << LIMIT_ADDRESS_BITS;
	return start == whole_pages(start) && start < end && size_bytes > 0 &&
	       size_bytes <= end - start;
}

static enum mapping_source source_of(int protection, int flags)
{
	bool is_shared = (flags & MAP_TYPE) != MAP_PRIVATE;
	if (!(flags & MAP_ANONYMOUS))
		return is_shared ? MAPPING_SHARED_FILE : MAPPING_FILE;
	if (is_shared)
		return MAPPING_SHARED;
	return protection == PROT_NONE ? MAPPING_RESERVED : MAPPING_ANONYMOUS;
}

static void *map(void *address, size_t size_bytes, int protection, int flags, int fd, off_t offset,
		 const struct unwind_start *start)
{
	void *mapped = real.mmap ? real.mmap(address, size_bytes, protection, flags, fd, offset)
				 : result_of(sys_call6(SYS_mmap, (long)address, (long)size_bytes,
						       protection, flags, fd, offset));
	if (mapped != MAP_FAILED && tracker_records())
		recorder_mapped(source_of(protection, flags), mapped, whole_pages(size_bytes),
				start);
	return mapped;
}

EXPORT void *mmap(void *address, size_t size_bytes, int protection, int flags, int fd, off_t offset)
{
	struct unwind_start start = UNWIND_START();
	return map(address, size_bytes, protection, flags, fd, offset, &start);
}

EXPORT void *mmap64(void *address, size_t size_bytes, int protection, int flags, int fd,
		    off_t offset)
{
	struct unwind_start start = UNWIND_START();
	return map(address, size_bytes, protection, flags, fd, offset, &start);
}

EXPORT int munmap(void *address, size_t size_bytes)
{
	bool is_recorded = tracker_records() && is_range(address, size_bytes);
	if (is_recorded)
		recorder_unmapped(address, whole_pages(size_bytes));
	int failure = real.munmap
			      ? real.munmap(address, size_bytes)
			      : (result_of(sys_call6(SYS_munmap, (long)address, (long)size_bytes, 0,
						     0, 0, 0)) == MAP_FAILED
					 ? -1
					 : 0);
	if (failure && is_recorded)
		recorder_unmap_failed();
	return failure;
}

EXPORT void *mremap(void *old, size_t old_bytes, size_t new_bytes, int flags, ...)
{
	struct unwind_start start = UNWIND_START();
	va_list arguments;
	va_start(arguments, flags);
	/* As libc does: read whether or not it was passed. */
	void *wanted = va_arg(arguments, void *);
	va_end(arguments);
	bool is_recorded = tracker_records() && is_range(old, new_bytes) &&
			   (old_bytes == 0 || is_range(old, old_bytes));
	/* Of size 0: a second mapping of the same shared memory. */
	bool leaves_old = old_bytes == 0 || flags & MREMAP_DONTUNMAP;
	if (is_recorded && !leaves_old)
		recorder_unmapped(old, whole_pages(old_bytes));
	void *mapped = real.mremap ? real.mremap(old, old_bytes, new_bytes, flags, wanted)
				   : result_of(sys_call6(SYS_mremap, (long)old, (long)old_bytes,
							 (long)new_bytes, flags, (long)wanted, 0));
	if (!is_recorded)
		return mapped;
	if (mapped != MAP_FAILED)
		recorder_mapped(old_bytes == 0 ? MAPPING_SHARED
				: leaves_old   ? MAPPING_ANONYMOUS
					       : MAPPING_MOVED,
				mapped, whole_pages(new_bytes), &start);
	else if (!leaves_old)
		recorder_unmap_failed();
	return mapped;
}

/* The second name that libc has for it, for calls before ours is looked up. */
extern void *__sbrk(intptr_t increment) __attribute__((weak));

static void *move_break(intptr_t increment)
{
	if (real.sbrk)
		return real.sbrk(increment);
	if (__sbrk)
		return __sbrk(increment);
	errno = ENOMEM;
	return (void *)-1;
}

static void note_break(uintptr_t from, uintptr_t to, const struct unwind_start *start)
{
	if (to > from)
		atomic_store(&tracker.has_own_break, 1);
	if (!tracker_records() || from == to)
		return;
	if (to > from)
		recorder_mapped(MAPPING_BREAK, (void *)from, to - from, start);
	else
		recorder_unmapped((void *)to, from - to);
}

EXPORT void *sbrk(intptr_t increment)
{
	struct unwind_start start = UNWIND_START();
	void *old = move_break(increment);
	if (old != (void *)-1)
		note_break((uintptr_t)old, (uintptr_t)old + (uintptr_t)increment, &start);
	return old;
}

EXPORT int brk(void *end)
{
	struct unwind_start start = UNWIND_START();
	if (!real.brk)
		real_find();
	if (!real.brk) {
		errno = ENOMEM;
		return -1;
	}
	void *old = move_break(0);
	int failure = real.brk(end);
	if (failure == 0 && old != (void *)-1)
		/* Where it is now: the kernel may have refused without libc noticing. */
		note_break((uintptr_t)old, (uintptr_t)move_break(0), &start);
	return failure;
}
