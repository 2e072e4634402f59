/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compares stack traces with suppressions, as LeakSanitizer and valgrind do. */
#ifndef MEMTRACE_READER_SUPPRESSION_MATCH_H
#define MEMTRACE_READER_SUPPRESSION_MATCH_H

#include <stdbool.h>

#include "reader/leak_list.h"

struct suppression;

/* Whether LeakSanitizer's pattern is found in `text`; never in an empty text. */
bool suppression_finds(const char *pattern, const char *text);

/* Whether valgrind's pattern, with * and ?, is the whole of `text`. */
bool suppression_globs(const char *pattern, const char *text);

/* Compares an entry with the leaks of one profile. */
struct suppression_matcher {
	const struct suppression *suppression;
	const struct profile *profile;
	uint8_t *known; /* what was found out: by pattern and frame. NULL: is not kept */
};

/* suppression, profile  borrowed */
void suppression_matcher_init(struct suppression_matcher *matcher,
			      const struct suppression *suppression, const struct profile *profile);
void suppression_matcher_release(struct suppression_matcher *matcher);

/* Whether the entry is meant for this leak. */
bool suppression_matcher_matches(const struct suppression_matcher *matcher,
				 const struct leak *leak);

/* The same for one leak alone. */
bool suppression_matches(const struct suppression *suppression, const struct profile *profile,
			 const struct leak *leak);

/* Whether the function is one of C++'s operator new. */
bool is_operator_new(const char *function);

#endif
