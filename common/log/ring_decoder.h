/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads the record groups of one ring's stream (common/ring.h) into an image's batch of events.
 *
 * The decoder's state is plain memory: a copy of it taken at a commit of the log, with the words
 * from `position` on, is all that is needed to go on from there after a crash of the collector.
 */
#ifndef MEMTRACE_COMMON_LOG_RING_DECODER_H
#define MEMTRACE_COMMON_LOG_RING_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ring.h"
#include "common/segment.h"

struct recording;
struct recorded_image;

struct ring_decoder {
	uint64_t position;     /* words of the stream that were decoded */
	uint64_t key;          /* stamp of the group being read; 0 before the first */
	uint64_t image_serial; /* of the image that writes to the ring; 0: nobody yet */
	uint64_t time_us;
	uint64_t interval_bytes;
	uint32_t thread;            /* index in the image */
	uint32_t slots[RING_SLOTS]; /* node that a slot names */
};
static_assert(sizeof(struct ring_decoder) + 8 <= SEGMENT_SNAPSHOT_BYTES, "a snapshot has its room");

/* A decoder as the segment holds it: `commit` is the number of the commit that it belongs to. */
struct ring_snapshot {
	_Atomic uint64_t commit; /* UINT64_MAX while it is being written; 0: none was made */
	struct ring_decoder decoder;
};

enum ring_decode_end {
	RING_DECODE_EMPTY,     /* all words were read */
	RING_DECODE_KEY,       /* the next group's stamp is above the bound */
	RING_DECODE_FULL,      /* the batch is full: commit, then go on */
	RING_DECODE_BROKEN,    /* words that no tracker writes */
	RING_DECODE_NO_MEMORY, /* for what they say */
};

/*
 * Decodes words [*at, word_count), moving *at.
 *
 * bound    groups with a stamp above it are left
 */
enum ring_decode_end ring_decoder_run(struct ring_decoder *decoder, struct recording *recording,
				      struct recorded_image *image, const uint64_t *words,
				      size_t *at, size_t word_count, uint64_t bound);

/*
 * The stamp of the group at the front of `words` [word_count > 0], `key` if it has none.
 */
static inline uint64_t ring_next_key(const uint64_t *words, uint64_t key)
{
	return (words[0] & RING_TYPE_MASK) == RING_STAMP ? words[0] >> 4 : key;
}

/* The last stamp in `words`, which begin with a record; 0: there is none. */
uint64_t ring_last_key(const uint64_t *words, size_t word_count);

/* Words of the record that begins with `word`; 0: no tracker writes that. */
size_t ring_record_words(uint64_t word);

/* The image that the first THREAD or IMAGE note in `words` speaks of; 0: there is none yet;
 * RING_NO_SERIAL: there is something else before it, which no tracker writes. */
#define RING_NO_SERIAL UINT64_MAX
uint64_t ring_first_serial(const uint64_t *words, size_t word_count);

#endif
