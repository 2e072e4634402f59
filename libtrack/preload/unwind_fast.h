/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fast unwinder (x86-64): unwind rules decoded lazily from .eh_frame, and a memo of the
 * thread's last stack trace.
 *
 * A walk is a function of (pc, sp, fp) and the stack words that it reads. The memo has, for every
 * frame of the last trace, outermost first, where its return address was and what was there; if a
 * new walk comes to a frame in the same state, and every word that the old one read further out is
 * still the same, then so is everything further out: those frames are taken without being walked.
 * Nothing in the target is changed, so exceptions, longjmp and fibers need no care.
 *
 * Three kinds of words make a difference further out: return addresses, always; saved frame
 * pointers, where a frame further out computes its CFA from one ("live"); and what signal frames
 * and realigned frames read ("complex"), over which no frames are ever taken from the memo.
 *
 * Whole traces that were captured before are told without a walk (trace_memo.h).
 *
 * Reads stay within the stack that the thread runs on. Its own is known (stack_bounds.h); of
 * others, coroutines and signal stacks, a copy is made first.
 */
#ifndef MEMTRACE_PRELOAD_UNWIND_FAST_H
#define MEMTRACE_PRELOAD_UNWIND_FAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/format.h"
#include "libtrack/preload/stack_bounds.h"
#include "libtrack/preload/stack_names.h"
#include "libtrack/preload/trace_memo.h"
#include "libtrack/preload/unwind.h"

/* Rules by address, of this thread, each with the caller that it had last: 32 KiB. */
#define UNWIND_LINKS 2048u

struct unwind_link {
	uint64_t key; /* as in rule_cache.h; 0 = empty */
	uint32_t rule;
	uint32_t next; /* link of the caller that was found last */
};

enum memo_flags {
	MEMO_USES_FP = 1,   /* the step that found this frame took its CFA from the frame pointer */
	MEMO_COMPLEX = 2,   /* the step read more than return address and frame pointer */
	MEMO_DEEP = 4,      /* further out there are live frame pointers or complex frames */
	MEMO_LIVE = 8,      /* the frame pointer matters further out */
	MEMO_CHECK_FP = 16, /* live, and saved by the frame inside: that word counts too */
	MEMO_GUESSED = 32,
	MEMO_EXACT = 64,
	MEMO_WANTS_FP = 128, /* the frame pointer of the frame further in matters */
};
#define MEMO_HOW_FOUND (MEMO_USES_FP | MEMO_COMPLEX | MEMO_GUESSED) /* and fp_slot */

struct memo_frame {
	uintptr_t slot;    /* address of the return address */
	uintptr_t address; /* the return address */
	uintptr_t fp;      /* frame pointer in this frame */
	int32_t fp_slot;   /* where that was saved, relative to `slot`; 0: it wasn't */
	uint16_t flags;    /* enum memo_flags */
	uint16_t word_end; /* words that count in this frame and further out; MEMO_NO_WORDS */
};

/* Not all that counts from this frame outwards can be put as words of a trace_memo. */
#define MEMO_NO_WORDS UINT16_MAX

struct unwind_state {
	uint32_t link_count;
	uint32_t depth;    /* frames of the memo */
	bool is_truncated; /* the memo's trace does not reach the outermost frame */
	bool ends_by_rule; /* no word had a part in it that this frame is the outermost */
	struct memo_frame memo[LIMIT_FRAMES];  /* [depth] outermost first */
	struct memo_frame fresh[LIMIT_FRAMES]; /* the walk so far, innermost first */
	struct unwind_link links[UNWIND_LINKS];
	struct trace_words words; /* of the memo's frames ... */
	uint32_t words_depth;     /* ... as far as these, from the outermost */
	struct trace_memo traces;
	struct stack_bounds bounds;
	uint64_t copy[STACK_COPY_WORDS]; /* of a foreign stack */
};

/*
 * Captures a stack trace, and makes it the previous one of `names`.
 *
 * ret_hash  of the whole trace, not 0
 * returns   number of outermost frames that it shares with the previous trace
 */
uint32_t unwind_fast(struct unwind_state *state, const struct unwind_start *start,
		     struct stack_names *names, uint64_t *ret_hash);

/* Remembers the trace that was captured last. It has no name until unwind_name(). */
void unwind_remember(struct unwind_state *state, const struct unwind_start *start, uint64_t hash);

/* The same as unwind_fast without memo and links, for comparison: frames leaf first. returns their
 * number */
size_t unwind_plainly(struct unwind_state *state, const struct unwind_start *start,
		      uint64_t *frames, size_t capacity, bool *ret_is_truncated);

#ifdef MEMTRACE_HAS_FAST_UNWINDER
/*
 * Looks for the trace among those that were remembered, without walking it. Neither the memo nor
 * the previous trace of a thread's names changes.
 *
 * returns  what is known of it; NULL: it isn't there
 */
static inline struct trace_entry *unwind_recall(struct unwind_state *state,
						const struct unwind_start *start)
{
	struct trace_memo *traces = &state->traces;
	if (__builtin_expect(traces->rest > 0, 0)) {
		traces->rest--;
		return NULL;
	}
	if (__builtin_expect(!stack_bounds_contain(&state->bounds, start->sp), 0))
		return NULL;
	return trace_memo_find(traces, start, state->bounds.high);
}

/* What was recalled was of use. */
static inline void unwind_recalled(struct unwind_state *state, struct trace_entry *entry)
{
	entry->flags |= TRACE_IS_USED;
	state->traces.hits++;
}

/* The trace with this hash, if it is the one that was remembered last, has a name ... */
static inline void unwind_name(struct unwind_state *state, uint64_t hash, uint32_t slot)
{
	trace_memo_name(&state->traces, hash, slot);
}

/* ... and a number. */
static inline void unwind_number(struct unwind_state *state, uint64_t hash, uint32_t number)
{
	trace_memo_number(&state->traces, hash, number);
}

/* Before anything else: of a state that is zeroed. */
static inline void unwind_init(struct unwind_state *state)
{
	trace_memo_init(&state->traces);
}

/* Pages of [UNWIND_PAGES_BYTES] that belong to it; NULL: none. */
#define UNWIND_PAGES_BYTES sizeof(struct trace_large_table)
static inline const void *unwind_pages(const struct unwind_state *state)
{
	return state->traces.large;
}

/* Whether it has so many traces that it should get such pages. */
static inline bool unwind_is_tight(const struct unwind_state *state)
{
	return trace_memo_is_tight(&state->traces);
}

static inline void unwind_enlarge(struct unwind_state *state, void *zeroed_pages)
{
	trace_memo_enlarge(&state->traces, zeroed_pages);
}

/* Forgets what was learnt: a module was unloaded. */
void unwind_forget(struct unwind_state *state);
#else
#define UNWIND_PAGES_BYTES SEGMENT_PAGE
static inline void unwind_init(struct unwind_state *state)
{
	(void)state;
}

static inline const void *unwind_pages(const struct unwind_state *state)
{
	(void)state;
	return NULL;
}

static inline bool unwind_is_tight(const struct unwind_state *state)
{
	(void)state;
	return false;
}

static inline void unwind_enlarge(struct unwind_state *state, void *zeroed_pages)
{
	(void)state;
	(void)zeroed_pages;
}

static inline void unwind_forget(struct unwind_state *state)
{
	(void)state;
}

static inline struct trace_entry *unwind_recall(struct unwind_state *state,
						const struct unwind_start *start)
{
	(void)state;
	(void)start;
	return NULL;
}

static inline void unwind_recalled(struct unwind_state *state, struct trace_entry *entry)
{
	(void)state;
	(void)entry;
}

static inline void unwind_number(struct unwind_state *state, uint64_t hash, uint32_t number)
{
	(void)state;
	(void)hash;
	(void)number;
}
#endif

#endif
