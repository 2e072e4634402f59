/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whole stack traces that a thread has had before, known again without a walk.
 *
 * A walk is a function of (pc, sp, fp) and the words that it reads. An entry has the places of the
 * words that one walk read, and a sum of what was in them, each times a factor of its own. If pc,
 * sp and, where it counts, fp are the same and the words in the same places give the same sum, it
 * is the same trace, and has the same name. The words are read independently of each other, where
 * a walk finds each by the one before.
 *
 * A sum can't miss a single word that has changed, since all factors are odd. Several can cancel
 * each other out with a probability of some 2^-50.
 *
 * Programs do the same things in the same order: the entry that came next when this function
 * allocated after the same entry the last time is looked at first. It is the right one for 93 to
 * 99 % of the captures of real programs.
 *
 * Only traces of the plainest kind have entries: on the thread's own stack, to its end, where
 * return addresses and saved frame pointers are all that was read (unwind_fast.c).
 */
#ifndef MEMTRACE_PRELOAD_TRACE_MEMO_H
#define MEMTRACE_PRELOAD_TRACE_MEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libtrack/preload/hidden.h"
#include "libtrack/preload/stack_bounds.h"
#include "libtrack/preload/unwind.h"

#define TRACE_WORDS_MAX 124u         /* of a trace with an entry */
#define TRACE_MEMO_WAYS 4u           /* entries of a set */
#define TRACE_MEMO_SETS 128u         /* 16 KiB of entries */
#define TRACE_MEMO_PLACES (1u << 13) /* of the words of all entries together: 16 KiB */
/* The same of a thread that has many more traces than fit. */
#define TRACE_MEMO_LARGE_SETS 4096u
#define TRACE_MEMO_LARGE_PLACES (1u << 19)
#define TRACE_MEMO_LOSSES 512u /* entries that had to make room: then it has */
#define TRACE_PLACE_BASE 0xffffu
#define TRACE_CALLERS 8u    /* frames, from the innermost, by which entries are kept apart */
#define TRACE_FRAMES 8192u  /* 16 KiB */
#define TRACE_GUESSES 2048u /* 4 KiB */
/*
 * With less than a quarter as many hits as misses it costs more than it saves. After that many it
 * rests, longer each time that this happens in a row.
 */
#define TRACE_TRIAL_MISSES 64u
#define TRACE_FAILURES_MAX 6u

enum trace_flags {
	TRACE_HAS_FP = 1,  /* the frame pointer counts */
	TRACE_IS_USED = 2, /* was found since it was last looked at for replacement */
};

struct trace_entry {
	uint64_t sum;
	uint64_t hash;      /* the name's, in stack_names */
	uint32_t end;       /* behind its places, counted from the first one ever on */
	uint16_t slot;      /* the name */
	uint16_t span;      /* words from sp to the outermost return address */
	uint16_t sample;    /* of a sum of four words: tells most wrong entries */
	uint8_t word_count; /* 0: empty */
	uint8_t flags;      /* enum trace_flags */
	uint32_t number;    /* of deferred_blocks.h, once it is known; 0: not yet */
};
_Static_assert(sizeof(struct trace_entry) == 32, "two in a line of the cache");

/* What is read first of the entries of a set. */
struct trace_set {
	uint16_t tags[TRACE_MEMO_WAYS]; /* of pc, sp and callers */
};
#define TRACE_GROUP 4u /* words that are looked at together */

struct trace_table {
	uint32_t set_shift;   /* 64 - the bits of a set's number */
	uint32_t place_count; /* a power of two */
	struct trace_set *sets;
	struct trace_entry (*entries)[TRACE_MEMO_WAYS];
	uint16_t *places; /* in words from sp; of an entry outermost first, in whole groups */
};

struct trace_small_table {
	struct trace_set sets[TRACE_MEMO_SETS];
	struct trace_entry entries[TRACE_MEMO_SETS][TRACE_MEMO_WAYS];
	uint16_t places[TRACE_MEMO_PLACES];
};

/* Pages of their own, zeroed. */
struct trace_large_table {
	struct trace_table table;
	struct trace_set sets[TRACE_MEMO_LARGE_SETS];
	struct trace_entry entries[TRACE_MEMO_LARGE_SETS][TRACE_MEMO_WAYS];
	uint16_t places[TRACE_MEMO_LARGE_PLACES];
};

/* Where the caller of code is found. What was learnt first stays, so that keys do. */
struct trace_frame {
	uint8_t tag;  /* of the address */
	uint8_t step; /* words to the next return address, + 1; 0: not known */
};
#define TRACE_STEP_VARIES UINT8_MAX

struct trace_memo {
	const struct trace_table *table;         /* the one that is in use */
	struct trace_large_table *large;         /* NULL: there is none */
	struct trace_frame frames[TRACE_FRAMES]; /* by address of code */
	/* By pc, sp and the entry before: the one that came next, its number + 1; 0: none. */
	uint16_t guesses[TRACE_GUESSES];
	uint64_t before;     /* number + 1 of the entry before, times a factor */
	uint32_t next_place; /* counted from the first one ever on */
	uint32_t next_way;
	uint32_t newest;   /* number + 1 of the entry that was added last; 0: it is gone */
	uint32_t hits;     /* of late ... */
	uint32_t misses;   /* ... and misses */
	uint32_t failures; /* trials in a row with too few hits */
	uint32_t rest;     /* captures to go until it is tried again */
	uint32_t losses;   /* entries that made room for others */
	struct trace_table small_table;
	struct trace_small_table small;
};

/* Before anything else: of a memo that is zeroed. */
void trace_memo_init(struct trace_memo *memo);

/* Whether it has lost so many entries that a large table would be of use. */
static inline bool trace_memo_is_tight(const struct trace_memo *memo)
{
	return memo->losses >= TRACE_MEMO_LOSSES && !memo->large;
}

/* Goes on with a large table, which is empty. It stays the memo's. */
void trace_memo_enlarge(struct trace_memo *memo, struct trace_large_table *large);

/* The words of a trace, outermost first. */
struct trace_words {
	/* TRACE_PLACE_BASE minus the distance, in words, down from the outermost return address */
	uint16_t places[TRACE_WORDS_MAX];
	uint64_t sums[TRACE_WORDS_MAX]; /* [n]: of the n + 1 outermost */
};

/*
 * Looks for the trace that begins at `start`, on the stack that ends at `high`.
 * returns  its entry; NULL: it has to be walked
 */
struct trace_entry *trace_memo_find(struct trace_memo *memo, const struct unwind_start *start,
				    uintptr_t high);

/* What the word at `index` of a trace, counted from the outermost, adds to its sum. */
static inline uint64_t trace_term(uint32_t index, uint64_t word)
{
	extern HIDDEN const uint64_t trace_factors[TRACE_WORDS_MAX];
	return word * trace_factors[index];
}

/* A trace that was walked. */
struct trace {
	const struct trace_words *words;
	uint32_t word_count;             /* at least 1 */
	uint32_t span;                   /* words from sp to the outermost return address ... */
	uint32_t callers[TRACE_CALLERS]; /* ... and [caller_count] to the innermost ones */
	uint32_t caller_count;
	bool has_fp;   /* the frame pointer that it began with counts */
	uint64_t hash; /* in stack_names */
};

/* Remembers a trace that began at `start`, on the stack that ends at `high`. */
void trace_memo_add(struct trace_memo *memo, const struct unwind_start *start, uintptr_t high,
		    const struct trace *trace);

/* The entry that was added last. returns NULL: it is gone, or not the one with this hash */
static inline struct trace_entry *trace_memo_newest(struct trace_memo *memo, uint64_t hash)
{
	struct trace_entry *entry = memo->newest ? *memo->table->entries + memo->newest - 1 : NULL;
	return entry && entry->hash == hash ? entry : NULL;
}

static inline void trace_memo_name(struct trace_memo *memo, uint64_t hash, uint32_t slot)
{
	struct trace_entry *entry = trace_memo_newest(memo, hash);
	if (entry)
		entry->slot = (uint16_t)slot;
}

static inline void trace_memo_number(struct trace_memo *memo, uint64_t hash, uint32_t number)
{
	struct trace_entry *entry = trace_memo_newest(memo, hash);
	if (entry)
		entry->number = number;
}

/* Says whether the `count` outermost words are as they were; `outermost` is where the first is. */
bool trace_words_hold(const struct trace_words *words, uint32_t count, const uint64_t *outermost);

void trace_memo_clear(struct trace_memo *memo);

/* After TRACE_TRIAL_MISSES misses: lets it rest if there were too few hits. */
void trace_memo_judge(struct trace_memo *memo);

#endif
