/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Yields the blocks of a log in order, with EVENTS blocks decoded. A thread of its own reads,
 * unpacks and decodes a few blocks ahead, so that decoding uses one core and the replay another.
 * Where there can be no thread, blocks are decoded as they are asked for. Events that are handed
 * over by who has encoded them need no decoding.
 *
 * The decoders' states (state and trie of the images) are the feed's until it is closed.
 */
#ifndef MEMTRACE_READER_BLOCK_FEED_H
#define MEMTRACE_READER_BLOCK_FEED_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log/event_coder.h"
#include "common/log/log_block.h"
#include "common/status.h"
#include "reader/checkpoint.h"
#include "reader/event_handover.h"
#include "reader/log_reader.h"
#include "reader/replay.h"

#define BLOCK_FEED_ITEMS 4u

struct block_feed_options {
	uint64_t end_offset;     /* blocks that begin here or later are not read */
	uint64_t pid;            /* leave out the events of other processes; 0: of none */
	uint64_t until_us;       /* leave out blocks whose events are all later; UINT64_MAX: none */
	bool skips_events;       /* leave out all of them */
	bool skips_descriptions; /* leave out what is neither events, images, nor commits */
	bool has_slots;          /* decode for recovery.h too */
	bool has_no_thread;      /* decode as blocks are asked for */
	struct checkpoints *checkpoints; /* make checkpoints for these; NULL: none */
	struct event_handover *handover; /* where events may come from; NULL: nowhere */
};

struct block_feed_item {
	int result;            /* 1: a block; 0: there is none left; < 0: enum mt_status */
	struct mt_error error; /* result 0: damage, if its status is not MT_OK */
	struct log_block block;
	uint64_t end_offset;        /* of the block */
	bool is_left_out;           /* its payload was not looked at */
	struct byte_reader payload; /* of all but EVENTS blocks */
	struct buffer bytes;        /* that it is in */
	struct decoded_events events;
	struct replay_image *image;    /* of an IMAGE block: to be taken or freed */
	struct checkpoint *checkpoint; /* at a COMMIT block: to be taken or freed; else NULL */
};

struct block_feed {
	struct log_reader *reader; /* borrowed */
	struct block_feed_options options;
	struct replay_image **images; /* [image_count] borrowed; NULL: has ended */
	uint32_t image_count;
	uint32_t image_capacity;
	uint64_t event_count;       /* decoded */
	uint64_t checkpoint_events; /* decoded when the last checkpoint was made */
	struct block_feed_item items[BLOCK_FEED_ITEMS];
	bool has_thread;
	bool has_item; /* the caller has the item at the tail */
	pthread_t thread;
	pthread_mutex_t mutex; /* for the next three */
	pthread_cond_t changed;
	uint64_t head; /* items made */
	uint64_t tail; /* items done with */
	bool is_stopped;
};

/*
 * Begins to read at the reader's position.
 *
 * reader  borrowed; not to be used until block_feed_close
 * images  [image_count] that the blocks before have brought, borrowed; their states and tries are
 *         the feed's until it is closed
 * returns false: no memory
 */
bool block_feed_open(struct block_feed *feed, struct log_reader *reader,
		     const struct block_feed_options *options, struct replay_image **images,
		     uint32_t image_count);

/* The next item, until the next call. After one that is no block there is none. */
struct block_feed_item *block_feed_next(struct block_feed *feed);

/*
 * Without a thread: the log has grown, and is to be read as far as `end_offset`. After an item with
 * result 0 and no damage there may be more then.
 */
void block_feed_extend(struct block_feed *feed, uint64_t end_offset);

void block_feed_close(struct block_feed *feed);

#endif
