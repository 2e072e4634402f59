/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The places in the program that memory comes from, with the sums of all stack traces that end
 * there. */
#ifndef MEMTRACE_REPORTERS_SITES_H
#define MEMTRACE_REPORTERS_SITES_H

#include <stddef.h>
#include <stdint.h>

#include "reader/profile.h"

struct site {
	uint32_t frame; /* of the profile */
	struct profile_costs costs;
	struct stack_error error; /* zero where nothing was sampled */
	uint64_t lifetimes[LIFETIME_BUCKETS];
};

/*
 * Sums by allocation site, the one with the most bytes at the peak first, then by live and by
 * allocated bytes.
 *
 * ret_sites  [*ret_count] to be freed by the caller
 * returns    MT_ERR_NO_MEMORY
 */
enum mt_status sites_gather(const struct profile *profile, struct site **ret_sites,
			    size_t *ret_count, struct mt_error *error) MT_MUST_CHECK;

#endif
