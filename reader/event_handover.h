/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events on their way from the collector, which has just encoded them, to whoever replays its log
 * in the same process (log_follower.h), who need not decode them then: that takes a third of what
 * following takes.
 *
 * One thread gives, another takes. What is given is for the EVENTS blocks of the log, in their
 * order, from its start or behind a commit (BEGIN) up to another one (END), after which blocks are
 * decoded again: with it come the states that the decoders have there. So the giver may stop at any
 * commit, when the taker does not keep up, and begin again when it has. Checkpoints, which have
 * these states in them, come from the giver meanwhile.
 */
#ifndef MEMTRACE_READER_EVENT_HANDOVER_H
#define MEMTRACE_READER_EVENT_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/log/event_coder.h"
#include "common/log/recording.h"
#include "common/status.h"
#include "reader/checkpoint.h"
#include "reader/replay.h"

struct event_handover_options {
	uint64_t bytes_max;         /* more is not kept for a taker who is behind */
	uint64_t checkpoint_events; /* as in struct loaded_log_options */
	bool from_start;            /* with the log's first events, else not before a commit */
};

struct event_handover;

/* returns  NULL: no memory */
struct event_handover *event_handover_new(const struct event_handover_options *options);
void event_handover_free(struct event_handover *handover);

/* For the giver, whose recording hands over events with it. It never waits for the taker. */
struct event_copier event_handover_copier(struct event_handover *handover);

/*
 * For the giver, at a commit that the taker will be told of: begins, ends, or gives a checkpoint.
 *
 * end_offset  of the commit in the log
 */
void event_handover_commit(struct event_handover *handover, const struct recording *recording,
			   uint64_t event_count, uint64_t end_offset);

/* For the taker: it has used all that it was told of, up to `end_offset`, and so many events are to
 * be between checkpoints. */
void event_handover_follow(struct event_handover *handover, uint64_t end_offset,
			   uint64_t spacing_events);

/* For the taker: no more is wanted after the next commit; or none at all, ever. */
void event_handover_stop(struct event_handover *handover);
void event_handover_refuse(struct event_handover *handover);

/*
 * For the taker, who has come to a block of the log: finds out whether it is one whose events are
 * handed over.
 *
 * images   [image_count] NULL: it has ended. Where blocks are decoded again, they get the states
 *          for that
 * returns  MT_ERR_CORRUPT: what was given is not of this log; MT_ERR_NO_MEMORY: the giver had none
 */
enum mt_status event_handover_reach(struct event_handover *handover, uint64_t offset,
				    struct replay_image *const *images, uint32_t image_count,
				    struct mt_error *error) MT_MUST_CHECK;

/* Between a BEGIN that the taker has reached and its END. */
bool event_handover_is_on(const struct event_handover *handover);

/*
 * Takes the events of the next EVENTS block, and the stack nodes of it.
 *
 * events   exchanged; what was there is used again
 * returns  as event_handover_reach
 */
enum mt_status event_handover_take(struct event_handover *handover, uint32_t image_index,
				   uint32_t event_count, struct stack_trie *trie,
				   struct decoded_events *events,
				   struct mt_error *error) MT_MUST_CHECK;

/* The checkpoint of the commit that ends at an offset, to be freed; NULL: there is none. */
struct checkpoint *event_handover_checkpoint(struct event_handover *handover, uint64_t end_offset);

#endif
