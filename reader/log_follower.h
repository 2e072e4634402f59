/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replays a log while it is being recorded, in a thread of its own, so that little of that is left
 * to do when the recording ends: to replay a log takes half as long as some programs take to make
 * it.
 *
 * The thread has the lowest priority: it takes processors that nobody else wants. It goes no
 * further once what it keeps takes LOG_FOLLOWER_BYTES_MAX: the memory may be the program's last.
 */
#ifndef MEMTRACE_READER_LOG_FOLLOWER_H
#define MEMTRACE_READER_LOG_FOLLOWER_H

#include <stdbool.h>
#include <stdint.h>

#include "reader/loaded_log.h"

#define LOG_FOLLOWER_BYTES_MAX (64u << 20)

struct log_follower;

/*
 * log_fd   of the log; borrowed until log_follower_take
 * options  copied
 * returns  NULL: no memory, or no thread
 */
struct log_follower *log_follower_new(int log_fd, const struct loaded_log_options *options);

/* The log has whole commits up to `end_bytes`. Never waits. */
void log_follower_tell(struct log_follower *follower, uint64_t end_bytes);

/*
 * Ends it, and gives away what it has read, for loaded_log_read_rest.
 * returns  false: that is of no use
 */
bool log_follower_take(struct log_follower *taken_follower, struct loaded_log *ret_log);

#endif
