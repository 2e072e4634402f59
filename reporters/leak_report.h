/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What `memtrace leaks` and `memtrace check` say: the leaks, the limits that they are held
 * against, and the verdict, in several formats.
 */
#ifndef MEMTRACE_REPORTERS_LEAK_REPORT_H
#define MEMTRACE_REPORTERS_LEAK_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "reader/growth.h"
#include "reader/leak_list.h"
#include "reader/suppressions.h"
#include "reporters/leak_verdict.h"

struct leak_report {
	const struct leak_list *list;
	const struct suppressions *suppressions;
	const struct leak_limits *limits;
	const struct leak_verdict *verdict;
	const struct growth *growth; /* over the run; NULL: not known */
	const char *root;            /* directory that paths are shown relative to, absolute */
	bool shows_holders;
	bool has_baseline;
	size_t unclassified_limit; /* so many of these groups are listed in text; 0: all */
	size_t gone_count;         /* entries of the baseline that do not leak any more */
};

struct leak_format {
	const char *name; /* "text": --format=text */
	enum mt_status (*print)(const struct leak_report *report, FILE *output,
				struct mt_error *error);
};

/* THE table of formats; ends with a zeroed row. The first one is the default. */
extern const struct leak_format leak_formats[];

enum mt_status leaks_print_text(const struct leak_report *report, FILE *output,
				struct mt_error *error) MT_MUST_CHECK;
enum mt_status leaks_print_json(const struct leak_report *report, FILE *output,
				struct mt_error *error) MT_MUST_CHECK;
enum mt_status leaks_print_sarif(const struct leak_report *report, FILE *output,
				 struct mt_error *error) MT_MUST_CHECK;
enum mt_status leaks_print_junit(const struct leak_report *report, FILE *output,
				 struct mt_error *error) MT_MUST_CHECK;
enum mt_status leaks_print_github(const struct leak_report *report, FILE *output,
				  struct mt_error *error) MT_MUST_CHECK;

/* Ready entries for every leak that is listed and not suppressed, one a stack trace. */
enum mt_status leaks_print_suppressions(const struct leak_report *report,
					enum suppression_syntax syntax, FILE *output,
					struct mt_error *error) MT_MUST_CHECK;

/* "1.2 KiB in 3 blocks". Writes to and returns `text` [LEAK_AMOUNT_BYTES]. */
#define LEAK_AMOUNT_BYTES 80
const char *leak_amount(uint64_t bytes, uint64_t blocks, char *text);

/* The same for a leak, as a sentence part: "definitely lost: 1.2 KiB in 3 blocks". */
const char *leak_headline(const struct leak *leak, char *text);
#define LEAK_HEADLINE_BYTES 256

/*
 * The frame that a leak is pointed out at: the innermost one in a file below the root; else, of
 * those that are not in the C or C++ library, the innermost with a file and a line, or the
 * innermost; else the innermost one. NULL: the stack trace is empty
 */
const struct profile_frame *leak_place(const struct leak_report *report, const struct leak *leak);

/* The same for any stack trace, by its innermost frame. */
const struct profile_frame *leak_place_at(const struct leak_report *report, uint32_t node);

/*
 * The path of a file as seen from the root, if it is below it, else as it is; without . and ..
 * where it is absolute. Writes to `text` [SHORT_TEXT_BYTES] and returns it.
 */
const char *leak_path(const struct leak_report *report, const char *path, char *text);

/* What to call a leak in a list: the function of its place. */
const char *leak_function(const struct leak_report *report, const struct leak *leak);

/* Whether a module is of the C or C++ library: where it allocates for its caller is not where a
 * leak is to be mended. */
bool leak_is_runtime(const char *module);

/* Whether a group is on the list of a report: not suppressed, not given back by exec. */
bool leak_is_listed(const struct leak *leak);

/*
 * What a stack trace is called in what must last when lines move and addresses change: its
 * functions up to main, innermost first, one a line; a frame without a name is its module's.
 *
 * returns  a new string; NULL: no memory
 */
char *leak_stack_key(const struct profile *profile, const struct leak *leak);

/* A number for the key and the kind. */
uint64_t leak_fingerprint(const struct profile *profile, const struct leak *leak);

#endif
