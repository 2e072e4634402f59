/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Going on from a checkpoint of a finished log. Its blocks are read twice: once to make the images
 * that there were, with their stack nodes, and once, when the classes are known, to fill them.
 */
#ifndef MEMTRACE_READER_CHECKPOINT_RESTORE_H
#define MEMTRACE_READER_CHECKPOINT_RESTORE_H

#include "common/status.h"

struct loaded_log;
struct log_checkpoint;
struct log_reader;
struct replay;

/*
 * Brings a replay that has nothing in it to a checkpoint of the log, and its decoders with it.
 *
 * log      with class_places and places, and with the tries of all images
 * reader   of the log; at the block where reading goes on afterwards
 * returns  MT_ERR_CORRUPT, MT_ERR_NO_MEMORY, MT_ERR_IO
 */
enum mt_status checkpoint_restore(const struct loaded_log *log, const struct log_checkpoint *place,
				  struct log_reader *reader, struct replay *replay,
				  struct mt_error *error) MT_MUST_CHECK;

#endif
