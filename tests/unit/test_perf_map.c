/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "reader/perf_map.h"

struct names {
	char of[8][64];
};

static void take(void *context, size_t index, const char *name)
{
	struct names *names = context;
	(void)snprintf(names->of[index], sizeof(names->of[index]), "%s", name);
}

static struct names read_text(const char *text, const uint64_t *addresses, size_t count)
{
	struct names names = {0};
	FILE *map = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	assert_non_null(map);
	perf_map_read(map, addresses, count, take, &names);
	(void)fclose(map);
	return names;
}

static void finds_the_functions_of_addresses(void **state)
{
	const uint64_t addresses[] = {0xfff, 0x1000, 0x100f, 0x1010, 0x2000};
	struct names names = read_text("1000 10 first one\n1010 20 second\n", addresses, 5);
	(void)state;
	assert_string_equal(names.of[0], "");
	assert_string_equal(names.of[1], "first one");
	assert_string_equal(names.of[2], "first one");
	assert_string_equal(names.of[3], "second");
	assert_string_equal(names.of[4], "");
}

static void the_last_line_of_an_address_counts(void **state)
{
	const uint64_t address = 0x1004;
	(void)state;
	assert_string_equal(
		read_text("1000 10 old\n2000 10 other\n1004 4 new\n", &address, 1).of[0], "new");
}

static void passes_over_lines_that_make_no_sense(void **state)
{
	const uint64_t addresses[] = {0x10, 0x1000, UINT64_MAX};
	struct names names = read_text("\n"
				       "nonsense\n"
				       "1000\n"
				       "1000 \n"
				       "1000 10\n"
				       "1000 10 \n"
				       "-1000 10 negative\n"
				       " 1000 10 space\n"
				       "1000 -10 negative size\n"
				       "fffffffffffffffff 10 too large\n"
				       "ffffffffffffff00 ffffffffffffffff over the end\n"
				       "0x10 0x1 prefixed",
				       addresses, 3);
	(void)state;
	assert_string_equal(names.of[0], "prefixed");
	assert_string_equal(names.of[1], "");
	assert_string_equal(names.of[2], "over the end");
}

static void a_line_of_any_length_is_one_line(void **state)
{
	const uint64_t address = 0x1004;
	size_t length = 20000;
	char *text = malloc(length + 64);
	(void)state;
	assert_non_null(text);
	memset(text, 'x', length);
	memcpy(text, "9000 1 ", 7);
	(void)strcpy(text + length, "\n1000 10 name\n"); /* fits */
	assert_string_equal(read_text(text, &address, 1).of[0], "name");
	free(text);
}

static void assert_parsed(const char *name, const char *function, const char *file, uint32_t line)
{
	char text[128];
	(void)snprintf(text, sizeof(text), "%s", name);
	struct perf_name parsed = perf_name_parse(text);
	assert_string_equal(parsed.function, function);
	assert_string_equal(parsed.file, file);
	assert_int_equal(parsed.line, line);
}

static void names_tell_file_and_line(void **state)
{
	(void)state;
	assert_parsed("py::Class.method:/srv/a b.py", "Class.method", "/srv/a b.py", 0);
	assert_parsed("py::<module>:<frozen abc>", "<module>", "<frozen abc>", 0);
	assert_parsed("JS:*work /srv/a.js:12:5", "work", "/srv/a.js", 12);
	assert_parsed("JS:~get name node:internal/util:3:9", "get name", "node:internal/util", 3);
	assert_parsed("JS:~ /srv/my dir/a.js:7:1", "(anonymous)", "/srv/my dir/a.js", 7);
	assert_parsed("LazyCompile:~work file:///srv/a.mjs:1:2", "work", "file:///srv/a.mjs", 1);
	/* Node 18 gives no column. */
	assert_parsed("LazyCompile:~work /srv/a.js:12", "work", "/srv/a.js", 12);
	assert_parsed("LazyCompile:~ node:internal/util:3", "(anonymous)", "node:internal/util", 3);
	assert_parsed("Builtin:ArrayMap", "Builtin:ArrayMap", "", 0);
	assert_parsed("JS:", "JS:", "", 0);
	assert_parsed("JS:*", "", "", 0);
	assert_parsed("JS:work", "work", "", 0);
	assert_parsed("JS:work a:b:c", "work", "a:b:c", 0);
	assert_parsed("JS:work a:99999999999:1", "work", "a", 0);
	assert_parsed("py::", "py::", "", 0);
	assert_parsed("py::name", "py::name", "", 0);
	assert_parsed("some function", "some function", "", 0);
}

struct place {
	char directory[64];
	char path[128];
	int64_t now_s;
};

static int make_place(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	assert_non_null(place);
	(void)strcpy(place->directory, "/tmp/memtrace-perf-map-XXXXXX"); /* fits */
	assert_non_null(mkdtemp(place->directory));
	(void)snprintf(place->path, sizeof(place->path), "%s/perf-77.map", place->directory);
	FILE *map = fopen(place->path, "w");
	assert_non_null(map);
	(void)fputs("1000 10 name\n", map);
	(void)fclose(map);
	place->now_s = time(NULL);
	*state = place;
	return 0;
}

static int remove_place(void **state)
{
	struct place *place = *state;
	(void)remove(place->path);
	(void)rmdir(place->directory);
	free(place);
	return 0;
}

static bool opens(const struct place *place, uint32_t pid, int64_t first_s, int64_t last_s)
{
	FILE *map = perf_map_open(place->directory, pid, place->now_s + first_s,
				  place->now_s + last_s);
	if (map)
		(void)fclose(map);
	return map != NULL;
}

static void opens_the_file_of_the_process(void **state)
{
	const struct place *place = *state;
	assert_true(opens(place, 77, -10, 10));
	assert_false(opens(place, 78, -10, 10));
}

static void refuses_the_file_of_an_earlier_or_later_process(void **state)
{
	const struct place *place = *state;
	assert_false(opens(place, 77, 10, 20));
	assert_false(opens(place, 77, -20, -10));
}

static void refuses_what_is_no_file_of_ours(void **state)
{
	const struct place *place = *state;
	char other[160];
	(void)snprintf(other, sizeof(other), "%s/other", place->directory);
	assert_int_equal(rename(place->path, other), 0);
	assert_int_equal(symlink(other, place->path), 0);
	assert_false(opens(place, 77, -10, 10));
	assert_int_equal(unlink(place->path), 0);
	assert_int_equal(mkfifo(place->path, 0600), 0);
	assert_false(opens(place, 77, -10, 10));
	assert_int_equal(unlink(place->path), 0);
	assert_int_equal(rename(other, place->path), 0);
	if (geteuid() != 0)
		return; /* only root can give a file away */
	assert_int_equal(chown(place->path, 12345, (gid_t)-1), 0);
	assert_false(opens(place, 77, -10, 10));
}

static void refuses_a_file_that_is_too_large(void **state)
{
	const struct place *place = *state;
	assert_int_equal(truncate(place->path, (off_t)PERF_MAP_BYTES_MAX + 1), 0);
	assert_false(opens(place, 77, -10, 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_functions_of_addresses),
		cmocka_unit_test(the_last_line_of_an_address_counts),
		cmocka_unit_test(passes_over_lines_that_make_no_sense),
		cmocka_unit_test(a_line_of_any_length_is_one_line),
		cmocka_unit_test(names_tell_file_and_line),
		cmocka_unit_test_setup_teardown(opens_the_file_of_the_process, make_place,
						remove_place),
		cmocka_unit_test_setup_teardown(refuses_the_file_of_an_earlier_or_later_process,
						make_place, remove_place),
		cmocka_unit_test_setup_teardown(refuses_what_is_no_file_of_ours, make_place,
						remove_place),
		cmocka_unit_test_setup_teardown(refuses_a_file_that_is_too_large, make_place,
						remove_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
