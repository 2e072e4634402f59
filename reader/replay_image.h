/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the replay knows of one image: sums by stack trace, and while its events are replayed its
 * classes with their live blocks, and what is remembered of its threads.
 */
#ifndef MEMTRACE_READER_REPLAY_IMAGE_H
#define MEMTRACE_READER_REPLAY_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log/event_coder.h"
#include "common/log/stack_trie.h"
#include "reader/lifetimes.h"
#include "reader/stack_costs.h"
#include "reader/stack_errors.h"

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

/* An image for replay_add_image, with nothing in it. returns NULL: no memory */
struct replay_image *replay_image_new(uint32_t pid);
void replay_image_free(struct replay_image *image);

/* Gives up what is only needed to replay more events. */
void replay_image_drop_tables(struct replay_image *image);

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

/* Makes room for the block of a local number. returns false: no memory */
bool replay_class_reserve(struct replay_class *class, uint32_t local);
/* Gives up the room for blocks, of which none is live. */
void replay_class_release(struct replay_class *class);

/* Puts the `used` local numbers of a class there, all free. returns false: no memory */
bool replay_restore_class(struct replay_image *image, uint32_t class_index, uint32_t used);

/* An empty class keeps a small table: one that fills and empties all the time needs it again. */
#define REPLAY_KEPT_BLOCKS 64u

/* Puts a block into its class. returns where it is, NULL: no memory */
static inline struct replay_block *replay_class_put(struct replay_class *class, uint32_t local,
						    const struct replay_block *block)
{
	if (local >= class->capacity && !replay_class_reserve(class, local))
		return NULL;
	/* Local numbers are given out one after the other: none is left out. */
	if (local >= class->used)
		class->used = local + 1;
	class->live++;
	class->blocks[local] = *block;
	return &class->blocks[local];
}

static inline void replay_class_drop(struct replay_class *class, struct replay_block *block)
{
	block->cost = STACK_COST_NONE;
	if (--class->live > 0)
		return;
	class->used = 0;
	if (class->capacity > REPLAY_KEPT_BLOCKS)
		replay_class_release(class);
}

#endif
