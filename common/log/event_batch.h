/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events of one process image as they come out of its rings, in the order in which they happened,
 * with addresses: what the encoder (event_coder.h) makes a block of the log of.
 *
 * Every event has an operation and an address. Events that make a block have a size and a stack
 * besides, in columns of their own, in order. Thread, time and sampling interval change seldom and
 * are kept where they change.
 */
#ifndef MEMTRACE_COMMON_LOG_EVENT_BATCH_H
#define MEMTRACE_COMMON_LOG_EVENT_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/format.h"
#include "common/log/event_state.h"

#define EVENT_CODE(operation, kind) ((uint8_t)((unsigned)(operation) | (unsigned)(kind) << 3))
#define EVENT_CODE_OPERATION(code) ((enum event_operation)((code)&7u))
#define EVENT_CODE_KIND(code) ((enum allocation_kind)((code) >> 3))

#define EVENT_TIME_SHARE 32u
#define EVENT_TIME_STEP_US 1024u

/* From event `first` on, the value is `value`. */
struct event_change {
	uint32_t first;
	uint64_t value;
};

struct event_changes {
	struct event_change *items; /* [count] by ascending `first` */
	uint32_t count;
	uint32_t capacity;
};

struct event_batch {
	uint8_t *codes;      /* [event_count] EVENT_CODE */
	uint64_t *addresses; /* [event_count] never 0 */
	uint64_t *sizes;     /* [block_count] requested bytes */
	uint32_t *stacks;    /* [block_count] node of the trie */
	uint32_t event_count;
	uint32_t block_count;
	uint32_t capacity;              /* events */
	struct event_changes threads;   /* thread index */
	struct event_changes times;     /* microseconds since the recording began */
	struct event_changes intervals; /* sampling interval in bytes, 0 = every allocation */
};

/* returns  false if there is no memory */
bool event_batch_reserve(struct event_batch *batch, uint32_t capacity);
bool event_changes_add(struct event_changes *changes, uint32_t first, uint64_t value);
void event_batch_clear(struct event_batch *batch);
void event_batch_release(struct event_batch *batch);

/*
 * Takes the changes that are due at `event`: *next is the first that was not taken yet.
 * returns  true if there were any
 */
static inline bool event_changes_follow(const struct event_changes *changes, uint32_t event,
					uint32_t *next, uint64_t *value)
{
	bool is_any = false;
	while (*next < changes->count && changes->items[*next].first <= event) {
		*value = changes->items[(*next)++].value;
		is_any = true;
	}
	return is_any;
}

/* The event at which the next change is due, at most `end`. */
static inline uint32_t event_changes_next(const struct event_changes *changes, uint32_t next,
					  uint32_t end)
{
	return next < changes->count && changes->items[next].first < end
		       ? changes->items[next].first
		       : end;
}

/*
 * Notes the time of the next event, which is not before that of the last one. Where many events
 * happen in a step or two of the clock it begins up to a 16th of them earlier: round distances take
 * less room.
 *
 * returns  false: no memory
 */
bool event_batch_add_time(struct event_batch *batch, uint64_t time_us);

/*
 * A time as the log has it. The clock that events are given in the program advances in steps, of a
 * millisecond or, when much happens, less; more exact than that, and than a thirty-second of the
 * time since the recording began, would only take room.
 */
static inline uint64_t event_time(uint64_t time_us)
{
	uint64_t step_us = time_us / EVENT_TIME_SHARE;
	if (step_us >= EVENT_TIME_STEP_US)
		return time_us & ~(uint64_t)(EVENT_TIME_STEP_US - 1);
	if (step_us < 2)
		return time_us;
	return time_us >> (63 - __builtin_clzll(step_us)) << (63 - __builtin_clzll(step_us));
}

#endif
