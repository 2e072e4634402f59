/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "libtrack/preload/cfi_table.h"
#include "libtrack/preload/rule_cache.h"
#include "libtrack/preload/tracker.h"
#include "libtrack/preload/unwind_fast.h"

struct tracker tracker;

static struct unwind_state unwinding;
static struct stack_names names;

/* What was defined, by name. */
static struct {
	uint64_t frames[LIMIT_FRAMES];
	size_t count;
} defined[RING_SLOTS];
static size_t recalled_count;

/* Takes a trace both ways, with memo and without: they must agree. */
static __attribute__((noinline)) size_t capture(uint64_t *frames)
{
	struct unwind_start start = UNWIND_START();
	bool is_truncated = false;
	uint64_t hash = 0;
	size_t count = unwind_plainly(&unwinding, &start, frames, LIMIT_FRAMES, &is_truncated);
	(void)unwind_fast(&unwinding, &start, &names, &hash);
	if (is_truncated) {
		/* The memo keeps two places less. */
		assert_int_equal(count, LIMIT_FRAMES);
		assert_int_equal(names.depth, LIMIT_FRAMES);
		assert_int_equal(names.previous[0], RING_FRAME_TRUNCATED);
		count = LIMIT_FRAMES - 1;
	} else {
		assert_int_equal(names.depth, count);
	}
	for (size_t i = 0; i < count; i++)
		assert_int_equal(names.previous[names.depth - 1 - i], frames[i]);
	return count;
}

/* As an event does it: what is recalled must be what a plain walk finds. */
static __attribute__((noinline)) size_t capture_and_name(uint64_t *frames)
{
	struct unwind_start start = UNWIND_START();
	bool is_truncated = false;
	size_t count = unwind_plainly(&unwinding, &start, frames, LIMIT_FRAMES, &is_truncated);
	uint32_t slot;
	struct trace_entry *entry = unwind_recall(&unwinding, &start);
	if (!entry || names.slot_hash[entry->slot] != entry->hash) {
		uint64_t hash = 0;
		uint32_t kept = unwind_fast(&unwinding, &start, &names, &hash);
		unwind_remember(&unwinding, &start, hash);
		struct stack_name name = stack_names_find(&names, hash, kept);
		unwind_name(&unwinding, hash, name.slot);
		slot = name.slot;
		if (name.is_new) {
			defined[slot].count = count;
			memcpy(defined[slot].frames, frames, count * sizeof(*frames));
		}
	} else {
		slot = entry->slot;
		unwind_recalled(&unwinding, entry);
		recalled_count++;
		assert_false(is_truncated);
	}
	assert_int_equal(defined[slot].count, count);
	assert_memory_equal(defined[slot].frames, frames, count * sizeof(*frames));
	return count;
}

static size_t (*capture_some)(uint64_t *frames) = capture;

/* One call of two places, told by the bits of `branch`. */
static __attribute__((noinline)) size_t capture_below(uint64_t *frames, unsigned depth,
						      unsigned branch)
{
	size_t count;
	if (depth == 0)
		return capture_some(frames);
	if (branch & 1) {
		count = capture_below(frames, depth - 1, branch >> 1);
		__asm__ volatile("nop"); /* else the compiler makes the two calls one */
	} else {
		count = capture_below(frames, depth - 1, branch >> 1);
	}
	__asm__ volatile("" ::: "memory"); /* no tail call */
	return count;
}

static int set_up(void **state)
{
	(void)state;
	stack_bounds_init(&unwinding.bounds);
	return 0;
}

static void each_call_is_a_frame(void **state)
{
	static uint64_t frames[LIMIT_FRAMES];
	(void)state;
	size_t base = capture_below(frames, 0, 0);
	assert_true(base >= 3);
	for (unsigned depth = 1; depth < 200; depth += 13)
		assert_int_equal(capture_below(frames, depth, 0), base + depth);
}

static void the_memo_and_a_plain_walk_agree_on_random_stacks(void **state)
{
	static uint64_t frames[LIMIT_FRAMES];
	uint32_t seed = 5;
	(void)state;
	for (int i = 0; i < 3000; i++) {
		seed = seed * 1664525u + 1013904223u;
		(void)capture_below(frames, (seed >> 8) % 40, seed >> 16);
		if (i % 500 == 0)
			unwind_forget(&unwinding);
	}
}

static void what_is_recalled_and_a_plain_walk_agree_on_random_stacks(void **state)
{
	static uint64_t frames[LIMIT_FRAMES];
	uint32_t seed = 7;
	(void)state;
	capture_some = capture_and_name;
	recalled_count = 0;
	for (int i = 0; i < 20000; i++) {
		seed = seed * 1664525u + 1013904223u;
		/* Some stacks come again and again; others differ in one frame, near or far. */
		uint32_t pick = (seed >> 8) % 64;
		uint32_t branch = (pick * 0x9e3779b1u) ^
				  ((seed >> 28) ? 0 : 1u << ((seed >> 14) % 32));
		(void)capture_below(frames, 5 + pick % 40, branch);
		if (i % 5000 == 4999) {
			unwind_forget(&unwinding);
			stack_names_clear(&names);
		}
	}
	capture_some = capture;
	assert_in_range(recalled_count, 5000, 20000);
}

static void the_outermost_call_alone_makes_another_trace(void **state)
{
	static uint64_t frames[LIMIT_FRAMES];
	(void)state;
	capture_some = capture_and_name;
	for (int i = 0; i < 50; i++)
		(void)capture_below(frames, 20, (unsigned)i & 1);
	capture_some = capture;
}

static void deeper_than_the_limit_is_cut_and_marked(void **state)
{
	static uint64_t frames[LIMIT_FRAMES];
	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(capture_below(frames, LIMIT_FRAMES + 50, 0), LIMIT_FRAMES - 1);
		/* And back to a trace that is whole. */
		(void)capture_below(frames, 3, 0);
		assert_int_not_equal(names.previous[0], RING_FRAME_TRUNCATED);
	}
}

static void a_rule_is_the_same_from_table_and_cache(void **state)
{
	static uint64_t frames[LIMIT_FRAMES];
	(void)state;
	size_t count = capture_below(frames, 5, 0);
	for (size_t i = 0; i < count; i++) {
		uintptr_t pc = (uintptr_t)RING_FRAME_ADDRESS(frames[i]);
		uint32_t rule = cfi_rule(pc - 1);
		assert_int_equal(rule & ~RULE_MASK, 0);
		assert_int_equal(rule_cache_get(pc), rule);
		assert_int_equal(rule_cache_get(pc), rule);
		rule_cache_clear();
		assert_int_equal(rule_cache_get(pc), rule);
	}
}

static void an_address_in_no_module_is_guessed(void **state)
{
	(void)state;
	assert_int_equal(cfi_rule(0x10), RULE_GUESS_FP);
	assert_int_equal(cfi_rule(UINT64_MAX), RULE_GUESS_FP);
}

int main(void)
{
	unwind_init(&unwinding);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_is_a_frame),
		cmocka_unit_test(the_memo_and_a_plain_walk_agree_on_random_stacks),
		cmocka_unit_test(what_is_recalled_and_a_plain_walk_agree_on_random_stacks),
		cmocka_unit_test(the_outermost_call_alone_makes_another_trace),
		cmocka_unit_test(deeper_than_the_limit_is_cut_and_marked),
		cmocka_unit_test(a_rule_is_the_same_from_table_and_cache),
		cmocka_unit_test(an_address_in_no_module_is_guessed),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
