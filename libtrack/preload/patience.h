/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long the program waits for the collector to do something.
 *
 * A dead collector is not waited for: the kernel marks its mutex. One that is alive advances its
 * clock in the segment with every round, so that it can be told apart
 *
 *   that it works, and does not do it       PATIENCE_REFUSED, after a few of its rounds
 *   that it is slow or stopped              PATIENCE_STALLED, after some seconds
 *
 * Of a tree of processes only the first one waits these seconds: what it gave up at is kept in the
 * segment, and nobody waits again before the collector's clock moves on.
 */
#ifndef MEMTRACE_PRELOAD_PATIENCE_H
#define MEMTRACE_PRELOAD_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

struct patience {
	uint64_t step_ns;       /* when the last step was counted; 0: not begun */
	uint64_t beat_us;       /* the collector's clock then */
	uint32_t working_steps; /* in which that has moved */
	uint32_t stalled_steps; /* and has not */
};

enum patience_end {
	PATIENCE_LEFT,
	PATIENCE_REFUSED,
	PATIENCE_STALLED,
	PATIENCE_STOPPED, /* the log can't be written: nothing is lost that it could have had */
};

/* Long enough that a thousand waiting processes leave the collector time to run. */
#define PATIENCE_STEP_NS 50000000L

#define PATIENCE_ROOM_STEPS 10     /* for a ring or a slot: it has none */
#define PATIENCE_STALLED_STEPS 100 /* five seconds in which the program was let run */

/*
 * To be asked after every sleep of about PATIENCE_STEP_NS, and before. The collector has done
 * something for somebody: begin with zeroes again.
 *
 * patience       zeroes at first
 * working_steps  after how many the collector refuses; each is of at least a round of its
 */
enum patience_end patience_ask(struct patience *patience, uint32_t working_steps);

/* Whether the collector has died, whatever its end was. */
bool patience_sees_death(void);

#endif
