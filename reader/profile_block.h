/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The result of a replay as blocks of a finished log, so that a report replays nothing.
 *
 * PROFILE blocks come in parts (docs/log_format.md, "Profile"): per image its stack nodes and its
 * costs, both in pieces of a bounded number of items, and its totals; and one part for the tree.
 */
#ifndef MEMTRACE_READER_PROFILE_BLOCK_H
#define MEMTRACE_READER_PROFILE_BLOCK_H

#include "common/log/log_writer.h"
#include "reader/replay.h"

/* Appends the blocks of a finished replay. Failures are the writer's. */
void profile_blocks_write(const struct replay *replay, struct log_writer *writer);

/*
 * Takes one PROFILE block into `replay`, whose images have been added and have no events.
 *
 * ret_is_last  set by the tree's part, which is written last
 * returns      MT_ERR_CORRUPT, MT_ERR_LIMIT, MT_ERR_NO_MEMORY
 */
enum mt_status profile_block_read(struct replay *replay, const struct log_block *block,
				  struct byte_reader *payload, bool *ret_is_last,
				  struct mt_error *error) MT_MUST_CHECK;

#endif
