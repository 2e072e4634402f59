/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limits of memory, read from trees of files like the kernel's. */
#include "tests/unit/unit.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd/memory_limit.h"

static char root[] = "/tmp/memtrace-limit-XXXXXX";

static void write_file(const char *name, const char *text)
{
	char path[PATH_MAX];
	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *slash = strchr(path + strlen(root) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0700); /* it may be there */
		*slash = '/';
	}
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static struct memory_limit read_limit(void)
{
	char proc[PATH_MAX];
	char groups[PATH_MAX];
	struct memory_limit limit;
	(void)snprintf(proc, sizeof(proc), "%s/proc", root);
	(void)snprintf(groups, sizeof(groups), "%s/groups", root);
	memory_limit_read(proc, groups, &limit);
	return limit;
}

static int set_up(void **state)
{
	(void)state;
	(void)strcpy(root, "/tmp/memtrace-limit-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[PATH_MAX + 16];
	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

static void without_groups_the_machine_is_the_limit(void **state)
{
	(void)state;
	write_file("proc/meminfo", "MemTotal:        2048 kB\nMemFree: 1 kB\n");
	write_file("proc/vmstat", "oom_kill_other 9\noom_kill 3\n");
	struct memory_limit limit = read_limit();
	assert_int_equal(limit.bytes, 2048 * 1024);
	assert_string_equal(limit.what, "the machine");
	assert_int_equal(limit.machine_kills, 3);
	assert_int_equal(limit.group_kills, 0);
}

static void the_smallest_limit_of_the_groups_around_counts(void **state)
{
	(void)state;
	write_file("proc/meminfo", "MemTotal: 2048 kB\n");
	write_file("proc/self/cgroup", "0::/a.slice/b.scope\n");
	write_file("groups/a.slice/b.scope/memory.max", "max\n");
	write_file("groups/a.slice/b.scope/memory.events",
		   "low 0\noom 4\noom_kill 2\noom_group_kill 1\n");
	write_file("groups/a.slice/memory.max", "1000000\n");
	struct memory_limit limit = read_limit();
	assert_int_equal(limit.bytes, 1000000);
	assert_string_equal(limit.what, "its control group");
	assert_int_equal(limit.group_kills, 2);
}

static void version_1_has_other_names(void **state)
{
	(void)state;
	write_file("proc/self/cgroup", "9:cpu:/x\n4:memory:/deep/er\n0::/\n");
	write_file("groups/memory/deep/er/memory.limit_in_bytes", "9223372036854771712\n");
	write_file("groups/memory/deep/er/memory.oom_control", "oom_kill_disable 0\noom_kill 5\n");
	write_file("groups/memory/memory.limit_in_bytes", "500\n");
	struct memory_limit limit = read_limit();
	assert_int_equal(limit.bytes, 500);
	assert_int_equal(limit.group_kills, 5);
}

static void nothing_known_is_no_limit(void **state)
{
	(void)state;
	struct memory_limit limit = read_limit();
	assert_int_equal(limit.bytes, 0);
	assert_null(limit.what);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_groups_the_machine_is_the_limit, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_smallest_limit_of_the_groups_around_counts,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(version_1_has_other_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_known_is_no_limit, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
