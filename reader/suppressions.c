/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/suppressions.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log/buffer.h"
#include "reader/demangle.h"
#include "reader/suppression_match.h"

#define EVERY_KIND ((1u << LEAK_KIND_COUNT) - 1)
#define STORED_KINDS ((1u << LEAK_UNCLASSIFIED) - 1)

/* What a text is read from, line by line. */
struct lines {
	const char *at;
	const char *end;
	const char *source;
	uint32_t number;  /* of the line that was read last */
	const char *text; /* [length] that line, without blanks around it */
	size_t length;
};

static enum mt_status refuse(const struct lines *lines, struct mt_error *error, const char *what)
{
	int length = lines->length < 60 ? (int)lines->length : 60;
	return mt_error_set(error, MT_ERR_USAGE, "%.100s:%u: %s: '%.*s'", lines->source,
			    lines->number, what, length, length ? lines->text : "");
}

static enum mt_status no_memory(struct mt_error *error)
{
	return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for suppressions");
}

/* Goes on to the next line that is neither empty nor a comment. returns false at the end */
static bool next_line(struct lines *lines)
{
	while (lines->at < lines->end) {
		size_t left = (size_t)(lines->end - lines->at);
		const char *newline = memchr(lines->at, '\n', left);
		const char *stop = newline ? newline : lines->end;
		const char *start = lines->at;
		lines->at = newline ? newline + 1 : lines->end;
		lines->number++;
		while (start < stop && isspace((unsigned char)*start))
			start++;
		while (stop > start && isspace((unsigned char)stop[-1]))
			stop--;
		lines->text = start;
		lines->length = (size_t)(stop - start);
		if (start < stop && *start != '#')
			return true;
	}
	lines->length = 0;
	return false;
}

static bool line_is(const struct lines *lines, const char *text)
{
	return lines->length == strlen(text) && memcmp(lines->text, text, lines->length) == 0;
}

/* What follows `prefix` in the line, NULL if it does not begin so. */
static const char *line_after(const struct lines *lines, const char *prefix)
{
	size_t length = strlen(prefix);
	if (lines->length < length || memcmp(lines->text, prefix, length) != 0)
		return NULL;
	return lines->text + length;
}

static void free_suppression(struct suppression *suppression)
{
	for (size_t i = 0; i < suppression->frame_count; i++)
		free(suppression->frames[i].pattern);
	free(suppression->frames);
	free(suppression->pattern);
	free(suppression->name);
	free(suppression->source);
	free(suppression);
}

void suppressions_release(struct suppressions *suppressions)
{
	for (size_t i = 0; i < suppressions->count; i++)
		free_suppression(suppressions->items[i]);
	free(suppressions->items);
	*suppressions = (struct suppressions){0};
}

/* A new, empty entry at the end of the list. returns NULL: no memory */
static struct suppression *add_entry(struct suppressions *suppressions, const struct lines *lines)
{
	if (suppressions->count == suppressions->capacity) {
		size_t capacity = suppressions->capacity ? suppressions->capacity * 2 : 16;
		struct suppression **grown = realloc(suppressions->items,
						     capacity * sizeof(*suppressions->items));
		if (!grown)
			return NULL;
		suppressions->items = grown;
		suppressions->capacity = capacity;
	}
	struct suppression *entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->kinds = EVERY_KIND;
	suppressions->items[suppressions->count++] = entry;
	if (asprintf(&entry->source, "%s:%u", lines->source, lines->number) < 0)
		entry->source = NULL;
	return entry->source ? entry : NULL;
}

static void drop_last(struct suppressions *suppressions)
{
	free_suppression(suppressions->items[--suppressions->count]);
}

static enum mt_status parse_lsan(struct suppressions *suppressions, const struct lines *lines,
				 const char *pattern, struct mt_error *error)
{
	size_t length = lines->length - (size_t)(pattern - lines->text);
	if (length == 0 || (length == 1 && (*pattern == '^' || *pattern == '$')))
		return refuse(lines, error, "an empty pattern would suppress every leak");
	struct suppression *entry = add_entry(suppressions, lines);
	if (!entry)
		return no_memory(error);
	entry->syntax = SUPPRESSION_LSAN;
	entry->pattern = strndup(pattern, length);
	entry->name = strndup(lines->text, lines->length);
	return entry->pattern && entry->name ? MT_OK : no_memory(error);
}

/* A number of a mangled name's part. */
static size_t take_length(const char **at)
{
	size_t length = 0;
	while (isdigit((unsigned char)**at) && length < LIMIT_STRING_BYTES)
		length = length * 10 + (size_t)(*(*at)++ - '0');
	return length;
}

/*
 * Adds what a mangled prefix says in plain names: "2ns*4leak" -> "ns*leak". returns the number of
 * names
 */
static size_t translate_names(const char *at, bool is_nested, struct buffer *text)
{
	size_t name_count = 0;
	bool is_behind_name = false;
	for (;;) {
		size_t length = 0;
		const char *name = at;
		if (*at == '*') {
			buffer_append(text, "*", 1);
			is_behind_name = false;
			is_nested = true; /* it may stand for the N */
			at++;
			continue;
		}
		if (name_count == 0 && strncmp(at, "St", 2) == 0) {
			name = "std";
			length = 3;
			at += 2;
			is_nested = true;
		} else if (isdigit((unsigned char)*at) && (is_nested || name_count == 0)) {
			length = take_length(&at);
			name = at;
			at += length <= strlen(at) ? length : 0;
		}
		if (length == 0 || name == at)
			return name_count;
		if (is_behind_name)
			buffer_append(text, "::", 2);
		buffer_append(text, name, length);
		is_behind_name = true;
		name_count++;
	}
}

/*
 * What a mangled pattern with wildcards means for names as people read them: as far as it is made
 * of plain names; anything may follow. returns a new string; NULL: it can't be told, or no memory
 */
static char *translate_prefix(const char *mangled)
{
	if (strncmp(mangled, "_Zna", 4) == 0)
		return strdup("operator new[]*");
	if (strncmp(mangled, "_Znw", 4) == 0)
		return strdup("operator new(*");
	if (strncmp(mangled, "_Zn", 3) == 0)
		return strdup("operator new*");
	struct buffer text = {0};
	const char *at = mangled + 2;
	bool is_nested = *at == 'N';
	if (is_nested)
		at += 1 + strspn(at + 1, "KV");
	size_t name_count = translate_names(at, is_nested, &text);
	buffer_append(&text, "*", 2); /* with the NUL */
	if (name_count > 0 && !text.failed)
		return (char *)text.bytes;
	buffer_release(&text);
	return NULL;
}

/* returns  a new string; NULL: no memory */
static char *function_pattern(const char *pattern, size_t length)
{
	char *plain = strndup(pattern, length);
	if (!plain || strncmp(plain, "_Z", 2) != 0)
		return plain;
	char *readable = strpbrk(plain, "*?") ? translate_prefix(plain) : demangle(plain);
	if (!readable)
		return plain;
	free(plain);
	return readable;
}

/* "file.c:12" -> 12, and the length without it. */
static uint32_t take_line_number(const char *pattern, size_t *length)
{
	size_t digits = 0;
	while (digits < *length && isdigit((unsigned char)pattern[*length - digits - 1]))
		digits++;
	if (digits == 0 || digits + 1 >= *length || pattern[*length - digits - 1] != ':')
		return 0;
	*length -= digits + 1;
	uint32_t line = 0;
	for (size_t i = 0; i < digits && line < UINT32_MAX / 16; i++)
		line = line * 10 + (uint32_t)(pattern[*length + 1 + i] - '0');
	return line;
}

static const struct {
	const char *prefix;
	enum suppression_part part;
} frame_prefixes[] = {
	{"fun:", SUPPRESS_FUNCTION},
	{"obj:", SUPPRESS_OBJECT},
	{"src:", SUPPRESS_SOURCE},
};

static enum mt_status parse_frame(struct suppression *entry, const struct lines *lines,
				  struct mt_error *error)
{
	struct suppression_frame frame = {.part = SUPPRESS_ANY_FRAMES};
	const char *pattern = NULL;
	for (size_t i = 0; i < sizeof(frame_prefixes) / sizeof(frame_prefixes[0]) && !pattern;
	     i++) {
		pattern = line_after(lines, frame_prefixes[i].prefix);
		frame.part = pattern ? frame_prefixes[i].part : SUPPRESS_ANY_FRAMES;
	}
	if (!pattern && !line_is(lines, "..."))
		return refuse(lines, error, "expected fun:, obj:, src:, ... or }");
	if (entry->frame_count == LIMIT_SUPPRESSION_FRAMES)
		return refuse(lines, error, "an entry has at most 24 frames");
	if (pattern) {
		size_t length = lines->length - (size_t)(pattern - lines->text);
		if (length == 0)
			return refuse(lines, error, "the pattern is missing");
		if (frame.part == SUPPRESS_SOURCE)
			frame.line = take_line_number(pattern, &length);
		frame.pattern = frame.part == SUPPRESS_FUNCTION ? function_pattern(pattern, length)
								: strndup(pattern, length);
		if (!frame.pattern)
			return no_memory(error);
	}
	if (!entry->frames) {
		entry->frames = calloc(LIMIT_SUPPRESSION_FRAMES, sizeof(*entry->frames));
		if (!entry->frames) {
			free(frame.pattern);
			return no_memory(error);
		}
	}
	entry->frames[entry->frame_count++] = frame;
	return MT_OK;
}

static enum mt_status parse_kinds(struct suppression *entry, const struct lines *lines,
				  const char *names, struct mt_error *error)
{
	const char *end = lines->text + lines->length;
	entry->kinds = 0;
	while (names < end) {
		size_t left = (size_t)(end - names);
		const char *comma = memchr(names, ',', left);
		size_t length = comma ? (size_t)(comma - names) : left;
		while (length > 0 && isspace((unsigned char)*names)) {
			names++;
			length--;
		}
		enum leak_kind kind = leak_kind_find(names, length);
		if (length == 3 && memcmp(names, "all", 3) == 0)
			entry->kinds = EVERY_KIND;
		else if (kind < LEAK_UNCLASSIFIED)
			entry->kinds |= 1u << kind;
		else if (length != 4 || memcmp(names, "none", 4) != 0)
			return refuse(lines, error, "match-leak-kinds: with an unknown kind");
		names = comma ? comma + 1 : end;
	}
	if (entry->kinds == STORED_KINDS)
		entry->kinds = EVERY_KIND;
	return MT_OK;
}

/* "Memcheck:Leak", "Memcheck,Addrcheck:Leak": for leaks; "Memcheck:Cond": not. */
static bool is_for_leaks(const struct lines *lines)
{
	const char *colon = memchr(lines->text, ':', lines->length);
	size_t tools = (size_t)(colon - lines->text);
	size_t left = lines->length - tools - 1;
	return memmem(lines->text, tools, "Memcheck", 8) && left == 4 &&
	       memcmp(colon + 1, "Leak", 4) == 0;
}

static enum mt_status parse_body(struct suppression *entry, struct lines *lines,
				 struct mt_error *error)
{
	size_t pattern_count = 0;
	while (next_line(lines)) {
		if (line_is(lines, "}")) {
			if (pattern_count == 0)
				return refuse(lines, error, "the entry would suppress every leak");
			return MT_OK;
		}
		const char *kinds = line_after(lines, "match-leak-kinds:");
		enum mt_status status = kinds ? parse_kinds(entry, lines, kinds, error)
					      : parse_frame(entry, lines, error);
		if (status != MT_OK)
			return status;
		pattern_count += !kinds && !line_is(lines, "...");
	}
	return refuse(lines, error, "the entry is not closed with }");
}

static enum mt_status skip_body(struct lines *lines, struct mt_error *error)
{
	while (next_line(lines))
		if (line_is(lines, "}"))
			return MT_OK;
	return refuse(lines, error, "the entry is not closed with }");
}

static enum mt_status parse_valgrind(struct suppressions *suppressions, struct lines *lines,
				     struct mt_error *error)
{
	struct suppression *entry = add_entry(suppressions, lines);
	if (!entry)
		return no_memory(error);
	entry->syntax = SUPPRESSION_VALGRIND;
	if (!next_line(lines) || line_is(lines, "}"))
		return refuse(lines, error, "an entry begins with its name");
	entry->name = strndup(lines->text, lines->length);
	if (!entry->name)
		return no_memory(error);
	if (!next_line(lines) || !memchr(lines->text, ':', lines->length))
		return refuse(lines, error, "expected TOOL:KIND, as Memcheck:Leak");
	if (is_for_leaks(lines))
		return parse_body(entry, lines, error);
	enum mt_status status = skip_body(lines, error);
	if (status == MT_OK)
		drop_last(suppressions);
	return status;
}

enum mt_status suppressions_parse(struct suppressions *suppressions, const char *text,
				  size_t size_bytes, const char *source, struct mt_error *error)
{
	struct lines lines = {.at = text, .end = text + size_bytes, .source = source};
	enum mt_status status = MT_OK;
	while (status == MT_OK && next_line(&lines)) {
		const char *pattern = line_after(&lines, "leak:");
		if (pattern)
			status = parse_lsan(suppressions, &lines, pattern, error);
		else if (line_is(&lines, "{"))
			status = parse_valgrind(suppressions, &lines, error);
		else
			status = refuse(&lines, error, "expected leak:PATTERN or {");
	}
	return status;
}

enum mt_status suppressions_read(struct suppressions *suppressions, const char *path,
				 struct mt_error *error)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size_bytes = 0;
	size_t capacity = 0;
	enum mt_status status = MT_OK;
	if (!file)
		return mt_error_set_errno(error, errno, "cannot read %s", path);
	errno = 0;
	while (status == MT_OK && !feof(file) && !ferror(file)) {
		if (size_bytes == capacity) {
			capacity = capacity ? capacity * 2 : 4096;
			char *grown = realloc(text, capacity);
			if (!grown) {
				status = no_memory(error);
				break;
			}
			text = grown;
		}
		size_bytes += fread(text + size_bytes, 1, capacity - size_bytes, file);
		if (size_bytes > LIMIT_SUPPRESSION_FILE_BYTES)
			status = mt_error_set(error, MT_ERR_LIMIT, "%s: larger than 16 MiB", path);
	}
	if (status == MT_OK && ferror(file))
		status = mt_error_set_errno(error, errno, "cannot read %s", path);
	(void)fclose(file); /* was only read */
	if (status == MT_OK)
		status = suppressions_parse(suppressions, text, size_bytes, path, error);
	free(text);
	return status;
}

/*
 * Blocks that the dynamic loader makes are its own (LeakSanitizer takes them for roots): thread
 * control blocks are known to it by pointers into their inside. glibc keeps some things for good.
 */
static const char builtin[] = "{\n"
			      "dynamic loader\n"
			      "Memcheck:Leak\n"
			      "match-leak-kinds: definite,indirect,possible,reachable\n"
			      "fun:*\n"
			      "obj:*/ld-linux-*.so.*\n"
			      "}\n"
			      "{\n"
			      "thread control blocks\n"
			      "Memcheck:Leak\n"
			      "match-leak-kinds: possible,reachable\n"
			      "...\n"
			      "fun:_dl_allocate_tls*\n"
			      "}\n";

enum mt_status suppressions_add_builtin(struct suppressions *suppressions, struct mt_error *error)
{
	size_t first = suppressions->count;
	enum mt_status status = suppressions_parse(suppressions, builtin, sizeof(builtin) - 1,
						   "built-in", error);
	for (size_t i = first; i < suppressions->count; i++) {
		suppressions->items[i]->is_builtin = true;
		suppressions->items[i]->kinds &= STORED_KINDS;
	}
	return status;
}

/* Whether an image before this one has the same text. */
static bool is_known(const struct log_info *info, uint32_t index)
{
	const char *text = info->images[index].leak_marks.suppressions;
	for (uint32_t i = 0; i < index; i++) {
		const char *other = info->images[i].leak_marks.suppressions;
		if (other && strcmp(other, text) == 0)
			return true;
	}
	return false;
}

static enum mt_status add_own(struct suppressions *suppressions, const char *text,
			      struct mt_error *error)
{
	struct lines lines = {
		.at = text, .end = text + strlen(text), .source = "__lsan_default_suppressions"};
	enum mt_status status = MT_OK;
	while (status == MT_OK && next_line(&lines)) {
		size_t first = suppressions->count;
		const char *pattern = line_after(&lines, "leak:");
		status = pattern ? parse_lsan(suppressions, &lines, pattern, error) : MT_OK;
		if (status == MT_ERR_USAGE)
			status = MT_OK;
		else if (suppressions->count > first)
			suppressions->items[first]->own_text = text;
	}
	return status;
}

enum mt_status suppressions_add_own(struct suppressions *suppressions, const struct log_info *info,
				    struct mt_error *error)
{
	enum mt_status status = MT_OK;
	for (uint32_t i = 0; i < info->image_count && status == MT_OK; i++) {
		const char *text = info->images[i].leak_marks.suppressions;
		if (text && !is_known(info, i))
			status = add_own(suppressions, text, error);
	}
	return status;
}

/* Whether the entry is for the processes of all blocks of a group. */
static bool is_for(const struct suppression *suppression, const struct leak_list *list,
		   const struct leak *leak)
{
	for (size_t i = 0; suppression->own_text && i < leak->mark_count; i++) {
		uint32_t process = leak->marks[i].process;
		const char *text = list->profile->log->info.images[process].leak_marks.suppressions;
		if (!text || strcmp(text, suppression->own_text) != 0)
			return false;
	}
	return true;
}

static void suppress(struct suppression *suppression, struct leak *leak)
{
	leak->suppressed_by = suppression;
	suppression->sum.bytes += leak->bytes;
	suppression->sum.blocks += leak->blocks;
	suppression->sum.groups++;
}

/* What has become of the definitely lost groups of a process. */
struct owner {
	struct suppression *suppression; /* of one of them */
	bool has_unsuppressed;
};

static struct suppression *owner_of(const struct owner *owners, const struct leak *leak)
{
	struct suppression *suppression = NULL;
	for (size_t i = 0; i < leak->mark_count; i++) {
		const struct owner *owner = &owners[leak->marks[i].process];
		if (owner->has_unsuppressed || !owner->suppression)
			return NULL;
		suppression = owner->suppression;
	}
	return suppression;
}

static void apply_to_indirect(struct leak_list *list, struct suppression *const *found)
{
	uint32_t image_count = list->profile->log->info.image_count;
	struct owner *owners = calloc((size_t)image_count + 1, sizeof(*owners));
	if (!owners)
		return; /* they are shown, then */
	for (size_t i = 0; i < list->count; i++) {
		const struct leak *leak = &list->items[i];
		for (size_t m = 0; leak->kind == LEAK_DEFINITE && m < leak->mark_count; m++) {
			struct owner *owner = &owners[leak->marks[m].process];
			owner->has_unsuppressed |= !leak->suppressed_by;
			owner->suppression = found[i] ? found[i] : owner->suppression;
		}
	}
	for (size_t i = 0; i < list->count; i++) {
		struct leak *leak = &list->items[i];
		if (leak->kind != LEAK_INDIRECT || leak->suppressed_by)
			continue;
		struct suppression *suppression = owner_of(owners, leak);
		if (suppression)
			suppress(suppression, leak);
	}
	free(owners);
}

void suppressions_apply(struct suppressions *suppressions, struct leak_list *list)
{
	struct suppression **found = calloc(list->count + 1, sizeof(*found));
	/* The first one that matches counts. */
	for (size_t s = 0; s < suppressions->count; s++) {
		struct suppression *suppression = suppressions->items[s];
		struct suppression_matcher matcher;
		suppression_matcher_init(&matcher, suppression, list->profile);
		for (size_t i = 0; i < list->count; i++) {
			struct leak *leak = &list->items[i];
			if (leak->suppressed_by || !is_for(suppression, list, leak) ||
			    !suppression_matcher_matches(&matcher, leak))
				continue;
			suppress(suppression, leak);
			if (found)
				found[i] = suppression;
		}
		suppression_matcher_release(&matcher);
	}
	if (found)
		apply_to_indirect(list, found);
	free(found);
}
