/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes of an image's address space that the program asked for (mmap, munmap, mremap, brk), as
 * a MAPPINGS block has them: with addresses, so that whoever replays them can take parts of a
 * mapping away. docs/log_format.md, "Mappings".
 */
#ifndef MEMTRACE_COMMON_LOG_MAPPING_BATCH_H
#define MEMTRACE_COMMON_LOG_MAPPING_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/format.h"
#include "common/log/buffer.h"

enum mapping_operation {
	MAPPING_MAP = 0,     /* the range is mapped now, whatever was there before */
	MAPPING_UNMAP = 1,   /* nothing is mapped in the range now */
	MAPPING_RESTORE = 2, /* the thread's last UNMAP failed: what it took away is there again */
};

struct mapping_event {
	enum mapping_operation operation;
	enum mapping_source source; /* of a MAP */
	uint32_t thread;            /* index in the image */
	uint32_t stack;             /* of a MAP: node of the image's trie */
	uint64_t time_us;           /* since the recording began */
	uint64_t address;           /* of a MAP or UNMAP */
	uint64_t size_bytes;        /* the same; not 0 */
};

struct mapping_batch {
	struct buffer payload; /* of the block being made */
	uint32_t count;
	uint64_t first_us;
	uint64_t last_us;
	uint64_t last_address;
};

/* Appends an event; its time is at least that of the one before. */
void mapping_batch_add(struct mapping_batch *batch, const struct mapping_event *event);

/* Empties the batch and keeps its memory. */
void mapping_batch_clear(struct mapping_batch *batch);
void mapping_batch_release(struct mapping_batch *batch);

/* Takes a payload apart. Starts zeroed, but for `payload` and `time_us`, the block's first time. */
struct mapping_reader {
	struct byte_reader payload;
	uint64_t time_us;
	uint64_t last_address;
};

/* returns  1: got one; 0: the end; MT_ERR_CORRUPT */
int mapping_reader_next(struct mapping_reader *reader, struct mapping_event *ret_event);

#endif
