/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows by stack trace and kind: what the program mapped itself, which `summary --mappings` shows,
 * and the blocks of its own pools. Both are kept apart from the heap's figures.
 */
#ifndef MEMTRACE_REPORTERS_ROW_LIST_H
#define MEMTRACE_REPORTERS_ROW_LIST_H

#include <cjson/cJSON.h>
#include <stdio.h>

#include "reader/profile.h"

struct row_list {
	struct profile_row *items; /* [count] one for each stack trace and kind, the largest at
				      the peak first */
	size_t count;
	struct profile_costs sum;
};

/*
 * rows     [count] borrowed
 * returns  MT_ERR_NO_MEMORY
 */
enum mt_status row_list_gather(struct row_list *list, const struct profile_row *rows, size_t count,
			       struct mt_error *error) MT_MUST_CHECK;
void row_list_release(struct row_list *list);

/* Adds `mappings` to a report. */
void row_list_add_mappings(cJSON *report, const struct row_list *list,
			   const struct profile *profile);
void row_list_print_mappings(const struct row_list *list, const struct profile *profile,
			     FILE *output);

/* Adds `pools`. */
void row_list_add_pools(cJSON *report, const struct row_list *list, const struct profile *profile);
void row_list_print_pools(const struct row_list *list, const struct profile *profile, FILE *output);

#endif
