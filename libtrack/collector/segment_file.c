/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/segment_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/counter.h"
#include "common/deferred.h"
#include "common/log/ring_decoder.h"

#define SPOOL_BYTES (8u << 20)

char *segment_path_for(const char *log_path)
{
	char *path;
	return asprintf(&path, "%s" SEGMENT_SUFFIX, log_path) < 0 ? NULL : path;
}

/* Leaves the lists, which are large, as they are: they hold as much as their counts say. */
static void forget(struct segment_file *segment)
{
	segment->fd = -1;
	segment->path = NULL;
	segment->is_memory = false;
	segment->size_bytes = 0;
	segment->header = NULL;
	segment->spool = NULL;
	segment->spool_bytes = 0;
	segment->chunk_count = 0;
	segment->extent_count = 0;
}

/* Allocates blocks for [offset, offset + size): afterwards a store there can't fail. */
static enum mt_status extend(struct segment_file *segment, uint64_t size_bytes,
			     struct mt_error *error)
{
	int failure;
	do {
		failure = posix_fallocate(segment->fd, (off_t)segment->size_bytes,
					  (off_t)size_bytes);
	} while (failure == EINTR);
	if (failure)
		return mt_error_set_errno(error, failure, "cannot make %s of %llu bytes",
					  segment->path,
					  (unsigned long long)(segment->size_bytes + size_bytes));
	segment->size_bytes += size_bytes;
	return MT_OK;
}

static void *map(const struct segment_file *segment, uint64_t offset, uint64_t size_bytes,
		 struct mt_error *error)
{
	void *bytes = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, segment->fd,
			   (off_t)offset);
	if (bytes != MAP_FAILED) {
		/* Little of it is touched in a short run: no pages read ahead. A wish only. */
		(void)madvise(bytes, size_bytes, MADV_RANDOM);
		return bytes;
	}
	(void)mt_error_set_errno(error, errno, "cannot map %s", segment->path);
	return NULL;
}

static uint64_t realtime_ns(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The mutex is locked later, by the process that collects. */
static void init_alive_mutex(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attributes;
	(void)pthread_mutexattr_init(&attributes);
	(void)pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	(void)pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	(void)pthread_mutex_init(mutex, &attributes); /* none of these can fail on Linux */
	(void)pthread_mutexattr_destroy(&attributes);
}

/* Maps a chunk whose blocks are there, and announces it. */
static enum mt_status add_chunk(struct segment_file *segment, uint64_t offset,
				struct mt_error *error)
{
	uint32_t index = segment->chunk_count;
	segment->chunks[index] = map(segment, offset, SEGMENT_CHUNK_BYTES, error);
	if (!segment->chunks[index])
		return MT_ERR_IO;
	segment->chunk_count++;
	atomic_store_explicit(&segment->header->chunk_offset[index], offset, memory_order_release);
	atomic_store_explicit(&segment->header->chunk_count, index + 1, memory_order_release);
	return MT_OK;
}

static enum mt_status build(struct segment_file *segment, struct mt_error *error)
{
	enum mt_status status = extend(
		segment, SEGMENT_HEADER_BYTES + SEGMENT_CHUNK_BYTES + SPOOL_BYTES, error);
	if (status != MT_OK)
		return status;
	segment->header = map(segment, 0, SEGMENT_HEADER_BYTES, error);
	if (!segment->header)
		return MT_ERR_IO;
	struct segment_header *header = segment->header;
	memcpy(header->magic, SEGMENT_MAGIC, sizeof(header->magic));
	header->version = SEGMENT_VERSION;
	header->header_bytes = SEGMENT_HEADER_BYTES;
	header->ring_words = RING_WORDS;
	header->start_realtime_ns = realtime_ns();
	header->start_monotonic_ns = clock_monotonic_ns();
	init_alive_mutex(&header->collector_alive);
	/* The first chunk follows the header: a tracker maps both at once. */
	status = add_chunk(segment, SEGMENT_HEADER_BYTES, error);
	if (status != MT_OK)
		return status;
	header->spool_offset = SEGMENT_HEADER_BYTES + SEGMENT_CHUNK_BYTES;
	header->spool_bytes = SPOOL_BYTES;
	segment->spool_bytes = SPOOL_BYTES;
	segment->spool = map(segment, header->spool_offset, SPOOL_BYTES, error);
	return segment->spool ? MT_OK : MT_ERR_IO;
}

static enum mt_status create_in_memory(struct segment_file *segment, struct mt_error *error)
{
	segment->is_memory = true;
	segment->size_bytes = 0;
	segment->fd = memfd_create("memtrace-segment", MFD_CLOEXEC);
	free(segment->path);
	segment->path = strdup("the segment in memory"); /* for messages */
	if (segment->fd < 0 || !segment->path)
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for the segment");
	return build(segment, error);
}

enum mt_status segment_file_create(struct segment_file *segment, const char *log_path,
				   struct mt_error *error)
{
	forget(segment);
	segment->path = segment_path_for(log_path);
	if (!segment->path)
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory");
	(void)unlink(segment->path); /* not there: fine */
	segment->fd = open(segment->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	enum mt_status status = segment->fd < 0 ? mt_error_set_errno(error, errno, "cannot make %s",
								     segment->path)
						: build(segment, error);
	/* It is opened again, whatever the umask is; there are file systems without modes. */
	if (status == MT_OK)
		(void)fchmod(segment->fd, 0600);
	if (status == MT_OK)
		return MT_OK;
	bool refuses_mapping = segment->fd >= 0 && error &&
			       (error->system_errno == ENODEV || error->system_errno == EOPNOTSUPP);
	segment_file_release(segment, segment->fd >= 0);
	return refuses_mapping ? create_in_memory(segment, error) : status;
}

void segment_file_close(struct segment_file *segment)
{
	if (segment->is_memory || segment->fd < 0)
		return;
	(void)close(segment->fd); /* nothing of it is unwritten: it is mapped */
	segment->fd = -1;
}

enum mt_status segment_file_reopen(struct segment_file *segment, struct mt_error *error)
{
	if (segment->fd < 0)
		segment->fd = open(segment->path, O_RDWR | O_CLOEXEC);
	return segment->fd >= 0 ? MT_OK
				: mt_error_set_errno(error, errno, "cannot open %s", segment->path);
}

enum mt_status segment_file_grow(struct segment_file *segment, struct mt_error *error)
{
	uint32_t index = segment->chunk_count;
	uint64_t offset = segment->size_bytes;
	if (index == SEGMENT_CHUNKS)
		return mt_error_set(error, MT_ERR_LIMIT, "more than %u threads at a time",
				    SEGMENT_RINGS);
	enum mt_status status = extend(segment, SEGMENT_CHUNK_BYTES, error);
	return status == MT_OK ? add_chunk(segment, offset, error) : status;
}

enum mt_status segment_file_add_extent(struct segment_file *segment, struct mt_error *error)
{
	uint32_t index = segment->extent_count;
	uint64_t offset = segment->size_bytes;
	if (index == SEGMENT_EXTENTS)
		return mt_error_set(error, MT_ERR_LIMIT, "too many live blocks");
	enum mt_status status = extend(segment, SEGMENT_EXTENT_BYTES, error);
	if (status != MT_OK)
		return status;
	segment->extents[index] = map(segment, offset, SEGMENT_EXTENT_BYTES, error);
	if (!segment->extents[index])
		return MT_ERR_IO;
	segment->extent_count++;
	atomic_store_explicit(&segment->header->extent_offset[index], offset, memory_order_release);
	atomic_store_explicit(&segment->header->extent_count, index + 1, memory_order_release);
	return MT_OK;
}

struct ring_header *segment_file_ring(const struct segment_file *segment, uint32_t ring)
{
	return segment_chunk_ring(segment->chunks[ring / SEGMENT_CHUNK_RINGS],
				  ring % SEGMENT_CHUNK_RINGS);
}

const uint64_t *segment_file_words(const struct segment_file *segment, uint32_t ring)
{
	return segment_chunk_words(segment->chunks[ring / SEGMENT_CHUNK_RINGS],
				   ring % SEGMENT_CHUNK_RINGS);
}

struct ring_snapshot *segment_file_snapshot(const struct segment_file *segment, uint32_t ring,
					    int which)
{
	char *chunk = segment->chunks[ring / SEGMENT_CHUNK_RINGS];
	uint64_t index = (uint64_t)(ring % SEGMENT_CHUNK_RINGS) * 2 + (uint64_t)which;
	return (struct ring_snapshot *)(void *)(chunk + SEGMENT_CHUNK_TRACKER_BYTES +
						index * SEGMENT_SNAPSHOT_BYTES);
}

void segment_file_remove(const struct segment_file *segment)
{
	if (segment->path && !segment->is_memory)
		(void)unlink(segment->path); /* it may be gone already */
}

void segment_file_release(struct segment_file *segment, bool removes)
{
	for (uint32_t i = 0; i < segment->chunk_count; i++)
		(void)munmap(segment->chunks[i], SEGMENT_CHUNK_BYTES);
	for (uint32_t i = 0; i < segment->extent_count; i++)
		(void)munmap(segment->extents[i], SEGMENT_EXTENT_BYTES);
	if (segment->spool)
		(void)munmap(segment->spool, segment->spool_bytes);
	if (segment->header)
		(void)munmap(segment->header, SEGMENT_HEADER_BYTES);
	if (segment->fd >= 0)
		(void)close(segment->fd);
	if (removes)
		segment_file_remove(segment);
	free(segment->path);
	forget(segment);
}

uint64_t segment_advance_clock(struct segment_header *header)
{
	uint64_t now_us = (clock_monotonic_ns() - header->start_monotonic_ns) / 1000;
	atomic_store_explicit(&header->elapsed_us, now_us, memory_order_relaxed);
	atomic_store_explicit(&header->deferred_time, deferred_time_encode(now_us),
			      memory_order_relaxed);
	return now_us;
}
