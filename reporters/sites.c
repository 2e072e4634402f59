/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reporters/sites.h"

#include <stdlib.h>

static int compare(uint64_t a, uint64_t b)
{
	return (a < b) - (a > b);
}

static int by_costs(const void *left, const void *right)
{
	const struct site *a = left;
	const struct site *b = right;
	int order = compare(a->costs.peak_bytes, b->costs.peak_bytes);
	order = order ? order : compare(a->costs.live_bytes, b->costs.live_bytes);
	order = order ? order : compare(a->costs.allocated_bytes, b->costs.allocated_bytes);
	return order ? order : compare(b->frame, a->frame);
}

static void add(struct profile_costs *sum, const struct profile_costs *costs)
{
	sum->allocations += costs->allocations;
	sum->allocated_bytes += costs->allocated_bytes;
	sum->peak_blocks += costs->peak_blocks;
	sum->peak_bytes += costs->peak_bytes;
	sum->live_blocks += costs->live_blocks;
	sum->live_bytes += costs->live_bytes;
	sum->temporary += costs->temporary;
}

enum mt_status sites_gather(const struct profile *profile, struct site **ret_sites,
			    size_t *ret_count, struct mt_error *error)
{
	struct site *sites = calloc((size_t)profile->frame_count + 1, sizeof(*sites));
	size_t count = 0;
	if (!sites)
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for the report");
	for (size_t i = 0; i < profile->row_count; i++) {
		uint32_t node = profile_site(profile, profile->rows[i].node);
		/* The root: a trace without frames. */
		if (node == 0)
			continue;
		struct site *site = &sites[profile->nodes[node].frame];
		add(&site->costs, &profile->rows[i].costs);
		profile_add_lifetimes(profile, &profile->rows[i], site->lifetimes);
		if (profile->errors)
			stack_error_sum(&site->error, &profile->errors[i]);
	}
	for (uint32_t frame = 0; frame < profile->frame_count; frame++) {
		if (sites[frame].costs.allocations == 0)
			continue;
		sites[count] = sites[frame];
		sites[count++].frame = frame;
	}
	qsort(sites, count, sizeof(*sites), by_costs);
	*ret_sites = sites;
	*ret_count = count;
	return MT_OK;
}
