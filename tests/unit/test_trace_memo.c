/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "libtrack/preload/trace_memo.h"

#define STACK_WORDS 4096u

static struct trace_memo memo;
static uint64_t stack[STACK_WORDS];
static uint64_t random_state = 3;

static uint64_t roll(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1du;
}

static uint32_t roll_below(uint32_t count)
{
	return (uint32_t)(roll() >> 33) % count;
}

/* A trace as a walk might have found it: words of a stack. */
struct sample {
	struct unwind_start start;
	uint32_t count;
	uint32_t indexes[TRACE_WORDS_MAX]; /* [count] in `stack`, outermost first */
	bool has_fp;
};

static uintptr_t high(void)
{
	return (uintptr_t)(stack + STACK_WORDS);
}

static uintptr_t something_like_an_address(void)
{
	return 0x7f0000000000u + (uintptr_t)roll_below(1u << 28);
}

static void make_trace(struct sample *trace)
{
	uint32_t sp = roll_below(1000);
	uint32_t at = sp + roll_below(4);
	*trace = (struct sample){
		.start = {.pc = something_like_an_address(),
			  .sp = (uintptr_t)(stack + sp),
			  .fp = something_like_an_address()},
		.count = 1 + roll_below(roll_below(2) ? TRACE_WORDS_MAX : 12),
		.has_fp = roll_below(2),
	};
	for (uint32_t i = trace->count; i-- > 0; at += 1 + roll_below(20))
		trace->indexes[i] = at;
}

static void add(const struct sample *trace, uint32_t slot)
{
	struct trace_words words;
	uint32_t outermost = trace->indexes[0];
	uint64_t sum = 0;
	for (uint32_t i = 0; i < trace->count; i++) {
		sum += trace_term(i, stack[trace->indexes[i]]);
		words.sums[i] = sum;
		words.places[i] = (uint16_t)(TRACE_PLACE_BASE - (outermost - trace->indexes[i]));
	}
	uint32_t sp = (uint32_t)((uint64_t *)trace->start.sp - stack);
	struct trace walked = {
		.words = &words,
		.word_count = trace->count,
		.span = outermost - sp,
		.has_fp = trace->has_fp,
		.hash = slot * 1000ull,
	};
	for (; walked.caller_count < TRACE_CALLERS && walked.caller_count < trace->count;
	     walked.caller_count++)
		walked.callers[walked.caller_count] =
			trace->indexes[trace->count - 1 - walked.caller_count] - sp;
	trace_memo_add(&memo, &trace->start, high(), &walked);
	trace_memo_name(&memo, walked.hash, slot);
}

static bool is_found(const struct sample *trace, uint32_t slot)
{
	const struct trace_entry *entry = trace_memo_find(&memo, &trace->start, high());
	if (entry) {
		assert_int_equal(entry->slot, slot);
		assert_int_equal(entry->hash, slot * 1000ull);
	}
	return entry != NULL;
}

static int fill_stack(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < STACK_WORDS; i++)
		stack[i] = something_like_an_address();
	if (!memo.table)
		trace_memo_init(&memo);
	trace_memo_clear(&memo);
	return 0;
}

static void each_word_that_was_read_counts(void **state)
{
	(void)state;
	for (int round = 0; round < 300; round++) {
		struct sample trace;
		make_trace(&trace);
		add(&trace, 7);
		assert_true(is_found(&trace, 7));
		for (uint32_t i = 0; i < trace.count; i++) {
			uint64_t *word = &stack[trace.indexes[i]];
			uint64_t before = *word;
			*word = before ^ 1ull << roll_below(64);
			assert_false(is_found(&trace, 7));
			*word = something_like_an_address();
			assert_int_equal(is_found(&trace, 7), *word == before);
			*word = before;
		}
		assert_true(is_found(&trace, 7));
	}
}

static void several_words_that_change_together_count(void **state)
{
	(void)state;
	for (int round = 0; round < 20000; round++) {
		static struct sample trace;
		static uint64_t saved[STACK_WORDS];
		if (round % 100 == 0) {
			make_trace(&trace);
			add(&trace, 7);
			memcpy(saved, stack, sizeof(stack));
		}
		/* The same difference here and there, as when a library lies elsewhere. */
		uint64_t difference = (uint64_t)roll_below(1u << 20) + 1;
		uint32_t changes = 2 + roll_below(5);
		for (uint32_t i = 0; i < changes; i++)
			stack[trace.indexes[roll_below(trace.count)]] += i % 2 ? difference
									       : -difference;
		bool is_same = true;
		for (uint32_t i = 0; i < trace.count; i++)
			is_same = is_same && stack[trace.indexes[i]] == saved[trace.indexes[i]];
		assert_int_equal(is_found(&trace, 7), is_same);
		memcpy(stack, saved, sizeof(stack));
	}
}

static void other_words_do_not_count(void **state)
{
	struct sample trace;
	bool is_read[STACK_WORDS] = {false};
	(void)state;
	make_trace(&trace);
	add(&trace, 7);
	for (uint32_t i = 0; i < trace.count; i++)
		is_read[trace.indexes[i]] = true;
	for (uint32_t i = 0; i < STACK_WORDS; i++)
		stack[i] += is_read[i] ? 0 : 8;
	assert_true(is_found(&trace, 7));
}

static void where_the_walk_begins_counts(void **state)
{
	(void)state;
	for (int round = 0; round < 100; round++) {
		struct sample trace;
		make_trace(&trace);
		add(&trace, 7);
		struct sample other = trace;
		other.start.pc += 1 + roll_below(1000);
		assert_false(is_found(&other, 7));
		other = trace;
		other.start.sp += 8 * (1 + roll_below(100));
		assert_false(is_found(&other, 7));
		other = trace;
		other.start.fp += 8;
		assert_int_equal(is_found(&other, 7), !trace.has_fp);
	}
}

static void nothing_beyond_the_end_of_the_stack_is_read(void **state)
{
	struct sample trace;
	(void)state;
	make_trace(&trace);
	add(&trace, 7);
	uintptr_t outermost = (uintptr_t)&stack[trace.indexes[0]];
	assert_non_null(trace_memo_find(&memo, &trace.start, outermost + 8));
	assert_null(trace_memo_find(&memo, &trace.start, outermost));
	assert_null(trace_memo_find(&memo, &trace.start, trace.start.sp + 8));
}

/* Behind this stack there is nothing to be read: whatever an entry holds, its words are before. */
static void where_nothing_is_found_nothing_else_is_read(void **state)
{
	const size_t page_bytes = 4096;
	const size_t gap_bytes = TRACE_PLACE_BASE * sizeof(uint64_t);
	uint8_t *pages = mmap(NULL, page_bytes + gap_bytes, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	(void)state;
	assert_ptr_not_equal(pages, MAP_FAILED);
	assert_int_equal(mprotect(pages, page_bytes, PROT_READ | PROT_WRITE), 0);
	for (uint32_t i = 0; i < 300; i++) {
		struct sample trace;
		make_trace(&trace);
		add(&trace, i);
	}
	/* One of 65,536 has the tag of an empty entry, or of another trace. */
	for (uint32_t i = 0; i < 2000000; i++) {
		const struct unwind_start start = {
			.pc = something_like_an_address(),
			.sp = (uintptr_t)(pages + roll_below((uint32_t)page_bytes / 8) * 8),
			.fp = something_like_an_address(),
		};
		assert_null(trace_memo_find(&memo, &start, (uintptr_t)(pages + page_bytes)));
	}
	munmap(pages, page_bytes + gap_bytes);
}

static void of_many_traces_what_is_found_is_right(void **state)
{
	enum { TRACES = 2000 };
	struct sample *traces = calloc(TRACES, sizeof(*traces));
	uint32_t found = 0;
	(void)state;
	assert_non_null(traces);
	for (uint32_t i = 0; i < TRACES; i++)
		make_trace(&traces[i]);
	for (uint32_t round = 0; round < 200000; round++) {
		/* A hundred of them are frequent. */
		uint32_t i = roll_below(roll_below(4) ? 100 : TRACES);
		if (is_found(&traces[i], i))
			found++;
		else
			add(&traces[i], i);
		if (round % 1000 == 0)
			stack[roll_below(STACK_WORDS)] = something_like_an_address();
		if (round % 50000 == 0) {
			trace_memo_clear(&memo);
			assert_false(is_found(&traces[i], i));
		}
	}
	assert_in_range(found, 50000, 200000);
	free(traces);
}

static void a_trace_can_be_given_another_name(void **state)
{
	struct sample trace;
	(void)state;
	make_trace(&trace);
	for (uint32_t slot = 1; slot < 100; slot++) {
		add(&trace, slot);
		assert_true(is_found(&trace, slot));
	}
}

static void it_rests_where_hits_are_rare(void **state)
{
	(void)state;
	memo.hits = 0;
	trace_memo_judge(&memo);
	uint32_t first = memo.rest;
	assert_true(first > 0);
	for (int i = 0; i < 20; i++)
		trace_memo_judge(&memo);
	assert_true(memo.rest > first);
	assert_true(memo.rest <= 1u << 12);
	memo.hits = TRACE_TRIAL_MISSES;
	trace_memo_judge(&memo);
	assert_int_equal(memo.rest, 0);
}

/* Eight functions that allocate, at any depth; each function has a frame of its own size. */
static void make_call(struct sample *trace, uint32_t number)
{
	make_trace(trace);
	uint32_t function = number % 8;
	uint32_t sp = number / 8;
	uint32_t at = sp + function;
	for (uint32_t i = trace->count; i-- > 0; at += 1 + (uint32_t)(stack[at] % 20))
		trace->indexes[i] = at;
	trace->start.sp = (uintptr_t)(stack + sp);
	trace->start.pc = 0x401000 + function * 64;
}

/* Adds up to 8,000 traces, as a program with many does. returns how many are found again */
static uint32_t count_kept(uint32_t count)
{
	struct sample *traces = calloc(count, sizeof(*traces));
	uint32_t found = 0;
	assert_non_null(traces);
	for (uint32_t i = 0; i < count; i++) {
		make_call(&traces[i], i);
		add(&traces[i], i);
	}
	for (uint32_t i = 0; i < count; i++)
		found += is_found(&traces[i], i);
	free(traces);
	return found;
}

/* A function that all allocations go through, and one that is called from many places. */
static void traces_that_differ_further_out_have_room(void **state)
{
	struct sample trace;
	uint32_t found = 0;
	(void)state;
	do
		make_trace(&trace);
	while (trace.count < 8);
	uint64_t *word = &stack[trace.indexes[trace.count - 3]];
	for (uint32_t i = 0; i < 60; i++) {
		*word = 0x402000 + i * 16;
		add(&trace, i);
	}
	for (uint32_t i = 0; i < 60; i++) {
		*word = 0x402000 + i * 16;
		found += is_found(&trace, i);
	}
	assert_true(found > 50);
}

static void with_many_traces_it_is_tight_until_it_has_a_large_table(void **state)
{
	struct trace_large_table *large = calloc(1, sizeof(*large));
	(void)state;
	assert_non_null(large);
	memset(&memo, 0, sizeof(memo));
	trace_memo_init(&memo);
	assert_true(count_kept(50) > 40);
	assert_false(trace_memo_is_tight(&memo));
	assert_true(count_kept(2000) < 600);
	assert_true(trace_memo_is_tight(&memo));
	trace_memo_enlarge(&memo, large);
	assert_false(trace_memo_is_tight(&memo));
	assert_true(count_kept(2000) > 1500);
	(void)count_kept(8000);
	assert_false(trace_memo_is_tight(&memo));
	assert_ptr_equal(memo.large, large);
}

/* With the table that the test before has left. */
static void with_a_large_table_each_word_counts(void **state)
{
	assert_non_null(memo.large);
	each_word_that_was_read_counts(state);
	several_words_that_change_together_count(state);
	other_words_do_not_count(state);
}

static void with_a_large_table_what_is_found_is_right(void **state)
{
	assert_non_null(memo.large);
	of_many_traces_what_is_found_is_right(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_word_that_was_read_counts, fill_stack),
		cmocka_unit_test_setup(several_words_that_change_together_count, fill_stack),
		cmocka_unit_test_setup(other_words_do_not_count, fill_stack),
		cmocka_unit_test_setup(where_the_walk_begins_counts, fill_stack),
		cmocka_unit_test_setup(nothing_beyond_the_end_of_the_stack_is_read, fill_stack),
		cmocka_unit_test_setup(where_nothing_is_found_nothing_else_is_read, fill_stack),
		cmocka_unit_test_setup(of_many_traces_what_is_found_is_right, fill_stack),
		cmocka_unit_test_setup(a_trace_can_be_given_another_name, fill_stack),
		cmocka_unit_test_setup(it_rests_where_hits_are_rare, fill_stack),
		cmocka_unit_test_setup(traces_that_differ_further_out_have_room, fill_stack),
		cmocka_unit_test_setup(with_many_traces_it_is_tight_until_it_has_a_large_table,
				       fill_stack),
		cmocka_unit_test_setup(with_a_large_table_each_word_counts, fill_stack),
		cmocka_unit_test_setup(with_a_large_table_what_is_found_is_right, fill_stack),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
