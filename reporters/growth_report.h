/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `memtrace leaks --growth`: stack traces that keep growing, also if they are freed at the end. */
#ifndef MEMTRACE_REPORTERS_GROWTH_REPORT_H
#define MEMTRACE_REPORTERS_GROWTH_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "reader/growth.h"

/* returns  MT_ERR_NO_MEMORY, MT_ERR_IO */
enum mt_status growth_print(const struct growth *growth, const struct profile *profile,
			    bool is_json, FILE *output, struct mt_error *error) MT_MUST_CHECK;

/* "0 B, 1.0 KiB, 2.0 KiB, 3.0 KiB": a quarter of the way, ... and at last. */
void growth_print_course(const struct growth_item *item, FILE *output);

#endif
