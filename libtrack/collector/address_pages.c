/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/address_pages.h"

#include <stdlib.h>

/* Notes a free page. returns false: no memory */
static bool put_free(struct address_pages *pages, struct extent_entry *entry, uint64_t *page)
{
	if (pages->free_count == pages->free_capacity) {
		uint32_t capacity = pages->free_capacity ? pages->free_capacity * 2 : 512;
		struct extent_entry **entries = realloc(pages->free_entries,
							capacity * sizeof(*entries));
		if (!entries)
			return false;
		pages->free_entries = entries;
		uint64_t **free_pages = realloc(pages->free_pages, capacity * sizeof(*free_pages));
		if (!free_pages)
			return false;
		pages->free_pages = free_pages;
		pages->free_capacity = capacity;
	}
	pages->free_entries[pages->free_count] = entry;
	pages->free_pages[pages->free_count++] = page;
	return true;
}

static uint64_t *page_of_entry(void *extent, uint32_t index)
{
	return (uint64_t *)(void *)((char *)extent + (uint64_t)(index + 1) * SEGMENT_PAGE);
}

static bool add_extent(struct address_pages *pages)
{
	if (segment_file_add_extent(pages->segment, &pages->failure) != MT_OK)
		return false;
	void *extent = pages->segment->extents[pages->segment->extent_count - 1];
	/* From the last one, so that the first is taken first. */
	for (uint32_t i = SEGMENT_EXTENT_PAGES; i-- > 0;)
		if (!put_free(pages, (struct extent_entry *)extent + i, page_of_entry(extent, i)))
			return false;
	return true;
}

static uint64_t *take(void *context, uint64_t image_serial, uint32_t first_slot)
{
	struct address_pages *pages = context;
	if (pages->free_count == 0 && !add_extent(pages))
		return NULL;
	struct extent_entry *entry = pages->free_entries[--pages->free_count];
	entry->first_slot = first_slot;
	atomic_store_explicit(&entry->image_serial, image_serial, memory_order_release);
	return pages->free_pages[pages->free_count];
}

void address_pages_init(struct address_pages *pages, struct segment_file *segment)
{
	*pages = (struct address_pages){.source = {.context = pages, .take = take},
					.segment = segment};
}

void address_pages_give_back(struct address_pages *pages, uint64_t image_serial)
{
	for (uint32_t e = 0; e < pages->segment->extent_count; e++) {
		void *extent = pages->segment->extents[e];
		for (uint32_t i = 0; i < SEGMENT_EXTENT_PAGES; i++) {
			struct extent_entry *entry = (struct extent_entry *)extent + i;
			if (atomic_load(&entry->image_serial) != image_serial)
				continue;
			atomic_store(&entry->image_serial, 0);
			(void)put_free(pages, entry, page_of_entry(extent, i)); /* else: unused */
		}
	}
}

void address_pages_release(struct address_pages *pages)
{
	free(pages->free_entries);
	free(pages->free_pages);
	pages->free_entries = NULL;
	pages->free_pages = NULL;
	pages->free_count = 0;
	pages->free_capacity = 0;
}
