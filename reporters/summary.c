/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memtrace summary: the run in figures, and where most of the memory comes from. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/ring.h"
#include "reporters/estimates.h"
#include "reporters/json.h"
#include "reporters/reporter.h"
#include "reporters/row_list.h"
#include "reporters/short_text.h"
#include "reporters/sites.h"
#include "reporters/text.h"

#define TOP_TEXT 10u
#define TOP_JSON 50u
#define LINE_COLUMNS 80u
#define TOP_COLUMNS (LINE_COLUMNS - 25u)
#define PROCESSES_TEXT 10u
#define UNTRACED_TEXT 5u
#define SLACK_MEASURED_MIN 100u
#define TEMPORARY_WINDOW_MAX 65536u

struct summary_options {
	bool is_json;
	bool has_mappings;
	uint32_t temporary_window;
};

/* What is gathered from the profile to be shown. */
struct summary {
	const struct profile *profile;
	struct site *sites; /* [site_count] */
	size_t site_count;
	struct row_list pools;
	struct row_list mappings;
	bool has_mappings;
};

static double seconds(uint64_t microseconds)
{
	return (double)microseconds / 1e6;
}

/* The tracker's share at the instant of the largest resident memory. */
static uint64_t tracker_at_peak(const struct log_info *info)
{
	uint64_t rss_bytes = 0;
	uint64_t tracker_bytes = 0;
	for (size_t i = 0; i < info->sample_count; i++) {
		if (info->samples[i].rss_bytes <= rss_bytes)
			continue;
		rss_bytes = info->samples[i].rss_bytes;
		tracker_bytes = info->samples[i].tracker_bytes;
	}
	return tracker_bytes;
}

/* The program's own maximum is counted by the kernel, the tree's is sampled: the larger one. */
static uint64_t peak_rss(const struct log_info *info)
{
	return info->program_max_rss_bytes > info->peak_rss_bytes ? info->program_max_rss_bytes
								  : info->peak_rss_bytes;
}

/* Whether a block was freed before the thread's next allocation is not known from samples. */
static void add_temporary(cJSON *object, const struct profile *profile,
			  const struct replay_totals *totals)
{
	if (profile->errors)
		(void)cJSON_AddNullToObject(object, "temporary_allocations");
	else
		json_add_count(object, "temporary_allocations", totals->temporary);
}

#define UNSEEN_BYTES (32u << 20)

/*
 * Resident memory that came while the program ran, if next to nothing of it was allocated or
 * mapped through functions that are recorded. 0: there is nothing to be said
 */
static uint64_t unseen_growth(const struct profile *profile)
{
	const struct log_info *info = &profile->log->info;
	uint64_t seen = profile->totals.peak_bytes + profile->mapping_totals.peak_bytes;
	uint64_t growth = peak_rss(info);
	uint64_t at_first = tracker_at_peak(info);
	if (info->sample_count > 0 && info->samples[0].rss_bytes > at_first)
		at_first = info->samples[0].rss_bytes;
	/* One process of several: its own resident memory is not known. */
	if (profile->log->pid || loaded_log_incomplete_reason(profile->log) || growth < at_first ||
	    growth - at_first < UNSEEN_BYTES)
		return 0;
	growth -= at_first;
	return seen < growth / 4 ? growth - seen : 0;
}

static void add_counts(cJSON *object, const struct profile *profile,
		       const struct replay_totals *totals)
{
	json_add_count(object, "allocations", totals->allocations);
	json_add_count(object, "deallocations", totals->deallocations);
	json_add_count(object, "reallocations", totals->reallocations);
	json_add_count(object, "allocated_bytes", totals->allocated_bytes);
	json_add_count(object, "peak_bytes", totals->peak_bytes);
	(void)cJSON_AddNumberToObject(object, "peak_time_seconds", seconds(totals->peak_us));
	json_add_count(object, "live_bytes", totals->live_bytes);
	json_add_count(object, "live_allocations", totals->live_blocks);
	add_temporary(object, profile, totals);
	json_add_count(object, "inherited_frees", totals->inherited_frees);
}

static void add_exit(cJSON *report, const struct log_info *info)
{
	cJSON *ended = cJSON_AddObjectToObject(report, "exit");
	if (info->has_status && !info->exit_signal)
		(void)cJSON_AddNumberToObject(ended, "status", info->exit_status);
	else
		(void)cJSON_AddNullToObject(ended, "status");
	if (info->has_status && info->exit_signal)
		(void)cJSON_AddNumberToObject(ended, "signal", info->exit_signal);
	else
		(void)cJSON_AddNullToObject(ended, "signal");
}

/* Number of the image among those of its process: exec makes a new one. */
static uint32_t image_number(const struct log_info *info, uint32_t index)
{
	uint32_t number = 0;
	for (uint32_t i = 0; i < info->image_count; i++)
		number += info->images[i].pid == info->images[index].pid &&
			  info->images[i].serial < info->images[index].serial;
	return number;
}

static void add_processes(cJSON *report, const struct profile *profile)
{
	const struct log_info *info = &profile->log->info;
	cJSON *processes = cJSON_AddArrayToObject(report, "processes");
	for (uint32_t i = 0; i < info->image_count; i++) {
		const struct log_image *image = &info->images[i];
		if (profile->log->pid && image->pid != profile->log->pid)
			continue;
		cJSON *process = cJSON_CreateObject();
		json_add_count(process, "pid", image->pid);
		json_add_count(process, "image", image_number(info, i));
		json_add_count(process, "parent_pid", image->parent_pid);
		(void)cJSON_AddStringToObject(process, "origin",
					      image->origin == IMAGE_FORK ? "fork" : "exec");
		json_add_string(process, "command", image->command);
		json_add_string(process, "path", image->path);
		(void)cJSON_AddTrueToObject(process, "traced");
		(void)cJSON_AddNullToObject(process, "reason");
		json_add_count(process, "threads", image->thread_count);
		json_add_count(process, "skipped_events", image->skipped_events);
		(void)cJSON_AddBoolToObject(process, "paused", image->was_paused);
		add_counts(process, profile, &profile->log->replay.images[i]->totals);
		(void)cJSON_AddItemToArray(processes, process);
	}
	for (size_t i = 0; i < info->untraced_count && !profile->log->pid; i++) {
		cJSON *process = cJSON_CreateObject();
		const struct replay_totals nothing = {0};
		json_add_count(process, "pid", info->untraced[i].pid);
		(void)cJSON_AddNullToObject(process, "image");
		json_add_string(process, "command", info->untraced[i].path);
		(void)cJSON_AddFalseToObject(process, "traced");
		json_add_string(process, "reason", info->untraced[i].reason);
		add_counts(process, profile, &nothing);
		(void)cJSON_AddItemToArray(processes, process);
	}
}

/* Numbers of blocks that lived for 0 us, less than 1, 2, 4, ..., up to the longest. */
static void add_lifetimes(cJSON *object, const struct profile *profile, const uint64_t *counts)
{
	uint32_t count = LIFETIME_BUCKETS;
	if (!profile->log->replay.has_details) {
		(void)cJSON_AddNullToObject(object, "lifetimes");
		return;
	}
	while (count > 0 && counts[count - 1] == 0)
		count--;
	cJSON *list = cJSON_AddArrayToObject(object, "lifetimes");
	for (uint32_t b = 0; b < count; b++)
		(void)cJSON_AddItemToArray(list, cJSON_CreateNumber((double)counts[b]));
}

static void gather_lifetimes(const struct profile *profile, uint64_t *counts)
{
	for (size_t i = 0; i < profile->row_count; i++)
		profile_add_lifetimes(profile, &profile->rows[i], counts);
}

/* The cross-check of the unwinder, over the images that were checked. returns false: none was */
static bool sum_stack_checks(const struct profile *profile, struct log_image *ret_sums)
{
	const struct log_info *info = &profile->log->info;
	*ret_sums = (struct log_image){0};
	for (uint32_t i = 0; i < info->image_count; i++) {
		const struct log_image *image = &info->images[i];
		if (profile->log->pid && image->pid != profile->log->pid)
			continue;
		ret_sums->has_stack_checks = ret_sums->has_stack_checks || image->has_stack_checks;
		ret_sums->checked_stacks += image->checked_stacks;
		ret_sums->differing_stacks += image->differing_stacks;
		ret_sums->guessed_stacks += image->guessed_stacks;
	}
	return ret_sums->has_stack_checks;
}

static void add_stack_checks(cJSON *report, const struct profile *profile)
{
	struct log_image sums;
	if (!sum_stack_checks(profile, &sums))
		return;
	cJSON *checks = cJSON_AddObjectToObject(report, "cross_check");
	json_add_count(checks, "checked", sums.checked_stacks);
	json_add_count(checks, "differing", sums.differing_stacks);
	json_add_count(checks, "guessed", sums.guessed_stacks);
}

static void print_stack_checks(const struct profile *profile, FILE *output)
{
	struct log_image sums;
	char checked[TEXT_FIGURE_BYTES];
	char differing[TEXT_FIGURE_BYTES];
	char guessed[TEXT_FIGURE_BYTES];
	if (sum_stack_checks(profile, &sums))
		(void)fprintf(output,
			      "  cross-check   %s stack traces: %s differ, %s guessed in part\n",
			      text_of_count(sums.checked_stacks, checked),
			      text_of_count(sums.differing_stacks, differing),
			      text_of_count(sums.guessed_stacks, guessed));
}

/* returns false: there is no figure. From samples there is none, and not for a part of a run; and
 * few measured allocations, of which each may stand for 64, say nothing of all. */
static bool sum_slack(const struct profile *profile, struct log_image *ret_sums)
{
	const struct log_info *info = &profile->log->info;
	*ret_sums = (struct log_image){0};
	for (uint32_t i = 0; i < info->image_count; i++) {
		const struct log_image *image = &info->images[i];
		if (profile->log->pid && image->pid != profile->log->pid)
			continue;
		ret_sums->slack_measured += image->slack_measured;
		ret_sums->slack_requested_bytes += image->slack_requested_bytes;
		ret_sums->slack_usable_bytes += image->slack_usable_bytes;
	}
	return !profile->errors && ret_sums->slack_measured >= SLACK_MEASURED_MIN &&
	       ret_sums->slack_requested_bytes > 0 &&
	       ret_sums->slack_usable_bytes >= ret_sums->slack_requested_bytes;
}

static double slack_percent(const struct log_image *sums)
{
	return percent_of(sums->slack_usable_bytes - sums->slack_requested_bytes,
			  sums->slack_requested_bytes);
}

static void add_slack(cJSON *report, const struct profile *profile)
{
	struct log_image sums;
	if (!sum_slack(profile, &sums))
		return;
	cJSON *slack = cJSON_AddObjectToObject(report, "slack");
	json_add_count(slack, "measured_allocations", sums.slack_measured);
	json_add_count(slack, "estimated_requested_bytes", sums.slack_requested_bytes);
	json_add_count(slack, "estimated_usable_bytes", sums.slack_usable_bytes);
	(void)cJSON_AddNumberToObject(slack, "percent", slack_percent(&sums));
}

static void print_slack(const struct profile *profile, FILE *output)
{
	struct log_image sums;
	char count[TEXT_FIGURE_BYTES];
	if (sum_slack(profile, &sums))
		(void)fprintf(output,
			      "  slack         about %.1f %% more than asked for (%s allocations "
			      "measured)\n",
			      slack_percent(&sums), text_of_count(sums.slack_measured, count));
}

static void add_top(cJSON *report, const struct profile *profile, const struct site *sites,
		    size_t count)
{
	cJSON *top = cJSON_AddArrayToObject(report, "top");
	for (size_t i = 0; i < count && i < TOP_JSON; i++) {
		cJSON *item = cJSON_CreateObject();
		json_add_frame(item, profile, &profile->frames[sites[i].frame]);
		json_add_count(item, "peak_bytes", sites[i].costs.peak_bytes);
		json_add_count(item, "live_bytes", sites[i].costs.live_bytes);
		json_add_count(item, "allocated_bytes", sites[i].costs.allocated_bytes);
		json_add_count(item, "allocations", sites[i].costs.allocations);
		add_lifetimes(item, profile, sites[i].lifetimes);
		estimates_add_json(item, &sites[i].costs, profile->errors ? &sites[i].error : NULL);
		(void)cJSON_AddItemToArray(top, item);
	}
}

static void add_hints(cJSON *report, const struct profile *profile)
{
	char hint[PROFILE_HINT_BYTES];
	cJSON *hints = cJSON_AddArrayToObject(report, "hints");
	if (profile_hint(profile, hint, sizeof(hint)))
		(void)cJSON_AddItemToArray(hints, json_string(hint));
}

static const char *const marker_names[] = {
	[RING_MARKER_TEXT] = "marker",
	[RING_MARKER_PAUSE] = "pause",
	[RING_MARKER_RESUME] = "resume",
};

static bool is_shown(const struct profile *profile, const struct log_marker *marker)
{
	return profile->log->pid == 0 ||
	       profile->log->info.images[marker->image].pid == profile->log->pid;
}

static void add_markers(cJSON *report, const struct profile *profile)
{
	const struct log_info *info = &profile->log->info;
	cJSON *markers = cJSON_AddArrayToObject(report, "markers");
	for (size_t i = 0; i < info->marker_count; i++) {
		const struct log_marker *marker = &info->markers[i];
		if (!is_shown(profile, marker))
			continue;
		cJSON *item = cJSON_CreateObject();
		(void)cJSON_AddStringToObject(item, "what", marker_names[marker->kind]);
		json_add_string(item, "text", marker->text);
		(void)cJSON_AddNumberToObject(item, "time_seconds", seconds(marker->time_us));
		json_add_count(item, "pid", info->images[marker->image].pid);
		(void)cJSON_AddItemToArray(markers, item);
	}
}

static enum mt_status render_json(const struct summary *summary, FILE *output,
				  struct mt_error *error)
{
	const struct profile *profile = summary->profile;
	const struct loaded_log *log = profile->log;
	const char *reason = loaded_log_incomplete_reason(log);
	uint64_t lifetimes[LIFETIME_BUCKETS] = {0};
	cJSON *report = cJSON_CreateObject();
	json_add_string(report, "command", log->info.run.command);
	json_add_string(report, "host", log->info.run.host);
	json_add_string(report, "mode", profile_mode(profile));
	json_add_count(report, "sampling_interval_bytes", log->replay.largest_interval);
	(void)cJSON_AddBoolToObject(report, "complete", reason == NULL);
	if (reason)
		json_add_string(report, "incomplete_reason", reason);
	else
		(void)cJSON_AddNullToObject(report, "incomplete_reason");
	add_exit(report, &log->info);
	(void)cJSON_AddNumberToObject(report, "duration_seconds", seconds(log->info.end_us));
	json_add_count(report, "threads", profile->thread_count);
	const struct profile_costs totals = estimates_totals(profile);
	add_counts(report, profile, &profile->totals);
	estimates_add_json(report, &totals, profile->errors ? &profile->error : NULL);
	json_add_count(report, "peak_rss_bytes", peak_rss(&log->info));
	json_add_count(report, "tracker_rss_bytes", tracker_at_peak(&log->info));
	json_add_count(report, "unseen_growth_bytes", unseen_growth(profile));
	json_add_count(report, "log_bytes", log->size_bytes);
	json_add_count(report, "events", log->replay.event_count);
	json_add_count(report, "anomalies", profile->anomalies);
	add_stack_checks(report, profile);
	add_slack(report, profile);
	add_hints(report, profile);
	add_processes(report, profile);
	json_add_count(report, "temporary_window", log->replay.temporary_window);
	gather_lifetimes(profile, lifetimes);
	add_lifetimes(report, profile, lifetimes);
	add_top(report, profile, summary->sites, summary->site_count);
	add_markers(report, profile);
	row_list_add_pools(report, &summary->pools, profile);
	if (summary->has_mappings)
		row_list_add_mappings(report, &summary->mappings, profile);
	return json_print(report, output, error);
}

static void print_sampling(const struct profile *profile, FILE *output)
{
	const struct replay *replay = &profile->log->replay;
	char bytes[TEXT_FIGURE_BYTES];
	char samples[TEXT_FIGURE_BYTES];
	if (!profile->errors)
		return;
	(void)fprintf(output, "  sampled       every %s on average, %s samples",
		      text_of_bytes(replay->largest_interval, bytes),
		      text_of_count(profile->error.samples, samples));
	if (replay->was_exact)
		(void)fprintf(output, "; exact up to %.2f s", seconds(replay->exact_until_us));
	(void)fputc('\n', output);
}

static int by_program(const void *left, const void *right)
{
	const struct log_untraced *a = *(const struct log_untraced *const *)left;
	const struct log_untraced *b = *(const struct log_untraced *const *)right;
	int order = strcmp(a->path, b->path);
	return order ? order : strcmp(a->reason, b->reason);
}

static size_t count_same_programs(const struct log_untraced *const *sorted, size_t count)
{
	size_t times = 1;
	while (times < count && by_program(&sorted[0], &sorted[times]) == 0)
		times++;
	return times;
}

/* Programs that were not traced, each once, with the number of its runs. */
static void print_untraced(const struct log_info *info, FILE *output)
{
	size_t count = info->untraced_count;
	const struct log_untraced **sorted = calloc(count + 1, sizeof(struct log_untraced *));
	size_t printed = 0;
	size_t shown = 0;
	for (size_t i = 0; sorted && i < count; i++)
		sorted[i] = &info->untraced[i];
	if (sorted)
		qsort(sorted, count, sizeof(struct log_untraced *), by_program);
	for (size_t times; sorted && shown < count && printed < UNTRACED_TEXT;
	     shown += times, printed++) {
		times = count_same_programs(sorted + shown, count - shown);
		(void)fprintf(output, "  not traced    %s: %s", sorted[shown]->path,
			      sorted[shown]->reason);
		if (times > 1)
			(void)fprintf(output, " (%zu times)", times);
		(void)fputc('\n', output);
	}
	if (shown < count)
		(void)fprintf(output, "  not traced    %zu more\n", count - shown);
	free(sorted);
}

static void print_run(const struct profile *profile, FILE *output)
{
	char command[SHORT_TEXT_BYTES];
	const struct log_info *info = &profile->log->info;
	const char *reason = loaded_log_incomplete_reason(profile->log);
	time_t start = (time_t)(info->run.start_realtime_ns / 1000000000u);
	struct tm local;
	char when[32] = "";
	if (localtime_r(&start, &local))
		(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &local);
	(void)fprintf(output, "%s\n", short_line(info->run.command, LINE_COLUMNS, command));
	(void)fprintf(output, "  recorded      %s, %.2f s, %s\n", when, seconds(info->end_us),
		      profile_mode(profile));
	print_sampling(profile, output);
	if (reason)
		(void)fprintf(output, "  incomplete    %s\n", reason);
	if (info->has_status && info->exit_signal)
		(void)fprintf(output, "  ended         by signal %d (%s)\n", info->exit_signal,
			      strsignal(info->exit_signal));
	else if (info->has_status)
		(void)fprintf(output, "  ended         with status %d\n", info->exit_status);
	else if (info->has_end)
		(void)fputs("  ended         in an unknown way\n", output);
	(void)fprintf(output, "  threads       %u in %u process image%s\n", profile->thread_count,
		      info->image_count, info->image_count == 1 ? "" : "s");
	print_untraced(info, output);
}

/* The figures of the totals with what is known of their errors. */
struct estimated_totals {
	struct estimate peak_bytes;
	struct estimate allocated_bytes;
	struct estimate allocations;
	struct estimate live_bytes;
};

static struct estimated_totals estimate_totals(const struct profile *profile)
{
	const struct replay_totals *totals = &profile->totals;
	const struct stack_error *error = &profile->error;
	return (struct estimated_totals){
		.peak_bytes = {(double)totals->peak_bytes, error->peak_bytes, error->peak_samples,
			       0},
		.allocated_bytes = {(double)totals->allocated_bytes, error->allocated_bytes,
				    error->samples, 0},
		.allocations = {(double)totals->allocations, error->allocations, error->samples,
				error->largest_count},
		.live_bytes = {(double)totals->live_bytes, error->live_bytes, error->live_samples,
			       0},
	};
}

static void print_peak(const struct profile *profile, const struct estimate *peak, FILE *output)
{
	const struct log_info *info = &profile->log->info;
	char a[TEXT_FIGURE_BYTES];
	char b[TEXT_FIGURE_BYTES];
	char error[ESTIMATE_TEXT_BYTES];
	(void)fprintf(output, "\n  peak          %s%s at %.2f s\n",
		      text_of_bytes(profile->totals.peak_bytes, a),
		      estimate_text_of_bytes(peak, error), seconds(profile->totals.peak_us));
	if (profile->errors)
		(void)fputs("                (a sampled peak tends to be too high)\n", output);
	if (peak_rss(info))
		(void)fprintf(output, "  resident      %s at most, of it %s for memtrace\n",
			      text_of_bytes(peak_rss(info), a),
			      text_of_bytes(tracker_at_peak(info), b));
}

static void print_temporary(const struct profile *profile, FILE *output)
{
	const struct replay_totals *totals = &profile->totals;
	uint32_t window = profile->log->replay.temporary_window;
	char count[TEXT_FIGURE_BYTES];
	(void)fprintf(output, "  temporary     %s, %.0f %% of the allocations",
		      text_of_count(totals->temporary, count),
		      percent_of(totals->temporary, totals->allocations));
	if (window > 1)
		(void)fprintf(output, "; freed within %u allocations", window);
	(void)fputc('\n', output);
}

/* What part of the freed blocks had gone after about a millisecond, and after about a second. */
static void print_lifetimes(const struct profile *profile, FILE *output)
{
	uint64_t counts[LIFETIME_BUCKETS] = {0};
	uint64_t sum = 0;
	uint64_t short_sum = 0;
	uint64_t middle_sum = 0;
	gather_lifetimes(profile, counts);
	for (uint32_t b = 0; b < LIFETIME_BUCKETS; b++) {
		short_sum += b <= 10 ? counts[b] : 0;
		middle_sum += b <= 20 ? counts[b] : 0;
		sum += counts[b];
	}
	if (sum > 0)
		(void)fprintf(
			output,
			"  lifetimes     %.0f %% of the freed blocks lived under 1 ms, %.0f %% "
			"under 1 s\n",
			percent_of(short_sum, sum), percent_of(middle_sum, sum));
}

static void print_allocated(const struct profile *profile, const struct estimated_totals *estimates,
			    FILE *output)
{
	const struct replay_totals *totals = &profile->totals;
	char bytes[TEXT_FIGURE_BYTES];
	char count[TEXT_FIGURE_BYTES];
	char error[ESTIMATE_TEXT_BYTES];
	(void)fprintf(output, "  allocated     %s%s\n",
		      text_of_bytes(totals->allocated_bytes, bytes),
		      estimate_text_of_bytes(&estimates->allocated_bytes, error));
	(void)fprintf(output, "  allocations   %s%s, ", text_of_count(totals->allocations, count),
		      estimate_text_of_count(&estimates->allocations, error));
	(void)fprintf(output, "%s of them by realloc\n",
		      text_of_count(totals->reallocations, count));
	if (!profile->errors)
		print_temporary(profile, output);
	print_lifetimes(profile, output);
	print_slack(profile, output);
}

static void print_figures(const struct profile *profile, FILE *output)
{
	const struct replay_totals *totals = &profile->totals;
	const struct estimated_totals estimates = estimate_totals(profile);
	char a[TEXT_FIGURE_BYTES];
	char b[TEXT_FIGURE_BYTES];
	char error[ESTIMATE_TEXT_BYTES];
	print_peak(profile, &estimates.peak_bytes, output);
	if (unseen_growth(profile))
		(void)fprintf(
			output,
			"                %s of it came from elsewhere: an allocator linked in\n"
			"                statically, system calls of the program's own, or its "
			"data\n",
			text_of_bytes(unseen_growth(profile), a));
	print_allocated(profile, &estimates, output);
	(void)fprintf(output, "  never freed   %s%s in %s blocks\n",
		      text_of_bytes(totals->live_bytes, a),
		      estimate_text_of_bytes(&estimates.live_bytes, error),
		      text_of_count(totals->live_blocks, b));
	if (profile->anomalies)
		(void)fprintf(output, "  anomalies     %s events did not fit together\n",
			      text_of_count(profile->anomalies, a));
	print_stack_checks(profile, output);
}

struct process_row {
	uint32_t image;
	uint64_t peak_bytes;
};

static int by_peak(const void *left, const void *right)
{
	const struct process_row *a = left;
	const struct process_row *b = right;
	if (a->peak_bytes != b->peak_bytes)
		return a->peak_bytes < b->peak_bytes ? 1 : -1;
	return (a->image > b->image) - (a->image < b->image);
}

static void print_process(const struct profile *profile, uint32_t image, FILE *output)
{
	const struct log_info *info = &profile->log->info;
	const struct replay_totals *totals = &profile->log->replay.images[image]->totals;
	char peak[TEXT_FIGURE_BYTES];
	char allocations[TEXT_FIGURE_BYTES];
	char command[SHORT_TEXT_BYTES];
	(void)fprintf(output, "  %11s  %13s  %7u  %s\n", text_of_bytes(totals->peak_bytes, peak),
		      text_of_count(totals->allocations, allocations), info->images[image].pid,
		      short_line(info->images[image].command, LINE_COLUMNS - 39u, command));
}

/* The processes of a tree, those with the largest peaks first. */
static void print_processes(const struct profile *profile, FILE *output)
{
	const struct log_info *info = &profile->log->info;
	struct process_row *rows = calloc((size_t)info->image_count + 1, sizeof(*rows));
	size_t count = 0;
	for (uint32_t i = 0; rows && i < info->image_count; i++)
		if (!profile->log->pid || info->images[i].pid == profile->log->pid)
			rows[count++] = (struct process_row){
				i, profile->log->replay.images[i]->totals.peak_bytes};
	if (count > 1) {
		qsort(rows, count, sizeof(*rows), by_peak);
		(void)fputs("\n         peak    allocations      pid  command\n", output);
		for (size_t i = 0; i < count && i < PROCESSES_TEXT; i++)
			print_process(profile, rows[i].image, output);
		if (count > PROCESSES_TEXT)
			(void)fprintf(output, "  and %zu more: see 'memtrace summary --json'\n",
				      count - PROCESSES_TEXT);
	}
	free(rows);
}

static void print_top(const struct profile *profile, const struct site *sites, size_t count,
		      FILE *output)
{
	char bytes[TEXT_FIGURE_BYTES];
	if (count == 0)
		return;
	(void)fputs("\n  at the peak     share  from\n", output);
	for (size_t i = 0; i < count && i < TOP_TEXT && sites[i].costs.peak_bytes > 0; i++) {
		(void)fprintf(output, "  %11s    %4.1f %%  ",
			      text_of_bytes(sites[i].costs.peak_bytes, bytes),
			      percent_of(sites[i].costs.peak_bytes, profile->totals.peak_bytes));
		print_frame_within(profile, &profile->frames[sites[i].frame], TOP_COLUMNS, output);
		(void)fputc('\n', output);
	}
}

/* Prints words in lines of at most 80 columns, but for a word that is longer. */
static void print_words(const char *text, FILE *output)
{
	const size_t indent = 8;
	size_t column = indent;
	while (*text) {
		size_t length = strcspn(text, " ");
		if (column > indent && column + 1 + length > 80) {
			(void)fprintf(output, "\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			(void)fputc(' ', output);
			column++;
		}
		(void)fwrite(text, 1, length, output);
		column += length;
		text += length;
		text += strspn(text, " ");
	}
	(void)fputc('\n', output);
}

static void print_hint(const struct profile *profile, FILE *output)
{
	char hint[PROFILE_HINT_BYTES];
	if (!profile_hint(profile, hint, sizeof(hint)))
		return;
	(void)fputs("\n  hint: ", output);
	print_words(hint, output);
}

static void print_markers(const struct profile *profile, FILE *output)
{
	const struct log_info *info = &profile->log->info;
	size_t shown = 0;
	for (size_t i = 0; i < info->marker_count; i++) {
		const struct log_marker *marker = &info->markers[i];
		if (!is_shown(profile, marker) || shown++ >= TOP_TEXT)
			continue;
		if (shown == 1)
			(void)fputs("\n  marked by the program\n", output);
		(void)fprintf(output, "  %9.3f s   %s\n", seconds(marker->time_us),
			      marker->kind == RING_MARKER_TEXT ? marker->text
							       : marker_names[marker->kind]);
	}
	if (shown > TOP_TEXT)
		(void)fprintf(output, "              and %zu more (--json has them)\n",
			      shown - TOP_TEXT);
}

static enum mt_status render_text(const struct summary *summary, FILE *output,
				  struct mt_error *error)
{
	const struct profile *profile = summary->profile;
	print_run(profile, output);
	print_figures(profile, output);
	print_processes(profile, output);
	print_top(profile, summary->sites, summary->site_count, output);
	row_list_print_pools(&summary->pools, profile, output);
	if (summary->has_mappings)
		row_list_print_mappings(&summary->mappings, profile, output);
	print_markers(profile, output);
	print_hint(profile, output);
	return check_output(output, error);
}

static enum mt_status render(const struct profile *profile, const void *options, FILE *output,
			     struct mt_error *error)
{
	const struct summary_options *summary_options = options;
	struct summary summary = {
		.profile = profile,
		.has_mappings = summary_options->has_mappings,
	};
	enum mt_status status = sites_gather(profile, &summary.sites, &summary.site_count, error);
	if (status == MT_OK)
		status = row_list_gather(&summary.pools, profile->pools, profile->pool_count,
					 error);
	if (status == MT_OK)
		status = row_list_gather(&summary.mappings, profile->mappings,
					 profile->mapping_count, error);
	if (status == MT_OK)
		status = summary_options->is_json ? render_json(&summary, output, error)
						  : render_text(&summary, output, error);
	row_list_release(&summary.mappings);
	row_list_release(&summary.pools);
	free(summary.sites);
	return status;
}

static bool parse(int key, const char *argument, void *options)
{
	struct summary_options *summary_options = options;
	if (key == 'j' || key == 'm') {
		summary_options->is_json |= key == 'j';
		summary_options->has_mappings |= key == 'm';
		return true;
	}
	char *end;
	errno = 0;
	unsigned long long window = strtoull(argument, &end, 10);
	summary_options->temporary_window = (uint32_t)window;
	return errno == 0 && argument[0] >= '0' && argument[0] <= '9' && *end == '\0' &&
	       window >= 1 && window <= TEMPORARY_WINDOW_MAX;
}

static void prepare(const void *options, struct loaded_log_options *ret_load)
{
	ret_load->temporary_window = ((const struct summary_options *)options)->temporary_window;
}

static const struct argp_option options[] = {
	{"json", 'j', NULL, 0, "Print JSON instead of text", 0},
	{"mappings", 'm', NULL, 0, "Add what the program mapped itself (mmap, brk)", 0},
	{"temporary", 't', "N", 0,
	 "Take blocks as temporary that their thread frees within its next N allocations (default: "
	 "1, before its next one)",
	 0},
	{0},
};

const struct reporter reporter_summary = {
	.name = "summary",
	.summary = "print the run in figures",
	.options = options,
	.options_bytes = sizeof(struct summary_options),
	.parse = parse,
	.prepare = prepare,
	.render = render,
};
