/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/trace_memo.h"

#include <string.h>

/* splitmix64, made odd */
#define MIX1(z) (((z) ^ (z) >> 30) * 0xbf58476d1ce4e5b9u)
#define MIX2(z) (((z) ^ (z) >> 27) * 0x94d049bb133111ebu)
#define FACTOR(n) (MIX2(MIX1((n + 1) * 0x9e3779b97f4a7c15u)) | 1)
#define FACTORS4(n) FACTOR(n), FACTOR(n + 1), FACTOR(n + 2), FACTOR(n + 3)
#define FACTORS20(n)                                                                               \
	FACTORS4(n), FACTORS4(n + 4), FACTORS4(n + 8), FACTORS4(n + 12), FACTORS4(n + 16)

/* Odd numbers without a pattern. */
HIDDEN const uint64_t trace_factors[TRACE_WORDS_MAX] = {
	FACTORS20(0),  FACTORS20(20),  FACTORS20(40), FACTORS20(60),
	FACTORS20(80), FACTORS20(100), FACTORS4(120)};

static const uint64_t pc_factor = 0xd6e8feb86659fd93u;
static const uint64_t sp_factor = 0xa0761d6478bd642fu;
static const uint64_t fp_factor = 0xe7037ed1a0b428dbu;
static const uint64_t caller_factor = 0x8ebc6af09c88c6e3u;

static inline uint64_t start_sum(const struct unwind_start *start, bool has_fp)
{
	uint64_t sum = start->pc * pc_factor + start->sp * sp_factor;
	return has_fp ? sum + start->fp * fp_factor : sum;
}

static inline uint8_t *caller_of(struct trace_memo *memo, uintptr_t pc)
{
	return &memo->callers[pc * pc_factor >> 56];
}
_Static_assert(TRACE_CALLERS == 1u << 8, "caller_of takes eight bits");

/*
 * Says in which set the trace is, and with which tag: by pc, sp, and who called the function there,
 * since most calls come from a few functions that hand them on. Where that is found is remembered
 * by pc; if it is wrong, an entry is not found.
 */
static inline uint64_t find_key(const uint8_t *caller, const struct unwind_start *start,
				uintptr_t room)
{
	uint64_t sum = start_sum(start, false);
	return *caller < room ? sum + ((const uint64_t *)start->sp)[*caller] * caller_factor : sum;
}

static inline uint32_t set_of(const struct trace_table *table, uint64_t key)
{
	return (uint32_t)(key >> table->set_shift);
}

static inline uint16_t tag_of(uint64_t key)
{
	return (uint16_t)(key >> 32);
}

static inline bool is_held(const struct trace_memo *memo, const struct trace_entry *entry)
{
	return memo->next_place - entry->end + entry->word_count <= memo->table->place_count;
}

static struct trace_table table_of(uint32_t set_count, struct trace_set *sets,
				   struct trace_entry (*entries)[TRACE_MEMO_WAYS],
				   uint32_t place_count, uint16_t *places)
{
	return (struct trace_table){
		.set_shift = 64 - (uint32_t)__builtin_ctz(set_count),
		.place_count = place_count,
		.sets = sets,
		.entries = entries,
		.places = places,
	};
}

void trace_memo_init(struct trace_memo *memo)
{
	memo->small_table = table_of(TRACE_MEMO_SETS, memo->small.sets, memo->small.entries,
				     TRACE_MEMO_PLACES, memo->small.places);
	memo->table = &memo->small_table;
}

void trace_memo_enlarge(struct trace_memo *memo, struct trace_large_table *large)
{
	large->table = table_of(TRACE_MEMO_LARGE_SETS, large->sets, large->entries,
				TRACE_MEMO_LARGE_PLACES, large->places);
	memo->large = large;
	memo->table = &large->table; /* whole, should a jump out of a handler end this here */
}

static inline uint64_t sum_of_four(const uint64_t *words, const uint16_t *places,
				   const uint64_t *factors)
{
	return (words[places[0]] * factors[0] + words[places[1]] * factors[1]) +
	       (words[places[2]] * factors[2] + words[places[3]] * factors[3]);
}

/*
 * Says whether the words of an entry, all between sp and the end of its stack, are the same.
 * end  behind the entry's places
 */
static inline bool is_same(const struct trace_entry *entry, const uint16_t *end,
			   const uint64_t *words, uint64_t sum)
{
	uint32_t left = entry->word_count;
	const uint64_t *factors = trace_factors + left;
	if (__builtin_expect(left >= 4, 1)) {
		sum += sum_of_four(words, end -= 4, factors -= 4);
		if ((uint16_t)(sum >> 48) != entry->near)
			return false;
		for (left -= 4; left >= 4; left -= 4)
			sum += sum_of_four(words, end -= 4, factors -= 4);
	}
	while (left-- > 0)
		sum += words[*--end] * *--factors;
	return sum == entry->sum;
}

struct trace_entry *trace_memo_find(struct trace_memo *memo, const struct unwind_start *start,
				    uintptr_t high)
{
	uintptr_t room = (high - start->sp) / sizeof(uint64_t);
	uint64_t key = find_key(caller_of(memo, start->pc), start, room);
	const struct trace_table *table = memo->table;
	uint32_t index = set_of(table, key);
	const struct trace_set *set = &table->sets[index];
	const uint64_t ones = 0x0001000100010001u;
	uint64_t tags;
	memcpy(&tags, set->tags, sizeof(tags));
	uint64_t differences = tags ^ tag_of(key) * ones;
	/* The top bit of each way with the tag; now and then of the one behind it too. */
	uint64_t candidates = (differences - ones) & ~differences & ones << 15;
	for (; candidates; candidates &= candidates - 1) {
		uint32_t way = (uint32_t)__builtin_ctzll(candidates) / 16;
		struct trace_entry *entry = &table->entries[index][way];
		if (is_held(memo, entry) && entry->span < room &&
		    is_same(entry, &table->places[set->ends[way] * TRACE_PLACES_UNIT],
			    (const uint64_t *)start->sp, start_sum(start, entry->has_fp)))
			return entry;
	}
	return NULL;
}

/*
 * Room for `count` places in one piece, up to the end of a unit.
 * returns  where it ends, counted from the first one ever on
 */
static uint32_t take_places(struct trace_memo *memo, uint32_t count)
{
	uint32_t place_count = memo->table->place_count;
	uint32_t at = memo->next_place;
	count = (count + TRACE_PLACES_UNIT - 1) / TRACE_PLACES_UNIT * TRACE_PLACES_UNIT;
	if (at % place_count + count > place_count)
		at += place_count - at % place_count;
	if (at > UINT32_MAX - 2 * place_count) {
		trace_memo_clear(memo);
		at = 0;
	}
	memo->next_place = at + count;
	return at + count;
}

/*
 * The entry that makes room: the same trace's, whose name is another now; one that has lost its
 * places; else one that was not found since it was passed over the last time.
 */
static struct trace_entry *choose(struct trace_memo *memo, struct trace_entry *set, uint64_t sum)
{
	struct trace_entry *chosen = NULL;
	for (uint32_t way = 0; way < TRACE_MEMO_WAYS; way++) {
		if (!set[way].word_count || !is_held(memo, &set[way]))
			chosen = &set[way];
		else if (set[way].sum == sum)
			return &set[way];
	}
	/* What has lost its places was pushed out too. */
	memo->losses += !chosen || chosen->word_count;
	for (uint32_t tries = 0; !chosen && tries < TRACE_MEMO_WAYS; tries++) {
		struct trace_entry *entry = &set[memo->next_way++ % TRACE_MEMO_WAYS];
		if (!entry->is_used)
			chosen = entry;
		entry->is_used = false;
	}
	return chosen ? chosen : &set[memo->next_way % TRACE_MEMO_WAYS];
}

void trace_memo_add(struct trace_memo *memo, const struct unwind_start *start,
		    const struct trace *trace)
{
	uint8_t *caller = caller_of(memo, start->pc);
	if (trace->caller <= UINT8_MAX)
		*caller = (uint8_t)trace->caller;
	uint64_t key = find_key(caller, start, trace->span + 1);
	const struct trace_table *table = memo->table;
	struct trace_entry *set = table->entries[set_of(table, key)];
	struct trace_set *first_read = &table->sets[set_of(table, key)];
	uint32_t count = trace->word_count;
	const uint64_t *sums = trace->words->sums;
	uint64_t sum = start_sum(start, trace->has_fp) + sums[count - 1];
	uint64_t near = sum - (count > 4 ? sums[count - 5] : 0);
	uint32_t end = take_places(memo, count);
	struct trace_entry *entry = choose(memo, set, sum);
	uint32_t end_place = (end - 1) % table->place_count + 1;
	uint16_t *places = &table->places[end_place - count];
	for (uint32_t i = 0; i < count; i++)
		places[i] = (uint16_t)(trace->words->places[i] + trace->span - TRACE_PLACE_BASE);
	*entry = (struct trace_entry){
		.sum = sum,
		.hash = trace->hash,
		.end = end,
		.slot = trace->slot,
		.span = (uint16_t)trace->span,
		.near = (uint16_t)(near >> 48),
		.word_count = (uint8_t)count,
		.has_fp = trace->has_fp,
	};
	first_read->tags[entry - set] = tag_of(key);
	first_read->ends[entry - set] = (uint16_t)(end_place / TRACE_PLACES_UNIT);
}

bool trace_words_hold(const struct trace_words *words, uint32_t count, const uint64_t *outermost)
{
	const uint64_t *base = outermost - TRACE_PLACE_BASE;
	uint64_t sum = 0;
	uint32_t i = 0;
	for (; i + 4 <= count; i += 4)
		sum += sum_of_four(base, words->places + i, trace_factors + i);
	for (; i < count; i++)
		sum += base[words->places[i]] * trace_factors[i];
	return count == 0 || sum == words->sums[count - 1];
}

void trace_memo_clear(struct trace_memo *memo)
{
	const struct trace_table *table = memo->table;
	memset(table->entries, 0, sizeof(*table->entries) << (64 - table->set_shift));
	memo->next_place = 0;
}

void trace_memo_judge(struct trace_memo *memo)
{
	if (memo->hits >= TRACE_TRIAL_MISSES / 4)
		memo->failures = 0;
	else if (memo->failures < TRACE_FAILURES_MAX)
		memo->failures++;
	memo->rest = memo->failures ? TRACE_TRIAL_MISSES / 2 << memo->failures : 0;
	memo->hits = 0;
	memo->misses = 0;
}
