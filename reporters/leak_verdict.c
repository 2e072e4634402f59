/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reporters/leak_verdict.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reporters/leak_report.h"
#include "reporters/text.h"

/* Processes that are named one by one for want of a scan. */
#define NAMED_PROCESSES 5u

const char *leak_outcome_name(enum leak_outcome outcome)
{
	static const char *const names[] = {
		[LEAKS_PASSED] = "passed", [LEAKS_FAILED] = "failed", [LEAKS_UNJUDGED] = "none"};
	return names[outcome];
}

bool leak_counts(const struct leak *leak, const struct leak_limits *limits)
{
	return leak_is_listed(leak) && leak->novelty != LEAK_KNOWN &&
	       leak->kind != LEAK_UNCLASSIFIED && (limits->fail_on & 1u << leak->kind);
}

/* returns  false: no memory */
static bool __attribute__((format(printf, 4, 5)))
add_finding(struct leak_verdict *verdict, enum leak_outcome outcome, const char *limit,
	    const char *format, ...)
{
	struct leak_finding *grown = realloc(verdict->findings,
					     (verdict->finding_count + 1) * sizeof(*grown));
	if (!grown)
		return false;
	verdict->findings = grown;
	struct leak_finding *finding = &grown[verdict->finding_count];
	va_list arguments;
	va_start(arguments, format);
	*finding = (struct leak_finding){.outcome = outcome, .limit = limit};
	bool is_set = vasprintf(&finding->text, format, arguments) >= 0;
	va_end(arguments);
	if (!is_set)
		return false;
	verdict->finding_count++;
	/* A limit that is passed is passed, whatever else is not known. */
	if (outcome == LEAKS_FAILED ||
	    (outcome == LEAKS_UNJUDGED && verdict->outcome == LEAKS_PASSED))
		verdict->outcome = outcome;
	return true;
}

/* A group can have grown in one respect and shrunk in the other. */
static uint64_t counted_bytes(const struct leak *leak)
{
	if (leak->novelty != LEAK_GROWN)
		return leak->bytes;
	return leak->bytes > leak->known_bytes ? leak->bytes - leak->known_bytes : 0;
}

/* The additional bytes are in one block at least. */
static uint64_t counted_blocks(const struct leak *leak)
{
	if (leak->novelty != LEAK_GROWN)
		return leak->blocks;
	return leak->blocks > leak->known_blocks ? leak->blocks - leak->known_blocks : 1;
}

static bool judge_leaks(struct leak_verdict *verdict, const struct leak_list *list,
			const struct leak_limits *limits)
{
	char amount[LEAK_AMOUNT_BYTES];
	char limit[TEXT_FIGURE_BYTES];
	for (size_t i = 0; i < list->count; i++) {
		const struct leak *leak = &list->items[i];
		if (!leak_counts(leak, limits))
			continue;
		verdict->failed_bytes += counted_bytes(leak);
		verdict->failed_blocks += counted_blocks(leak);
		verdict->failed_groups++;
	}
	bool is_over = limits->has_max_leaked ? verdict->failed_bytes > limits->max_leaked_bytes
					      : verdict->failed_groups > 0;
	if (!is_over)
		return true;
	(void)leak_amount(verdict->failed_bytes, verdict->failed_blocks, amount);
	const char *stacks = verdict->failed_groups == 1 ? "stack trace" : "stack traces";
	if (limits->has_max_leaked)
		return add_finding(verdict, LEAKS_FAILED, "leaks",
				   "leaked %s from %zu %s, the limit is %s", amount,
				   verdict->failed_groups, stacks,
				   text_of_bytes(limits->max_leaked_bytes, limit));
	return add_finding(verdict, LEAKS_FAILED, "leaks", "leaked %s from %zu %s", amount,
			   verdict->failed_groups, stacks);
}

static bool judge_budgets(struct leak_verdict *verdict, const struct profile *profile,
			  const struct leak_limits *limits)
{
	char figure[TEXT_FIGURE_BYTES];
	char limit[TEXT_FIGURE_BYTES];
	const struct replay_totals *totals = &profile->totals;
	if (limits->has_max_peak && totals->peak_bytes > limits->max_peak_bytes &&
	    !add_finding(verdict, LEAKS_FAILED, "peak", "the peak was %s, the limit is %s",
			 text_of_bytes(totals->peak_bytes, figure),
			 text_of_bytes(limits->max_peak_bytes, limit)))
		return false;
	return !limits->has_max_allocations || totals->allocations <= limits->max_allocations ||
	       add_finding(verdict, LEAKS_FAILED, "allocations",
			   "there were %s allocations, the limit is %s",
			   text_of_count(totals->allocations, figure),
			   text_of_count(limits->max_allocations, limit));
}

/* What was not recorded in detail, since it was no failure then, can't be judged now. */
static bool question_sums(struct leak_verdict *verdict, const struct leak_list *list,
			  const struct leak_limits *limits)
{
	uint64_t bytes = verdict->failed_bytes;
	for (unsigned kind = 0; kind < LEAK_KIND_COUNT; kind++)
		bytes += limits->fail_on & 1u << kind ? list->left_out[kind].bytes : 0;
	if (limits->has_max_leaked && bytes <= limits->max_leaked_bytes)
		return true;
	for (unsigned kind = 0; kind < LEAK_KIND_COUNT; kind++)
		if (limits->fail_on & 1u << kind && list->left_out[kind].blocks > 0 &&
		    !add_finding(verdict, LEAKS_UNJUDGED, "leaks",
				 "blocks that are %s are only counted in this log: 'memtrace check "
				 "--fail-on=%s' records them",
				 leak_kind_words((enum leak_kind)kind),
				 leak_kind_name((enum leak_kind)kind)))
			return false;
	return true;
}

/* Unfreed blocks that no scan has put into a kind, by process. */
struct unscanned {
	uint64_t bytes;
	uint64_t blocks;
	uint64_t *of_process; /* [image_count] blocks */
};

static bool gather_unscanned(struct unscanned *unscanned, const struct leak_list *list)
{
	uint32_t image_count = list->profile->log->info.image_count;
	unscanned->of_process = calloc((size_t)image_count + 1, sizeof(*unscanned->of_process));
	if (!unscanned->of_process)
		return false;
	for (size_t i = 0; i < list->count; i++) {
		const struct leak *leak = &list->items[i];
		if (leak->kind != LEAK_UNCLASSIFIED || !leak_is_listed(leak))
			continue;
		unscanned->bytes += leak->bytes;
		unscanned->blocks += leak->blocks;
		for (size_t m = 0; m < leak->mark_count; m++)
			unscanned->of_process[leak->marks[m].process] += leak->marks[m].blocks;
	}
	return true;
}

static const char *why_unscanned(const struct loaded_log *log, const struct log_image *image,
				 char *text, size_t capacity)
{
	const struct log_info *info = &log->info;
	bool is_program = info->has_status && image->pid == info->run.program_pid;
	if (image->loss)
		return "some of its events were lost";
	if (image->has_leak_marks && (image->leak_marks.flags & LEAK_SCAN_INCOMPLETE))
		return image->leak_marks.flags & LEAK_SCAN_NO_PROC
			       ? "it could not open /proc for the scan: no free descriptor, "
				 "or no /proc in its root directory"
			       : "the scan could not read its memory";
	if (!image->has_ended)
		return log->is_live ? "it still runs" : "it still ran when the recording ended";
	if (is_program && info->exit_signal) {
		const char *name = sigabbrev_np(info->exit_signal);
		(void)snprintf(text, capacity, "it was killed by signal %d%s%s%s",
			       info->exit_signal, name ? " (SIG" : "", name ? name : "",
			       name ? ")" : "");
		return text;
	}
	return is_program ? "it ended without a leak scan, as after a raw exit_group"
			  : "it ended without a leak scan, as when it is killed or after a raw "
			    "exit_group";
}

static bool is_outdated(const struct log_image *image)
{
	return image->has_leak_marks && image->has_ended &&
	       (image->leak_marks.flags & LEAK_SCAN_ON_REQUEST);
}

/* Names the processes of which it is not known what they leaked. */
static bool name_processes(struct leak_verdict *verdict, const struct profile *profile,
			   const struct leak_limits *limits, const struct unscanned *unscanned)
{
	const struct log_info *info = &profile->log->info;
	size_t more = 0;
	size_t named = 0;
	for (uint32_t i = 0; i < info->image_count; i++) {
		char why[96];
		const struct log_image *image = &info->images[i];
		bool is_selected = !profile->log->pid || profile->log->pid == image->pid;
		bool is_old = is_selected && is_outdated(image) && profile_is_scanned(profile, i);
		bool is_running = limits->expects_scans && profile->log->is_live &&
				  !image->has_ended;
		if (!unscanned->of_process[i] && !is_old && !is_running)
			continue;
		if (named++ >= NAMED_PROCESSES) {
			more++;
			continue;
		}
		const char *reason = is_old ? "it was scanned while it ran, and not at its end"
					    : why_unscanned(profile->log, image, why, sizeof(why));
		if (!add_finding(verdict, LEAKS_UNJUDGED, "leaks",
				 "no verdict on process %u (%s): %s", image->pid,
				 base_name(image->path), reason))
			return false;
	}
	return more == 0 ||
	       add_finding(verdict, LEAKS_UNJUDGED, "leaks", "no verdict on %zu more process%s",
			   more, more == 1 ? "" : "es");
}

static bool has_any_scan(const struct log_info *info)
{
	for (uint32_t i = 0; i < info->image_count; i++)
		if (info->images[i].has_leak_marks)
			return true;
	return false;
}

static bool question_leaks(struct leak_verdict *verdict, const struct leak_list *list,
			   const struct leak_limits *limits)
{
	const struct profile *profile = list->profile;
	struct unscanned unscanned = {0};
	if (!gather_unscanned(&unscanned, list))
		return false;
	bool is_within = limits->has_max_leaked &&
			 verdict->failed_bytes + unscanned.bytes <= limits->max_leaked_bytes;
	bool has_memory = true;
	bool has_scans = limits->expects_scans || has_any_scan(&profile->log->info);
	if (unscanned.blocks > 0 && !has_scans)
		has_memory = is_within ||
			     add_finding(verdict, LEAKS_UNJUDGED, "leaks",
					 "no leak scan was made of what was not freed");
	if (has_scans && !is_within)
		has_memory = name_processes(verdict, profile, limits, &unscanned);
	free(unscanned.of_process);
	return has_memory;
}

/* What keeps the figures from being known at all. */
static bool question_recording(struct leak_verdict *verdict, const struct profile *profile,
			       const struct leak_limits *limits)
{
	const char *reason = loaded_log_loss_reason(profile->log);
	if (profile->log->is_live) /* else so far is what is asked for */
		reason = limits->expects_scans ? "a process that the program left behind still runs"
					       : NULL;
	if (reason && !add_finding(verdict, LEAKS_UNJUDGED, "recording",
				   "the recording is not complete: %s", reason))
		return false;
	if (profile->log->info.image_count == 0 &&
	    !add_finding(verdict, LEAKS_UNJUDGED, "recording", "no process was recorded"))
		return false;
	if (profile->log->info.run.only_unfreed &&
	    (limits->has_max_peak || limits->has_max_allocations) &&
	    !add_finding(verdict, LEAKS_UNJUDGED, "recording",
			 "the log has only what was not freed: it tells neither the peak nor the "
			 "number of allocations"))
		return false;
	return strcmp(profile_mode(profile), "exact") == 0 ||
	       add_finding(verdict, LEAKS_UNJUDGED, "recording",
			   "the recording is sampled: it shows no absence of leaks, and sums are "
			   "estimates");
}

/* What the verdict does not cover, or could be wrong by. */
static bool add_notes(struct leak_verdict *verdict, const struct profile *profile)
{
	const struct log_info *info = &profile->log->info;
	size_t unparked = 0;
	size_t turned_off = 0;
	for (uint32_t i = 0; i < info->image_count; i++) {
		unparked += (info->images[i].leak_marks.flags & LEAK_SCAN_THREAD_NOT_PARKED) != 0;
		turned_off += (info->images[i].leak_marks.flags & LEAK_SCAN_TURNED_OFF) != 0;
	}
	if (turned_off > 0 &&
	    !add_finding(verdict, LEAKS_PASSED, "leaks",
			 "%zu process%s turned leak checks off, by __lsan_is_turned_off",
			 turned_off, turned_off == 1 ? " has" : "es have"))
		return false;
	if (unparked > 0 &&
	    !add_finding(verdict, LEAKS_PASSED, "leaks",
			 "in %zu process%s a thread did not stop for the scan: its whole stack was "
			 "searched, which can hide a leak",
			 unparked, unparked == 1 ? "" : "es"))
		return false;
	return info->untraced_count == 0 ||
	       add_finding(verdict, LEAKS_PASSED, "recording",
			   "%zu child%s could not be traced and %s not checked",
			   info->untraced_count, info->untraced_count == 1 ? "" : "ren",
			   info->untraced_count == 1 ? "was" : "were");
}

enum mt_status leak_verdict_make(struct leak_verdict *verdict, const struct leak_list *list,
				 const struct leak_limits *limits, struct mt_error *error)
{
	const struct profile *profile = list->profile;
	*verdict = (struct leak_verdict){0};
	bool has_memory = judge_leaks(verdict, list, limits) &&
			  judge_budgets(verdict, profile, limits) &&
			  question_recording(verdict, profile, limits) &&
			  (limits->fail_on == 0 || question_leaks(verdict, list, limits)) &&
			  question_sums(verdict, list, limits) && add_notes(verdict, profile);
	if (has_memory)
		return MT_OK;
	leak_verdict_release(verdict);
	return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for the report");
}

void leak_verdict_release(struct leak_verdict *verdict)
{
	for (size_t i = 0; i < verdict->finding_count; i++)
		free(verdict->findings[i].text);
	free(verdict->findings);
	*verdict = (struct leak_verdict){0};
}
