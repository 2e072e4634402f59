/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/deferred_blocks.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/sys.h"
#include "libtrack/preload/real.h"

#define PAGES_AT_ONCE 8u

struct deferred_place deferred_places[DEFERRED_PLACES];

static struct {
	struct deferred_header *header;
	_Atomic uint32_t stacks;         /* that were numbered */
	_Atomic uint32_t is_full;        /* no more pages: what is there goes on */
	_Atomic uint32_t has_no_regions; /* all are taken */
	_Atomic uint32_t used_count;
	uint16_t used[DEFERRED_PLACES]; /* [used_count] places that have, or had, a region */
} deferred;

/* A region is large, though most of it stays empty: a limit would be reached by it. */
static bool may_map_regions(void)
{
	struct rlimit limit;
	return !sys_failed(sys_call6(SYS_prlimit64, 0, RLIMIT_AS, 0, (long)&limit, 0, 0)) &&
	       limit.rlim_cur == RLIM_INFINITY;
}

static bool has_size(int fd, uint64_t size_bytes)
{
	struct stat status;
	return !sys_failed(sys_call6(SYS_newfstatat, fd, (long)"", (long)&status, AT_EMPTY_PATH, 0,
				     0)) &&
	       S_ISREG(status.st_mode) && (uint64_t)status.st_size == size_bytes;
}

void deferred_blocks_start(void)
{
	const char *path = tracker.segment->deferred_path;
	if (!*path || !may_map_regions())
		return;
	int fd = sys_open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return;
	/* In another pid namespace the path may lead elsewhere, to a file that is shorter. */
	if (!has_size(fd, DEFERRED_FILE_BYTES)) {
		sys_close(fd);
		return;
	}
	struct deferred_header *header = sys_mmap(DEFERRED_HEADER_BYTES, PROT_READ | PROT_WRITE,
						  MAP_SHARED, fd, 0);
	sys_close(fd);
	if (!header)
		return;
	if (memcmp(header->magic, DEFERRED_MAGIC, sizeof(header->magic)) != 0 ||
	    header->start_monotonic_ns != tracker.segment->start_monotonic_ns) {
		sys_munmap(header, DEFERRED_HEADER_BYTES);
		return;
	}
	deferred.header = header;
	/* Other allocators' blocks may be 16 bytes apart: only every second of those has a slot. */
	tracker.deferred_low_bits = real.is_glibc ? DEFERRED_GRANULE / 2 - 1 : DEFERRED_GRANULE - 1;
}

/*
 * A handler that forked may have interrupted a store to a region: in the child that goes on when
 * the handler returns, to pages of no file.
 */
static void waste(struct deferred_region *region)
{
	(void)sys_call6(SYS_mmap, (long)region, sizeof(*region), PROT_READ | PROT_WRITE,
			MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

void deferred_blocks_enter_child(void)
{
	if (!tracker.deferred_low_bits)
		return;
	uint32_t used_count = atomic_load(&deferred.used_count);
	for (uint32_t i = 0; i < used_count && i < DEFERRED_PLACES; i++) {
		struct deferred_place *place = &deferred_places[deferred.used[i]];
		struct deferred_region *region = atomic_exchange(&place->region, NULL);
		atomic_store(&place->number, 0);
		if (region && !atomic_load(&tracker.is_filtered))
			waste(region);
	}
	atomic_store(&deferred.used_count, 0);
	atomic_store(&deferred.stacks, 0);
	atomic_store(&deferred.is_full, 0);
	atomic_store(&deferred.has_no_regions, 0);
}

void deferred_blocks_end(void)
{
	if (!tracker.deferred_low_bits)
		return;
	tracker.deferred_low_bits = 0;
	atomic_store(&tracker.segment->images[tracker.image_index].defers_no_more, 1);
}

uint32_t deferred_blocks_number_stack(void)
{
	uint32_t count = atomic_load_explicit(&deferred.stacks, memory_order_relaxed);
	if (count >= DEFERRED_STACKS_MAX - SEGMENT_RINGS)
		return 0;
	return atomic_fetch_add_explicit(&deferred.stacks, 1, memory_order_relaxed) + 1;
}

/* returns  the index of a region that is ours now; DEFERRED_REGIONS: none is free */
static uint32_t claim_region(void)
{
	for (uint32_t i = 0; i < DEFERRED_REGIONS; i++) {
		struct deferred_owner *owner = &deferred.header->owners[i];
		uint64_t nobody = 0;
		if (atomic_load_explicit(&owner->image_serial, memory_order_relaxed) == 0 &&
		    atomic_compare_exchange_strong(&owner->image_serial, &nobody,
						   tracker.image_serial))
			return i;
	}
	return DEFERRED_REGIONS;
}

/*
 * Maps a region. There is no descriptor of the file: a second mapping is made from the first, as
 * in thread.c, and what lies in front of the region is unmapped again.
 */
static struct deferred_region *map_region(uint32_t index)
{
	uint64_t offset = DEFERRED_REGION_OFFSET(index);
	/* After mlockall the second mapping would be locked too, and all pages of it be made. */
	(void)sys_call6(SYS_munlock, (long)deferred.header, DEFERRED_HEADER_BYTES, 0, 0, 0, 0);
	long mapped = sys_call6(SYS_mremap, (long)deferred.header, 0,
				(long)(offset + sizeof(struct deferred_region)), MREMAP_MAYMOVE, 0,
				0);
	if (sys_failed(mapped))
		return NULL;
	sys_munmap((void *)mapped, offset);
	return (struct deferred_region *)(void *)((char *)mapped + offset);
}

/* Makes pages of a region exist. returns false: they can't be had */
static bool populate(void *pages, size_t size_bytes)
{
	if (atomic_load_explicit(&tracker.is_filtered, memory_order_relaxed) ||
	    !sys_populate_shared(pages, size_bytes)) {
		atomic_store_explicit(&deferred.is_full, 1, memory_order_relaxed);
		return false;
	}
	return true;
}

static void give_back(uint32_t index, struct deferred_region *region)
{
	if (region)
		sys_munmap(region, sizeof(*region));
	atomic_store(&deferred.header->owners[index].first_address, DEFERRED_NO_ADDRESS);
	atomic_store(&deferred.header->owners[index].image_serial, 0);
}

static struct deferred_region *make_region(struct deferred_place *place, uint64_t number)
{
	struct deferred_region *region;
	uint32_t index = claim_region();
	if (index == DEFERRED_REGIONS) {
		atomic_store_explicit(&deferred.has_no_regions, 1, memory_order_relaxed);
		return NULL;
	}
	region = map_region(index);
	if (!region || !populate(region->ready, sizeof(region->ready))) {
		give_back(index, region);
		return NULL;
	}
	/* A core dump is the program's. */
	(void)sys_call6(SYS_madvise, (long)region, sizeof(*region), MADV_DONTDUMP, 0, 0, 0);
	/* Threads that come to a new region at the same time agree on one of them. */
	uint64_t nobody = 0;
	if (!atomic_compare_exchange_strong(&place->number, &nobody, number) && nobody != number) {
		give_back(index, region);
		return NULL;
	}
	atomic_store(&deferred.header->owners[index].first_address,
		     (number - 1) << DEFERRED_REGION_SHIFT);
	/* A fork's child must know of it as soon as it is there. */
	uint32_t used = atomic_fetch_add(&deferred.used_count, 1);
	struct deferred_region *other = NULL;
	if (used < DEFERRED_PLACES) {
		deferred.used[used] = (uint16_t)(number % DEFERRED_PLACES);
		if (atomic_compare_exchange_strong(&place->region, &other, region))
			return region;
	}
	give_back(index, region);
	return other;
}

/*
 * The region of an address, which is made if need be. Meanwhile no handler may fork: before a child
 * can know of the region it would take the parent's for its own. returns NULL: there is none
 */
static struct deferred_region *region_of(uintptr_t address)
{
	uint64_t number = (address >> DEFERRED_REGION_SHIFT) + 1;
	struct deferred_place *place = &deferred_places[number % DEFERRED_PLACES];
	struct deferred_region *region = atomic_load_explicit(&place->region, memory_order_acquire);
	if (region)
		return atomic_load(&place->number) == number ? region : NULL;
	if (atomic_load_explicit(&deferred.has_no_regions, memory_order_relaxed))
		return NULL;
	uint64_t mask = sys_block_signals();
	region = make_region(place, number);
	sys_set_signal_mask(mask);
	return region;
}

static bool make_page(struct deferred_region *region, uint32_t slot)
{
	uint32_t page = slot / DEFERRED_PAGE_SLOTS;
	/* A heap that grows upwards needs the next ones soon. */
	bool is_growing = page > 0 && deferred_page_is_ready(region, slot - DEFERRED_PAGE_SLOTS);
	uint32_t end = is_growing ? page + PAGES_AT_ONCE : page + 1;
	if (end > DEFERRED_REGION_PAGES)
		end = DEFERRED_REGION_PAGES;
	if (!populate(&region->slots[page * DEFERRED_PAGE_SLOTS],
		      (size_t)(end - page) * SEGMENT_PAGE))
		return false;
	for (; page < end; page++)
		atomic_fetch_or_explicit(&region->ready[page / 8], (uint8_t)(1u << page % 8),
					 memory_order_release);
	return true;
}

_Atomic uint64_t *deferred_blocks_make(uintptr_t address)
{
	if (address & tracker.deferred_low_bits ||
	    atomic_load_explicit(&deferred.is_full, memory_order_relaxed) ||
	    atomic_load_explicit(&tracker.is_filtered, memory_order_relaxed))
		return NULL;
	struct deferred_region *region = region_of(address);
	uint32_t slot = deferred_slot_index(address);
	return region && make_page(region, slot) ? &region->slots[slot] : NULL;
}
