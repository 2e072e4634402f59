/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libtrack/collector/deferred_file.h"

#define SERIAL 7u
#define ADDRESS ((uint64_t)3 << DEFERRED_REGION_SHIFT)

/* The file, and the region 0 of it as its owner sees it. */
static struct segment_header *segment;
static struct deferred_file *file;
static struct deferred_region *region;

static int set_up(void **state)
{
	(void)state;
	segment = calloc(1, sizeof(*segment));
	file = calloc(1, sizeof(*file));
	assert_non_null(segment);
	assert_non_null(file);
	deferred_file_create(file, segment);
	assert_non_null(file->header);
	region = mmap(NULL, sizeof(*region), PROT_READ | PROT_WRITE, MAP_SHARED, file->fd,
		      (off_t)DEFERRED_REGION_OFFSET(0));
	assert_ptr_not_equal(region, MAP_FAILED);
	atomic_store(&file->header->owners[0].image_serial, SERIAL);
	atomic_store(&file->header->owners[0].first_address, ADDRESS);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)munmap(region, sizeof(*region));
	deferred_file_release(file);
	free(file);
	free(segment);
	return 0;
}

static uint64_t *slot_in(uint32_t page)
{
	return (uint64_t *)&region->slots[page * DEFERRED_PAGE_SLOTS];
}

/* As a process does that needs slots there. */
static void use_pages(uint32_t first, uint32_t end)
{
	for (uint32_t page = first; page < end; page++) {
		*slot_in(page) = 0;
		atomic_fetch_or(&region->ready[page / 8], (uint8_t)(1u << page % 8));
	}
}

static bool exists(uint32_t page)
{
	off_t offset = (off_t)(DEFERRED_REGION_OFFSET(0) + sizeof(region->ready) +
			       (uint64_t)page * SEGMENT_PAGE);
	return lseek(file->fd, offset, SEEK_DATA) == offset;
}

static void pages_are_made_ahead_of_a_growing_heap(void **state)
{
	(void)state;
	use_pages(0, 20);
	assert_false(exists(20));
	deferred_file_look_ahead(file);
	assert_int_equal(file->grown_pages, 20);
	assert_true(exists(20));
	assert_true(exists(39));
	assert_false(exists(100));
	use_pages(20, 60);
	deferred_file_look_ahead(file);
	assert_int_equal(file->grown_pages, 60);
	assert_true(exists(99));
	assert_false(exists(200));
}

static void none_are_made_where_nothing_is_new(void **state)
{
	(void)state;
	deferred_file_look_ahead(file);
	assert_false(exists(0));
	use_pages(0, 20);
	deferred_file_look_ahead(file);
	uint32_t end = 20;
	while (exists(end))
		end++;
	for (int i = 0; i < 10; i++)
		deferred_file_look_ahead(file);
	assert_false(exists(end));
	assert_int_equal(file->grown_pages, 20);
}

static void none_are_made_behind_blocks_that_are_far_apart(void **state)
{
	(void)state;
	for (uint32_t page = 3; page < 1000; page += 7) {
		use_pages(page, page + 1);
		deferred_file_look_ahead(file);
		assert_false(exists(page + 1));
	}
	assert_int_equal(file->grown_pages, 0);
	use_pages(998, 999);
	deferred_file_look_ahead(file);
	assert_true(exists(999));
	assert_int_equal(file->grown_pages, 1);
}

static void a_region_ends(void **state)
{
	(void)state;
	use_pages(DEFERRED_REGION_PAGES - 3, DEFERRED_REGION_PAGES);
	use_pages(5, 6);
	deferred_file_look_ahead(file);
	assert_true(exists(5));
	assert_false(exists(DEFERRED_REGION_PAGES - 4));
}

static void a_region_that_is_given_back_is_as_new(void **state)
{
	(void)state;
	use_pages(0, 20);
	deferred_file_look_ahead(file);
	deferred_file_give_back(file, SERIAL);
	assert_int_equal(file->grown_pages, 0);
	assert_false(exists(0));
	assert_false(exists(25));
	atomic_store(&file->header->owners[0].image_serial, SERIAL + 1);
	atomic_store(&file->header->owners[0].first_address, ADDRESS);
	use_pages(0, 10);
	deferred_file_look_ahead(file);
	assert_int_equal(file->grown_pages, 10);
	assert_true(exists(10));
}

static void blocks_in_pages_of_both_kinds_are_taken(void **state)
{
	struct recorded_image image = {.serial = SERIAL};
	struct deferred_block *blocks;
	size_t count;
	(void)state;
	use_pages(0, 20);
	deferred_file_look_ahead(file);
	use_pages(20, 22);
	for (uint32_t page = 0; page < 22; page += 21)
		*slot_in(page) = deferred_slot_make(ADDRESS, 1, 24, 0, 1);
	assert_true(deferred_file_take(file, &image, &blocks, &count));
	assert_int_equal(count, 2);
	assert_int_equal(blocks[0].address, ADDRESS);
	assert_int_equal(blocks[1].address,
			 ADDRESS + 21ull * DEFERRED_PAGE_SLOTS * DEFERRED_GRANULE);
	free(blocks);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages_are_made_ahead_of_a_growing_heap),
		TEST(none_are_made_where_nothing_is_new),
		TEST(none_are_made_behind_blocks_that_are_far_apart),
		TEST(a_region_ends),
		TEST(a_region_that_is_given_back_is_as_new),
		TEST(blocks_in_pages_of_both_kinds_are_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
