/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The model that every report reads: one call tree over all process images, with names.
 *
 * Node 0 is the root of all. A node is a frame below another node; the frames of inlined functions
 * are nodes of their own. A row is what one stack trace cost in one thread by one kind of
 * allocation; its node is the trace's innermost frame. Sums over rows are the totals.
 *
 * Everything lives in the profile until profile_free; reporters change nothing.
 */
#ifndef MEMTRACE_READER_PROFILE_H
#define MEMTRACE_READER_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"
#include "reader/loaded_log.h"
#include "reader/stack_errors.h"
#include "reader/string_table.h"

enum profile_frame_flags {
	PROFILE_FRAME_INLINED = 1, /* into the frame outside of it */
	PROFILE_FRAME_GUESSED = 2, /* found without an unwind table */
	PROFILE_FRAME_CUT = 4,     /* stands for frames further out that were not recorded */
	PROFILE_FRAME_FOLDED = 8,  /* stands for nodes that a report left out */
};

struct profile_frame {
	uint32_t function; /* string; "module+0x..." or "0x..." when there is no name */
	uint32_t file;     /* string; 0: not known */
	uint32_t line;
	uint32_t module; /* string: path of the ELF file; 0: in none */
	uint32_t flags;  /* enum profile_frame_flags */
};

struct profile_node {
	uint32_t parent;
	uint32_t frame;
};

struct profile_costs {
	uint64_t allocations;
	uint64_t allocated_bytes;
	uint64_t peak_blocks;
	uint64_t peak_bytes;
	uint64_t live_blocks;
	uint64_t live_bytes;
	uint64_t temporary;
};

void profile_costs_add(struct profile_costs *sum, const struct profile_costs *costs);

/* Orders the larger costs first: by bytes at the peak, never freed, and allocated at all. */
int profile_costs_compare(const struct profile_costs *a, const struct profile_costs *b);

struct profile_row {
	uint32_t node;
	uint32_t process; /* index of the image in the log */
	uint32_t thread;  /* index in the image */
	uint32_t kind;    /* enum allocation_kind */
	uint32_t cost;    /* index in the image's costs */
	struct profile_costs costs;
};

/* A block on the way from a root to a live block. */
struct profile_step {
	uint32_t node; /* innermost frame of what allocated it */
	uint64_t bytes;
};

/* Live blocks of one stack trace, thread and leak kind: at the scan, or unscanned at the end. */
struct profile_mark {
	uint32_t node;
	uint32_t process;         /* index of the image in the log */
	uint32_t thread;          /* index in the image */
	uint32_t allocation_kind; /* enum allocation_kind */
	uint32_t leak_kind;       /* enum leak_kind */
	uint64_t blocks;
	uint64_t bytes;
	uint64_t indirect_bytes; /* lost only through these blocks */
	uint64_t oldest_us;      /* when the first and the last of them were allocated, and when */
	uint64_t newest_us;      /* that was found out; all 0 if there was no scan */
	uint64_t scan_us;
	const char *holder; /* where a pointer to one of them was found; NULL: not known */
	const struct profile_step *steps; /* [step_count] from there to it, of the profile */
	uint32_t step_count;
	uint64_t skipped_steps; /* not in `steps`: they come behind its first half */
	bool is_replaced;       /* set by leak_list_gather: the process became another program */
};

struct profile {
	const struct loaded_log *log; /* borrowed */
	struct string_table strings;
	struct profile_frame *frames; /* [frame_count] */
	uint32_t frame_count;
	struct profile_node *nodes; /* [node_count] a parent comes before its children */
	uint32_t node_count;
	struct profile_row *rows; /* [row_count] */
	size_t row_count;
	struct stack_error *errors; /* [row_count] of the rows; NULL: nothing was sampled */
	struct stack_error error;   /* of the totals */
	struct profile_mark *marks; /* [mark_count] all live blocks */
	size_t mark_count;
	struct profile_step *steps; /* [step_count] of the marks */
	size_t step_count;
	struct profile_row *pools; /* [pool_count] blocks of the program's own pools, apart */
	size_t pool_count;
	struct profile_row *mappings; /* [mapping_count] their kind is an enum mapping_source */
	size_t mapping_count;
	struct mapping_totals mapping_totals; /* of the selected processes */
	struct replay_totals totals;          /* of the selected processes */
	uint64_t anomalies;
	uint32_t thread_count;
	bool needs_symbols; /* some addresses were not looked up: their names are module+offset */
};

/*
 * The profile of the processes that `log` was read for.
 *
 * log      borrowed, and must outlive the profile
 * returns  MT_ERR_NO_MEMORY
 */
enum mt_status profile_new(const struct loaded_log *log, struct profile **ret_profile,
			   struct mt_error *error) MT_MUST_CHECK;
void profile_free(struct profile *profile);

static inline const char *profile_text(const struct profile *profile, uint32_t string)
{
	return string_table_text(&profile->strings, string);
}

/* As leaked_stacks_are_scanned. */
bool profile_is_scanned(const struct profile *profile, uint32_t process);

/*
 * The node that an allocation is put down to: the innermost that is not C++'s operator new or of
 * the public header.
 */
uint32_t profile_site(const struct profile *profile, uint32_t node);

#define PROFILE_HINT_BYTES 4608 /* a path and a sentence */

/*
 * What would give the profile better names, as a sentence without its full stop; false: nothing.
 * `text` [capacity].
 */
bool profile_hint(const struct profile *profile, char *text, size_t capacity);

/*
 * Adds the histogram of a row's lifetimes (lifetimes.h) to `counts` [LIFETIME_BUCKETS]. Of a log
 * that an older memtrace has finished they are not known (replay.has_details): nothing is added.
 */
void profile_add_lifetimes(const struct profile *profile, const struct profile_row *row,
			   uint64_t *counts);

/* "exact", "sampled", or "mixed" when recording began exact and went over to sampling. */
const char *profile_mode(const struct profile *profile);

#endif
