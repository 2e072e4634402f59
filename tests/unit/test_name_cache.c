/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A cache in a directory of the test's own; nothing is looked up. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reader/name_cache.h"

static const uint8_t build_id[20] = {0xab, 0xcd, 1, 2, 3};
static const char file_name[] = "abcd010203000000000000000000000000000000.names";

static char directory[64];
static int directory_fd;

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(directory, sizeof(directory), "/tmp/test_name_cache_XXXXXX"); /* fits */
	if (!mkdtemp(directory) || setenv(ENV_NAME_CACHE, directory, 1) != 0)
		return -1;
	directory_fd = name_cache_open_directory();
	return directory_fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	char command[128];
	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r %s", directory); /* fits */
	return close(directory_fd) == 0 && system(command) == 0 ? 0 : -1;
}

static void save(uint64_t stamp, uint64_t offset, const char *function)
{
	struct name_cache cache;
	assert_true(name_cache_open(&cache, directory_fd, build_id, sizeof(build_id), stamp));
	struct symbol_frame frame = {
		.function = string_table_add(&cache.symbols.strings, function, strlen(function)),
		.line = 7,
	};
	assert_true(symbols_add_entry(&cache.symbols, 0, offset));
	assert_true(symbols_add_frame(&cache.symbols, &frame));
	cache.symbols.objects[0].quality = 1;
	name_cache_save(&cache);
	name_cache_release(&cache);
}

/* The function at `offset`, "" if it is not in the cache. */
static char *found(uint64_t stamp, uint64_t offset)
{
	static char text[64];
	struct name_cache cache;
	assert_true(name_cache_open(&cache, directory_fd, build_id, sizeof(build_id), stamp));
	const struct symbol_entry *entry = symbols_find(&cache.symbols, 0, offset);
	*text = '\0';
	if (entry) {
		const struct symbol_frame *frame = &cache.symbols.frames[entry->first_frame];
		assert_int_equal(entry->frame_count, 1);
		assert_int_equal(frame->line, 7);
		assert_int_equal(cache.symbols.objects[0].quality, 1);
		(void)snprintf(text, sizeof(text), "%s",
			       string_table_text(&cache.symbols.strings, frame->function));
	}
	name_cache_release(&cache);
	return text;
}

static void what_was_saved_is_found_and_added_to(void **state)
{
	(void)state;
	assert_string_equal(found(1, 100), "");
	save(1, 100, "first");
	save(1, 200, "second");
	assert_string_equal(found(1, 100), "first");
	assert_string_equal(found(1, 200), "second");
	assert_string_equal(found(1, 300), "");
}

static void names_from_other_files_are_not_used(void **state)
{
	(void)state;
	save(1, 100, "old");
	assert_string_equal(found(2, 100), "");
	save(2, 200, "new");
	assert_string_equal(found(1, 100), "");
	assert_string_equal(found(2, 200), "new");
}

static void a_damaged_file_is_as_none(void **state)
{
	uint8_t bytes[4096];
	(void)state;
	save(1, 100, "function");
	int fd = openat(directory_fd, file_name, O_RDWR);
	ssize_t size_bytes = read(fd, bytes, sizeof(bytes));
	assert_true(size_bytes > 24);
	for (ssize_t i = 0; i < size_bytes; i++) {
		uint8_t changed = bytes[i] ^ 0x10;
		assert_int_equal(pwrite(fd, &changed, 1, i), 1);
		assert_string_equal(found(1, 100), "");
		assert_int_equal(pwrite(fd, &bytes[i], 1, i), 1);
	}
	assert_string_equal(found(1, 100), "function");
	for (ssize_t i = 0; i < size_bytes; i++) {
		assert_int_equal(ftruncate(fd, i), 0);
		assert_string_equal(found(1, 100), "");
	}
	save(1, 100, "function");
	assert_string_equal(found(1, 100), "function");
	assert_int_equal(close(fd), 0);
}

static void a_link_and_a_file_that_others_can_write_are_not_read(void **state)
{
	(void)state;
	save(1, 100, "function");
	assert_int_equal(fchmodat(directory_fd, file_name, 0666, 0), 0);
	assert_string_equal(found(1, 100), "");
	assert_int_equal(fchmodat(directory_fd, file_name, 0600, 0), 0);
	assert_string_equal(found(1, 100), "function");
	assert_int_equal(renameat(directory_fd, file_name, directory_fd, "other"), 0);
	assert_int_equal(symlinkat("other", directory_fd, file_name), 0);
	assert_string_equal(found(1, 100), "");
}

static void a_directory_that_others_can_write_is_not_used(void **state)
{
	(void)state;
	assert_int_equal(chmod(directory, 0777), 0);
	assert_int_equal(name_cache_open_directory(), -1);
	assert_int_equal(chmod(directory, 0700), 0);
}

static void without_a_home_there_is_no_cache(void **state)
{
	(void)state;
	assert_int_equal(setenv(ENV_NAME_CACHE, "", 1), 0);
	assert_int_equal(name_cache_open_directory(), -1);
	assert_int_equal(unsetenv(ENV_NAME_CACHE), 0);
	assert_int_equal(setenv("XDG_CACHE_HOME", "/nowhere", 1), 0);
	assert_int_equal(name_cache_open_directory(), -1);
	assert_int_equal(unsetenv("XDG_CACHE_HOME"), 0);
	assert_int_equal(setenv("HOME", "/nowhere", 1), 0);
	assert_int_equal(name_cache_open_directory(), -1);
	assert_int_equal(unsetenv("HOME"), 0);
	assert_int_equal(name_cache_open_directory(), -1);
}

static void it_is_made_below_the_home(void **state)
{
	struct stat status;
	(void)state;
	assert_int_equal(unsetenv(ENV_NAME_CACHE), 0);
	assert_int_equal(unsetenv("XDG_CACHE_HOME"), 0);
	assert_int_equal(setenv("HOME", directory, 1), 0);
	int fd = name_cache_open_directory();
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(fstatat(directory_fd, ".cache/memtrace", &status, 0), 0);
	assert_int_equal(status.st_mode & 07777, 0700);
}

static void the_files_that_were_not_used_for_longest_are_removed(void **state)
{
	const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	char name[32];
	struct stat status;
	(void)state;
	for (int i = 0; i < 450; i++) {
		(void)snprintf(name, sizeof(name), "%d.names", i); /* fits */
		int fd = openat(directory_fd, name, O_WRONLY | O_CREAT, 0600);
		assert_true(fd >= 0);
		if (i % 2 == 0)
			assert_int_equal(futimens(fd, old), 0);
		assert_int_equal(close(fd), 0);
	}
	save(1, 100, "function");
	int left[2] = {0};
	for (int i = 0; i < 450; i++) {
		(void)snprintf(name, sizeof(name), "%d.names", i); /* fits */
		left[i % 2] += fstatat(directory_fd, name, &status, 0) == 0;
	}
	assert_int_equal(left[1], 225);
	assert_int_equal(left[0], 400 - 225 - 1);
	assert_string_equal(found(1, 100), "function");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_saved_is_found_and_added_to),
		TEST(names_from_other_files_are_not_used),
		TEST(a_damaged_file_is_as_none),
		TEST(a_link_and_a_file_that_others_can_write_are_not_read),
		TEST(a_directory_that_others_can_write_is_not_used),
		TEST(without_a_home_there_is_no_cache),
		TEST(it_is_made_below_the_home),
		TEST(the_files_that_were_not_used_for_longest_are_removed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
