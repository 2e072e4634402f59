/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/deferred_file.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/sys.h"
#include "libtrack/collector/arrays.h"
#include "libtrack/collector/key_order.h"

#define SLOTS_AT_ONCE 8u
#define PAGES_AHEAD_MIN 8u

/* The collector needs one now and then, also under a low limit. */
static bool leaves_descriptors(int fd)
{
	int first = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	int second = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (first >= 0)
		(void)close(first);
	if (second >= 0)
		(void)close(second);
	return first >= 0 && second >= 0;
}

void deferred_file_create(struct deferred_file *deferred, struct segment_header *segment)
{
	struct deferred_header *header = MAP_FAILED;
	deferred->fd = memfd_create("memtrace-deferred", MFD_CLOEXEC);
	if (deferred->fd >= 0 && leaves_descriptors(deferred->fd) &&
	    ftruncate(deferred->fd, (off_t)DEFERRED_FILE_BYTES) == 0 &&
	    posix_fallocate(deferred->fd, 0, (off_t)DEFERRED_HEADER_BYTES) == 0)
		header = mmap(NULL, DEFERRED_HEADER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			      deferred->fd, 0);
	if (header == MAP_FAILED) {
		deferred_file_release(deferred);
		return;
	}
	deferred->header = header;
	memcpy(header->magic, DEFERRED_MAGIC, sizeof(header->magic));
	header->start_monotonic_ns = segment->start_monotonic_ns;
	for (uint32_t i = 0; i < DEFERRED_REGIONS; i++)
		header->owners[i].first_address = DEFERRED_NO_ADDRESS;
	(void)snprintf(segment->deferred_path, sizeof(segment->deferred_path), "/proc/%d/fd/%d",
		       (int)getpid(), deferred->fd);
}

static void unmap_region(struct deferred_file *deferred, uint32_t index)
{
	if (!deferred->regions[index])
		return;
	(void)munmap(deferred->regions[index], sizeof(struct deferred_region));
	deferred->regions[index] = NULL;
	deferred->grown_pages -= deferred->views[index].grown_pages;
	deferred->views[index] = (struct deferred_view){0};
}

/* returns  NULL: it can't be mapped */
static struct deferred_region *map_region(struct deferred_file *deferred, uint32_t index)
{
	if (deferred->regions[index])
		return deferred->regions[index];
	void *region = mmap(NULL, sizeof(struct deferred_region), PROT_READ | PROT_WRITE,
			    MAP_SHARED, deferred->fd, (off_t)DEFERRED_REGION_OFFSET(index));
	return deferred->regions[index] = region == MAP_FAILED ? NULL : region;
}

static void *page_of(const struct deferred_region *region, uint32_t page)
{
	return (void *)&region->slots[(size_t)page * DEFERRED_PAGE_SLOTS];
}

static bool is_mapped(const struct deferred_view *view, uint32_t page)
{
	return view->mapped[page / 8] >> page % 8 & 1;
}

static bool is_new(const struct deferred_region *region, const struct deferred_view *view,
		   uint32_t page)
{
	return !is_mapped(view, page) && deferred_page_is_ready(region, page * DEFERRED_PAGE_SLOTS);
}

/* Pages of a heap that grows: they come one behind the other. */
struct growth {
	uint32_t count; /* of those that are new; 0: it does not grow */
	uint32_t end;
};

/* Maps the pages of a region that have come into use, many at a time. */
static struct growth map_pages(const struct deferred_region *region, struct deferred_view *view)
{
	struct growth growth = {0};
	uint32_t page = 0;
	while (page < DEFERRED_REGION_PAGES) {
		uint32_t first = page;
		for (; page < DEFERRED_REGION_PAGES && is_new(region, view, page); page++)
			view->mapped[page / 8] |= (uint8_t)(1u << page % 8);
		if (page == first) {
			/* Most have nothing new. */
			bool is_same = atomic_load_explicit(&region->ready[page / 8],
							    memory_order_relaxed) ==
				       view->mapped[page / 8];
			page += is_same ? 8 - page % 8 : 1;
			continue;
		}
		(void)sys_populate_shared(page_of(region, first),
					  (size_t)(page - first) * SEGMENT_PAGE); /* a wish */
		bool is_joined = first > 0 && is_mapped(view, first - 1);
		if (is_joined || page - first >= PAGES_AHEAD_MIN)
			growth = (struct growth){page - first, page};
	}
	return growth;
}

/*
 * Makes the pages that a growing heap needs next: as many as were new since the last time. To make
 * one takes five times as long as to map what exists, which is left to the process then.
 */
static void make_pages(const struct deferred_region *region, struct deferred_view *view,
		       struct growth growth)
{
	uint32_t first = growth.end > view->made_end ? growth.end : view->made_end;
	uint32_t last = growth.end + growth.count + PAGES_AHEAD_MIN;
	if (last > DEFERRED_REGION_PAGES)
		last = DEFERRED_REGION_PAGES;
	if (first >= last)
		return;
	view->made_end = last; /* if they can't be had, the process tries */
	(void)sys_populate(page_of(region, first), (size_t)(last - first) * SEGMENT_PAGE);
}

void deferred_file_look_ahead(struct deferred_file *deferred)
{
	for (uint32_t i = 0; deferred->header && i < DEFERRED_REGIONS; i++) {
		const struct deferred_owner *owner = &deferred->header->owners[i];
		if (atomic_load(&owner->image_serial) == 0 ||
		    atomic_load(&owner->first_address) == DEFERRED_NO_ADDRESS)
			continue;
		struct deferred_region *region = map_region(deferred, i);
		struct growth growth = {0};
		if (region)
			growth = map_pages(region, &deferred->views[i]);
		deferred->views[i].grown_pages += growth.count;
		deferred->grown_pages += growth.count;
		if (growth.count > 0)
			make_pages(region, &deferred->views[i], growth);
	}
}

void deferred_file_release(struct deferred_file *deferred)
{
	for (uint32_t i = 0; i < DEFERRED_REGIONS; i++)
		unmap_region(deferred, i);
	if (deferred->header)
		(void)munmap(deferred->header, DEFERRED_HEADER_BYTES);
	if (deferred->fd >= 0)
		(void)close(deferred->fd);
	deferred->header = NULL;
	deferred->fd = -1;
}

struct found {
	struct deferred_block *items; /* [count] */
	size_t count;
	size_t capacity;
};

/* returns  false: no memory */
static bool add(struct found *found, uint64_t address, uint64_t slot)
{
	if (!array_reserve((void **)&found->items, found->count + 1, &found->capacity,
			   sizeof(*found->items)))
		return false;
	found->items[found->count++] = (struct deferred_block){address, slot};
	return true;
}

/* Most of the slots have nothing to tell. */
static bool is_any_taken(const _Atomic uint64_t *slots)
{
	uint64_t any = 0;
	for (uint32_t i = 0; i < SLOTS_AT_ONCE; i++)
		any |= atomic_load_explicit(&slots[i], memory_order_relaxed);
	return any != 0;
}

static bool take_slots(struct found *found, struct deferred_region *region, uint32_t first,
		       uint64_t first_address)
{
	for (uint32_t slot = first; slot < first + SLOTS_AT_ONCE; slot++) {
		if (atomic_load_explicit(&region->slots[slot], memory_order_relaxed) == 0)
			continue;
		uint64_t value = atomic_exchange(&region->slots[slot], 0);
		if (value && !add(found, deferred_slot_address(first_address, slot, value), value))
			return false;
	}
	return true;
}

static bool take_page(struct found *found, struct deferred_region *region, uint32_t page,
		      uint64_t first_address)
{
	uint32_t first = page * DEFERRED_PAGE_SLOTS;
	for (uint32_t slot = first; slot < first + DEFERRED_PAGE_SLOTS; slot += SLOTS_AT_ONCE)
		if (is_any_taken(&region->slots[slot]) &&
		    !take_slots(found, region, slot, first_address))
			return false;
	return true;
}

static bool take_region(struct found *found, struct deferred_file *deferred, uint32_t index)
{
	uint64_t first_address = atomic_load(&deferred->header->owners[index].first_address);
	if (first_address == DEFERRED_NO_ADDRESS)
		return true; /* it is being made: nothing is there yet */
	struct deferred_region *region = map_region(deferred, index);
	if (!region)
		return false;
	bool is_good = true;
	for (uint32_t page = 0; page < DEFERRED_REGION_PAGES && is_good; page++)
		if (deferred_page_is_ready(region, page * DEFERRED_PAGE_SLOTS))
			is_good = take_page(found, region, page, first_address);
	return is_good;
}

bool deferred_blocks_sort(struct deferred_block *blocks, size_t count)
{
	struct keyed *times = large_array(count + 1, sizeof(*times));
	struct deferred_block *unsorted = large_array(count + 1, sizeof(*unsorted));
	for (size_t i = 0; times && unsorted && i < count; i++) {
		times[i] = (struct keyed){blocks[i].slot >> DEFERRED_TIME_SHIFT, i};
		unsorted[i] = blocks[i];
	}
	bool is_good = times && unsorted && key_order_sort(times, count);
	for (size_t i = 0; is_good && i < count; i++)
		blocks[i] = unsorted[times[i].item];
	free(times);
	free(unsorted);
	return is_good;
}

/* The image's regions, by ascending address. returns how many */
static uint32_t list_regions(const struct deferred_file *deferred, uint64_t image_serial,
			     uint32_t regions[DEFERRED_REGIONS])
{
	uint32_t count = 0;
	for (uint32_t i = 0; deferred->header && i < DEFERRED_REGIONS; i++) {
		const struct deferred_owner *owners = deferred->header->owners;
		if (atomic_load(&owners[i].image_serial) != image_serial)
			continue;
		uint64_t address = atomic_load(&owners[i].first_address);
		uint32_t at = count++;
		for (; at > 0 && atomic_load(&owners[regions[at - 1]].first_address) > address;
		     at--)
			regions[at] = regions[at - 1];
		regions[at] = i;
	}
	return count;
}

bool deferred_file_take(struct deferred_file *deferred, const struct recorded_image *image,
			struct deferred_block **ret_blocks, size_t *ret_count)
{
	struct found found = {0};
	uint32_t regions[DEFERRED_REGIONS];
	uint32_t count = list_regions(deferred, image->serial, regions);
	bool is_good = true;
	for (uint32_t i = 0; i < count && is_good; i++)
		is_good = take_region(&found, deferred, regions[i]);
	if (!is_good) {
		free(found.items);
		found = (struct found){0};
	}
	*ret_blocks = found.items;
	*ret_count = found.count;
	return is_good;
}

enum mt_status deferred_file_collect(struct deferred_file *deferred, struct recording *recording,
				     struct recorded_image *image, struct mt_error *error)
{
	struct deferred_block *blocks;
	size_t count;
	if (!deferred_file_take(deferred, image, &blocks, &count))
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to record with");
	enum mt_status status =
		deferred_blocks_sort(blocks, count)
			? recording_add_deferred(recording, image, blocks, count, error)
			: mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to record with");
	free(blocks);
	return status;
}

void deferred_file_give_back(struct deferred_file *deferred, uint64_t image_serial)
{
	for (uint32_t i = 0; deferred->header && i < DEFERRED_REGIONS; i++) {
		struct deferred_owner *owner = &deferred->header->owners[i];
		if (atomic_load(&owner->image_serial) != image_serial)
			continue;
		unmap_region(deferred, i);
		atomic_store(&owner->first_address, DEFERRED_NO_ADDRESS);
		/* A hole reads as zeros: a region without pages. */
		if (fallocate(deferred->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      (off_t)DEFERRED_REGION_OFFSET(i),
			      (off_t)sizeof(struct deferred_region)) != 0)
			continue; /* it stays the dead image's */
		atomic_store(&owner->image_serial, 0);
	}
}
