/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libtrack/preload/environment.h"
#include "libtrack/preload/tracker.h"

struct tracker tracker;

#define SESSION "MEMTRACE_SESSION=/logs/a.segment"
#define LIBRARY "/opt/memtrace/libmemtrace.so"

static void find(char *const *variables)
{
	memset(tracker.session, 0, sizeof(tracker.session));
	memset(tracker.library, 0, sizeof(tracker.library));
	assert_true(environment_find_session(variables));
}

static void session_and_library_are_found(void **state)
{
	char *plain[] = {"A=1", SESSION, "LD_PRELOAD=" LIBRARY, NULL};
	char *among[] = {"LD_PRELOAD=/x.so:" LIBRARY " /y.so", SESSION, NULL};
	char *without_session[] = {"LD_PRELOAD=" LIBRARY, NULL};
	char *without_library[] = {SESSION, "LD_PRELOAD=/opt/notlibmemtrace.so", NULL};
	(void)state;
	find(plain);
	assert_string_equal(tracker.session, "/logs/a.segment");
	assert_string_equal(tracker.library, LIBRARY);
	find(among);
	assert_string_equal(tracker.library, LIBRARY);
	memset(&tracker, 0, sizeof(tracker));
	assert_false(environment_find_session(without_session));
	memset(&tracker, 0, sizeof(tracker));
	assert_false(environment_find_session(without_library));
	char *nothing[] = {NULL};
	memset(&tracker, 0, sizeof(tracker));
	assert_false(environment_find_session(nothing));
}

static void a_value_that_is_too_long_is_no_session(void **state)
{
	static char variable[8192] = "MEMTRACE_SESSION=/";
	char *variables[] = {variable, "LD_PRELOAD=" LIBRARY, NULL};
	(void)state;
	memset(variable + strlen(variable), 'x', 5000);
	memset(&tracker, 0, sizeof(tracker));
	assert_false(environment_find_session(variables));
}

static void our_variables_are_hidden_and_nothing_else(void **state)
{
	char lone[] = "LD_PRELOAD=" LIBRARY;
	char first[] = "LD_PRELOAD=" LIBRARY ":/x.so";
	char last[] = "LD_PRELOAD=/x.so " LIBRARY;
	char other[] = "LD_PRELOAD=/x.so";
	char *variables[] = {"A=1", SESSION, lone, "MEMTRACE_SESSIONS=2", NULL};
	(void)state;
	environment_hide(variables);
	assert_string_equal(variables[0], "A=1");
	assert_string_equal(variables[1], "MEMTRACE_SESSIONS=2");
	assert_null(variables[2]);
	char *lists[] = {first, NULL};
	environment_hide(lists);
	assert_string_equal(lists[0], "LD_PRELOAD=/x.so");
	char *others[] = {last, NULL};
	environment_hide(others);
	assert_int_equal(strncmp(others[0], "LD_PRELOAD=/x.so", 16), 0);
	char *foreign[] = {other, NULL};
	environment_hide(foreign);
	assert_string_equal(foreign[0], "LD_PRELOAD=/x.so");
	environment_hide(NULL);
}

static const char *find_variable(char *const *variables, const char *name)
{
	const char *found = NULL;
	for (; *variables; variables++) {
		if (strncmp(*variables, name, strlen(name)) != 0)
			continue;
		assert_null(found); /* once */
		found = *variables;
	}
	return found;
}

static void a_childs_environment_has_them_again(void **state)
{
	struct environment_space space;
	char *ours[] = {SESSION, "LD_PRELOAD=" LIBRARY, NULL};
	char *empty[] = {NULL};
	char *own[] = {"A=1", "LD_PRELOAD=/x.so", NULL};
	(void)state;
	find(ours);
	assert_ptr_equal(environment_for_child(ours, &space), ours);
	char *const *made = environment_for_child(empty, &space);
	assert_string_equal(find_variable(made, "MEMTRACE_SESSION"), SESSION);
	assert_string_equal(find_variable(made, "LD_PRELOAD"), "LD_PRELOAD=" LIBRARY);
	environment_release(&space);
	made = environment_for_child(own, &space);
	assert_string_equal(find_variable(made, "A="), "A=1");
	assert_string_equal(find_variable(made, "LD_PRELOAD"), "LD_PRELOAD=" LIBRARY ":/x.so");
	environment_release(&space);
	made = environment_for_child(NULL, &space);
	assert_non_null(find_variable(made, "LD_PRELOAD"));
	environment_release(&space);
}

static void a_long_environment_has_pages_of_its_own(void **state)
{
	static char *variables[5001];
	struct environment_space space;
	char *ours[] = {SESSION, "LD_PRELOAD=" LIBRARY, NULL};
	(void)state;
	find(ours);
	for (size_t i = 0; i < 5000; i++)
		variables[i] = "X=1";
	variables[4000] = "LD_PRELOAD=/x.so";
	char *const *made = environment_for_child(variables, &space);
	assert_non_null(space.mapped);
	assert_string_equal(find_variable(made, "LD_PRELOAD"), "LD_PRELOAD=" LIBRARY ":/x.so");
	environment_release(&space);
	assert_null(space.mapped);
}

static void a_preload_list_that_is_too_long_is_left_alone(void **state)
{
	static char list[8192] = "LD_PRELOAD=/";
	char *variables[] = {list, NULL};
	char *ours[] = {SESSION, "LD_PRELOAD=" LIBRARY, NULL};
	struct environment_space space;
	(void)state;
	find(ours);
	memset(list + strlen(list), 'x', 6000);
	assert_ptr_equal(environment_for_child(variables, &space), variables);
	environment_release(&space);
}

static void an_untraceable_childs_environment_has_them_not(void **state)
{
	struct environment_space space;
	char *variables[] = {"A=1", SESSION, "LD_PRELOAD=" LIBRARY ":/x.so", NULL};
	(void)state;
	char *const *made = environment_without(variables, &space);
	assert_null(find_variable(made, "MEMTRACE_SESSION"));
	assert_string_equal(find_variable(made, "LD_PRELOAD"), "LD_PRELOAD=/x.so");
	assert_string_equal(variables[2], "LD_PRELOAD=" LIBRARY ":/x.so"); /* not ours to change */
	environment_release(&space);
	variables[2] = "LD_PRELOAD=" LIBRARY;
	made = environment_without(variables, &space);
	assert_null(find_variable(made, "LD_PRELOAD"));
	environment_release(&space);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_and_library_are_found),
		cmocka_unit_test(a_value_that_is_too_long_is_no_session),
		cmocka_unit_test(our_variables_are_hidden_and_nothing_else),
		cmocka_unit_test(a_childs_environment_has_them_again),
		cmocka_unit_test(a_long_environment_has_pages_of_its_own),
		cmocka_unit_test(a_preload_list_that_is_too_long_is_left_alone),
		cmocka_unit_test(an_untraceable_childs_environment_has_them_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
