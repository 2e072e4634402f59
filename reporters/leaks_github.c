/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leaks as annotations of GitHub Actions: workflow commands, one a line, on the file and line that
 * allocated. The leaks that count are errors; the lost ones that don't are warnings.
 */
#include <string.h>

#include "reporters/leak_report.h"
#include "reporters/short_text.h"
#include "reporters/text.h"

/* The escapes of workflow commands; a property may hold neither colon nor comma. */
static void put_escaped(const char *text, bool is_property, FILE *output)
{
	for (; *text; text++) {
		bool is_special = *text == '%' || *text == '\r' || *text == '\n' ||
				  (is_property && (*text == ':' || *text == ','));
		if (is_special)
			(void)fprintf(output, "%%%02X", (unsigned char)*text);
		else
			(void)fputc(*text, output);
	}
}

static void print_frames(const struct profile *profile, uint32_t node, FILE *output)
{
	for (; node != 0; node = profile->nodes[node].parent) {
		const struct profile_frame *frame = &profile->frames[profile->nodes[node].frame];
		(void)fputs("%0A    ", output);
		put_escaped(profile_text(profile, frame->function), false, output);
		if (!frame->file)
			continue;
		(void)fputs(" (", output);
		put_escaped(profile_text(profile, frame->file), false, output);
		(void)fprintf(output, ":%u)", frame->line);
	}
}

static void print_leak(const struct leak_report *report, const struct leak *leak, bool is_error,
		       FILE *output)
{
	char headline[LEAK_HEADLINE_BYTES];
	char path[SHORT_TEXT_BYTES];
	const struct profile *profile = report->list->profile;
	const struct profile_frame *place = leak_place(report, leak);
	(void)fputs(is_error ? "::error " : "::warning ", output);
	if (place && place->file && place->line) {
		(void)fputs("file=", output);
		put_escaped(leak_path(report, profile_text(profile, place->file), path), true,
			    output);
		(void)fprintf(output, ",line=%u,", place->line);
	}
	(void)fputs("title=", output);
	put_escaped(leak_kind_words(leak->kind), true, output);
	(void)fputs(" memory::", output);
	put_escaped(leak_headline(leak, headline), false, output);
	(void)fputs(", allocated at", output);
	print_frames(profile, leak->node, output);
	(void)fputc('\n', output);
}

static bool is_warning(const struct leak_report *report, const struct leak *leak)
{
	return leak_is_listed(leak) && leak->novelty != LEAK_KNOWN &&
	       (leak->kind == LEAK_DEFINITE || leak->kind == LEAK_POSSIBLE ||
		leak_counts(leak, report->limits));
}

enum mt_status leaks_print_github(const struct leak_report *report, FILE *output,
				  struct mt_error *error)
{
	const struct leak_verdict *verdict = report->verdict;
	for (size_t i = 0; i < report->list->count; i++) {
		const struct leak *leak = &report->list->items[i];
		bool is_error = verdict->outcome == LEAKS_FAILED &&
				leak_counts(leak, report->limits);
		if (is_error || is_warning(report, leak))
			print_leak(report, leak, is_error, output);
	}
	for (size_t i = 0; i < verdict->finding_count; i++) {
		static const char *const commands[] = {[LEAKS_PASSED] = "notice",
						       [LEAKS_FAILED] = "error",
						       [LEAKS_UNJUDGED] = "warning"};
		(void)fprintf(output,
			      "::%s title=memtrace::", commands[verdict->findings[i].outcome]);
		put_escaped(verdict->findings[i].text, false, output);
		(void)fputc('\n', output);
	}
	return check_output(output, error);
}
