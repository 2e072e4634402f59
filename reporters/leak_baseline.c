/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reporters/leak_baseline.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log/buffer.h"
#include "reporters/json.h"
#include "reporters/leak_report.h"

#define VERSION_NAME "memtrace_baseline"
#define LARGEST_EXACT_NUMBER 9007199254740992.0 /* 2^53 */

static enum mt_status no_memory(struct mt_error *error)
{
	return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for the baseline");
}

static enum mt_status refuse(struct mt_error *error, const char *path, const char *what)
{
	return mt_error_set(error, MT_ERR_USAGE, "%.150s: not a baseline of memtrace: %s", path,
			    what);
}

void leak_baseline_release(struct leak_baseline *baseline)
{
	for (size_t i = 0; i < baseline->count; i++)
		free(baseline->entries[i].key);
	free(baseline->entries);
	*baseline = (struct leak_baseline){0};
}

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int by_key(const void *left, const void *right)
{
	const struct baseline_entry *a = left;
	const struct baseline_entry *b = right;
	if (a->kind != b->kind)
		return compare(a->kind, b->kind);
	int order = strcmp(a->key, b->key);
	if (order != 0)
		return order;
	return a->bytes != b->bytes ? compare(b->bytes, a->bytes) : compare(b->blocks, a->blocks);
}

static bool take_count(const cJSON *entry, const char *name, uint64_t *ret_count)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(entry, name);
	if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0) ||
	    item->valuedouble > LARGEST_EXACT_NUMBER)
		return false;
	*ret_count = (uint64_t)item->valuedouble;
	return true;
}

/* The array of names as a key. returns NULL: no array of strings, or no memory */
static char *join_stack(const cJSON *stack)
{
	struct buffer key = {0};
	const cJSON *name;
	if (!cJSON_IsArray(stack))
		return NULL;
	cJSON_ArrayForEach(name, stack)
	{
		if (!cJSON_IsString(name)) {
			buffer_release(&key);
			return NULL;
		}
		if (key.size_bytes > 0)
			buffer_append(&key, "\n", 1);
		buffer_append(&key, name->valuestring, strlen(name->valuestring));
	}
	buffer_append(&key, "", 1);
	if (!key.failed)
		return (char *)key.bytes;
	buffer_release(&key);
	return NULL;
}

static const char *take_entry(struct baseline_entry *entry, const cJSON *item)
{
	const cJSON *kind = cJSON_GetObjectItemCaseSensitive(item, "kind");
	if (!cJSON_IsString(kind))
		return "a leak without a kind";
	entry->kind = leak_kind_find(kind->valuestring, strlen(kind->valuestring));
	if (entry->kind >= LEAK_UNCLASSIFIED)
		return "a leak of an unknown kind";
	if (!take_count(item, "bytes", &entry->bytes) ||
	    !take_count(item, "blocks", &entry->blocks))
		return "a leak without bytes or blocks";
	entry->key = join_stack(cJSON_GetObjectItemCaseSensitive(item, "stack"));
	return entry->key ? NULL : "a leak without a stack trace";
}

static enum mt_status take_entries(struct leak_baseline *baseline, const cJSON *leaks,
				   const char *path, struct mt_error *error)
{
	const cJSON *item;
	size_t count = (size_t)cJSON_GetArraySize(leaks);
	baseline->entries = calloc(count + 1, sizeof(*baseline->entries));
	if (!baseline->entries)
		return no_memory(error);
	cJSON_ArrayForEach(item, leaks)
	{
		const char *what = take_entry(&baseline->entries[baseline->count], item);
		if (what)
			return refuse(error, path, what);
		baseline->count++;
	}
	qsort(baseline->entries, baseline->count, sizeof(*baseline->entries), by_key);
	return MT_OK;
}

static uint32_t line_of(const char *text, const char *at)
{
	uint32_t line = 1;
	for (; text < at; text++)
		line += *text == '\n';
	return line;
}

enum mt_status leak_baseline_parse(struct leak_baseline *baseline, const char *text,
				   size_t size_bytes, const char *path, struct mt_error *error)
{
	const char *end = text;
	enum mt_status status;
	*baseline = (struct leak_baseline){0};
	cJSON *object = cJSON_ParseWithLengthOpts(text, size_bytes, &end, 0);
	const cJSON *version = cJSON_GetObjectItemCaseSensitive(object, VERSION_NAME);
	const cJSON *leaks = cJSON_GetObjectItemCaseSensitive(object, "leaks");
	if (!object)
		status = mt_error_set(error, MT_ERR_USAGE, "%.150s:%u: not JSON", path,
				      line_of(text, end));
	else if (!cJSON_IsNumber(version))
		status = refuse(error, path, "it has no \"" VERSION_NAME "\"");
	else if (version->valuedouble != 1)
		status = refuse(error, path, "it is of a version that this memtrace doesn't know");
	else if (!cJSON_IsArray(leaks))
		status = refuse(error, path, "it has no \"leaks\"");
	else
		status = take_entries(baseline, leaks, path, error);
	cJSON_Delete(object);
	if (status != MT_OK)
		leak_baseline_release(baseline);
	return status;
}

enum mt_status leak_baseline_read(struct leak_baseline *baseline, const char *path,
				  struct mt_error *error)
{
	struct buffer text = {0};
	char piece[4096];
	size_t count;
	*baseline = (struct leak_baseline){0};
	FILE *file = fopen(path, "re");
	if (!file)
		return mt_error_set_errno(error, errno, "cannot read %.150s", path);
	while (text.size_bytes <= LIMIT_BASELINE_BYTES &&
	       (count = fread(piece, 1, sizeof(piece), file)) > 0)
		buffer_append(&text, piece, count);
	enum mt_status status = MT_OK;
	if (ferror(file))
		status = mt_error_set_errno(error, errno, "cannot read %.150s", path);
	else if (text.failed)
		status = no_memory(error);
	else if (text.size_bytes > LIMIT_BASELINE_BYTES)
		status = mt_error_set(error, MT_ERR_LIMIT, "%.150s: larger than 64 MiB", path);
	(void)fclose(file); /* was only read */
	if (status == MT_OK)
		status = leak_baseline_parse(baseline, text.bytes ? (const char *)text.bytes : "",
					     text.size_bytes, path, error);
	buffer_release(&text);
	return status;
}

/* The groups that count, with their keys, in the order of the baseline. */
struct candidate {
	struct baseline_entry entry;
	struct leak *leak;
	bool is_matched;
};

static int by_entry(const void *left, const void *right)
{
	const struct candidate *a = left;
	const struct candidate *b = right;
	return by_key(&a->entry, &b->entry);
}

struct candidates {
	struct candidate *items; /* [count] */
	size_t count;
};

static void release_candidates(struct candidates *candidates)
{
	for (size_t i = 0; i < candidates->count; i++)
		free(candidates->items[i].entry.key);
	free(candidates->items);
}

static bool is_asked_for(const struct leak_limits *limits, enum leak_kind kind)
{
	return limits->fail_on & 1u << kind;
}

static bool gather(struct candidates *candidates, const struct leak_list *list,
		   const struct leak_limits *limits)
{
	*candidates = (struct candidates){
		.items = calloc(list->count + 1, sizeof(*candidates->items))};
	if (!candidates->items)
		return false;
	for (size_t i = 0; i < list->count; i++) {
		struct leak *leak = &list->items[i];
		if (leak->kind == LEAK_UNCLASSIFIED || !leak_is_listed(leak) ||
		    !is_asked_for(limits, leak->kind))
			continue;
		struct candidate *candidate = &candidates->items[candidates->count];
		candidate->leak = leak;
		candidate->entry = (struct baseline_entry){
			.kind = leak->kind,
			.bytes = leak->bytes,
			.blocks = leak->blocks,
			.key = leak_stack_key(list->profile, leak),
		};
		if (!candidate->entry.key)
			return false;
		candidates->count++;
	}
	qsort(candidates->items, candidates->count, sizeof(*candidates->items), by_entry);
	return true;
}

static int compare_stacks(const struct baseline_entry *a, const struct baseline_entry *b)
{
	return a->kind != b->kind ? compare(a->kind, b->kind) : strcmp(a->key, b->key);
}

static void match(struct candidate *candidate, struct baseline_entry *entry)
{
	bool has_grown = candidate->entry.bytes > entry->bytes ||
			 candidate->entry.blocks > entry->blocks;
	candidate->leak->novelty = has_grown ? LEAK_GROWN : LEAK_KNOWN;
	candidate->leak->known_bytes = entry->bytes;
	candidate->leak->known_blocks = entry->blocks;
	candidate->is_matched = true;
	entry->is_used = true;
}

/*
 * Compares the groups and the entries of one stack trace. Together within what was known they are
 * known; else those that are as they were are set aside, and the largest left are compared with
 * the largest left.
 */
static void compare_one(struct candidate *now, size_t now_count, struct baseline_entry *known,
			size_t known_count)
{
	struct baseline_entry before = {0};
	struct baseline_entry after = {0};
	size_t next = 0;
	for (size_t i = 0; i < known_count; i++) {
		before.bytes += known[i].bytes;
		before.blocks += known[i].blocks;
	}
	for (size_t i = 0; i < now_count; i++) {
		after.bytes += now[i].entry.bytes;
		after.blocks += now[i].entry.blocks;
	}
	bool is_within = after.bytes <= before.bytes && after.blocks <= before.blocks;
	for (size_t i = 0; i < known_count; i++) {
		for (size_t n = 0; n < now_count && !known[i].is_used; n++)
			if (!now[n].is_matched && now[n].entry.bytes == known[i].bytes &&
			    now[n].entry.blocks == known[i].blocks)
				match(&now[n], &known[i]);
	}
	for (size_t n = 0; n < now_count; n++) {
		if (now[n].is_matched)
			continue;
		while (next < known_count && known[next].is_used)
			next++;
		if (next < known_count)
			match(&now[n], &known[next]);
		else
			now[n].leak->novelty = LEAK_NEW;
		if (is_within)
			now[n].leak->novelty = LEAK_KNOWN;
	}
}

enum mt_status leak_baseline_compare(struct leak_baseline *baseline, struct leak_list *list,
				     const struct leak_limits *limits, size_t *ret_gone_count,
				     struct mt_error *error)
{
	struct candidates candidates;
	if (!gather(&candidates, list, limits)) {
		release_candidates(&candidates);
		return no_memory(error);
	}
	size_t known = 0;
	size_t gone_count = 0;
	for (size_t now = 0; now < candidates.count;) {
		struct candidate *first = &candidates.items[now];
		size_t now_end = now;
		while (now_end < candidates.count &&
		       compare_stacks(&candidates.items[now_end].entry, &first->entry) == 0)
			now_end++;
		while (known < baseline->count &&
		       compare_stacks(&baseline->entries[known], &first->entry) < 0)
			known++;
		size_t known_end = known;
		while (known_end < baseline->count &&
		       compare_stacks(&baseline->entries[known_end], &first->entry) == 0)
			known_end++;
		compare_one(first, now_end - now, baseline->entries + known, known_end - known);
		now = now_end;
		known = known_end;
	}
	for (size_t i = 0; i < baseline->count; i++)
		gone_count += !baseline->entries[i].is_used &&
			      is_asked_for(limits, baseline->entries[i].kind);
	*ret_gone_count = gone_count;
	release_candidates(&candidates);
	return MT_OK;
}

static cJSON *stack_of(const char *key)
{
	cJSON *stack = cJSON_CreateArray();
	while (*key) {
		size_t length = strcspn(key, "\n");
		char *name = strndup(key, length);
		(void)cJSON_AddItemToArray(stack, name ? json_string(name) : NULL);
		free(name);
		key += length + (key[length] == '\n');
	}
	return stack;
}

/* Adds the entries of which nobody asked now. returns false: no memory */
static bool keep_others(struct candidates *candidates, const struct leak_baseline *before,
			const struct leak_limits *limits)
{
	struct candidate *grown = realloc(candidates->items,
					  (candidates->count + before->count + 1) * sizeof(*grown));
	if (!grown)
		return false;
	candidates->items = grown;
	for (size_t i = 0; i < before->count; i++) {
		if (is_asked_for(limits, before->entries[i].kind))
			continue;
		struct candidate kept = {.entry = before->entries[i]};
		kept.entry.key = strdup(kept.entry.key);
		if (!kept.entry.key)
			return false;
		grown[candidates->count++] = kept;
	}
	qsort(grown, candidates->count, sizeof(*grown), by_entry);
	return true;
}

enum mt_status leak_baseline_write(const struct leak_baseline *before, const struct leak_list *list,
				   const struct leak_limits *limits, FILE *output,
				   struct mt_error *error)
{
	struct candidates candidates;
	if (!gather(&candidates, list, limits) || !keep_others(&candidates, before, limits)) {
		release_candidates(&candidates);
		return no_memory(error);
	}
	cJSON *object = cJSON_CreateObject();
	(void)cJSON_AddNumberToObject(object, VERSION_NAME, 1);
	cJSON *leaks = cJSON_AddArrayToObject(object, "leaks");
	for (size_t i = 0; i < candidates.count; i++) {
		const struct baseline_entry *entry = &candidates.items[i].entry;
		cJSON *item = cJSON_CreateObject();
		(void)cJSON_AddStringToObject(item, "kind", leak_kind_name(entry->kind));
		json_add_count(item, "bytes", entry->bytes);
		json_add_count(item, "blocks", entry->blocks);
		(void)cJSON_AddItemToObject(item, "stack", stack_of(entry->key));
		(void)cJSON_AddItemToArray(leaks, item);
	}
	release_candidates(&candidates);
	return json_print(object, output, error);
}
