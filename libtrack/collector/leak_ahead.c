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
#define MEMORY_BYTES ((size_t)3 << 20)
#define MEMORY_PIECES 3u
#define NAMES_BYTES_MAX ((uint64_t)16 << 20) /* more take too long: the process searches itself */

/*
 * As much memory as the scan of some ten thousand blocks takes, with its pages: a third of the time
 * until all blocks were listed went to fresh ones. All threads have it from the one arena; what is
 * larger is mapped, in large pages (arrays.h).
 */
static void get_memory(void)
{
	void *pieces[MEMORY_PIECES];
	/* Where these are refused, a scan takes a millisecond longer. */
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_MMAP_THRESHOLD, (int)LARGE_PAGE_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, 4 * (int)MEMORY_BYTES);
	for (size_t i = 0; i < MEMORY_PIECES; i++) {
		pieces[i] = malloc(MEMORY_BYTES / MEMORY_PIECES);
		if (pieces[i])
			sys_populate(pieces[i], MEMORY_BYTES / MEMORY_PIECES);
	}
	for (size_t i = 0; i < MEMORY_PIECES; i++)
		free(pieces[i]);
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

void leak_ahead_step(struct leak_ahead *ahead, const struct process_table *processes,
		     struct deferred_file *deferred, uint64_t now_us)
{
	/* What there is to do takes the longer, the longer a program has run. */
	uint64_t interval_us = INTERVAL_US + (find_next(ahead, processes) ? 0 : now_us / 8);
	if (now_us < ahead->last_us + interval_us)
		return;
	ahead->last_us = now_us;
	if (!ahead->has_memory)
		get_memory();
	ahead->has_memory = true;
	deferred_file_map(deferred);
	search_executables(ahead, processes);
}
