/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finishing a log: replaying it once and adding what every report needs, names and an index, so
 * that reports on it replay nothing and it needs no other file.
 *
 * Done at the end of `memtrace run`, and later by `memtrace symbolize`. A log that is whole is
 * added to in place. One that is cut off, or has a segment, is written anew beside itself and takes
 * its own place by a rename (log_draft.h).
 */
#ifndef MEMTRACE_READER_FINISH_H
#define MEMTRACE_READER_FINISH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/status.h"
#include "reader/loaded_log.h"
#include "reader/log_follower.h"
#include "reader/symbolize_log.h"

/* What a dead collector could not say any more. */
struct finish_ending {
	bool is_known;
	int wait_status;
	uint64_t max_rss_bytes;
};

struct finish_options {
	bool is_recorder;           /* the caller holds the recorder's lock */
	bool has_no_symbols;        /* leave names out */
	bool replaces;              /* write the log anew even if it could be added to */
	uint64_t checkpoint_events; /* checkpoints are so far apart; 0: as far as is good */
	/* Has replayed the log so far, with finish_replay_options; NULL: nobody has. Taken */
	struct log_follower *follower;
	struct symbolize_options symbolize;
	struct finish_ending ending; /* used if the log has no END block */
};

struct finish_result {
	struct replay_totals totals; /* of the tree */
	uint32_t process_count;
	uint32_t untraced_count;
	bool is_complete;
	struct symbolize_result symbols;
};

/* How a log is replayed to be finished. */
extern const struct loaded_log_options finish_replay_options;

/*
 * returns  as loaded_log_read; MT_ERR_IO: the log can't be written; MT_ERR_USAGE: it is still being
 *          recorded
 */
enum mt_status finish_log(const char *path, const struct finish_options *options,
			  struct finish_result *ret_result, struct mt_error *error) MT_MUST_CHECK;

#endif
