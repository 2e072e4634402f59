/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "libtrack/preload/stack_names.h"

/* It begins with a line of the cache. */
static struct stack_names *new_names(void)
{
	struct stack_names *names = aligned_alloc(_Alignof(struct stack_names), sizeof(*names));
	assert_non_null(names);
	memset(names, 0, sizeof(*names));
	return names;
}

/* What the collector makes of the definitions: the traces by slot. */
struct collector {
	uint64_t traces[RING_SLOTS][LIMIT_FRAMES + 1];
	size_t depths[RING_SLOTS];
};

static void name_and_follow(struct stack_names *names, struct collector *collector,
			    const uint64_t *frames, size_t count, bool is_truncated)
{
	static uint64_t expected[LIMIT_FRAMES + 1];
	size_t depth = 0;
	if (is_truncated)
		expected[depth++] = RING_FRAME_TRUNCATED;
	for (size_t i = count; i-- > 0;)
		expected[depth++] = frames[i];
	struct stack_name name = stack_names_name(names, frames, count, is_truncated);
	assert_true(name.slot < RING_SLOTS);
	if (name.is_new) {
		static uint64_t defined[LIMIT_FRAMES + 1];
		assert_true(name.kept <= collector->depths[name.base]);
		memcpy(defined, collector->traces[name.base], name.kept * sizeof(uint64_t));
		memcpy(defined + name.kept, names->previous + name.kept,
		       (names->depth - name.kept) * sizeof(uint64_t));
		memcpy(collector->traces[name.slot], defined, sizeof(defined));
		collector->depths[name.slot] = names->depth;
	}
	assert_int_equal(collector->depths[name.slot], depth);
	assert_memory_equal(collector->traces[name.slot], expected, depth * sizeof(uint64_t));
}

static void random_traces_are_defined_as_they_are(void **state)
{
	struct stack_names *names = new_names();
	struct collector *collector = calloc(1, sizeof(*collector));
	static uint64_t frames[LIMIT_FRAMES];
	uint32_t seed = 1;
	size_t count = 1;
	(void)state;
	assert_true(names && collector);
	for (int i = 0; i < 30000; i++) {
		seed = seed * 1664525u + 1013904223u;
		/* Some of the innermost frames change, seldom the depth. */
		if ((seed >> 28) == 0)
			count = 1 + (seed >> 8) % ((seed >> 20) % 8 ? 12 : LIMIT_FRAMES);
		for (size_t f = 0; f < (seed >> 16) % 4 && f < count; f++)
			frames[f] = 0x400000 + ((seed >> (f * 3)) % 11) * 4;
		if (i % 5000 == 4999)
			stack_names_clear(names);
		name_and_follow(names, collector, frames, count, (seed >> 24) % 16 == 0);
	}
	free(names);
	free(collector);
}

static void the_same_trace_has_the_same_name(void **state)
{
	struct stack_names *names = new_names();
	const uint64_t first[] = {1, 2, 3};
	const uint64_t second[] = {4, 2, 3};
	(void)state;
	struct stack_name a = stack_names_name(names, first, 3, false);
	struct stack_name b = stack_names_name(names, second, 3, false);
	struct stack_name c = stack_names_name(names, first, 3, false);
	assert_true(a.is_new);
	assert_true(b.is_new);
	assert_int_equal(b.kept, 2);
	assert_false(c.is_new);
	assert_int_equal(c.slot, a.slot);
	assert_true(stack_names_name(names, first, 3, true).is_new); /* not the whole of it */
	stack_names_clear(names);
	assert_true(stack_names_name(names, first, 3, false).is_new);
	free(names);
}

/* Finds a trace of one frame, above `frame`, that may be where `slot` is. */
static uint64_t find_rival(struct stack_names *names, uint32_t slot, uint64_t frame)
{
	for (;;) {
		struct stack_name name = stack_names_name(names, &(uint64_t){++frame}, 1, false);
		if (name.slot / STACK_NAMES_WAYS == slot / STACK_NAMES_WAYS)
			return frame;
	}
}

static void traces_share_a_place_and_one_more_takes_the_oldest_ones(void **state)
{
	struct stack_names *names = new_names();
	uint64_t frames[STACK_NAMES_WAYS] = {1};
	(void)state;
	uint32_t slot = stack_names_name(names, frames, 1, false).slot;
	for (uint32_t i = 1; i < STACK_NAMES_WAYS; i++)
		frames[i] = find_rival(names, slot, frames[i - 1]);
	for (uint32_t i = 0; i < 3 * STACK_NAMES_WAYS; i++)
		assert_false(
			stack_names_name(names, &frames[i % STACK_NAMES_WAYS], 1, false).is_new);
	(void)find_rival(names, slot, frames[STACK_NAMES_WAYS - 1]);
	for (uint32_t i = STACK_NAMES_WAYS; i-- > 1;)
		assert_false(stack_names_name(names, &frames[i], 1, false).is_new);
	assert_true(stack_names_name(names, &frames[0], 1, false).is_new);
	free(names);
}

static void a_trace_of_no_frames_has_a_name(void **state)
{
	struct stack_names *names = new_names();
	(void)state;
	struct stack_name name = stack_names_name(names, NULL, 0, false);
	assert_true(name.is_new);
	assert_int_equal(name.kept, 0);
	assert_false(stack_names_name(names, NULL, 0, false).is_new);
	free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_traces_are_defined_as_they_are),
		cmocka_unit_test(the_same_trace_has_the_same_name),
		cmocka_unit_test(traces_share_a_place_and_one_more_takes_the_oldest_ones),
		cmocka_unit_test(a_trace_of_no_frames_has_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
