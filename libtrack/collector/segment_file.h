/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The collector's side of the segment (common/segment.h): makes the file, lets it grow, maps it.
 *
 * The file lies beside the log. Where the file system can't map shared memory or allocate blocks,
 * it is a memfd, reached through /proc/PID/fd: then what was not in the log is lost with the
 * collector and the program.
 */
#ifndef MEMTRACE_COLLECTOR_SEGMENT_FILE_H
#define MEMTRACE_COLLECTOR_SEGMENT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/segment.h"
#include "common/status.h"

struct segment_file {
	int fd;
	char *path;
	bool is_memory; /* there is no such file: reached through the process that has `fd` */
	uint64_t size_bytes;
	struct segment_header *header;
	uint8_t *spool; /* [spool_bytes] */
	uint64_t spool_bytes;
	void *chunks[SEGMENT_CHUNKS]; /* [chunk_count] */
	uint32_t chunk_count;
	void *extents[SEGMENT_EXTENTS]; /* [extent_count] */
	uint32_t extent_count;
};

/*
 * Makes a segment for the log `log_path`; an older file of that name is replaced.
 *
 * error  MT_ERR_IO: no room, a file size limit, a read-only directory
 */
enum mt_status segment_file_create(struct segment_file *segment, const char *log_path,
				   struct mt_error *error) MT_MUST_CHECK;

/*
 * Does without a descriptor until it is opened again, by a child of fork for example. A segment in
 * memory keeps it.
 */
void segment_file_close(struct segment_file *segment);

/* returns  MT_ERR_IO: somebody has taken the file away */
enum mt_status segment_file_reopen(struct segment_file *segment,
				   struct mt_error *error) MT_MUST_CHECK;

/* Adds a chunk of rings. returns MT_ERR_IO, MT_ERR_LIMIT: the segment has all it can have */
enum mt_status segment_file_grow(struct segment_file *segment,
				 struct mt_error *error) MT_MUST_CHECK;

/* Adds an extent of address pages. returns as segment_file_grow */
enum mt_status segment_file_add_extent(struct segment_file *segment,
				       struct mt_error *error) MT_MUST_CHECK;

struct ring_header *segment_file_ring(const struct segment_file *segment, uint32_t ring);
const uint64_t *segment_file_words(const struct segment_file *segment, uint32_t ring);

/* Both snapshots of a ring's decoder: [0] and [1]. */
struct ring_snapshot *segment_file_snapshot(const struct segment_file *segment, uint32_t ring,
					    int which);

/* Sets the clock that traced processes read. returns the microseconds since the recording began */
uint64_t segment_advance_clock(struct segment_header *header);

/* Takes the name from the file, which lives on until it is released. */
void segment_file_remove(const struct segment_file *segment);

/* Unmaps and closes; `removes` deletes the file as well. */
void segment_file_release(struct segment_file *segment, bool removes);

/* The name of the segment that belongs to a log: "LOG.segment". returns NULL: no memory */
char *segment_path_for(const char *log_path);

#endif
