/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Checkpoints: what the decoders and the replay know at a COMMIT of the log, stored in the finished
 * log, so that a question about some time is answered from there and not from the beginning
 * (docs/log_format.md, "Replay").
 *
 * They are made while the log is replayed to be finished. How many there are follows from what they
 * may take: when they pass their budget, every second one is dropped, and the distance doubles.
 */
#ifndef MEMTRACE_READER_CHECKPOINT_H
#define MEMTRACE_READER_CHECKPOINT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log/buffer.h"
#include "common/log/event_state.h"
#include "common/log/log_block.h"
#include "common/status.h"
#include "reader/replay.h"

struct log_writer;

/* A checkpoint that is being made: the decoder's part is there, the replay's is not. */
struct checkpoint_image {
	uint32_t index;
	struct buffer state;
};

struct checkpoint {
	struct checkpoint_image *images; /* [image_count] those that have not ended */
	uint32_t image_count;
	uint32_t total_images; /* those that have ended too */
	uint64_t next_offset;  /* of the block where reading goes on */
};

struct checkpoints {
	struct buffer *items; /* [count] the blocks of each, as they will be in the log */
	size_t count;
	size_t capacity;
	struct buffer
		classes; /* blocks with the classes of all images, up to the last checkpoint */
	uint32_t *class_counts; /* [image_capacity] classes in them, by image */
	uint32_t image_capacity;
	uint32_t number;     /* of the last checkpoint */
	uint64_t size_bytes; /* of the items */
	bool has_no_budget;  /* as many as there are, whatever they take */
	uint64_t budget_bytes;
	_Atomic uint64_t spacing_events; /* the decoder's thread asks for it */
};

/*
 * log_bytes       size of the log: the budget is a part of it
 * spacing_events  how many events are to be between two checkpoints, whatever that takes; 0: as
 *                 many as are worth it
 */
void checkpoints_init(struct checkpoints *checkpoints, uint64_t log_bytes, uint64_t spacing_events);
/* The log has become larger: checkpoints may take more. */
void checkpoints_grow(struct checkpoints *checkpoints, uint64_t log_bytes);
void checkpoints_release(struct checkpoints *checkpoints);

/* How many events are to be between two checkpoints. */
static inline uint64_t checkpoints_spacing(const struct checkpoints *checkpoints)
{
	return atomic_load_explicit(&((struct checkpoints *)checkpoints)->spacing_events,
				    memory_order_relaxed);
}

/* An image's part of a checkpoint: what its decoder knows, or its encoder. */
struct checkpoint_source {
	const struct event_state *state; /* NULL: the image has ended */
	uint32_t node_count;             /* of the trie, as the log has it */
};

/*
 * Whether to restore a checkpoint takes less than to replay so many events since the last one;
 * UINT64_MAX: it is wanted whatever it takes.
 */
bool checkpoint_is_worth_it(const struct checkpoint_source *sources, uint32_t image_count,
			    uint64_t distance_events);

/*
 * Begins a checkpoint: notes the decoders' states.
 *
 * sources  [image_count]
 * returns  NULL: no memory, or it would be too large for a block
 */
struct checkpoint *checkpoint_new(const struct checkpoint_source *sources, uint32_t image_count,
				  uint64_t next_offset);
void checkpoint_free(struct checkpoint *checkpoint);

/* Memory that it takes. */
uint64_t checkpoint_bytes(const struct checkpoint *checkpoint);

/*
 * Completes a checkpoint with what the replay knows, which has come to the same place, and keeps
 * it. One that is too large is passed over.
 *
 * returns  MT_ERR_NO_MEMORY
 */
enum mt_status checkpoints_add(struct checkpoints *checkpoints, struct checkpoint *checkpoint,
			       const struct replay *replay, struct mt_error *error) MT_MUST_CHECK;

/* Appends classes and checkpoints to a log that is being finished. Failures are the writer's. */
void checkpoints_write(const struct checkpoints *checkpoints, struct log_writer *writer);

#endif
