/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inside of struct recording, for the files that implement it. */
#ifndef MEMTRACE_COMMON_LOG_RECORDING_STATE_H
#define MEMTRACE_COMMON_LOG_RECORDING_STATE_H

#include "common/log/recording.h"

struct ring_piece {
	const uint64_t *words;
	uint32_t word_count;
	uint64_t position;
};

struct ring_source {
	struct ring_decoder decoder;
	struct recorded_image *image; /* whose words come next; NULL: not known yet */
	struct ring_piece *pieces;    /* [piece_count] oldest first, not decoded in full */
	uint32_t piece_count;
	uint32_t piece_capacity;
	size_t at; /* words of the first piece that are decoded */
	uint64_t frontier;
	uint64_t committed_position;
	bool is_changed; /* since the last commit */
	bool is_broken;  /* what comes is dropped, until the ring has another owner */
};

/* One ring with words left, in a heap by the stamp of its next group. */
struct candidate {
	struct ring_source *source;
	uint64_t key;
};

struct recording {
	struct log_writer *writer;
	const struct recording_observer *observer;
	const struct block_map_pages *pages;
	struct recorded_image **images; /* [image_slots] by order of appearance */
	size_t image_slots;
	size_t image_capacity;
	uint32_t image_count; /* announced: indexes given out */
	uint64_t commit_count;
	uint64_t event_count; /* in blocks of the log */
	bool keeps_births;
	bool logs_used_stacks;
	struct buffer scratch; /* fields of the block being made */
	struct ring_source *rings[SEGMENT_RINGS];
	uint32_t ring_end;                    /* rings from here on are NULL */
	struct candidate heap[SEGMENT_RINGS]; /* while an image's rings are merged */
};

/* NULL if there is no image with that serial number. */
struct recorded_image *recording_find_image(const struct recording *recording, uint64_t serial);

/* Adds a block of an image, its fields in recording->scratch. */
void recording_add_block(struct recording *recording, const struct recorded_image *image,
			 enum log_block_kind kind, uint64_t time_us);

/* Writes the IMAGE block, once. */
void recording_announce_image(struct recording *recording, struct recorded_image *image);

/* Gives a thread a name from now on. */
void recording_name_thread(struct recorded_image *image, uint32_t index, const char *name,
			   uint64_t time_us);

#endif
