/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replays what a process tree mapped and unmapped itself (mmap, munmap, mremap, brk), apart from
 * the heap: address space, not resident memory, and an allocator's heap lies within it.
 *
 * An unmapping may take away parts of several mappings; each part is taken from the stack trace
 * that mapped it. Moving a mapping counts as unmapping the old range and mapping the new one. What
 * a fork's child has from its parent, and what the loader mapped, is not known here: unmapping it
 * changes nothing.
 */
#ifndef MEMTRACE_READER_MAPPING_REPLAY_H
#define MEMTRACE_READER_MAPPING_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log/log_block.h"
#include "common/log/mapping_batch.h"
#include "common/status.h"
#include "reader/mapping_tree.h"
#include "reader/stack_costs.h"

struct mapping_totals {
	uint64_t mapped; /* calls that mapped something */
	uint64_t mapped_bytes;
	uint64_t unmapped; /* calls that unmapped something */
	uint64_t live_ranges;
	uint64_t live_bytes; /* never unmapped */
	uint64_t peak_bytes;
	uint64_t peak_us;
};

struct mapping_image {
	struct mapping_tree tree;
	struct stack_costs costs;     /* by stack trace, thread and source; blocks are ranges */
	struct mapping_pieces *undos; /* [undo_count] by thread: its last unmapping took away */
	size_t undo_count;
	struct mapping_totals totals;
	bool has_ended;
};

struct pending_mapping {
	uint32_t image;
	uint32_t number; /* in the order of the log */
	struct mapping_event event;
};

struct mapping_replay {
	struct mapping_image **images; /* [image_count] NULL: maps nothing itself */
	uint32_t image_count;
	struct pending_mapping *pending; /* [pending_count] of the commit that is being read */
	size_t pending_count;
	size_t pending_capacity;
	uint64_t live_bytes; /* of the tree, now */
	uint64_t peak_bytes; /* of the tree */
	uint64_t peak_us;
	uint32_t mark; /* number of the last high-water mark */
};

/*
 * Takes in a MAPPINGS block.
 * returns  MT_ERR_CORRUPT, MT_ERR_NO_MEMORY
 */
enum mt_status mapping_replay_add(struct mapping_replay *replay, const struct log_block *block,
				  const struct byte_reader *payload,
				  struct mt_error *error) MT_MUST_CHECK;

/* Replays what was taken in, in the order of time over all images. returns MT_ERR_NO_MEMORY */
enum mt_status mapping_replay_run(struct mapping_replay *replay,
				  struct mt_error *error) MT_MUST_CHECK;

/* The image's process is gone. */
void mapping_replay_end_image(struct mapping_replay *replay, uint32_t image);

/* Brings the composition of the peak to the end. To be called once, when all is replayed. */
void mapping_replay_finish(struct mapping_replay *replay);

void mapping_replay_release(struct mapping_replay *replay);

/* The image's mappings; NULL: there are none. */
static inline const struct mapping_image *mapping_replay_image(const struct mapping_replay *replay,
							       uint32_t image)
{
	return image < replay->image_count ? replay->images[image] : NULL;
}

#endif
