/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Takes what is in the rings into the spool, and gives the pieces to the recording.
 *
 * The spool is a circle of pieces in the segment. A ring's tail moves on when the spool holds its
 * words, a piece leaves the spool when the log holds them; so at every instant each published
 * word is in the ring, the spool or the log.
 *
 * Rings are merged by their stamps, so what one of them has not handed over yet can keep all that
 * the others did from being decoded. Each ring therefore has a share of the spool: one whose share
 * is used up waits. When many rings come at a time there may be no room left for one of which the
 * spool holds nothing, or of one that was cut in the middle of a group, and it may be the one that
 * the rest waits for: then its next groups are copied aside, and stay in the ring until the log
 * holds them.
 */
#ifndef MEMTRACE_COLLECTOR_DRAIN_H
#define MEMTRACE_COLLECTOR_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/log/recording.h"
#include "libtrack/collector/segment_file.h"

struct drain {
	struct segment_file *segment;
	struct recording *recording;
	bool uses_clock_stamps;
	uint64_t spool_head;
	uint64_t spool_tail;
	uint64_t tails[SEGMENT_RINGS];          /* of the rings */
	uint64_t *aside[SEGMENT_RINGS];         /* words of a ring that the spool had no room for */
	uint32_t ring_count;                    /* that belonged to somebody the last time */
	uint64_t stuck_since_us[SEGMENT_RINGS]; /* when a ring was first seen busy; 0: it isn't */
};

/*
 * Takes what every claimed ring holds, as far as the spool has room.
 *
 * now_us   since the recording began
 * returns  words taken; *ret_has_more is set if the spool had no room for all
 */
uint64_t drain_rings(struct drain *drain, uint64_t now_us, bool *ret_has_more);

/* Frees the spool's pieces that the log holds since the last commit. */
void drain_forget_committed(struct drain *drain);

/* Saves the decoders as they are at commit `number`. */
void drain_save_decoders(struct drain *drain, uint64_t number);

/* Bytes of the spool that are in use. */
uint64_t drain_spool_used(const struct drain *drain);

/* Says that an image's rings will get no more: their process is gone. */
void drain_finish_rings(struct drain *drain, uint32_t image_slot);

/* Gives the rings of an image slot back. All that they hold must be decoded. */
void drain_release_rings(struct drain *drain, uint32_t image_slot);

#endif
