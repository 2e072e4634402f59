/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reporters/reporter.h"

extern const struct reporter reporter_flamegraph;
extern const struct reporter reporter_summary;

const struct reporter *const reporters[] = {
	&reporter_flamegraph,
	&reporter_summary,
	NULL,
};
