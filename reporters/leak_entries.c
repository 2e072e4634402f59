/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ready suppressions for the leaks of a report: LeakSanitizer's name the function that a leak is
 * pointed out at, valgrind's the whole stack trace up to main.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "reader/suppression_match.h"
#include "reporters/leak_report.h"
#include "reporters/text.h"

static const struct profile_frame *frame_at(const struct profile *profile, uint32_t node)
{
	return &profile->frames[profile->nodes[node].frame];
}

/* Whether the name is of a function, and not "libfoo.so+0x12" or an address. */
static bool has_name(const struct profile *profile, const struct profile_frame *frame)
{
	const char *function = profile_text(profile, frame->function);
	return !strstr(function, "+0x") && strncmp(function, "0x", 2) != 0;
}

static char *lsan_entry(const struct leak_report *report, const struct leak *leak)
{
	const struct profile *profile = report->list->profile;
	const struct profile_frame *place = leak_place(report, leak);
	char *text = NULL;
	if (!place)
		return NULL;
	const char *module = profile_text(profile, place->module);
	if (has_name(profile, place))
		return asprintf(&text, "leak:^%s$\n", profile_text(profile, place->function)) < 0
			       ? NULL
			       : text;
	return !*module || asprintf(&text, "leak:%s\n", base_name(module)) < 0 ? NULL : text;
}

static bool is_plain_name(const char *name, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_')
			return false;
	return length > 0 && !isdigit((unsigned char)name[0]);
}

/*
 * valgrind compares mangled names: "a::b(int)" becomes "_ZN*1a1b*". Templates and operators are
 * too much for that, and any function will do in their place.
 */
static void print_mangled(const char *function, FILE *output)
{
	size_t length = strcspn(function, "(");
	size_t part_count = 0;
	for (size_t at = 0; at < length;) {
		const char *colons = memmem(function + at, length - at, "::", 2);
		size_t part = colons ? (size_t)(colons - function) - at : length - at;
		if (!is_plain_name(function + at, part)) {
			(void)fputs("   fun:*\n", output);
			return;
		}
		part_count++;
		at += part + (colons ? 2 : 0);
	}
	(void)fputs(part_count > 1 ? "   fun:_ZN*" : "   fun:_Z", output);
	for (size_t at = 0; at < length;) {
		size_t part = strcspn(function + at, ":(");
		(void)fprintf(output, "%zu%.*s", part, (int)part, function + at);
		at += part + (function[at + part] == ':' ? 2 : 0);
	}
	(void)fputs("*\n", output);
}

static void print_frame_line(const struct profile *profile, uint32_t node, FILE *output)
{
	const struct profile_frame *frame = frame_at(profile, node);
	const char *function = profile_text(profile, frame->function);
	const char *module = profile_text(profile, frame->module);
	if (!has_name(profile, frame))
		(void)fprintf(output, "   obj:%s\n", *module ? module : "*");
	else if (is_plain_name(function, strlen(function)))
		(void)fprintf(output, "   fun:%s\n", function);
	else if (strpbrk(function, ":("))
		print_mangled(function, output);
	else
		(void)fprintf(output, "   fun:%s\n", function);
}

static const char *const allocators[ALLOCATION_KIND_COUNT] = {
	[ALLOCATION_MALLOC] = "malloc",   [ALLOCATION_CALLOC] = "calloc",
	[ALLOCATION_REALLOC] = "realloc", [ALLOCATION_ALIGNED] = "*",
	[ALLOCATION_MMAP] = "*",          [ALLOCATION_BRK] = "*",
	[ALLOCATION_POOL] = NULL,
};

static char *valgrind_entry(const struct leak_report *report, const struct leak *leak)
{
	const struct profile *profile = report->list->profile;
	char *text = NULL;
	size_t size_bytes = 0;
	FILE *output = open_memstream(&text, &size_bytes);
	if (!output)
		return NULL;
	(void)fprintf(output, "{\n   %s\n   Memcheck:Leak\n", leak_function(report, leak));
	if (leak->kind != LEAK_UNCLASSIFIED)
		(void)fprintf(output, "   match-leak-kinds: %s\n", leak_kind_name(leak->kind));
	uint32_t node = leak->node;
	size_t frame_count = 0;
	bool is_new = false;
	for (; node && is_operator_new(profile_text(profile, frame_at(profile, node)->function));
	     node = profile->nodes[node].parent)
		is_new = true;
	const char *allocator = is_new ? "_Zn*" : allocators[leak->allocation_kind];
	if (allocator) {
		(void)fprintf(output, "   fun:%s\n", allocator);
		frame_count++;
	}
	for (; node && frame_count < LIMIT_SUPPRESSION_FRAMES; frame_count++) {
		print_frame_line(profile, node, output);
		bool is_main = strcmp(profile_text(profile, frame_at(profile, node)->function),
				      "main") == 0;
		node = is_main ? 0 : profile->nodes[node].parent;
	}
	(void)fputs("}\n", output);
	if (fclose(output) == 0)
		return text;
	free(text);
	return NULL;
}

static int by_text(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

enum mt_status leaks_print_suppressions(const struct leak_report *report,
					enum suppression_syntax syntax, FILE *output,
					struct mt_error *error)
{
	const struct leak_list *list = report->list;
	size_t count = 0;
	char **entries = calloc(list->count + 1, sizeof(*entries));
	if (!entries)
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for the report");
	for (size_t i = 0; i < list->count; i++) {
		const struct leak *leak = &list->items[i];
		bool is_wanted = leak_is_listed(leak) && leak->novelty != LEAK_KNOWN &&
				 (leak->kind != LEAK_REACHABLE ||
				  leak_counts(leak, report->limits));
		char *entry = !is_wanted                   ? NULL
			      : syntax == SUPPRESSION_LSAN ? lsan_entry(report, leak)
							   : valgrind_entry(report, leak);
		if (entry)
			entries[count++] = entry;
	}
	qsort(entries, count, sizeof(*entries), by_text);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || strcmp(entries[i], entries[i - 1]) != 0)
			(void)fputs(entries[i], output);
	}
	for (size_t i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	return check_output(output, error);
}
