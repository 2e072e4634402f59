/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reporters/growth_report.h"

#include "reporters/json.h"
#include "reporters/leak_report.h"
#include "reporters/text.h"

#define LAST (GROWTH_INSTANTS - 1)

static double seconds(uint64_t time_us)
{
	return (double)time_us / 1e6;
}

static double bytes_a_second(const struct growth *growth, const struct growth_item *item)
{
	double elapsed = seconds(growth->instants_us[LAST] -
				 growth->instants_us[GROWTH_INSTANTS / 4]);
	return elapsed > 0 ? (double)item->growth_bytes / elapsed : 0;
}

void growth_print_course(const struct growth_item *item, FILE *output)
{
	for (size_t i = 1; i <= 4; i++) {
		char bytes[TEXT_FIGURE_BYTES];
		(void)fprintf(output, "%s%s", i > 1 ? ", " : "",
			      text_of_bytes(item->live_bytes[i * GROWTH_INSTANTS / 4 - 1], bytes));
	}
}

static void print_item(const struct growth *growth, const struct growth_item *item,
		       const struct profile *profile, FILE *output)
{
	char grown[TEXT_FIGURE_BYTES];
	char amount[LEAK_AMOUNT_BYTES];
	char rate[TEXT_FIGURE_BYTES];
	uint64_t live_bytes = item->live_bytes[LAST];
	(void)fprintf(output, "\ngrew by %s to %s, %s a second\n",
		      text_of_bytes(item->growth_bytes, grown),
		      leak_amount(live_bytes, item->live_blocks, amount),
		      text_of_bytes((uint64_t)bytes_a_second(growth, item), rate));
	(void)fprintf(
		output,
		"  %.1f %% of what was allocated here is still there, %.3f s old on average\n",
		percent_of(live_bytes, item->allocated_bytes), seconds(item->mean_age_us));
	(void)fputs("  over the run: ", output);
	growth_print_course(item, output);
	(void)fputc('\n', output);
	for (uint32_t node = item->node; node != 0; node = profile->nodes[node].parent) {
		(void)fputs("    ", output);
		print_frame(profile, &profile->frames[profile->nodes[node].frame], output);
		(void)fputc('\n', output);
	}
}

static enum mt_status print_text(const struct growth *growth, const struct profile *profile,
				 FILE *output, struct mt_error *error)
{
	size_t count = 0;
	while (count < growth->count && growth->items[count].growth_bytes > 0)
		count++;
	if (count == 0)
		(void)fputs("Nothing keeps growing.\n", output);
	else
		(void)fprintf(output, "%zu stack trace%s growing, from %.3f s to %.3f s.\n", count,
			      count == 1 ? " keeps" : "s keep",
			      seconds(growth->instants_us[GROWTH_INSTANTS / 4]),
			      seconds(growth->instants_us[LAST]));
	for (size_t i = 0; i < count; i++)
		print_item(growth, &growth->items[i], profile, output);
	return check_output(output, error);
}

static enum mt_status print_json(const struct growth *growth, const struct profile *profile,
				 FILE *output, struct mt_error *error)
{
	cJSON *report = cJSON_CreateObject();
	cJSON *instants = cJSON_AddArrayToObject(report, "instants_seconds");
	cJSON *list = cJSON_AddArrayToObject(report, "growth");
	for (size_t i = 0; i < GROWTH_INSTANTS; i++)
		(void)cJSON_AddItemToArray(instants,
					   cJSON_CreateNumber(seconds(growth->instants_us[i])));
	for (size_t i = 0; i < growth->count && growth->items[i].growth_bytes > 0; i++) {
		const struct growth_item *item = &growth->items[i];
		cJSON *entry = cJSON_CreateObject();
		json_add_count(entry, "growth_bytes", item->growth_bytes);
		(void)cJSON_AddNumberToObject(entry, "bytes_per_second",
					      bytes_a_second(growth, item));
		json_add_count(entry, "live_bytes", item->live_bytes[LAST]);
		json_add_count(entry, "live_blocks", item->live_blocks);
		json_add_count(entry, "allocated_bytes", item->allocated_bytes);
		(void)cJSON_AddNumberToObject(
			entry, "surviving_percent",
			percent_of(item->live_bytes[LAST], item->allocated_bytes));
		(void)cJSON_AddNumberToObject(entry, "mean_age_seconds",
					      seconds(item->mean_age_us));
		cJSON *course = cJSON_AddArrayToObject(entry, "live_bytes_at_instants");
		for (size_t k = 0; k < GROWTH_INSTANTS; k++)
			(void)cJSON_AddItemToArray(course,
						   cJSON_CreateNumber((double)item->live_bytes[k]));
		(void)cJSON_AddItemToObject(entry, "stack", json_stack(profile, item->node));
		(void)cJSON_AddItemToArray(list, entry);
	}
	return json_print(report, output, error);
}

enum mt_status growth_print(const struct growth *growth, const struct profile *profile,
			    bool is_json, FILE *output, struct mt_error *error)
{
	return is_json ? print_json(growth, profile, output, error)
		       : print_text(growth, profile, output, error);
}
