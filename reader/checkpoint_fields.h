/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts of a checkpoint as they are in the log: what the decoder of an image knows, its live
 * blocks, its classes (docs/log_format.md, "Replay"). What is read is checked: a state that was
 * read can be decoded with, whatever the log says.
 */
#ifndef MEMTRACE_READER_CHECKPOINT_FIELDS_H
#define MEMTRACE_READER_CHECKPOINT_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/log/buffer.h"
#include "common/log/event_state.h"
#include "common/status.h"
#include "reader/replay.h"

/* node_count  of the trie, as the log has it */
void checkpoint_put_state(const struct event_state *state, uint32_t node_count,
			  struct buffer *fields);

/*
 * The part behind the numbers of classes and nodes.
 *
 * state       with the classes in place
 * blocks_max  more live blocks can't be
 * returns     false: it is damaged, or there is no memory
 */
bool checkpoint_get_state(struct byte_reader *payload, struct event_state *state,
			  uint64_t blocks_max);

void checkpoint_put_live(const struct replay_image *image, struct buffer *fields);

/* returns  false: it is damaged, or there is no memory */
bool checkpoint_get_live(struct byte_reader *payload, struct replay *replay,
			 struct replay_image *image);

/* The classes from number `first` on. */
void checkpoint_put_classes(const struct replay_image *image, uint32_t first,
			    struct buffer *fields);

/*
 * Adds classes up to number `wanted`.
 *
 * returns  MT_ERR_CORRUPT, MT_ERR_NO_MEMORY
 */
enum mt_status checkpoint_get_classes(struct byte_reader *payload, struct replay_image *image,
				      uint32_t wanted, struct mt_error *error) MT_MUST_CHECK;

#endif
