/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The payload of an EVENTS block (docs/log_format.md, "Events"), written and read.
 *
 * Encoding matches each release with its allocation, so addresses are not stored: a block of the
 * log is a sequence of symbols (event_state.h), most of them predicted. Blocks of an image are
 * encoded and decoded in order; what comes after a missing one cannot be used.
 */
#ifndef MEMTRACE_COMMON_LOG_EVENT_CODER_H
#define MEMTRACE_COMMON_LOG_EVENT_CODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log/block_map.h"
#include "common/log/buffer.h"
#include "common/log/event_batch.h"
#include "common/log/event_columns.h"
#include "common/log/event_state.h"
#include "common/log/stack_trie.h"
#include "common/status.h"

/* Who made a block, and when. */
struct block_birth {
	uint64_t time_us;
	uint64_t event; /* its number in the image, from 0 */
	uint32_t thread;
};

struct event_encoder {
	struct event_state state;
	struct block_map map;
	uint32_t *class_slots; /* [class_mask + 1] class + 1 by identity; 0 = empty */
	uint32_t class_mask;
	uint32_t *recent; /* [recent_capacity] by stack: the last class that a block had, + 1 */
	uint32_t recent_capacity;
	uint32_t stored_classes;
	bool keeps_births;          /* for leak checks */
	struct block_birth *births; /* [birth_capacity] by slot, if they are kept */
	uint32_t birth_capacity;
	uint64_t encoded_events; /* of the batches before the one being encoded */
	struct buffer runs;      /* columns of the block being made */
	struct buffer codes;
	struct split_writer symbols;
	struct split_writer locals;
	struct buffer threads;
	struct buffer times;
};

/* pages  for the addresses of live blocks, borrowed. returns false: no memory */
bool event_encoder_init(struct event_encoder *encoder, const struct block_map_pages *pages,
			uint64_t image_serial);
void event_encoder_release(struct event_encoder *encoder);

/*
 * Takes over the state that decoding the log so far has left, with the addresses of its live blocks
 * where `addresses` [state->slot_count] has them, so that encoding can go on.
 *
 * state    is emptied
 * returns  false: no memory
 */
bool event_encoder_resume(struct event_encoder *encoder, struct event_state *state,
			  const uint64_t *addresses);

/* An event as it comes out of a block. */
struct decoded_event {
	uint32_t symbol; /* class << 3 | operation; of a failed move too, unlike in the log */
	uint32_t local;  /* local number of the block that was made or has ended */
};

/* What all blocks of a class have in common, for those who have no event_state. */
struct decoded_class {
	uint64_t size_bytes;
	uint64_t interval_bytes;
	uint32_t stack;
	uint32_t kind;
};

struct decoded_events {
	struct decoded_event *items; /* [count] */
	uint32_t count;
	uint32_t capacity;
	uint32_t first_class;          /* number of the first of ... */
	struct decoded_class *classes; /* [class_count] those that the block defines */
	uint32_t class_count;
	uint32_t class_capacity;
	struct event_changes threads;
	struct event_changes times;
	bool is_whole; /* of what event_encode gives: all of the block is there */
};

static inline enum event_operation decoded_operation(const struct decoded_event *event)
{
	return (enum event_operation)(event->symbol & 7);
}

void decoded_events_release(struct decoded_events *events);

/* Empties it, with room for so many. returns false: no memory */
bool decoded_events_prepare(struct decoded_events *events, uint32_t event_count,
			    uint32_t class_count);

/*
 * Appends the payload for a batch to `payload`: the nodes of the trie from `first_node` on, the new
 * classes, the events. The batch's slots are settled afterwards.
 *
 * copy     the events, as event_decode has them of the payload, without a failure if there is no
 *          memory for them; overwritten; NULL: they are not needed
 * returns  the number of events in the block; 0 and payload->failed: no memory
 */
uint32_t event_encode(struct event_encoder *encoder, const struct event_batch *batch,
		      const struct stack_trie *trie, uint32_t first_node, struct buffer *payload,
		      struct decoded_events *copy);

/*
 * Decodes a payload. Nothing in `events` refers to `state` or `trie`.
 *
 * state, trie  of the image, as the block before left them; on failure they are of no use any more
 * events       overwritten
 * returns      MT_ERR_CORRUPT, MT_ERR_LIMIT, MT_ERR_NO_MEMORY
 */
enum mt_status event_decode(struct event_state *state, struct stack_trie *trie,
			    const uint8_t *bytes, size_t size_bytes, struct decoded_events *events,
			    struct mt_error *error) MT_MUST_CHECK;

#endif
