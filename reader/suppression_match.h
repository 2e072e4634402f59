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

/* Whether an entry is meant for this leak. */
bool suppression_matches(const struct suppression *suppression, const struct profile *profile,
			 const struct leak *leak);

/* Whether the function is one of C++'s operator new. */
bool is_operator_new(const char *function);

#endif
