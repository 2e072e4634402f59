/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/leak_list.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	const char *words;
} kinds[LEAK_KIND_COUNT] = {
	[LEAK_DEFINITE] = {"definite", "definitely lost"},
	[LEAK_INDIRECT] = {"indirect", "indirectly lost"},
	[LEAK_POSSIBLE] = {"possible", "possibly lost"},
	[LEAK_REACHABLE] = {"reachable", "still reachable"},
	[LEAK_UNCLASSIFIED] = {"unclassified", "unclassified"},
};

const char *leak_kind_name(enum leak_kind kind)
{
	return kinds[kind].name;
}

const char *leak_kind_words(enum leak_kind kind)
{
	return kinds[kind].words;
}

enum leak_kind leak_kind_find(const char *name, size_t length)
{
	unsigned kind = 0;
	while (kind < LEAK_KIND_COUNT &&
	       (strlen(kinds[kind].name) != length || strncmp(kinds[kind].name, name, length) != 0))
		kind++;
	return (enum leak_kind)kind;
}

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int by_group(const void *left, const void *right)
{
	const struct profile_mark *a = left;
	const struct profile_mark *b = right;
	if (a->node != b->node)
		return compare(a->node, b->node);
	if (a->leak_kind != b->leak_kind)
		return compare(a->leak_kind, b->leak_kind);
	if (a->is_replaced != b->is_replaced)
		return compare(a->is_replaced, b->is_replaced);
	if (a->process != b->process)
		return compare(a->process, b->process);
	return compare(a->thread, b->thread);
}

static int by_bytes(const void *left, const void *right)
{
	const struct leak *a = left;
	const struct leak *b = right;
	if (a->bytes != b->bytes)
		return compare(b->bytes, a->bytes);
	if (a->blocks != b->blocks)
		return compare(b->blocks, a->blocks);
	if (a->node != b->node)
		return compare(a->node, b->node);
	if (a->kind != b->kind)
		return compare(a->kind, b->kind);
	return compare(a->is_replaced, b->is_replaced);
}

struct image_key {
	uint32_t pid;
	uint64_t serial;
	uint32_t index;
};

static int by_pid(const void *left, const void *right)
{
	const struct image_key *a = left;
	const struct image_key *b = right;
	return a->pid != b->pid ? compare(a->pid, b->pid) : compare(a->serial, b->serial);
}

/*
 * Notes which processes went on as another program: exec gave their memory back, nothing was lost.
 * returns false: no memory
 */
static bool find_replaced(const struct log_info *info, struct profile_mark *marks, size_t count)
{
	size_t image_count = info->image_count;
	struct image_key *keys = malloc((image_count + 1) * sizeof(*keys));
	bool *replaced = calloc(image_count + 1, sizeof(*replaced));
	bool has_memory = keys && replaced;
	if (has_memory) {
		for (uint32_t i = 0; i < image_count; i++)
			keys[i] = (struct image_key){info->images[i].pid, info->images[i].serial,
						     i};
		qsort(keys, image_count, sizeof(*keys), by_pid);
		for (size_t i = 1; i < image_count; i++)
			replaced[keys[i - 1].index] = keys[i - 1].pid == keys[i].pid &&
						      info->images[keys[i].index].origin ==
							      IMAGE_EXEC;
		for (size_t i = 0; i < count; i++)
			marks[i].is_replaced = marks[i].leak_kind == LEAK_UNCLASSIFIED &&
					       replaced[marks[i].process];
	}
	free(keys);
	free(replaced);
	return has_memory;
}

static struct leak group_of(const struct profile_mark *mark)
{
	return (struct leak){
		.node = mark->node,
		.kind = (enum leak_kind)mark->leak_kind,
		.oldest_us = mark->oldest_us,
		.newest_us = mark->newest_us,
		.allocation_kind = mark->allocation_kind,
		.marks = mark,
		.is_replaced = mark->is_replaced,
	};
}

static void add_mark(struct leak *leak, const struct profile_mark *mark)
{
	leak->bytes += mark->bytes;
	leak->blocks += mark->blocks;
	leak->indirect_bytes += mark->indirect_bytes;
	if (mark->oldest_us < leak->oldest_us)
		leak->oldest_us = mark->oldest_us;
	if (mark->newest_us > leak->newest_us)
		leak->newest_us = mark->newest_us;
	if (mark->scan_us > leak->scan_us)
		leak->scan_us = mark->scan_us;
	if (!leak->held && mark->holder)
		leak->held = mark;
	leak->mark_count++;
}

/* What scans have summed up only. */
static void add_left_out(struct leak_list *list)
{
	const struct profile *profile = list->profile;
	const struct log_info *info = &profile->log->info;
	for (uint32_t i = 0; i < info->image_count; i++) {
		const struct leak_marks *marks = &info->images[i].leak_marks;
		bool is_selected = !profile->log->pid || profile->log->pid == info->images[i].pid;
		if (!is_selected || !(marks->flags & LEAK_SCAN_HAS_SUMS) ||
		    !profile_is_scanned(profile, i))
			continue;
		for (unsigned kind = 0; kind < LEAK_UNCLASSIFIED; kind++) {
			list->left_out[kind].blocks += marks->left_out[kind].blocks;
			list->left_out[kind].counted_blocks += marks->left_out[kind].blocks;
			list->left_out[kind].bytes += marks->left_out[kind].bytes;
		}
	}
}

enum mt_status leak_list_gather(struct leak_list *list, const struct profile *profile,
				struct mt_error *error)
{
	size_t count = profile->mark_count;
	*list = (struct leak_list){.profile = profile};
	list->items = malloc((count + 1) * sizeof(*list->items));
	list->marks = malloc((count + 1) * sizeof(*list->marks));
	bool has_memory = list->items && list->marks;
	if (has_memory && count > 0) {
		memcpy(list->marks, profile->marks, count * sizeof(*list->marks));
		has_memory = find_replaced(&profile->log->info, list->marks, count);
	}
	if (!has_memory) {
		leak_list_release(list);
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for the report");
	}
	qsort(list->marks, count, sizeof(*list->marks), by_group);
	for (size_t i = 0; i < count; i++) {
		const struct profile_mark *mark = &list->marks[i];
		struct leak *leak = list->count ? &list->items[list->count - 1] : NULL;
		if (!leak || leak->node != mark->node || leak->kind != mark->leak_kind ||
		    leak->is_replaced != mark->is_replaced) {
			leak = &list->items[list->count++];
			*leak = group_of(mark);
		}
		add_mark(leak, mark);
	}
	qsort(list->items, list->count, sizeof(*list->items), by_bytes);
	add_left_out(list);
	return MT_OK;
}

void leak_list_release(struct leak_list *list)
{
	free(list->items);
	free(list->marks);
	*list = (struct leak_list){0};
}

static void add_up(struct leak_sum *sum, const struct leak *leak)
{
	sum->bytes += leak->bytes;
	sum->blocks += leak->blocks;
	sum->groups++;
}

struct leak_sum leak_list_sum(const struct leak_list *list, enum leak_kind kind)
{
	struct leak_sum sum = list->left_out[kind];
	for (size_t i = 0; i < list->count; i++)
		if (!list->items[i].suppressed_by && list->items[i].kind == kind)
			add_up(&sum, &list->items[i]);
	return sum;
}

struct leak_sum leak_list_total(const struct leak_list *list)
{
	struct leak_sum sum = {0};
	for (unsigned kind = 0; kind < LEAK_KIND_COUNT; kind++) {
		sum.blocks += list->left_out[kind].blocks;
		sum.counted_blocks += list->left_out[kind].blocks;
		sum.bytes += list->left_out[kind].bytes;
	}
	for (size_t i = 0; i < list->count; i++)
		if (!list->items[i].suppressed_by)
			add_up(&sum, &list->items[i]);
	return sum;
}

struct leak_sum leak_list_suppressed(const struct leak_list *list)
{
	struct leak_sum sum = {0};
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].suppressed_by)
			add_up(&sum, &list->items[i]);
	return sum;
}
