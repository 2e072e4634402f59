/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replays the events of a log and sums up.
 *
 * One pass gives totals, the live blocks at the end, the high-water mark of the tree with its
 * composition, temporary allocations and the heap over time. Memory is bounded by live blocks and
 * distinct stack traces. What did not fit together when it was recorded (a release of a block that
 * was not live, an allocation where one was) is counted as an anomaly, never passed over.
 */
#ifndef MEMTRACE_READER_REPLAY_H
#define MEMTRACE_READER_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log/event_coder.h"
#include "common/log/stack_trie.h"
#include "common/status.h"
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
	uint32_t cost; /* index in the image's costs */
	uint32_t born; /* number of the allocation in its image, mod 2^32 */
};

/* What is remembered of a thread between its events. */
struct replay_thread {
	uint32_t last_slot;         /* of its last allocation ... */
	uint32_t last_born;         /* ... and which block that was; 0: none, or freed already */
	struct replay_block moving; /* released by a realloc that has not ended */
};

/* The cost entry that blocks of a class had last: most come from one thread. */
struct class_cost {
	uint32_t thread; /* + 1; 0: none yet */
	uint32_t cost;
};

struct replay_image {
	struct stack_trie trie;
	struct event_state state;
	struct stack_costs costs;
	struct replay_block *blocks; /* [block_capacity] by slot */
	size_t block_capacity;
	struct class_cost *class_costs; /* [class_capacity] */
	size_t class_capacity;
	struct stack_errors errors;    /* empty while all is recorded */
	struct sample_weight *weights; /* [weight_capacity] by class; count 0: not looked at yet */
	size_t weight_capacity;
	struct replay_thread *threads; /* [thread_capacity] */
	size_t thread_capacity;
	struct replay_totals totals;      /* of the heap */
	struct replay_totals pool_totals; /* of the program's own pools */
	uint32_t born;                    /* allocations in the log, mod 2^32 */
	bool is_forked;
	bool has_ended; /* its memory is gone: it has no part in later marks */
};

struct replay {
	struct replay_image **images; /* [image_count] by index in the log */
	uint32_t image_count;
	uint64_t live_bytes; /* of the tree, now */
	uint64_t peak_bytes;
	uint64_t peak_us;
	uint32_t mark; /* number of the last high-water mark */
	uint64_t now_us;
	uint64_t interval_max_bytes; /* since the time last moved on */
	uint64_t event_count;
	uint64_t largest_interval; /* sampling interval seen; 0: all was recorded */
	bool was_exact;            /* events with interval 0 were seen ... */
	uint64_t exact_until_us;   /* ... the last of them up to here, once sampling had begun */
	struct timeline timeline;
};

/* returns  false if there is no memory */
bool replay_add_image(struct replay *replay, uint32_t index, bool is_forked);

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

/* The image's process is gone: its blocks no longer count as in memory. */
void replay_end_image(struct replay *replay, uint32_t index, uint64_t time_us);

/* Brings composition and timeline to the end. To be called once, when all is replayed. */
void replay_finish(struct replay *replay, uint64_t end_us);

void replay_release(struct replay *replay);

#endif
