/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The doorbell rings when the launcher says something, and when it is gone. */
#include "tests/unit/unit.h"

#include <sys/socket.h>
#include <unistd.h>

#include "common/sys.h"
#include "libtrack/collector/control_bell.h"

#define LONG_NS                                                                                    \
	999999999L /* a sleep that nothing ends would be noticed by the whole test's limit */

struct pair {
	int collector;
	int launcher;
};

static int make_pair(void **state)
{
	static struct pair pair;
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return -1;
	pair = (struct pair){.collector = ends[0], .launcher = ends[1]};
	*state = &pair;
	return 0;
}

static int close_pair(void **state)
{
	const struct pair *pair = *state;
	(void)close(pair->collector);
	if (pair->launcher >= 0)
		(void)close(pair->launcher);
	return 0;
}

static void rings_at_first_for_what_came_before(void **state)
{
	const struct pair *pair = *state;
	_Atomic uint32_t doorbell = 7;
	control_bell_hang(pair->collector, &doorbell);
	assert_true(control_bell_rings());
	control_bell_answer();
	assert_false(control_bell_rings());
	assert_int_equal(doorbell, 7);
	control_bell_take_down(pair->collector);
}

static void rings_for_a_message(void **state)
{
	const struct pair *pair = *state;
	_Atomic uint32_t doorbell = 7;
	control_bell_hang(pair->collector, &doorbell);
	control_bell_answer();
	assert_int_equal(send(pair->launcher, "news", 4, 0), 4);
	sys_futex_wait(&doorbell, 7, LONG_NS); /* the signal may come a moment later */
	assert_int_equal(doorbell, 8);
	assert_true(control_bell_rings());
	control_bell_take_down(pair->collector);
}

static void rings_when_the_other_end_is_closed(void **state)
{
	struct pair *pair = *state;
	_Atomic uint32_t doorbell = 7;
	control_bell_hang(pair->collector, &doorbell);
	control_bell_answer();
	(void)close(pair->launcher);
	pair->launcher = -1;
	sys_futex_wait(&doorbell, 7, LONG_NS);
	assert_true(control_bell_rings());
	control_bell_take_down(pair->collector);
}

static void is_silent_once_taken_down(void **state)
{
	const struct pair *pair = *state;
	_Atomic uint32_t doorbell = 7;
	control_bell_hang(pair->collector, &doorbell);
	control_bell_answer();
	control_bell_take_down(pair->collector);
	assert_int_equal(send(pair->launcher, "news", 4, 0), 4);
	(void)getppid(); /* a signal would have come by the end of a system call */
	assert_int_equal(doorbell, 7);
	assert_false(control_bell_rings());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rings_at_first_for_what_came_before, make_pair,
						close_pair),
		cmocka_unit_test_setup_teardown(rings_for_a_message, make_pair, close_pair),
		cmocka_unit_test_setup_teardown(rings_when_the_other_end_is_closed, make_pair,
						close_pair),
		cmocka_unit_test_setup_teardown(is_silent_once_taken_down, make_pair, close_pair),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
