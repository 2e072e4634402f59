/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The living process images of a recording: found in the segment's slots, watched by pidfds where
 * they can be had, their resident memory sampled from /proc.
 */
#ifndef MEMTRACE_COLLECTOR_PROCESS_TABLE_H
#define MEMTRACE_COLLECTOR_PROCESS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log/recording.h"
#include "libtrack/collector/process_ids.h"
#include "libtrack/collector/segment_file.h"

struct watched_image {
	struct recorded_image *image;
	uint64_t serial;
	uint32_t slot;
	uint32_t pid;            /* as the collector has it; 0: not known */
	int pidfd;               /* -1: it is gone already, or there are none */
	int stat_fd;             /* where there is no pidfd; -1: not readable */
	int statm_fd;            /* -1: not readable */
	uint64_t resident_bytes; /* at the sample being taken; 0: it has none, or none any more */
	bool has_ended;          /* its IMAGE_END is written: `image` is gone, or soon will be */
	bool is_dead;            /* the process ended, or runs another program now */
	bool is_silent;      /* was dead before the rings were drained: has nothing more to say */
	uint64_t dead_us;    /* since when */
	uint64_t leaving_us; /* since when an exec is under way; 0: none is */
};

struct process_table {
	struct segment_file *segment;
	struct recording *recording;
	struct process_ids ids;
	struct watched_image *images; /* [count] */
	size_t count;
	size_t capacity;
	uint64_t seen[SEGMENT_IMAGES]; /* serial number that each slot was last taken up with */
	uint64_t taken_count;          /* images taken up */
	uint64_t last_serial;          /* all images up to this serial number were taken up */
	uint64_t awaited_serial;       /* the last one given out ... */
	uint64_t awaited_since_us;     /* ... which has been so since then */
	struct buffer samples;         /* rows of the next SAMPLES block */
	uint64_t first_sample_us;
	uint64_t last_sample_us;
	uint64_t peak_rss_bytes; /* of the tree at one instant, with the tracker's share */
};

/* Takes up images that have appeared. returns false: no memory */
bool process_table_find_new(struct process_table *table, uint64_t now_us);

/* Marks images whose process has ended or runs another program. returns true if there are any */
bool process_table_find_dead(struct process_table *table, uint64_t now_us);

/*
 * Says whether a dead image may be forgotten: not while a fork that it began may still bring a
 * child that has not shown itself, which is given a second.
 */
bool process_table_may_forget(const struct process_table *table,
			      const struct watched_image *watched, uint64_t now_us);

/* Forgets image number `index` of the table and frees its slot. */
void process_table_forget(struct process_table *table, size_t index);

/* Kills the processes that are alive. */
void process_table_kill(const struct process_table *table);

/* Adds a row of resident memory to the samples. */
void process_table_sample(struct process_table *table, uint64_t clock_us);

/* There are some that should not wait for more. */
bool process_table_has_old_samples(const struct process_table *table, uint64_t now_us);

/* Writes the samples gathered so far as a block. */
void process_table_write_samples(struct process_table *table, struct log_writer *writer);

void process_table_release(struct process_table *table);

#endif
