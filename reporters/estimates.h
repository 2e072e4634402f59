/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How figures that come from samples are shown: from ESTIMATE_SAMPLES_MIN samples on with half of
 * their 95 % interval behind "±", else with the interval's ends.
 */
#ifndef MEMTRACE_REPORTERS_ESTIMATES_H
#define MEMTRACE_REPORTERS_ESTIMATES_H

#include <cjson/cJSON.h>
#include <stdio.h>

#include "reader/profile.h"

/*
 * Adds the object "errors" for costs that come from samples: for each figure the number of samples
 * under it, its standard error, and the ends of its 95 % interval.
 *
 * errors  NULL: nothing was sampled, nothing is added
 */
void estimates_add_json(cJSON *object, const struct profile_costs *costs,
			const struct stack_error *error);

/* The costs of all selected processes together. */
struct profile_costs estimates_totals(const struct profile *profile);

#define ESTIMATE_TEXT_BYTES 96

/* " ± 12.0 KiB" or " (95 %: 1.0 KiB to 4.2 MiB)"; "" when nothing was sampled. Writes to `text`. */
const char *estimate_text_of_bytes(const struct estimate *estimate, char *text);

/* The same for counts. */
const char *estimate_text_of_count(const struct estimate *estimate, char *text);

#endif
