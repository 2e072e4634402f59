/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a leak scan found out about one process image: its live blocks, by stack trace, thread and
 * size, each group with a kind. Written by the collector, read into the model of the reports.
 *
 * The kinds are memcheck's. A group is all live blocks that have its fields in common, so the
 * sums over the marks of an image are its live blocks and bytes at the time of the scan; but for
 * those of kinds that nobody asked for, of which there are sums only.
 */
#ifndef MEMTRACE_COMMON_LOG_LEAK_MARKS_H
#define MEMTRACE_COMMON_LOG_LEAK_MARKS_H

#include <stddef.h>
#include <stdint.h>

#include "common/codec.h"
#include "common/format.h"
#include "common/log/buffer.h"

/* A block on the way from a root to another one. */
struct leak_step {
	uint64_t bytes;
	uint32_t stack; /* that allocated it: node of the image's trie */
};

#define LEAK_STEPS_MAX 16u /* of a path; of a longer one its two ends are kept */

struct leak_mark {
	uint32_t stack;  /* node of the image's trie */
	uint32_t thread; /* index in the image */
	uint32_t allocation_kind;
	uint32_t leak_kind; /* enum leak_kind */
	uint64_t blocks;
	uint64_t bytes;
	uint64_t indirect_bytes; /* of a definitely lost group: what is lost only through it */
	uint64_t oldest_us;      /* when the first and the last of the blocks were allocated */
	uint64_t newest_us;
	char *holder; /* where a pointer to one of them was found, in words; NULL: nowhere, or not
			 known. Owned */
	struct leak_step *steps; /* [step_count] from there to the block, if that is a root; the
				    block itself is not in it. Owned */
	uint32_t step_count;
	uint64_t skipped_steps; /* left out in the middle, behind the first half of `steps` */
};

/* Live blocks of a kind that are in no mark. */
struct leak_left_out {
	uint64_t blocks;
	uint64_t bytes;
};

struct leak_marks {
	uint64_t time_us;   /* of the scan, since the recording began */
	uint32_t flags;     /* enum leak_scan_flags */
	char *suppressions; /* what the program has for LeakSanitizer; NULL: nothing. Owned */
	struct leak_left_out left_out[LEAK_UNCLASSIFIED]; /* by enum leak_kind */
	struct leak_mark *items;                          /* [count] */
	size_t count;
	size_t capacity;
};

/* returns  false: no memory. holder and steps are copied */
bool leak_marks_add(struct leak_marks *marks, const struct leak_mark *mark);
void leak_marks_release(struct leak_marks *marks);

/* The payload of a LEAKS block. docs/log_format.md, "Leak marks" */
void leak_marks_encode(const struct leak_marks *marks, struct buffer *payload);

/*
 * ret_marks  zeroed by the caller; to be released also on failure
 * returns    false: malformed, a kind out of range, or no memory
 */
bool leak_marks_decode(struct leak_marks *ret_marks, struct byte_reader *payload);

#endif
