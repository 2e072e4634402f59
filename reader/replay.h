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
#include "common/status.h"
#include "reader/generations.h"
#include "reader/replay_image.h"
#include "reader/timeline.h"

/* A realloc that has not failed within this time is taken to have freed its block. */
#define REPLAY_MOVE_US 10000000u

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
 * For checkpoint.h: a block that was live when the checkpoint was made, before anything that is
 * counted; its local number has been put there with replay_restore_class.
 * returns  false: no memory
 */
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

/* Gives up what only replaying more would need. */
void replay_drop_tables(struct replay *replay);

void replay_release(struct replay *replay);

#endif
