/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replays the events of a log and sums up.
 *
 * One pass gives totals, the live blocks at the end, the high-water mark of the tree with its
 * composition, temporary allocations, lifetimes, the heap over time, and which blocks were made and
 * freed in which piece of the time. Memory is bounded by live blocks and distinct stack traces.
 * What did not fit together when it was recorded (a release of a block that was not live, an
 * allocation where one was) is counted as an anomaly, never passed over.
 */
#ifndef MEMTRACE_READER_REPLAY_H
#define MEMTRACE_READER_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log/event_coder.h"
#include "common/log/stack_trie.h"
#include "common/status.h"
#include "reader/generations.h"
#include "reader/lifetimes.h"
#include "reader/stack_costs.h"
#include "reader/stack_errors.h"
#include "reader/timeline.h"

/* Of sampled blocks, what they stand for (estimate.h). */
struct replay_totals {
	uint64_t allocations;
	uint64_t deallocations;
	uint64_t reallocations; /* counted in both of the above too */
	uint64_t allocated_bytes;
	uint64_t temporary;
	uint64_t live_blocks; /* never freed */
	uint64_t live_bytes;
	uint64_t peak_bytes; /* high-water mark */
	uint64_t peak_us;
	uint64_t inherited_frees; /* of blocks that a fork's child has from its parent */
	uint64_t unmatched_frees; /* of blocks that nothing is known of: anomalies */
	uint64_t overwritten;     /* allocations at the address of a live block: anomalies */
};

/* What the replay knows of a live block, beside its class. */
struct replay_block {
	uint64_t born_us;
	uint32_t cost; /* index in the image's costs; STACK_COST_NONE: there is no such block now */
	uint32_t born; /* number of the allocation in its image, mod 2^32 */
};

/* The cost of blocks of a class that a thread makes. */
struct class_cost {
	uint32_t thread; /* + 1; 0: none */
	uint32_t cost;
};

#define REPLAY_CLASS_COSTS 4u

/* A class of blocks (common/log/event_state.h), as the replay needs it. */
struct replay_class {
	struct replay_block *blocks; /* [used of capacity] by local number */
	uint32_t capacity;
	uint32_t used;
	uint32_t live;
	uint32_t weight; /* what a sampled block stands for: index + 1 in the image's weights */
	uint64_t size_bytes;
	uint32_t stack;
	uint16_t kind;
	bool was_used;
	struct class_cost costs[REPLAY_CLASS_COSTS]; /* of some threads, by their numbers */
};

struct class_weight {
	struct sample_weight weight;
	uint64_t interval_bytes;
};

/* What is remembered of a thread between its events. */
struct replay_thread {
	uint32_t *recent; /* [recent_count of the window] numbers of its last allocations, a ring */
	uint32_t recent_count;
	uint32_t recent_next;
	struct replay_block moving; /* released by a realloc that has not ended ... */
	uint64_t moved_us;          /* ... at this time */
	uint32_t moving_class;
	bool is_moving; /* its last event was that release */
	bool is_undone; /* and the realloc has failed, after the replay was over */
};

/* A realloc that has not failed within this time is taken to have freed its block. */
#define REPLAY_MOVE_US 10000000u

struct replay_image {
	struct event_state state; /* the decoder's: the replay itself looks at neither */
	struct stack_trie trie;
	struct stack_costs costs;
	struct lifetimes lifetimes;
	struct stack_errors errors;   /* empty while all is recorded */
	struct replay_class *classes; /* [class_count] */
	uint32_t class_count;
	uint32_t class_capacity;
	struct class_weight *weights; /* [weight_count] */
	uint32_t weight_count;
	uint32_t weight_capacity;
	struct replay_thread *threads; /* [thread_capacity] */
	uint32_t thread_capacity;
	struct replay_totals totals;      /* of the heap */
	struct replay_totals pool_totals; /* of the program's own pools */
	uint32_t index;
	uint32_t pid;
	uint32_t born; /* allocations in the log, mod 2^32 */
	uint64_t end_us;
	bool is_forked;
	bool has_ended;  /* its memory is gone: it has no part in later marks */
	bool has_tables; /* of its blocks: until the time moves on, after it has ended */
};

struct replay {
	struct replay_image **images; /* [image_count] by index in the log */
	uint32_t image_count;
	uint32_t ending_count; /* images that have ended and still have tables */
	uint64_t live_bytes;   /* of the tree, now */
	uint64_t peak_bytes;
	uint64_t peak_us;
	uint32_t mark;             /* number of the last high-water mark */
	uint32_t temporary_window; /* a block freed by its thread within so many allocations */
	uint64_t now_us;
	uint64_t interval_max_bytes; /* since the time last moved on */
	uint64_t event_count;
	uint64_t largest_interval; /* sampling interval seen; 0: all was recorded */
	bool was_exact;            /* events with interval 0 were seen ... */
	uint64_t exact_until_us;   /* ... the last of them up to here, once sampling had begun */
	struct timeline timeline;
	struct generations generations; /* nothing is gathered until it is initialised */
	uint64_t piece_begin_us;        /* of the piece of time that now_us is in */
	uint64_t piece_end_us;
	uint64_t from_us;  /* when the time comes to this, allocations are counted from 0 again */
	uint64_t until_us; /* at the first event that is later, the replay is over */
	bool is_over;
	bool has_details; /* lifetimes and generations are known */
	uint64_t last_us; /* of the last event, or end of an image: now_us when all is replayed */
};

/* For all of a recording: temporary blocks are those freed before the thread's next allocation. */
void replay_init(struct replay *replay);

/* An image for replay_add_image, with nothing in it. returns NULL: no memory */
struct replay_image *replay_image_new(uint32_t pid);
void replay_image_free(struct replay_image *image);

/* Takes over `taken_image` as number `index`. returns false: no memory, or not the next number */
bool replay_add_image(struct replay *replay, uint32_t index, struct replay_image *taken_image,
		      bool is_forked);

/* Events of one image, for replay_run. */
struct replay_source {
	uint32_t image;
	struct decoded_events events;
};

/*
 * Replays `sources` [source_count] together, in the order of their times; sources of one image
 * follow one another in the array's order.
 *
 * returns  MT_ERR_NO_MEMORY
 */
enum mt_status replay_run(struct replay *replay, struct replay_source *sources, size_t source_count,
			  struct mt_error *error) MT_MUST_CHECK;

/*
 * The image's process is gone: its blocks no longer count as in memory.
 * returns  false: no memory
 */
bool replay_end_image(struct replay *replay, uint32_t index, uint64_t time_us);

/* To be called once the generations are initialised, before the first event. returns false: no
 * memory */
bool replay_begin_pieces(struct replay *replay);

/*
 * Brings composition, timeline and generations to the end. To be called once, when all is replayed.
 * returns  false: no memory
 */
bool replay_finish(struct replay *replay, uint64_t end_us);

/*
 * For checkpoint.h: puts the `used` local numbers of a class there, all free; then a block that was
 * live when the checkpoint was made, before anything that is counted.
 * returns  false: no memory
 */
bool replay_restore_class(struct replay_image *image, uint32_t class_index, uint32_t used);
bool replay_restore_block(struct replay *replay, struct replay_image *image, uint32_t class_index,
			  uint32_t local, uint32_t thread);

/* The cost of blocks of a class that a thread makes. returns STACK_COST_NONE: no memory */
uint32_t replay_find_cost(struct replay *replay, struct replay_image *image, uint32_t class_index,
			  uint32_t thread);

/* Counts the restored blocks as live, now that their numbers are known. returns false: no memory */
bool replay_count_restored(struct replay *replay, struct replay_image *image);

/* Leaves what was allocated so far out of the costs: a window begins. */
void replay_forget_allocations(struct replay *replay);

/*
 * A realloc that is under way when the replay is over has not released its block if it fails later.
 * More is to be given to replay_run then, of which only that is looked at.
 */
bool replay_awaits_moves(const struct replay *replay);

/* Appends a class. returns false: no memory */
bool replay_add_class(struct replay_image *image, const struct decoded_class *identity);

/* What is remembered of a thread. returns NULL: no memory */
struct replay_thread *replay_thread(struct replay_image *image, uint32_t thread);

/* A block in figures: a sampled one stands for more than itself. */
struct block_figures {
	uint64_t bytes;
	uint64_t count;
};

static inline struct block_figures replay_figures(const struct replay_image *image,
						  const struct replay_class *class, uint32_t born)
{
	if (class->weight == 0)
		return (struct block_figures){.bytes = class->size_bytes, .count = 1};
	const struct sample_weight *weight = &image->weights[class->weight - 1].weight;
	return (struct block_figures){.bytes = sample_weight_bytes(weight, born),
				      .count = sample_weight_count(weight, born)};
}

/* Gives up what only replaying more would need. */
void replay_drop_tables(struct replay *replay);

void replay_release(struct replay *replay);

#endif
