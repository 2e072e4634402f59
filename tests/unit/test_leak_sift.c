/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <string.h>

#include "libtrack/collector/leak_sift.h"

#define LOW 0x7f0000001000u
#define SPAN (64u << 20)
#define PAGE_MASK 4095u
#define WORDS 4000u

static uint64_t pages[(PAGE_MASK + 1) / 64];
static uint64_t words[WORDS];
static uint64_t random_state = 11;

static uint64_t roll(uint64_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (random_state >> 20) % limit;
}

static void fill(void)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		pages[i] = roll(UINT64_MAX) ^ roll(UINT64_MAX) << 30;
	uint64_t pointers = roll(9); /* in eight */
	for (uint32_t i = 0; i < WORDS; i++) {
		if (roll(8) < pointers)
			words[i] = LOW - 64 + roll(SPAN + 128);
		else
			words[i] = roll(2) ? roll(1000) : roll(UINT64_MAX) << 20;
	}
}

static bool is_wanted(const struct leak_sieve *sieve, uint64_t word)
{
	uint32_t bit = leak_page_bit(word >> LEAK_PAGE_BITS, PAGE_MASK);
	return word >= sieve->low && word - sieve->low < sieve->span &&
	       !(word >= sieve->own.address && word < sieve->own.end) &&
	       pages[bit / 64] >> bit % 64 & 1;
}

/* Sifts all words, a batch at a time, and looks what comes out. */
static void sift_all(leak_sift_function *sift, struct leak_sieve sieve)
{
	struct leak_batch batch = {.count = (uint32_t)roll(LEAK_BATCH_WORDS - LEAK_BATCH_SPARE)};
	uint32_t before = batch.count;
	uint32_t next = 0;
	for (size_t done = 0; done < WORDS;) {
		size_t some = 1 + roll(200);
		some = some < WORDS - done ? some : WORDS - done;
		sieve.place = 1000 + done * sieve.place_step;
		size_t taken = sift(&sieve, &batch, words + done, some);
		assert_true(taken == some || leak_batch_is_full(&batch));
		assert_true(batch.count <= LEAK_BATCH_WORDS);
		done += taken;
		for (uint32_t i = before; i < batch.count; i++, next++) {
			while (next < WORDS && !is_wanted(&sieve, words[next]))
				next++;
			assert_true(next < done);
			assert_true(batch.words[i] == words[next]);
			assert_true(batch.places[i] == 1000 + next * sieve.place_step);
		}
		before = batch.count;
		if (leak_batch_is_full(&batch))
			batch.count = before = 0;
	}
	for (; next < WORDS; next++)
		assert_false(is_wanted(&sieve, words[next]));
}

static void check(leak_sift_function *sift)
{
	for (int round = 0; round < 200; round++) {
		uint64_t own = LOW + roll(SPAN);
		struct leak_sieve sieve = {
			.low = LOW,
			.span = roll(20) ? SPAN : 0,
			.own = {own, own + (roll(2) ? roll(SPAN) : 0)},
			.pages = pages,
			.page_mask = PAGE_MASK,
			.place_step = roll(2) * 8,
		};
		fill();
		sift_all(sift, sieve);
	}
}

static void words_that_may_be_pointers_come_out_in_order(void **state)
{
	(void)state;
	check(leak_sift_plain);
}

static void eight_at_once_they_are_the_same(void **state)
{
	(void)state;
	if (!leak_sift_wide())
		skip();
	check(leak_sift_wide());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_that_may_be_pointers_come_out_in_order),
		cmocka_unit_test(eight_at_once_they_are_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
