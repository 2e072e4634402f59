/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/leak_ahead.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/lsan_names.h"
#include "common/sys.h"
#include "libtrack/collector/arrays.h"
#include "libtrack/collector/deferred_file.h"

#define INTERVAL_US 16000u /* programs that are over sooner are not held up by this */
#define MEMORY_BYTES_MIN ((size_t)3 << 20)
#define MEMORY_BYTES_MAX ((size_t)32 << 20)
#define MEMORY_PER_PAGE ((size_t)6 << 10)    /* of slots, for 16 KiB of a heap of small blocks */
#define PIECE_BYTES ((size_t)64 << 10)       /* less than what malloc maps */
#define MALLOC_TOP_PAD_BYTES (128 << 10)     /* what it is without mallopt */
#define NAMES_BYTES_MAX ((uint64_t)16 << 20) /* more take too long: the process searches itself */

static void set_up_malloc(void)
{
	/* Where these are refused, a scan takes a millisecond longer. */
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_MMAP_THRESHOLD, (int)LARGE_PAGE_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, 2 * (int)MEMORY_BYTES_MAX);
}

/*
 * Has malloc enlarge the heap by so much, about up to the end of a large page. Where it has as much
 * to give already, the heap may stay as it is.
 * returns  what is new, [*ret_bytes]; NULL: it can't be
 */
static void *enlarge_heap(size_t size_bytes, size_t *ret_bytes)
{
	void *pieces[MEMORY_BYTES_MAX / PIECE_BYTES + 1];
	size_t count = 0;
	size_t most = size_bytes / PIECE_BYTES + 1;
	void *before = sbrk(0);
	size_bytes += -((uintptr_t)before + size_bytes) % LARGE_PAGE_BYTES;
	(void)mallopt(M_TOP_PAD, (int)size_bytes);
	while (count < most && sbrk(0) == before && (pieces[count] = malloc(PIECE_BYTES)))
		count++;
	*ret_bytes = (size_t)((char *)sbrk(0) - (char *)before);
	while (count > 0)
		free(pieces[--count]);
	(void)mallopt(M_TOP_PAD, MALLOC_TOP_PAD_BYTES);
	return *ret_bytes > 0 ? before : NULL;
}

/*
 * About as much memory as the scan of a heap will take, with its pages, in large ones where there
 * are such: a third of the time until all blocks were listed went to fresh ones, and a seventh of
 * the time that they were read in. All threads have it from the one arena; arrays that are larger
 * than a large page are mapped (arrays.h).
 */
static void get_memory(struct leak_ahead *ahead, size_t wanted_bytes)
{
	size_t size_bytes;
	wanted_bytes = wanted_bytes > MEMORY_BYTES_MIN ? wanted_bytes : MEMORY_BYTES_MIN;
	wanted_bytes = wanted_bytes < MEMORY_BYTES_MAX ? wanted_bytes : MEMORY_BYTES_MAX;
	/* Not for a little more. */
	if (wanted_bytes < ahead->memory_bytes + ahead->memory_bytes / 4)
		return;
	if (ahead->memory_bytes == 0)
		set_up_malloc();
	char *fresh = enlarge_heap(wanted_bytes - ahead->memory_bytes, &size_bytes);
	ahead->memory_bytes = wanted_bytes;
	if (!fresh)
		return;
	uintptr_t end = ((uintptr_t)fresh + size_bytes) & ~(LARGE_PAGE_BYTES - 1);
	uintptr_t begin = ((uintptr_t)fresh + LARGE_PAGE_BYTES - 1) & ~(LARGE_PAGE_BYTES - 1);
	if (begin < end)
		(void)madvise((void *)begin, end - begin, MADV_HUGEPAGE); /* an advice */
	(void)sys_populate(fresh, size_bytes);
}

static bool has_none_of_the_names(int fd)
{
	struct lsan_names names;
	char *buffer = malloc(LSAN_NAMES_BUFFER_BYTES);
	bool has_none = buffer &&
			lsan_names_find(&names, fd, buffer, NAMES_BYTES_MAX) == LSAN_NAMES_NONE;
	free(buffer);
	return has_none;
}

/* Not that of an inode that has come back, either. */
static bool is_same_file(const struct stat *one, const struct stat *other)
{
	return one->st_dev == other->st_dev && one->st_ino == other->st_ino &&
	       one->st_size == other->st_size && one->st_ctim.tv_sec == other->st_ctim.tv_sec &&
	       one->st_ctim.tv_nsec == other->st_ctim.tv_nsec;
}

/* Searches an image's executable, so that the process need not. returns  whether it was read */
static bool search_executable(struct leak_ahead *ahead, const struct process_table *processes,
			      const struct watched_image *watched)
{
	char path[64];
	struct stat status;
	bool is_new = false;
	(void)snprintf(path, sizeof(path), "/proc/%u/exe", watched->image->proc_pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &status) == 0) {
		is_new = !is_same_file(&status, &ahead->executable);
		if (is_new)
			ahead->executable_has_none = has_none_of_the_names(fd);
		ahead->executable = status;
		if (ahead->executable_has_none)
			atomic_store(&processes->segment->header->images[watched->slot]
					      .without_lsan_names,
				     watched->serial);
	}
	if (fd >= 0)
		(void)close(fd);
	return is_new;
}

/* The oldest image that was not looked at yet. returns  NULL: all were */
static const struct watched_image *find_next(const struct leak_ahead *ahead,
					     const struct process_table *processes)
{
	const struct watched_image *next = NULL;
	for (size_t i = 0; i < processes->count; i++) {
		const struct watched_image *watched = &processes->images[i];
		if (!watched->is_dead && !watched->has_ended &&
		    watched->serial > ahead->last_serial &&
		    (!next || watched->serial < next->serial))
			next = watched;
	}
	return next;
}

/* Of several executables that are new the others wait for their turn. */
static void search_executables(struct leak_ahead *ahead, const struct process_table *processes)
{
	const struct watched_image *next;
	bool was_read = false;
	while (!was_read && (next = find_next(ahead, processes))) {
		was_read = search_executable(ahead, processes, next);
		ahead->last_serial = next->serial;
	}
}

/* Whether one of the processes may still defer blocks: else what there was to scan was scanned. */
static bool is_any_deferring(const struct process_table *processes)
{
	const struct image_slot *slots = processes->segment->header->images;
	for (size_t i = 0; i < processes->count; i++)
		if (!processes->images[i].is_dead &&
		    !atomic_load(&slots[processes->images[i].slot].defers_no_more))
			return true;
	return false;
}

void leak_ahead_step(struct leak_ahead *ahead, const struct process_table *processes,
		     struct deferred_file *deferred, uint64_t now_us)
{
	if (!is_any_deferring(processes))
		return;
	deferred_file_look_ahead(deferred);
	/* What there is to do takes the longer, the longer a program has run. */
	uint64_t interval_us = INTERVAL_US + (find_next(ahead, processes) ? 0 : now_us / 8);
	if (now_us < ahead->last_us + interval_us)
		return;
	ahead->last_us = now_us;
	get_memory(ahead, deferred->grown_pages * MEMORY_PER_PAGE);
	search_executables(ahead, processes);
}
