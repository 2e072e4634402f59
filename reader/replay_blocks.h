/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Gives the replay what a block feed brings: the events between two commits are replayed together,
 * those of several images in the order of their times.
 */
#ifndef MEMTRACE_READER_REPLAY_BLOCKS_H
#define MEMTRACE_READER_REPLAY_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/status.h"
#include "reader/block_feed.h"
#include "reader/log_info.h"
#include "reader/replay.h"

struct replay_blocks {
	struct replay *replay;           /* borrowed */
	const struct log_info *info;     /* borrowed: knows every image before its block comes */
	struct checkpoints *checkpoints; /* borrowed; NULL: none are made */
	uint64_t pid;                    /* leave out the events of other processes; 0: of none */
	bool has_sums;                   /* the log brings the result: nothing is replayed */
	struct replay_source *sources;   /* [source_count] of the commit that is being read */
	size_t source_count;
	size_t source_capacity;
};

/*
 * Takes a block in.
 * returns  MT_ERR_NO_MEMORY; MT_ERR_CORRUPT: images are not in order
 */
enum mt_status replay_blocks_add(struct replay_blocks *blocks, struct block_feed_item *item,
				 struct mt_error *error) MT_MUST_CHECK;

/* Replays what no commit has come for. returns MT_ERR_NO_MEMORY */
enum mt_status replay_blocks_flush(struct replay_blocks *blocks,
				   struct mt_error *error) MT_MUST_CHECK;

void replay_blocks_release(struct replay_blocks *blocks);

#endif
