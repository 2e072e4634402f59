/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A log in memory: what it says of the run, the result of its replay, and its symbols.
 *
 * A finished log brings its sums along; any other is replayed. A log whose collector died is read
 * together with its segment (recovery.h). A log that ends early is used up to its last whole
 * block, and `damage` says so.
 */
#ifndef MEMTRACE_READER_LOADED_LOG_H
#define MEMTRACE_READER_LOADED_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/log/buffer.h"
#include "common/status.h"
#include "reader/block_feed.h"
#include "reader/log_info.h"
#include "reader/mapping_replay.h"
#include "reader/replay.h"
#include "reader/replay_blocks.h"
#include "reader/symbols.h"

struct loaded_log_options {
	uint64_t pid;               /* replay this process only; 0: all */
	bool is_recorder;           /* the caller holds the recorder's lock */
	bool ignores_profile;       /* replay a finished log too */
	bool makes_checkpoints;     /* to be stored when the log is finished ... */
	uint64_t checkpoint_events; /* ... every so many events; 0: as far apart as is good */
	uint32_t temporary_window;  /* a block is temporary if its thread frees it within so many
				       allocations; 0: 1 */
};

/* A checkpoint in the log: reader/checkpoint.h. */
struct log_checkpoint {
	uint64_t offset; /* of its first block */
	uint64_t time_us;
	uint32_t number;
	bool is_whole;
};

struct loaded_log {
	char *path;
	uint64_t pid; /* that was asked for */
	struct log_info info;
	struct replay replay;
	struct mapping_replay mappings;
	struct symbols symbols;
	bool ignores_profile;
	uint64_t checkpoint_events;
	bool has_profile;                /* the sums came from the log */
	struct checkpoints *checkpoints; /* made for finishing; NULL: none */
	struct event_handover *handover; /* borrowed; NULL: none */
	struct log_checkpoint *places;   /* [place_count] of those that the log has, by time */
	size_t place_count;
	uint64_t *class_places; /* [class_place_count] offsets of the blocks with the classes */
	size_t class_place_count;
	uint64_t survey_end_us; /* latest time of a block */
	uint64_t survey_events; /* in all EVENTS blocks, as their headers say */
	bool has_symbols;
	bool needs_slots;    /* the decoders' states are for recovery too */
	bool is_finished;    /* it has an index: nothing can be added but symbols */
	bool ends_in_finish; /* its last block is one that finishing adds: an index is to follow */
	bool is_live;        /* still being recorded: this is what has been committed so far */
	bool was_recovered;  /* with its segment */
	struct buffer recovered;     /* blocks that the segment held and the log did not */
	uint64_t size_bytes;         /* of the file */
	uint64_t commit_end;         /* offset behind the last COMMIT block */
	uint64_t good_end;           /* offset behind the last block that was used */
	uint64_t events_end;         /* the same, without what finishing adds */
	struct mt_error damage;      /* status MT_OK: none */
	struct replay_blocks blocks; /* the way from the blocks to the replay */
};

/*
 * options  may be NULL
 * returns  MT_ERR_USAGE: no such process; MT_ERR_IO, MT_ERR_NOT_A_LOG, MT_ERR_VERSION,
 * MT_ERR_NO_MEMORY; MT_ERR_TRUNCATED, MT_ERR_CORRUPT, MT_ERR_LIMIT: not even the first block can be
 * used
 */
enum mt_status loaded_log_read(struct loaded_log *log, const char *path,
			       const struct loaded_log_options *options,
			       struct mt_error *error) MT_MUST_CHECK;
void loaded_log_release(struct loaded_log *log);

/*
 * The same in steps, of a log that is being recorded. For log_follower.c: first, an empty log, from
 * whose beginning `feed` is to read without a thread of its own, as far as it is extended.
 *
 * handover      borrowed until the rest is read: where events come from that need no decoding;
 *               NULL: nowhere
 * reader, feed  borrowed, to be closed before the rest is read
 * returns       MT_ERR_NO_MEMORY; nothing is left then
 */
enum mt_status loaded_log_begin(struct loaded_log *log, const struct loaded_log_options *options,
				struct event_handover *handover, struct log_reader *reader,
				struct block_feed *feed, struct mt_error *error) MT_MUST_CHECK;

/* Takes in a block that the feed has brought. returns as loaded_log_read, and MT_ERR_CORRUPT */
enum mt_status loaded_log_take(struct loaded_log *log, struct block_feed_item *item,
			       struct mt_error *error) MT_MUST_CHECK;

/*
 * Reads the rest of a log that its recorder has ended as it should, as if all had been read at
 * once.
 *
 * returns  as loaded_log_read; MT_ERR_CORRUPT, MT_ERR_TRUNCATED: it is damaged, or has no end. On
 *          failure it is released: loaded_log_read says more
 */
enum mt_status loaded_log_read_rest(struct loaded_log *log, const char *path,
				    struct mt_error *error) MT_MUST_CHECK;

/* Takes in further blocks of the log, from memory. For recovery.c. */
enum mt_status loaded_log_read_more(struct loaded_log *log, const struct buffer *blocks,
				    struct mt_error *error) MT_MUST_CHECK;

/* Why events are missing from the log, or may be, as a sentence part; NULL: they aren't. */
const char *loaded_log_loss_reason(const struct loaded_log *log);

/* The same, and why the log was never meant to be complete. */
const char *loaded_log_incomplete_reason(const struct loaded_log *log);

#endif
