/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Leaks as JSON: everything, whatever its kind, with what suppressions and baseline say of it. */
#include <stdio.h>

#include "reporters/json.h"
#include "reporters/leak_report.h"

static void add_sum(cJSON *object, const char *name, struct leak_sum sum)
{
	cJSON *item = cJSON_AddObjectToObject(object, name);
	json_add_count(item, "bytes", sum.bytes);
	json_add_count(item, "blocks", sum.blocks);
	if (sum.counted_blocks > 0)
		(void)cJSON_AddNullToObject(item, "stacks");
	else
		json_add_count(item, "stacks", sum.groups);
}

static void add_verdict(cJSON *object, const struct leak_report *report)
{
	const struct leak_verdict *verdict = report->verdict;
	cJSON *item = cJSON_AddObjectToObject(object, "verdict");
	(void)cJSON_AddStringToObject(item, "outcome", leak_outcome_name(verdict->outcome));
	json_add_count(item, "failed_bytes", verdict->failed_bytes);
	json_add_count(item, "failed_blocks", verdict->failed_blocks);
	json_add_count(item, "failed_stacks", verdict->failed_groups);
	cJSON *findings = cJSON_AddArrayToObject(item, "findings");
	for (size_t i = 0; i < verdict->finding_count; i++) {
		const struct leak_finding *finding = &verdict->findings[i];
		cJSON *entry = cJSON_CreateObject();
		(void)cJSON_AddStringToObject(entry, "outcome",
					      finding->outcome == LEAKS_PASSED
						      ? "note"
						      : leak_outcome_name(finding->outcome));
		(void)cJSON_AddStringToObject(entry, "limit", finding->limit);
		json_add_string(entry, "text", finding->text);
		(void)cJSON_AddItemToArray(findings, entry);
	}
}

static void add_time(cJSON *object, const char *name, uint64_t time_us, bool is_known)
{
	if (is_known)
		(void)cJSON_AddNumberToObject(object, name, (double)time_us / 1e6);
	else
		(void)cJSON_AddNullToObject(object, name);
}

static void add_text_or_null(cJSON *object, const char *name, const char *text)
{
	if (text)
		json_add_string(object, name, text);
	else
		(void)cJSON_AddNullToObject(object, name);
}

/* mark  NULL: it is not known what holds the blocks */
static void add_holder(cJSON *object, const struct leak_report *report,
		       const struct profile_mark *mark)
{
	add_text_or_null(object, "held_by", mark ? mark->holder : NULL);
	cJSON *path = cJSON_AddArrayToObject(object, "path");
	for (uint32_t i = 0; mark && i < mark->step_count; i++) {
		const struct profile_step *step = &mark->steps[i];
		const struct profile_frame *place = leak_place_at(report, step->node);
		cJSON *item = cJSON_CreateObject();
		json_add_count(item, "bytes", step->bytes);
		if (place)
			json_add_frame(item, report->list->profile, place);
		(void)cJSON_AddItemToArray(path, item);
	}
	json_add_count(object, "path_skipped", mark ? mark->skipped_steps : 0);
}

/* The processes and threads that a group's blocks are of. */
static void add_origins(cJSON *object, const struct leak_report *report, const struct leak *leak)
{
	const struct log_info *info = &report->list->profile->log->info;
	cJSON *origins = cJSON_AddArrayToObject(object, "origins");
	for (size_t i = 0; i < leak->mark_count; i++) {
		const struct profile_mark *mark = &leak->marks[i];
		const struct log_image *image = &info->images[mark->process];
		cJSON *origin = cJSON_CreateObject();
		json_add_count(origin, "pid", image->pid);
		json_add_string(origin, "image", image->path);
		if (mark->thread < image->thread_count) {
			json_add_count(origin, "thread", image->threads[mark->thread].id);
			json_add_string(origin, "thread_name", image->threads[mark->thread].name);
		}
		json_add_count(origin, "bytes", mark->bytes);
		json_add_count(origin, "blocks", mark->blocks);
		add_holder(origin, report, mark);
		(void)cJSON_AddItemToArray(origins, origin);
	}
}

static const char *novelty_name(enum leak_novelty novelty)
{
	switch (novelty) {
	case LEAK_NEW:
		return "new";
	case LEAK_GROWN:
		return "grown";
	case LEAK_KNOWN:
		return "known";
	case LEAK_NOT_COMPARED:
		break;
	}
	return NULL;
}

/* What was live at this stack trace over the run, and whether that keeps growing. */
static void add_course(cJSON *object, const struct leak_report *report, const struct leak *leak)
{
	const struct growth_item *item = report->growth ? growth_find(report->growth, leak->node)
							: NULL;
	if (!report->growth) {
		(void)cJSON_AddNullToObject(object, "growth_bytes");
		return;
	}
	json_add_count(object, "growth_bytes", item ? item->growth_bytes : 0);
}

static cJSON *leak_item(const struct leak_report *report, const struct leak *leak)
{
	const struct profile *profile = report->list->profile;
	bool is_timed = leak->scan_us != 0;
	char fingerprint[24];
	cJSON *item = cJSON_CreateObject();
	(void)cJSON_AddStringToObject(item, "kind", leak_kind_name(leak->kind));
	json_add_count(item, "bytes", leak->bytes);
	json_add_count(item, "blocks", leak->blocks);
	json_add_count(item, "indirect_bytes", leak->indirect_bytes);
	(void)cJSON_AddBoolToObject(item, "fails",
				    leak_counts(leak, report->limits) &&
					    report->verdict->outcome == LEAKS_FAILED);
	add_time(item, "first_seconds", leak->oldest_us, is_timed);
	add_time(item, "last_seconds", leak->newest_us, is_timed);
	add_time(item, "scan_seconds", leak->scan_us, is_timed);
	add_course(item, report, leak);
	add_holder(item, report, leak->held);
	add_text_or_null(item, "suppressed_by",
			 leak->suppressed_by ? leak->suppressed_by->name : NULL);
	add_text_or_null(item, "baseline", novelty_name(leak->novelty));
	if (report->has_baseline)
		json_add_count(item, "baseline_bytes", leak->known_bytes);
	(void)cJSON_AddBoolToObject(item, "replaced_by_exec", leak->is_replaced);
	(void)snprintf(fingerprint, sizeof(fingerprint), "%016llx",
		       (unsigned long long)leak_fingerprint(profile, leak));
	(void)cJSON_AddStringToObject(item, "fingerprint", fingerprint);
	add_origins(item, report, leak);
	(void)cJSON_AddItemToObject(item, "stack", json_stack(profile, leak->node));
	return item;
}

static void add_suppressions(cJSON *object, const struct suppressions *suppressions)
{
	cJSON *list = cJSON_AddArrayToObject(object, "suppressions");
	for (size_t i = 0; i < suppressions->count; i++) {
		const struct suppression *suppression = suppressions->items[i];
		if ((suppression->is_builtin || suppression->own_text) &&
		    suppression->sum.groups == 0)
			continue;
		cJSON *item = cJSON_CreateObject();
		json_add_string(item, "name", suppression->name);
		json_add_string(item, "source", suppression->source);
		json_add_count(item, "bytes", suppression->sum.bytes);
		json_add_count(item, "blocks", suppression->sum.blocks);
		(void)cJSON_AddBoolToObject(item, "used", suppression->sum.groups > 0);
		(void)cJSON_AddItemToArray(list, item);
	}
}

enum mt_status leaks_print_json(const struct leak_report *report, FILE *output,
				struct mt_error *error)
{
	const struct leak_list *list = report->list;
	const struct replay_totals *totals = &list->profile->totals;
	const char *reason = loaded_log_loss_reason(list->profile->log);
	cJSON *object = cJSON_CreateObject();
	(void)cJSON_AddBoolToObject(object, "complete", reason == NULL);
	add_text_or_null(object, "incomplete_reason", reason);
	add_verdict(object, report);
	add_sum(object, "total", leak_list_total(list));
	cJSON *kinds = cJSON_AddObjectToObject(object, "kinds");
	for (unsigned kind = 0; kind < LEAK_KIND_COUNT; kind++)
		add_sum(kinds, leak_kind_name((enum leak_kind)kind),
			leak_list_sum(list, (enum leak_kind)kind));
	add_sum(object, "suppressed", leak_list_suppressed(list));
	if (list->profile->log->info.run.only_unfreed) {
		(void)cJSON_AddNullToObject(object, "peak_bytes");
		(void)cJSON_AddNullToObject(object, "allocations");
	} else {
		json_add_count(object, "peak_bytes", totals->peak_bytes);
		json_add_count(object, "allocations", totals->allocations);
	}
	add_suppressions(object, report->suppressions);
	if (report->has_baseline)
		json_add_count(object, "baseline_gone", report->gone_count);
	cJSON *leaks = cJSON_AddArrayToObject(object, "leaks");
	cJSON *suppressed = cJSON_AddArrayToObject(object, "suppressed_leaks");
	for (size_t i = 0; i < list->count; i++)
		(void)cJSON_AddItemToArray(list->items[i].suppressed_by ? suppressed : leaks,
					   leak_item(report, &list->items[i]));
	return json_print(object, output, error);
}
