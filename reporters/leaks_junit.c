/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leaks as JUnit XML: a test case for each group that counts and for each limit. What keeps a
 * verdict from being made is an error, not a failure.
 */
#include <string.h>

#include "reporters/leak_report.h"
#include "reporters/short_text.h"
#include "reporters/text.h"

static const char *entity_of(char byte)
{
	switch (byte) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	}
	return NULL;
}

/* Text inside an element or an attribute; bytes that XML has no place for become '?'. */
static void put_text(const char *text, FILE *output)
{
	while (*text) {
		size_t length = text_utf8_length(text);
		bool is_control = (unsigned char)*text < 0x20 && *text != '\n' && *text != '\t';
		const char *entity = entity_of(*text);
		if (entity)
			(void)fputs(entity, output);
		else if (length == 0 || is_control)
			(void)fputc('?', output);
		else
			(void)fwrite(text, 1, length, output); /* looked at by check_output */
		text += length ? length : 1;
	}
}

static void begin_case(const char *name, const char *file, uint32_t line, FILE *output)
{
	(void)fputs("    <testcase classname=\"memtrace\" name=\"", output);
	put_text(name, output);
	if (*file) {
		(void)fputs("\" file=\"", output);
		put_text(file, output);
		(void)fprintf(output, "\" line=\"%u", line);
	}
	(void)fputs("\" time=\"0\"", output);
}

static void print_stack(const struct profile *profile, uint32_t node, FILE *output)
{
	for (; node != 0; node = profile->nodes[node].parent) {
		const struct profile_frame *frame = &profile->frames[profile->nodes[node].frame];
		put_text(profile_text(profile, frame->function), output);
		if (frame->file) {
			(void)fputs(" (", output);
			put_text(profile_text(profile, frame->file), output);
			(void)fprintf(output, ":%u)", frame->line);
		}
		(void)fputc('\n', output);
	}
}

static void print_leak(const struct leak_report *report, const struct leak *leak, FILE *output)
{
	char headline[LEAK_HEADLINE_BYTES];
	const struct profile *profile = report->list->profile;
	const struct profile_frame *place = leak_place(report, leak);
	char path[SHORT_TEXT_BYTES];
	const char *file = place ? leak_path(report, profile_text(profile, place->file), path) : "";
	begin_case(leak_function(report, leak), file, place ? place->line : 0, output);
	(void)fputs(">\n      <failure type=\"", output);
	put_text(leak_kind_name(leak->kind), output);
	(void)fputs("\" message=\"", output);
	put_text(leak_headline(leak, headline), output);
	(void)fputs("\">", output);
	print_stack(profile, leak->node, output);
	(void)fputs("</failure>\n    </testcase>\n", output);
}

static bool is_failed_leak(const struct leak_report *report, const struct leak *leak)
{
	if (!leak_counts(leak, report->limits))
		return false;
	for (size_t i = 0; i < report->verdict->finding_count; i++)
		if (report->verdict->findings[i].outcome == LEAKS_FAILED &&
		    strcmp(report->verdict->findings[i].limit, "leaks") == 0)
			return true;
	return false;
}

static const struct leak_finding *find_finding(const struct leak_verdict *verdict,
					       const char *limit, enum leak_outcome outcome)
{
	for (size_t i = 0; i < verdict->finding_count; i++)
		if (verdict->findings[i].outcome == outcome &&
		    strcmp(verdict->findings[i].limit, limit) == 0)
			return &verdict->findings[i];
	return NULL;
}

/* One limit: passed, failed, or without a verdict. */
static void print_limit(const struct leak_report *report, const char *limit, FILE *output)
{
	const struct leak_verdict *verdict = report->verdict;
	const struct leak_finding *failed = find_finding(verdict, limit, LEAKS_FAILED);
	const struct leak_finding *unjudged = find_finding(verdict, limit, LEAKS_UNJUDGED);
	begin_case(limit, "", 0, output);
	if (!failed && !unjudged) {
		(void)fputs("/>\n", output);
		return;
	}
	(void)fputs(failed ? ">\n      <failure type=\"limit\" message=\""
			   : ">\n      <error type=\"no-verdict\" message=\"",
		    output);
	put_text(failed ? failed->text : unjudged->text, output);
	(void)fputs("\"/>\n    </testcase>\n", output);
}

static const char *const limits[] = {"leaks", "peak", "allocations", "recording"};

#define LIMIT_COUNT (sizeof(limits) / sizeof(limits[0]))

static bool has_limit(const struct leak_report *report, size_t index)
{
	const bool asked[LIMIT_COUNT] = {
		report->limits->fail_on != 0,
		report->limits->has_max_peak,
		report->limits->has_max_allocations,
		true,
	};
	return asked[index];
}

enum mt_status leaks_print_junit(const struct leak_report *report, FILE *output,
				 struct mt_error *error)
{
	const struct leak_list *list = report->list;
	size_t test_count = 0;
	size_t failure_count = 0;
	size_t error_count = 0;
	for (size_t i = 0; i < list->count; i++)
		failure_count += is_failed_leak(report, &list->items[i]);
	test_count = failure_count;
	for (size_t i = 0; i < LIMIT_COUNT; i++) {
		bool is_failed = find_finding(report->verdict, limits[i], LEAKS_FAILED) != NULL;
		if (!has_limit(report, i))
			continue;
		test_count++;
		failure_count += is_failed;
		error_count += !is_failed &&
			       find_finding(report->verdict, limits[i], LEAKS_UNJUDGED) != NULL;
	}
	(void)fprintf(output,
		      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
		      "  <testsuite name=\"memtrace\" tests=\"%zu\" failures=\"%zu\" "
		      "errors=\"%zu\" skipped=\"0\" time=\"%.3f\">\n",
		      test_count, failure_count, error_count,
		      (double)list->profile->log->info.end_us / 1e6);
	for (size_t i = 0; i < list->count; i++)
		if (is_failed_leak(report, &list->items[i]))
			print_leak(report, &list->items[i], output);
	for (size_t i = 0; i < LIMIT_COUNT; i++)
		if (has_limit(report, i))
			print_limit(report, limits[i], output);
	(void)fputs("  </testsuite>\n</testsuites>\n", output);
	return check_output(output, error);
}
