/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/trace_memo.h"

#include <stdatomic.h>
#include <string.h>

/*
 * The factors of the words: each of a group has an odd one, times a power of STEP that grows with
 * the group's distance from the outermost. So sums can be had from the innermost on with as many
 * multiplications, and nothing but the words and their places read.
 */
#define STEP UINT64_C(0x9fb21c651e98df25)
#define LANE0 UINT64_C(0xbf58476d1ce4e5b9)
#define LANE1 UINT64_C(0x94d049bb133111eb)
#define LANE2 UINT64_C(0xc2b2ae3d27d4eb4f)
#define LANE3 UINT64_C(0x9e3779b97f4a7c15)
#define SQUARE(x) ((x) * (x))
#define STEP2 SQUARE(STEP)
#define STEP4 SQUARE(STEP2)
#define STEP8 SQUARE(STEP4)
#define STEP16 SQUARE(STEP8)
#define POWER(n)                                                                                   \
	(((n)&1 ? STEP : 1) * ((n)&2 ? STEP2 : 1) * ((n)&4 ? STEP4 : 1) * ((n)&8 ? STEP8 : 1) *    \
	 ((n)&16 ? STEP16 : 1))
#define GROUP(n) POWER(n) * LANE0, POWER(n) * LANE1, POWER(n) * LANE2, POWER(n) * LANE3
#define GROUPS5(n) GROUP(n), GROUP(n + 1), GROUP(n + 2), GROUP(n + 3), GROUP(n + 4)

HIDDEN const uint64_t trace_factors[TRACE_WORDS_MAX] = {
	GROUPS5(1), GROUPS5(6), GROUPS5(11), GROUPS5(16), GROUPS5(21), GROUPS5(26), GROUP(31)};

static const uint64_t pc_factor = 0xd6e8feb86659fd93u;
static const uint64_t sp_factor = 0xa0761d6478bd642fu;
static const uint64_t fp_factor = 0xe7037ed1a0b428dbu;
static const uint64_t caller_factor = 0x8ebc6af09c88c6e3u;
static const uint64_t before_factor = 0xff51afd7ed558ccdu;

static inline uint64_t start_sum(const struct unwind_start *start, bool has_fp)
{
	uint64_t sum = start->pc * pc_factor + start->sp * sp_factor;
	return has_fp ? sum + start->fp * fp_factor : sum;
}

static inline struct trace_frame *frame_of(struct trace_memo *memo, uintptr_t address,
					   uint8_t *ret_tag)
{
	uint64_t hash = address * pc_factor;
	*ret_tag = (uint8_t)(hash >> 43);
	return &memo->frames[hash >> 51];
}
_Static_assert(TRACE_FRAMES == 1u << 13, "frame_of takes thirteen bits");

/*
 * Says in which set the trace is, and with which tag: by pc, sp, and who called the functions
 * there, since most calls come from a few functions that hand them on. Where those are found is
 * remembered by the address of the call; behind one that is not known, or varies, no more count.
 */
static inline uint64_t find_key(struct trace_memo *memo, const struct unwind_start *start,
				uintptr_t room)
{
	const uint64_t *words = (const uint64_t *)start->sp;
	uint64_t key = start_sum(start, false);
	uintptr_t address = start->pc;
	uintptr_t at = 0;
	for (uint32_t i = 0; i < TRACE_CALLERS; i++) {
		uint8_t tag;
		const struct trace_frame *frame = frame_of(memo, address, &tag);
		at += frame->step;
		if (frame->tag != tag || frame->step == 0 || frame->step == TRACE_STEP_VARIES ||
		    at > room)
			break;
		address = words[at - 1];
		key = (key ^ key >> 29) * caller_factor + address;
	}
	return key * pc_factor;
}

/* Where the callers were this time, they are looked for the next time. */
static void learn_frames(struct trace_memo *memo, const struct unwind_start *start,
			 const struct trace *trace)
{
	const uint64_t *words = (const uint64_t *)start->sp;
	uintptr_t address = start->pc;
	uint32_t at = 0;
	for (uint32_t i = 0; i < TRACE_CALLERS; i++) {
		uint8_t tag;
		struct trace_frame *frame = frame_of(memo, address, &tag);
		bool is_near = i < trace->caller_count && trace->callers[i] >= at &&
			       trace->callers[i] - at < TRACE_STEP_VARIES - 1;
		uint8_t step = is_near ? (uint8_t)(trace->callers[i] + 1 - at) : TRACE_STEP_VARIES;
		if (frame->step == 0)
			*frame = (struct trace_frame){tag, step};
		else if (frame->tag == tag && frame->step != step)
			frame->step = TRACE_STEP_VARIES;
		if (!is_near)
			break;
		at = trace->callers[i] + 1;
		address = words[at - 1];
	}
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
	memo->newest = 0;
	memo->table = &large->table; /* whole, should a jump out of a handler end this here */
}

static inline uint32_t whole_groups(uint32_t word_count)
{
	return (word_count + TRACE_GROUP - 1) / TRACE_GROUP * TRACE_GROUP;
}

/* The sums of the words that are first, second, third and fourth in their groups. */
struct lanes {
	uint64_t first, second, third, fourth;
};
_Static_assert(TRACE_GROUP == 4, "as many as there are lanes");

/* Takes up one more group, farther out than the ones before. */
static inline void add_group(struct lanes *lanes, const uint64_t *words, const uint16_t *places)
{
	lanes->first = (lanes->first + words[places[0]]) * STEP;
	lanes->second = (lanes->second + words[places[1]]) * STEP;
	lanes->third = (lanes->third + words[places[2]]) * STEP;
	lanes->fourth = (lanes->fourth + words[places[3]]) * STEP;
}

/* The innermost group may have fewer words: its other places can be read, but don't count. */
static inline void add_innermost(struct lanes *lanes, const uint64_t *words, const uint16_t *places,
				 uint32_t word_count)
{
	static const uint64_t masks[TRACE_GROUP][TRACE_GROUP - 1] = {
		{UINT64_MAX, UINT64_MAX, UINT64_MAX},
		{0, 0, 0},
		{UINT64_MAX, 0, 0},
		{UINT64_MAX, UINT64_MAX, 0}};
	const uint64_t *mask = masks[word_count % TRACE_GROUP];
	lanes->first = words[places[0]] * STEP;
	lanes->second = (words[places[1]] & mask[0]) * STEP;
	lanes->third = (words[places[2]] & mask[1]) * STEP;
	lanes->fourth = (words[places[3]] & mask[2]) * STEP;
}

static inline uint64_t sum_of(const struct lanes *lanes)
{
	return lanes->first * LANE0 + lanes->second * LANE1 + lanes->third * LANE2 +
	       lanes->fourth * LANE3;
}

/* Of four words from all over the trace: what begins with the same calls differs farther out. */
static inline uint16_t sample_of(const uint64_t *words, const uint16_t *places, uint32_t word_count)
{
	uint64_t sum = words[places[word_count / 8]] * LANE0 +
		       words[places[word_count * 3 / 8]] * LANE1 +
		       words[places[word_count * 5 / 8]] * LANE2 +
		       words[places[word_count * 7 / 8]] * LANE3;
	return (uint16_t)(sum >> 48);
}

/*
 * Says whether the words of an entry, all between sp and the end of its stack, are the same.
 * end  behind the entry's places
 */
static inline bool is_same(const struct trace_entry *entry, const uint16_t *end,
			   const uint64_t *words, uint64_t sum)
{
	struct lanes lanes = {0};
	const uint16_t *first = end - whole_groups(entry->word_count);
	if (end > first)
		add_innermost(&lanes, words, end -= TRACE_GROUP, entry->word_count);
	while (end > first)
		add_group(&lanes, words, end -= TRACE_GROUP);
	return sum + sum_of(&lanes) == entry->sum;
}

static inline struct trace_entry *entry_at(const struct trace_table *table, uint32_t number)
{
	return *table->entries + number;
}

static inline const uint16_t *end_of(const struct trace_table *table,
				     const struct trace_entry *entry)
{
	return &table->places[((entry->end - 1) & (table->place_count - 1)) + 1];
}

static inline uint16_t *guess_of(struct trace_memo *memo, uint64_t sum)
{
	return &memo->guesses[(sum + memo->before) >> 53];
}
_Static_assert(TRACE_GUESSES == 1u << 11, "guess_of takes eleven bits");

_Static_assert(TRACE_MEMO_LARGE_SETS *TRACE_MEMO_WAYS < UINT16_MAX, "a guess has sixteen bits");

/* The next time that this start comes after the same entry, this one is tried first. */
static void expect(struct trace_memo *memo, uint64_t sum, const struct trace_entry *entry)
{
	uint32_t number = (uint32_t)(entry - entry_at(memo->table, 0)) + 1;
	*guess_of(memo, sum) = (uint16_t)number;
	memo->before = number * before_factor;
}

/* Among the entries that have the key. */
static __attribute__((noinline)) struct trace_entry *
search(struct trace_memo *memo, const struct unwind_start *start, uintptr_t room)
{
	uint64_t key = find_key(memo, start, room);
	const struct trace_table *table = memo->table;
	uint32_t index = set_of(table, key);
	const struct trace_set *set = &table->sets[index];
	const uint64_t *words = (const uint64_t *)start->sp;
	const uint64_t ones = 0x0001000100010001u;
	uint64_t tags;
	memcpy(&tags, set->tags, sizeof(tags));
	uint64_t differences = tags ^ tag_of(key) * ones;
	/* The top bit of each way with the tag; now and then of the one behind it too. */
	uint64_t candidates = (differences - ones) & ~differences & ones << 15;
	for (; candidates; candidates &= candidates - 1) {
		uint32_t way = (uint32_t)__builtin_ctzll(candidates) / 16;
		struct trace_entry *entry = &table->entries[index][way];
		const uint16_t *end = end_of(table, entry);
		if (entry->word_count > 0 && is_held(memo, entry) && entry->span < room &&
		    sample_of(words, end - whole_groups(entry->word_count), entry->word_count) ==
			    entry->sample &&
		    is_same(entry, end, words, start_sum(start, entry->flags & TRACE_HAS_FP)))
			return entry;
	}
	/* It will be added: the set is two lines of the cache. */
	__builtin_prefetch(&table->entries[index][0], 1);
	__builtin_prefetch(&table->entries[index][TRACE_MEMO_WAYS / 2], 1);
	return NULL;
}

struct trace_entry *trace_memo_find(struct trace_memo *memo, const struct unwind_start *start,
				    uintptr_t high)
{
	uintptr_t room = (high - start->sp) / sizeof(uint64_t);
	uint64_t sum = start_sum(start, false);
	uint32_t guess = *guess_of(memo, sum);
	if (__builtin_expect(guess, 1)) {
		struct trace_entry *entry = entry_at(memo->table, guess - 1);
		if (is_held(memo, entry) && entry->span < room &&
		    is_same(entry, end_of(memo->table, entry), (const uint64_t *)start->sp,
			    start_sum(start, entry->flags & TRACE_HAS_FP))) {
			memo->before = guess * before_factor;
			return entry;
		}
	}
	struct trace_entry *entry = search(memo, start, room);
	if (entry)
		expect(memo, sum, entry);
	return entry;
}

/*
 * Room for places in one piece.
 * count    of whole groups
 * returns  where it ends, counted from the first one ever on
 */
static uint32_t take_places(struct trace_memo *memo, uint32_t count)
{
	uint32_t place_count = memo->table->place_count;
	uint32_t at = memo->next_place;
	if (at % place_count + count > place_count)
		at += place_count - at % place_count;
	if (at > UINT32_MAX - 2 * place_count) {
		trace_memo_clear(memo);
		at = 0;
	}
	memo->next_place = at + count;
	atomic_signal_fence(memory_order_seq_cst); /* whose places these were is told by that */
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
		if (!(entry->flags & TRACE_IS_USED))
			chosen = entry;
		entry->flags &= (uint8_t)~TRACE_IS_USED;
	}
	return chosen ? chosen : &set[memo->next_way % TRACE_MEMO_WAYS];
}

void trace_memo_add(struct trace_memo *memo, const struct unwind_start *start, uintptr_t high,
		    const struct trace *trace)
{
	learn_frames(memo, start, trace);
	uint64_t key = find_key(memo, start, (high - start->sp) / sizeof(uint64_t));
	const struct trace_table *table = memo->table;
	struct trace_entry *set = table->entries[set_of(table, key)];
	struct trace_set *first_read = &table->sets[set_of(table, key)];
	const uint64_t *words = (const uint64_t *)start->sp;
	uint32_t count = trace->word_count;
	uint32_t whole_count = whole_groups(count);
	uint64_t sum = start_sum(start, trace->has_fp) + trace->words->sums[count - 1];
	uint32_t end = take_places(memo, whole_count);
	uint32_t end_place = (end - 1) % table->place_count + 1;
	uint16_t *places = &table->places[end_place - whole_count];
	for (uint32_t i = 0; i < count; i++) {
		places[i] = (uint16_t)(trace->words->places[i] + trace->span - TRACE_PLACE_BASE);
		if (__builtin_expect(places[i] > trace->span, 0))
			return; /* not on this side of sp */
	}
	for (uint32_t i = count; i < whole_count; i++)
		places[i] = places[count - 1];
	struct trace_entry *entry = choose(memo, set, sum);
	/* Empty until it is whole: a signal's handler may jump out of here. */
	entry->word_count = 0;
	atomic_signal_fence(memory_order_seq_cst);
	*entry = (struct trace_entry){
		.sum = sum,
		.hash = trace->hash,
		.end = end,
		.span = (uint16_t)trace->span,
		.sample = sample_of(words, places, count),
		.flags = trace->has_fp ? TRACE_HAS_FP : 0,
	};
	atomic_signal_fence(memory_order_seq_cst);
	entry->word_count = (uint8_t)count;
	first_read->tags[entry - set] = tag_of(key);
	memo->newest = (uint32_t)(entry - entry_at(table, 0)) + 1;
	expect(memo, start_sum(start, false), entry);
}

bool trace_words_hold(const struct trace_words *words, uint32_t count, const uint64_t *outermost)
{
	const uint64_t *base = outermost - TRACE_PLACE_BASE;
	struct lanes lanes = {0};
	uint64_t sum = 0;
	uint32_t i = count;
	for (; i % TRACE_GROUP > 0; i--)
		sum += trace_term(i - 1, base[words->places[i - 1]]);
	while (i > 0)
		add_group(&lanes, base, words->places + (i -= TRACE_GROUP));
	sum += sum_of(&lanes);
	return count == 0 || sum == words->sums[count - 1];
}

void trace_memo_clear(struct trace_memo *memo)
{
	const struct trace_table *table = memo->table;
	memset(table->entries, 0, sizeof(*table->entries) << (64 - table->set_shift));
	memset(memo->frames, 0, sizeof(memo->frames));
	memo->newest = 0;
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
