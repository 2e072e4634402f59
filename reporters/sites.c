/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reporters/sites.h"

#include <stdlib.h>

static int by_costs(const void *left, const void *right)
{
	const struct site *a = left;
	const struct site *b = right;
	int order = profile_costs_compare(&a->costs, &b->costs);
	return order ? order : (b->frame < a->frame) - (b->frame > a->frame);
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
		profile_costs_add(&site->costs, &profile->rows[i].costs);
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
