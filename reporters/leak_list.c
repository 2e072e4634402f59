/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reporters/leak_list.h"

#include <stdlib.h>

static int by_node(const void *left, const void *right)
{
	const struct leak *a = left;
	const struct leak *b = right;
	return (a->node > b->node) - (a->node < b->node);
}

static int by_bytes(const void *left, const void *right)
{
	const struct leak *a = left;
	const struct leak *b = right;
	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	if (a->blocks != b->blocks)
		return a->blocks < b->blocks ? 1 : -1;
	return by_node(left, right);
}

enum mt_status leak_list_gather(struct leak_list *list, const struct profile *profile,
				struct mt_error *error)
{
	*list = (struct leak_list){0};
	list->items = malloc((profile->row_count + 1) * sizeof(*list->items));
	if (!list->items)
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for the report");
	size_t count = 0;
	for (size_t i = 0; i < profile->row_count; i++) {
		const struct profile_row *row = &profile->rows[i];
		if (row->costs.live_blocks == 0)
			continue;
		list->items[count++] = (struct leak){.node = row->node,
						     .bytes = row->costs.live_bytes,
						     .blocks = row->costs.live_blocks};
		list->bytes += row->costs.live_bytes;
		list->blocks += row->costs.live_blocks;
	}
	/* One stack trace may have rows of several threads, processes and kinds. */
	qsort(list->items, count, sizeof(*list->items), by_node);
	for (size_t i = 0; i < count; i++) {
		struct leak *last = list->count ? &list->items[list->count - 1] : NULL;
		if (last && last->node == list->items[i].node) {
			last->bytes += list->items[i].bytes;
			last->blocks += list->items[i].blocks;
		} else {
			list->items[list->count++] = list->items[i];
		}
	}
	qsort(list->items, list->count, sizeof(*list->items), by_bytes);
	return MT_OK;
}

void leak_list_release(struct leak_list *list)
{
	free(list->items);
	*list = (struct leak_list){0};
}
