/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A recording without processes: a real segment and log, the collector's drain and recording, and a
 * tracker's part played by the test.
 */
#ifndef MEMTRACE_TESTS_SUPPORT_RECORDING_RIG_H
#define MEMTRACE_TESTS_SUPPORT_RECORDING_RIG_H

#include "libtrack/collector/address_pages.h"
#include "libtrack/collector/drain.h"
#include "libtrack/collector/segment_file.h"
#include "tests/support/log_builder.h"
#include "tests/support/ring_builder.h"

struct recording_rig {
	struct log_builder builder; /* its writer is the recording's */
	struct segment_file segment;
	struct address_pages pages;
	struct recording *recording;
	struct recording_observer observer;
	struct drain drain;
};

void recording_rig_init(struct recording_rig *rig, uint32_t chunk_count);

/* The same, for a recording of what is not freed, with only the stack traces of that. */
void recording_rig_init_unfreed(struct recording_rig *rig, uint32_t chunk_count);

/* Removes log and segment. */
void recording_rig_release(struct recording_rig *rig);

/* What a tracker does: words behind the head of the ring, then the head. */
void recording_rig_publish(struct recording_rig *rig, uint32_t ring, uint32_t image_slot,
			   const struct ring_builder *words);

/* As a round of the collector. returns words taken, and one more if there was no room for all */
uint64_t recording_rig_round(struct recording_rig *rig, uint64_t now_us);
void recording_rig_commit(struct recording_rig *rig);

/* The process of an image slot has ended: all that is left comes out, and is committed. */
void recording_rig_finish(struct recording_rig *rig, uint32_t image_slot);

#endif
