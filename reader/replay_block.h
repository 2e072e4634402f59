/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * REPLAY blocks: what else a finished log has of its replay, beside the sums of PROFILE blocks.
 * Lifetimes and generations are written and read here, checkpoints in checkpoint.h.
 */
#ifndef MEMTRACE_READER_REPLAY_BLOCK_H
#define MEMTRACE_READER_REPLAY_BLOCK_H

#include <stdbool.h>

#include "common/log/log_block.h"
#include "common/log/log_writer.h"
#include "common/status.h"
#include "reader/replay.h"

/* Numbers of the parts, as in docs/log_format.md. */
enum replay_part {
	REPLAY_CLASSES = 1,
	REPLAY_STATE = 2,
	REPLAY_LIVE = 3,
	REPLAY_CHECKPOINT = 4,
	REPLAY_LIFETIMES = 5,
	REPLAY_GENERATIONS = 6,
};

/* Appends lifetimes and generations of a finished replay. Failures are the writer's. */
void replay_blocks_write(const struct replay *replay, struct log_writer *writer);

/*
 * Takes in a REPLAY block that belongs to no checkpoint, once the costs are there.
 *
 * ret_is_classes  set if it holds classes, for checkpoint_restore
 * returns         MT_ERR_CORRUPT, MT_ERR_NO_MEMORY
 */
enum mt_status replay_block_read(struct replay *replay, const struct log_block *block,
				 struct byte_reader *payload, bool *ret_is_classes,
				 struct mt_error *error) MT_MUST_CHECK;

#endif
