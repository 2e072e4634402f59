/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/leak_protocol.h"
#include "libtrack/collector/leak_memory.h"

#define TEXT "what is there"

/* This process's own memory, as a scan of it would read it. */
struct scan {
	struct image_slot slot;
	uint64_t *words;
	_Atomic bool is_ended;
	pthread_mutex_t turns;
	struct process_memory memory;
};

static int set_up(void **state)
{
	struct scan *scan = calloc(1, sizeof(*scan));
	scan->words = calloc(RING_WORDS, sizeof(*scan->words));
	(void)pthread_mutex_init(&scan->turns, NULL); /* can't fail */
	scan->memory = (struct process_memory){
		.slot = &scan->slot,
		.words = scan->words,
		.is_ended = &scan->is_ended,
		.turns = &scan->turns,
		.has_begun = true,
	};
	*state = scan;
	return 0;
}

static int tear_down(void **state)
{
	struct scan *scan = *state;
	process_memory_release(&scan->memory);
	free(scan->words);
	free(scan);
	return 0;
}

static bool may_read_directly(void)
{
	char text[] = TEXT;
	char copy[sizeof(text)];
	struct iovec local = {copy, sizeof(copy)};
	struct iovec remote = {text, sizeof(text)};
	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)sizeof(text);
}

/* Reads a text of this process, as if it were in this turn. */
static bool reads(struct scan *scan, enum leak_scan_turn turn)
{
	static const char text[] = TEXT;
	char copy[sizeof(text)] = "";
	atomic_store(&scan->slot.scan_turn, turn);
	scan->memory.is_failed = false;
	return process_memory_copy(&scan->memory, (uint64_t)text, sizeof(text), copy) &&
	       strcmp(copy, text) == 0;
}

static void what_is_read_directly_counts_while_the_process_waits_for_this_scan(void **state)
{
	struct scan *scan = *state;
	if (!may_read_directly())
		skip();
	scan->memory.direct = malloc(LEAK_SCAN_CONTENT_WORDS * 8);
	scan->memory.direct_pid = (uint32_t)getpid();
	assert_true(reads(scan, LEAK_SCAN_TURN_GIVEN));
	assert_true(reads(scan, LEAK_SCAN_TURN_READ)); /* another reader has asked */
	assert_false(reads(scan, LEAK_SCAN_TURN_NONE));
	assert_false(reads(scan, LEAK_SCAN_TURN_ASKED)); /* the next scan */
	atomic_store(&scan->is_ended, true);
	assert_false(reads(scan, LEAK_SCAN_TURN_GIVEN));
}

static void the_ring_of_a_process_that_has_gone_on_is_left_alone(void **state)
{
	struct scan *scan = *state;
	memset(scan->words, 0x5a, RING_WORDS * sizeof(*scan->words));
	assert_false(reads(scan, LEAK_SCAN_TURN_NONE));
	assert_int_equal(atomic_load(&scan->slot.scan_turn), LEAK_SCAN_TURN_NONE);
	struct leak_range range = {1 << 20, 4 << 20};
	scan->memory.is_failed = false;
	process_memory_read_present(&scan->memory, &range, NULL, NULL);
	assert_true(scan->memory.is_failed);
	for (size_t i = 0; i < RING_WORDS; i++)
		assert_int_equal(scan->words[i], 0x5a5a5a5a5a5a5a5a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_is_read_directly_counts_while_the_process_waits_for_this_scan, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			the_ring_of_a_process_that_has_gone_on_is_left_alone, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
