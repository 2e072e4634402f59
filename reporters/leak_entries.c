/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ready suppressions for the leaks of a report: LeakSanitizer's name the function that a leak is
 * pointed out at, valgrind's the whole stack trace up to main. A leak that no entry would stand for
 * alone gets a comment.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "reader/cxx_name.h"
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

/*
 * Whether nothing but the C and C++ libraries is further out: as for main and the function that a
 * thread begins with, which all else is called by.
 */
static bool is_outermost(const struct leak_report *report, const struct leak *leak,
			 const struct profile_frame *place)
{
	const struct profile *profile = report->list->profile;
	const struct profile_frame *outermost = NULL;
	for (uint32_t node = leak->node; node != 0; node = profile->nodes[node].parent) {
		const struct profile_frame *frame = frame_at(profile, node);
		const char *function = profile_text(profile, frame->function);
		bool is_start = strcmp(function, "_start") == 0 ||
				strncmp(function, "std::", 5) == 0;
		if (!is_start && !(frame->flags & PROFILE_FRAME_CUT) &&
		    !leak_is_runtime(profile_text(profile, frame->module)))
			outermost = frame;
		if (strcmp(function, "main") == 0)
			break;
	}
	/* Of code without symbols the module is all that is known. */
	return !outermost || outermost == place ||
	       (!has_name(profile, place) && outermost->module == place->module);
}

/*
 * A pattern for one function, wherever it is in a stack trace. For main that would be every leak
 * there is.
 */
static char *lsan_entry(const struct leak_report *report, const struct leak *leak)
{
	const struct profile *profile = report->list->profile;
	const struct profile_frame *place = leak_place(report, leak);
	const char *function = place ? profile_text(profile, place->function) : "";
	char *text = NULL;
	int length;
	if (!place || is_outermost(report, leak, place))
		length = asprintf(&text,
				  "# %s: no pattern tells this leak from others; an entry for "
				  "valgrind or a baseline does\n",
				  leak_function(report, leak));
	else if (has_name(profile, place))
		length = asprintf(&text, "leak:^%s$\n", function);
	else
		length = asprintf(&text, "leak:%s\n",
				  base_name(profile_text(profile, place->module)));
	return length < 0 ? NULL : text;
}

static bool is_plain_name(const char *name, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_')
			return false;
	return length > 0 && !isdigit((unsigned char)name[0]);
}

/* Names that mangling has abbreviations for. */
static bool is_abbreviated(const struct cxx_name_part *part)
{
	static const char *const names[] = {
		"std",           "allocator", "basic_string", "string",         "basic_istream",
		"basic_ostream", "istream",   "ostream",      "basic_iostream", "iostream"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == part->plain &&
		    memcmp(names[i], part->text, part->plain) == 0)
			return true;
	return false;
}

/*
 * valgrind compares mangled names: "ns::K<int>::leak(int)" becomes "_Z*2ns*1K*4leak*". What is
 * not a plain name is left to the wildcards: operators, lambdas, constructors.
 */
static void print_mangled(const struct cxx_name *name, FILE *output)
{
	const struct cxx_name_part *last = NULL;
	size_t used = 0;
	(void)fputs("   fun:", output);
	for (size_t i = 0; i < name->part_count; i++) {
		const struct cxx_name_part *part = &name->parts[i];
		bool is_constructor = last && last->plain == part->plain &&
				      memcmp(last->text, part->text, part->plain) == 0;
		last = part;
		if (is_constructor || is_abbreviated(part) ||
		    !is_plain_name(part->text, part->plain))
			continue;
		(void)fprintf(output, "%s%zu%.*s", used++ ? "*" : "_Z*", part->plain,
			      (int)part->plain, part->text);
	}
	(void)fputs("*\n", output);
}

/* valgrind has the own names of inlined functions, from the debug information. */
static void print_inlined(const struct cxx_name *name, FILE *output)
{
	const struct cxx_name_part *part = &name->parts[name->part_count - 1];
	bool has_arguments = part->plain < part->length;
	(void)fprintf(output, "   fun:%.*s%s\n", (int)part->plain, part->text,
		      has_arguments ? "*" : "");
}

static void print_frame_line(const struct profile *profile, uint32_t node, FILE *output)
{
	struct cxx_name name;
	const struct profile_frame *frame = frame_at(profile, node);
	const char *function = profile_text(profile, frame->function);
	const char *module = profile_text(profile, frame->module);
	if (!has_name(profile, frame))
		(void)fprintf(output, "   obj:%s\n", *module ? module : "*");
	else if (!strpbrk(function, ":(<"))
		(void)fprintf(output, "   fun:%s\n", function);
	else if (!cxx_name_split(&name, function))
		(void)fputs("   fun:*\n", output);
	else if (frame->flags & PROFILE_FRAME_INLINED)
		print_inlined(&name, output);
	else
		print_mangled(&name, output);
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
	uint32_t node = leak->node;
	char *text = NULL;
	size_t size_bytes = 0;
	if (!node || (frame_at(profile, node)->flags & PROFILE_FRAME_CUT))
		return asprintf(&text, "# %s: nothing tells this leak from others\n",
				leak_function(report, leak)) < 0
			       ? NULL
			       : text;
	FILE *output = open_memstream(&text, &size_bytes);
	if (!output)
		return NULL;
	(void)fprintf(output, "{\n   %s\n   Memcheck:Leak\n", leak_function(report, leak));
	if (leak->kind != LEAK_UNCLASSIFIED)
		(void)fprintf(output, "   match-leak-kinds: %s\n", leak_kind_name(leak->kind));
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
		if (frame_at(profile, node)->flags & PROFILE_FRAME_CUT)
			break; /* what is further out may be anything, as behind every entry */
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
