/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Leaks as people read them: sums, stack traces, the largest first, and the verdict at the end. */
#include <string.h>

#include "reporters/growth_report.h"
#include "reporters/leak_report.h"
#include "reporters/text.h"

/* So many frames of one call after the other are printed all; of more, the first one. */
#define SAME_FRAMES 3

static void print_sum(const char *words, struct leak_sum sum, FILE *output)
{
	char amount[LEAK_AMOUNT_BYTES];
	char stacks[TEXT_FIGURE_BYTES];
	if (sum.blocks == 0)
		return;
	(void)leak_amount(sum.bytes, sum.blocks, amount);
	if (sum.counted_blocks > 0)
		(void)fprintf(output, "%s: %s, only counted\n", words, amount);
	else
		(void)fprintf(output, "%s: %s from %s stack trace%s\n", words, amount,
			      text_of_count(sum.groups, stacks), sum.groups == 1 ? "" : "s");
}

/* Blocks of programs that went on as others by exec are not left over, only not freed. */
static struct leak_sum sum_listed(const struct leak_list *list, enum leak_kind kind)
{
	struct leak_sum sum = list->left_out[kind];
	for (size_t i = 0; i < list->count; i++) {
		const struct leak *leak = &list->items[i];
		if (leak->kind != kind || !leak_is_listed(leak))
			continue;
		sum.bytes += leak->bytes;
		sum.blocks += leak->blocks;
		sum.groups++;
	}
	return sum;
}

static void print_sums(const struct leak_report *report, FILE *output)
{
	const struct leak_list *list = report->list;
	uint64_t block_count = 0;
	size_t replaced_count = 0;
	for (unsigned kind = 0; kind < LEAK_KIND_COUNT; kind++) {
		struct leak_sum sum = sum_listed(list, (enum leak_kind)kind);
		block_count += sum.blocks;
		print_sum(leak_kind_words((enum leak_kind)kind), sum, output);
	}
	for (size_t i = 0; i < list->count; i++)
		replaced_count += list->items[i].is_replaced && !list->items[i].suppressed_by;
	struct leak_sum suppressed = leak_list_suppressed(list);
	print_sum("suppressed", suppressed, output);
	if (replaced_count > 0)
		(void)fputs("not judged: what programs had allocated that went on as others by "
			    "exec\n",
			    output);
	/* Of what is not known nothing is said. */
	if (block_count + replaced_count + suppressed.groups == 0 &&
	    report->verdict->outcome != LEAKS_UNJUDGED)
		(void)fputs("Everything that was allocated was freed.\n", output);
}

static double seconds(uint64_t time_us)
{
	return (double)time_us / 1e6;
}

static void print_times(const struct leak *leak, FILE *output)
{
	if (leak->scan_us == 0)
		return;
	if (leak->blocks == 1 || leak->oldest_us == leak->newest_us)
		(void)fprintf(output, "  allocated %.3f s into the run, %.3f s old\n",
			      seconds(leak->oldest_us), seconds(leak->scan_us - leak->oldest_us));
	else
		(void)fprintf(output,
			      "  allocated from %.3f s to %.3f s into the run, %.3f s to %.3f s "
			      "old\n",
			      seconds(leak->oldest_us), seconds(leak->newest_us),
			      seconds(leak->scan_us - leak->newest_us),
			      seconds(leak->scan_us - leak->oldest_us));
}

/* What was live at this stack trace over the run, whatever became of it. */
static void print_course(const struct leak_report *report, const struct leak *leak, FILE *output)
{
	const struct growth_item *item = report->growth ? growth_find(report->growth, leak->node)
							: NULL;
	if (!item || leak->blocks == 1)
		return;
	(void)fputs(item->growth_bytes ? "  keeps growing: " : "  over the run: ", output);
	growth_print_course(item, output);
	(void)fputc('\n', output);
}

static void print_origin(const struct leak_report *report, const struct leak *leak, FILE *output)
{
	const struct log_info *info = &report->list->profile->log->info;
	const struct profile_mark *first = &leak->marks[0];
	bool is_one_process = leak->marks[leak->mark_count - 1].process == first->process;
	const struct log_image *image = &info->images[first->process];
	if (info->image_count > 1 && is_one_process)
		(void)fprintf(output, "  in process %u (%s)\n", image->pid, base_name(image->path));
	else if (info->image_count > 1)
		(void)fputs("  in several processes\n", output);
	if (image->thread_count < 2 || !is_one_process)
		return;
	if (leak->mark_count > 1)
		(void)fputs("  by several threads\n", output);
	else if (first->thread < image->thread_count)
		(void)fprintf(output, "  by thread %u%s%s%s\n", image->threads[first->thread].id,
			      image->threads[first->thread].name[0] ? " (" : "",
			      image->threads[first->thread].name,
			      image->threads[first->thread].name[0] ? ")" : "");
}

/* The root, and the blocks from there to the leak, one a line. */
static void print_holder(const struct leak_report *report, const struct profile_mark *held,
			 FILE *output)
{
	const struct profile *profile = report->list->profile;
	char size[TEXT_FIGURE_BYTES];
	(void)fprintf(output, "  held by %s\n", held->holder);
	for (uint32_t i = 0; i < held->step_count; i++) {
		const struct profile_step *step = &held->steps[i];
		const struct profile_frame *place = leak_place_at(report, step->node);
		if (held->skipped_steps && i == held->step_count / 2)
			(void)fprintf(output, "    > ... (%llu more)\n",
				      (unsigned long long)held->skipped_steps);
		(void)fprintf(output, "    > %s of ", text_of_bytes(step->bytes, size));
		if (place)
			print_frame(profile, place, output);
		else
			(void)fputs("an unknown stack trace", output);
		(void)fputc('\n', output);
	}
}

/* The frames of a stack trace, one a line; of a deep recursion only the first ones. */
static void print_stack(const struct profile *profile, uint32_t innermost, FILE *output)
{
	uint32_t next;
	char count[TEXT_FIGURE_BYTES];
	for (uint32_t node = innermost; node != 0; node = next) {
		const uint32_t frame = profile->nodes[node].frame;
		uint64_t run = 0;
		for (next = node; next != 0 && profile->nodes[next].frame == frame; run++)
			next = profile->nodes[next].parent;
		for (uint64_t i = 0; i < (run > SAME_FRAMES ? 1 : run); i++) {
			(void)fputs("    ", output);
			print_frame(profile, &profile->frames[frame], output);
			(void)fputc('\n', output);
		}
		if (run > SAME_FRAMES)
			(void)fprintf(output, "    ... (%s more of it)\n",
				      text_of_count(run - 1, count));
	}
	if (innermost == 0)
		(void)fputs("    (no stack trace)\n", output);
}

static void print_leak(const struct leak_report *report, const struct leak *leak, FILE *output)
{
	char headline[LEAK_HEADLINE_BYTES];
	(void)fprintf(output, "\n%s%s\n", leak_headline(leak, headline),
		      leak->novelty == LEAK_KNOWN ? " (in the baseline)" : "");
	print_times(leak, output);
	print_course(report, leak, output);
	print_origin(report, leak, output);
	if (leak->held && (leak->kind == LEAK_POSSIBLE || report->shows_holders))
		print_holder(report, leak->held, output);
	print_stack(report->list->profile, leak->node, output);
}

/* Still reachable blocks are shown when they are asked for. */
static bool is_shown(const struct leak_report *report, const struct leak *leak)
{
	if (!leak_is_listed(leak))
		return false;
	return leak->kind != LEAK_REACHABLE || report->shows_holders ||
	       (report->limits->fail_on & 1u << LEAK_REACHABLE);
}

static void print_suppressions(const struct leak_report *report, FILE *output)
{
	const struct suppressions *suppressions = report->suppressions;
	char amount[LEAK_AMOUNT_BYTES];
	bool has_begun = false;
	for (size_t i = 0; i < suppressions->count; i++) {
		const struct suppression *suppression = suppressions->items[i];
		bool is_named = suppression->own_text ? suppression->sum.groups > 0
						      : !suppression->is_builtin;
		if (!is_named)
			continue;
		if (!has_begun)
			(void)fputs("\nSuppressions:\n", output);
		has_begun = true;
		if (suppression->sum.groups > 0)
			(void)fprintf(output, "  %s: %s (%s)\n", suppression->name,
				      leak_amount(suppression->sum.bytes, suppression->sum.blocks,
						  amount),
				      suppression->source);
		else
			(void)fprintf(output, "  %s: unused (%s)\n", suppression->name,
				      suppression->source);
	}
}

static void print_verdict(const struct leak_report *report, FILE *output)
{
	static const char *const words[] = {[LEAKS_PASSED] = "Note",
					    [LEAKS_FAILED] = "FAILED",
					    [LEAKS_UNJUDGED] = "No verdict"};
	const struct leak_verdict *verdict = report->verdict;
	(void)fputc('\n', output);
	if (report->gone_count > 0)
		(void)fprintf(output,
			      "%zu leak%s of the baseline did not happen: --write-baseline takes "
			      "%s out\n",
			      report->gone_count, report->gone_count == 1 ? "" : "s",
			      report->gone_count == 1 ? "it" : "them");
	for (size_t i = 0; i < verdict->finding_count; i++)
		(void)fprintf(output, "%s: %s\n", words[verdict->findings[i].outcome],
			      verdict->findings[i].text);
	if (verdict->outcome == LEAKS_PASSED)
		(void)fputs("Passed: all limits are kept.\n", output);
}

static void print_leaks(const struct leak_report *report, FILE *output)
{
	const struct leak_list *list = report->list;
	size_t limit = report->unclassified_limit ? report->unclassified_limit : SIZE_MAX;
	size_t unclassified = 0;
	for (size_t i = 0; i < list->count; i++) {
		if (!is_shown(report, &list->items[i]))
			continue;
		if (list->items[i].kind == LEAK_UNCLASSIFIED && unclassified++ >= limit)
			continue;
		print_leak(report, &list->items[i], output);
	}
	if (unclassified > limit)
		(void)fprintf(output,
			      "\n%zu more stack traces are unclassified: 'memtrace leaks' lists "
			      "them\n",
			      unclassified - limit);
}

enum mt_status leaks_print_text(const struct leak_report *report, FILE *output,
				struct mt_error *error)
{
	const struct leak_list *list = report->list;
	const char *reason = loaded_log_loss_reason(list->profile->log);
	if (reason)
		(void)fprintf(output, "Incomplete: %s.\n", reason);
	print_sums(report, output);
	print_leaks(report, output);
	print_suppressions(report, output);
	print_verdict(report, output);
	return check_output(output, error);
}
