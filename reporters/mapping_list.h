/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the program mapped itself, by stack trace and source: the part of `summary` that
 * --mappings adds. Address space, kept apart from the heap's figures.
 */
#ifndef MEMTRACE_REPORTERS_MAPPING_LIST_H
#define MEMTRACE_REPORTERS_MAPPING_LIST_H

#include <cjson/cJSON.h>
#include <stdio.h>

#include "reader/profile.h"

struct mapping_list {
	struct profile_row *items; /* [count] one for each stack trace and source, the largest at
				      the mappings' own peak first */
	size_t count;
};

/* returns  MT_ERR_NO_MEMORY */
enum mt_status mapping_list_gather(struct mapping_list *list, const struct profile *profile,
				   struct mt_error *error) MT_MUST_CHECK;
void mapping_list_release(struct mapping_list *list);

/* Adds `mappings` to a report. */
void mapping_list_add_json(cJSON *report, const struct mapping_list *list,
			   const struct profile *profile);
void mapping_list_print(const struct mapping_list *list, const struct profile *profile,
			FILE *output);

#endif
