/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a recording keeps within its limits: leaks of certain kinds, the peak, the number of
 * allocations. There is none when something that it hangs on was not seen.
 */
#ifndef MEMTRACE_REPORTERS_LEAK_VERDICT_H
#define MEMTRACE_REPORTERS_LEAK_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "reader/leak_list.h"

struct leak_limits {
	unsigned fail_on;   /* bit 1 << kind */
	bool expects_scans; /* every process was to be scanned at its end, and to have ended */
	bool has_max_leaked;
	bool has_max_peak;
	bool has_max_allocations;
	uint64_t max_leaked_bytes; /* of the kinds in fail_on; 0 and not even a block without it */
	uint64_t max_peak_bytes;
	uint64_t max_allocations;
};

enum leak_outcome { LEAKS_PASSED, LEAKS_FAILED, LEAKS_UNJUDGED };

/* One sentence of the verdict. */
struct leak_finding {
	enum leak_outcome outcome; /* LEAKS_PASSED: only a note */
	const char *limit;         /* "leaks", "peak", "allocations", "recording" */
	char *text;
};

struct leak_verdict {
	enum leak_outcome outcome;
	uint64_t failed_bytes; /* in groups that fail, beyond the baseline */
	uint64_t failed_blocks;
	size_t failed_groups;
	struct leak_finding *findings; /* [finding_count] */
	size_t finding_count;
};

/*
 * list     with suppressions and baseline applied
 * returns  MT_ERR_NO_MEMORY
 */
enum mt_status leak_verdict_make(struct leak_verdict *verdict, const struct leak_list *list,
				 const struct leak_limits *limits,
				 struct mt_error *error) MT_MUST_CHECK;
void leak_verdict_release(struct leak_verdict *verdict);

/* Whether a group counts against the limit on leaks. */
bool leak_counts(const struct leak *leak, const struct leak_limits *limits);

/* "passed", "failed", "none" */
const char *leak_outcome_name(enum leak_outcome outcome);

#endif
