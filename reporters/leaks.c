/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memtrace leaks: what was never freed, by stack trace. */
#include <string.h>

#include "reporters/json.h"
#include "reporters/leak_list.h"
#include "reporters/reporter.h"
#include "reporters/text.h"

struct leaks_options {
	bool is_json;
};

/* No scan for pointers was made, so nothing is known of what still could reach a block. */
#define KIND_UNCLASSIFIED "unclassified"

static enum mt_status render_json(const struct profile *profile, const struct leak_list *list,
				  FILE *output, struct mt_error *error)
{
	cJSON *report = cJSON_CreateObject();
	const char *reason = loaded_log_incomplete_reason(profile->log);
	(void)cJSON_AddBoolToObject(report, "complete", reason == NULL);
	cJSON *total = cJSON_AddObjectToObject(report, "total");
	json_add_count(total, "bytes", list->bytes);
	json_add_count(total, "blocks", list->blocks);
	cJSON *leaks = cJSON_AddArrayToObject(report, "leaks");
	for (size_t i = 0; i < list->count; i++) {
		cJSON *leak = cJSON_CreateObject();
		(void)cJSON_AddStringToObject(leak, "kind", KIND_UNCLASSIFIED);
		json_add_count(leak, "bytes", list->items[i].bytes);
		json_add_count(leak, "blocks", list->items[i].blocks);
		(void)cJSON_AddItemToObject(leak, "stack",
					    json_stack(profile, list->items[i].node));
		(void)cJSON_AddItemToArray(leaks, leak);
	}
	return json_print(report, output, error);
}

static void print_leak(const struct profile *profile, const struct leak *leak, FILE *output)
{
	char bytes[TEXT_FIGURE_BYTES];
	char blocks[TEXT_FIGURE_BYTES];
	(void)fprintf(output, "\n%s in %s %s, " KIND_UNCLASSIFIED ", allocated at\n",
		      text_of_bytes(leak->bytes, bytes), text_of_count(leak->blocks, blocks),
		      leak->blocks == 1 ? "block" : "blocks");
	for (uint32_t node = leak->node; node != 0; node = profile->nodes[node].parent) {
		(void)fputs("    ", output);
		print_frame(profile, &profile->frames[profile->nodes[node].frame], output);
		(void)fputc('\n', output);
	}
}

static enum mt_status render_text(const struct profile *profile, const struct leak_list *list,
				  FILE *output, struct mt_error *error)
{
	char bytes[TEXT_FIGURE_BYTES];
	char blocks[TEXT_FIGURE_BYTES];
	char stacks[TEXT_FIGURE_BYTES];
	const char *reason = loaded_log_incomplete_reason(profile->log);
	if (reason)
		(void)fprintf(output, "Incomplete: %s.\n", reason);
	if (list->count == 0) {
		(void)fputs("Everything that was allocated was freed.\n", output);
		return check_output(output, error);
	}
	(void)fprintf(output, "%s in %s %s from %s stack %s never freed.\n",
		      text_of_bytes(list->bytes, bytes), text_of_count(list->blocks, blocks),
		      list->blocks == 1 ? "block" : "blocks", text_of_count(list->count, stacks),
		      list->count == 1 ? "trace was" : "traces were");
	for (size_t i = 0; i < list->count; i++)
		print_leak(profile, &list->items[i], output);
	return check_output(output, error);
}

static enum mt_status render(const struct profile *profile, const void *options, FILE *output,
			     struct mt_error *error)
{
	const struct leaks_options *leaks_options = options;
	struct leak_list list;
	enum mt_status status = leak_list_gather(&list, profile, error);
	if (status != MT_OK)
		return status;
	status = leaks_options->is_json ? render_json(profile, &list, output, error)
					: render_text(profile, &list, output, error);
	leak_list_release(&list);
	return status;
}

static bool parse(int key, const char *argument, void *options)
{
	struct leaks_options *leaks_options = options;
	(void)argument;
	leaks_options->is_json = key == 'j';
	return true;
}

static const struct argp_option options[] = {
	{"json", 'j', NULL, 0, "Print JSON instead of text", 0},
	{0},
};

const struct reporter reporter_leaks = {
	.name = "leaks",
	.summary = "list what was never freed, by stack trace",
	.options = options,
	.options_bytes = sizeof(struct leaks_options),
	.parse = parse,
	.render = render,
};
