/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Estimates against a simulation that knows nothing of them: a program allocates blocks of mixed
 * sizes, and the sampler takes the block in which the next point of a Poisson process on the bytes
 * falls. Seeds are fixed, so the shares are always the same.
 */
#include "tests/unit/unit.h"

#include <math.h>
#include <stdbool.h>

#include "reader/estimate.h"

#define INTERVAL 524288.0
#define SEEDS 3000

struct mix {
	const char *name;
	struct {
		uint64_t size_bytes;
		double share; /* of the allocations */
	} parts[8];
};

static const struct mix mixes[] = {
	{"one small size", {{64, 1}}},
	{"small and medium", {{16, 0.9}, {4096, 0.1}}},
	{"a server", {{16, 0.5}, {64, 0.3}, {1024, 0.19}, {65536, 0.0095}, {1048576, 0.0005}}},
	{"as large as the interval", {{400000, 0.5}, {600000, 0.5}}},
};

static uint64_t random_state;

static double random_unit(void)
{
	random_state += 0x9e3779b97f4a7c15u;
	uint64_t z = random_state;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return ((double)((z ^ z >> 31) >> 11) + 0.5) / 9007199254740992.0;
}

/* Sums of what was sampled of `count` blocks of one size. */
static void sample_blocks(uint64_t size_bytes, uint64_t count, struct estimate *bytes,
			  struct estimate *blocks, uint32_t *born)
{
	const struct sample_weight weight = sample_weight_of(size_bytes, (uint64_t)INTERVAL);
	double total = (double)(size_bytes * count);
	double last_block = -1;
	for (double at = -log(random_unit()) * INTERVAL; at < total;
	     at += -log(random_unit()) * INTERVAL) {
		double block = floor(at / (double)size_bytes);
		if (block == last_block)
			continue; /* two points in one block are one sample */
		last_block = block;
		bytes->value += (double)sample_weight_bytes(&weight, *born);
		bytes->variance += weight.bytes_variance;
		bytes->sample_count++;
		blocks->value += (double)sample_weight_count(&weight, (*born)++);
		blocks->variance += weight.count_variance;
		blocks->sample_count++;
		blocks->largest_weight = fmax(blocks->largest_weight, weight.largest);
	}
}

static bool covers(const struct estimate *estimate, double truth)
{
	struct estimate_interval interval = estimate_interval(estimate);
	return interval.low <= truth && truth <= interval.high;
}

struct shares {
	double bytes_covered; /* share of the seeds whose interval has the truth in it */
	double blocks_covered;
	double bytes_bias; /* mean of the estimates over the truth */
	double blocks_bias;
};

/* Simulates runs of which about `expected` blocks are sampled. */
static struct shares simulate(const struct mix *mix, double expected)
{
	double per_block = 0;
	for (size_t i = 0; i < 8; i++)
		per_block += mix->parts[i].share *
			     -expm1(-(double)mix->parts[i].size_bytes / INTERVAL);
	uint64_t counts[8];
	double true_bytes = 0;
	double true_blocks = 0;
	for (size_t i = 0; i < 8; i++) {
		counts[i] = (uint64_t)llround(mix->parts[i].share * expected / per_block);
		true_bytes += (double)(counts[i] * mix->parts[i].size_bytes);
		true_blocks += (double)counts[i];
	}
	struct shares shares = {0};
	uint32_t born = 0;
	for (random_state = 1; random_state <= SEEDS; random_state++) {
		uint64_t seed = random_state;
		struct estimate bytes = {0};
		struct estimate blocks = {0};
		random_state *= 0xd1342543de82ef95u;
		for (size_t i = 0; i < 8; i++)
			if (counts[i])
				sample_blocks(mix->parts[i].size_bytes, counts[i], &bytes, &blocks,
					      &born);
		shares.bytes_covered += covers(&bytes, true_bytes);
		shares.blocks_covered += covers(&blocks, true_blocks);
		shares.bytes_bias += bytes.value / true_bytes;
		shares.blocks_bias += blocks.value / true_blocks;
		random_state = seed;
	}
	shares.bytes_covered /= SEEDS;
	shares.blocks_covered /= SEEDS;
	shares.bytes_bias /= SEEDS;
	shares.blocks_bias /= SEEDS;
	return shares;
}

static void bytes_are_covered_by_their_interval_in_95_of_100_runs(void **state)
{
	static const double expected[] = {30, 50, 100, 400};
	(void)state;
	for (size_t m = 0; m < sizeof(mixes) / sizeof(*mixes); m++) {
		for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
			struct shares shares = simulate(&mixes[m], expected[i]);
			print_message("# %s, %.0f samples: bytes %.3f\n", mixes[m].name,
				      expected[i], shares.bytes_covered);
			assert_in_range((int)(shares.bytes_covered * 1000), 930, 970);
		}
	}
}

/*
 * Counts hang on the few samples of small blocks: here about ten are expected. Where some sizes
 * are rare the interval allows for more than was seen, so it may be too wide.
 */
static void counts_are_covered_once_small_blocks_were_sampled(void **state)
{
	static const double expected[] = {30, 300, 1700, 30};
	(void)state;
	for (size_t m = 0; m < sizeof(mixes) / sizeof(*mixes); m++) {
		struct shares shares = simulate(&mixes[m], expected[m]);
		print_message("# %s: blocks %.3f\n", mixes[m].name, shares.blocks_covered);
		assert_in_range((int)(shares.blocks_covered * 1000), 930, 990);
	}
}

/* With few samples the interval may be too wide, as Garwood's is, but not too narrow. */
static void few_samples_are_covered_at_least(void **state)
{
	static const double expected[] = {5, 10, 20};
	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
		struct shares shares = simulate(&mixes[0], expected[i]);
		assert_in_range((int)(shares.bytes_covered * 1000), 930, 995);
		assert_in_range((int)(shares.blocks_covered * 1000), 930, 995);
	}
}

static void estimates_are_unbiased(void **state)
{
	(void)state;
	for (size_t m = 0; m < sizeof(mixes) / sizeof(*mixes); m++) {
		struct shares shares = simulate(&mixes[m], 100);
		assert_in_range((int)(shares.bytes_bias * 10000), 9900, 10100);
		assert_in_range((int)(shares.blocks_bias * 10000), 9900, 10100);
	}
}

/* Where the rounding of counts matters most: each block stands for little more than itself. */
static void counts_of_large_blocks_are_unbiased(void **state)
{
	const struct sample_weight weight = sample_weight_of(524288, 524288);
	uint64_t sum = 0;
	(void)state;
	for (uint32_t born = 0; born < 1000000; born++)
		sum += sample_weight_count(&weight, born);
	assert_in_range(sum, 1580000, 1584000); /* 1 / (1 - exp(-1)) = 1.58198 */
}

static void an_unsampled_block_stands_for_itself(void **state)
{
	(void)state;
	const struct sample_weight weight = sample_weight_of(100, 0);
	assert_int_equal(weight.bytes, 100);
	assert_int_equal(sample_weight_count(&weight, 7), 1);
	assert_true(weight.bytes_variance == 0);
}

/* libstdc++'s pool of 72704 bytes, at an interval of 2 KiB: its variance is 1e-11. */
static void a_block_that_is_as_good_as_certain_has_a_narrow_interval_at_once(void **state)
{
	(void)state;
	const struct estimate estimate = {.value = 72704, .variance = 1e-11, .sample_count = 1};
	struct estimate_interval interval = estimate_interval(&estimate);
	assert_true(interval.low > 72703 && interval.low <= 72704);
	assert_true(interval.high < 72705 && interval.high >= 72704);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_covered_by_their_interval_in_95_of_100_runs),
		cmocka_unit_test(counts_are_covered_once_small_blocks_were_sampled),
		cmocka_unit_test(few_samples_are_covered_at_least),
		cmocka_unit_test(estimates_are_unbiased),
		cmocka_unit_test(counts_of_large_blocks_are_unbiased),
		cmocka_unit_test(an_unsampled_block_stands_for_itself),
		cmocka_unit_test(a_block_that_is_as_good_as_certain_has_a_narrow_interval_at_once),
	};
	return cmocka_run_group_tests_name("estimate", tests, NULL, NULL);
}
