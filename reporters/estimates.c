/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reporters/estimates.h"

#include <math.h>

#include "reporters/json.h"
#include "reporters/text.h"

static void add_figure(cJSON *errors, const char *name, uint64_t value, double variance,
		       uint64_t samples, double largest_weight)
{
	const struct estimate estimate = {
		.value = (double)value,
		.variance = variance,
		.sample_count = samples,
		.largest_weight = largest_weight,
	};
	struct estimate_interval interval = estimate_interval(&estimate);
	cJSON *figure = cJSON_AddObjectToObject(errors, name);
	json_add_count(figure, "samples", samples);
	(void)cJSON_AddNumberToObject(figure, "standard_error", sqrt(variance));
	(void)cJSON_AddNumberToObject(figure, "low", interval.low);
	(void)cJSON_AddNumberToObject(figure, "high", interval.high);
}

void estimates_add_json(cJSON *object, const struct profile_costs *costs,
			const struct stack_error *error)
{
	if (!error)
		return;
	cJSON *errors = cJSON_AddObjectToObject(object, "errors");
	add_figure(errors, "allocations", costs->allocations, error->allocations, error->samples,
		   error->largest_count);
	add_figure(errors, "allocated_bytes", costs->allocated_bytes, error->allocated_bytes,
		   error->samples, 0);
	add_figure(errors, "peak_bytes", costs->peak_bytes, error->peak_bytes, error->peak_samples,
		   0);
	add_figure(errors, "live_bytes", costs->live_bytes, error->live_bytes, error->live_samples,
		   0);
	add_figure(errors, "live_allocations", costs->live_blocks, error->live_blocks,
		   error->live_samples, error->largest_count);
}

struct profile_costs estimates_totals(const struct profile *profile)
{
	const struct replay_totals *totals = &profile->totals;
	return (struct profile_costs){
		.allocations = totals->allocations,
		.allocated_bytes = totals->allocated_bytes,
		.peak_bytes = totals->peak_bytes,
		.live_blocks = totals->live_blocks,
		.live_bytes = totals->live_bytes,
	};
}

static const char *estimate_text(const struct estimate *estimate, char *text,
				 const char *(*text_of)(uint64_t, char *))
{
	struct estimate_interval interval = estimate_interval(estimate);
	char low[TEXT_FIGURE_BYTES];
	char high[TEXT_FIGURE_BYTES];
	text[0] = '\0';
	if (estimate->sample_count == 0)
		return text;
	if (estimate->sample_count >= ESTIMATE_SAMPLES_MIN)
		(void)snprintf(text, ESTIMATE_TEXT_BYTES, " ± %s",
			       text_of((uint64_t)((interval.high - interval.low) / 2), low));
	else
		(void)snprintf(text, ESTIMATE_TEXT_BYTES, " (95 %%: %s to %s)",
			       text_of((uint64_t)interval.low, low),
			       text_of((uint64_t)interval.high, high));
	return text;
}

const char *estimate_text_of_bytes(const struct estimate *estimate, char *text)
{
	return estimate_text(estimate, text, text_of_bytes);
}

const char *estimate_text_of_count(const struct estimate *estimate, char *text)
{
	return estimate_text(estimate, text, text_of_count);
}
