/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replays a log while it is being recorded, in a thread of its own, so that little of that is left
 * to do when the recording ends: to replay a log takes half as long as some programs take to make
 * it.
 *
 * The thread has the lowest priority, among those that share processors with the collector: with
 * autogroups, its own session. It goes no further once what it keeps takes LOG_FOLLOWER_BYTES_MAX:
 * the memory may be the program's last.
 * Events that the log's recorder hands over (event_handover.h) it need not decode.
 */
#ifndef MEMTRACE_READER_LOG_FOLLOWER_H
#define MEMTRACE_READER_LOG_FOLLOWER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/log/recording.h"
#include "reader/loaded_log.h"

#define LOG_FOLLOWER_BYTES_MAX (64u << 20)

struct log_follower;

/*
 * Of a log that has no events yet.
 *
 * options  copied
 * is_fed   its events are handed over
 * returns  NULL: no memory
 */
struct log_follower *log_follower_new(const struct loaded_log_options *options, bool is_fed);

/*
 * The log has whole commits up to `end_bytes`. Never waits. There is no thread before the first
 * call: for a small log none is needed.
 *
 * log_fd       of the log; borrowed until log_follower_end
 * recording    that is written to the log, just after a commit; NULL if it is not fed
 * event_count  in the log
 */
void log_follower_tell(struct log_follower *follower, int log_fd, const struct recording *recording,
		       uint64_t event_count, uint64_t end_bytes);

/* For the recording's observer: hands over events. */
struct event_copier log_follower_copier(struct log_follower *follower);

/*
 * Ends the thread, and gives away what it has read, for loaded_log_read_rest, which has to be done
 * before the follower is freed.
 *
 * path     of the log
 * returns  false: that is of no use, or it takes less to read the log than to wait for the thread
 */
bool log_follower_end(struct log_follower *follower, const char *path, struct loaded_log *ret_log);

/* Also ends the thread, if that is not done, without waiting for it. */
void log_follower_free(struct log_follower *follower);

#endif
