/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the tracker keeps for each thread: a few words in static TLS, and a block of pages with
 * the thread's ring and the names of its stack traces.
 *
 * A block belongs to a ring, and a ring, once claimed, to the process. A thread that ends leaves
 * both to the next thread that starts, so that ten thousand short threads cost what a few do.
 */
#ifndef MEMTRACE_PRELOAD_THREAD_H
#define MEMTRACE_PRELOAD_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ring.h"
#include "libtrack/preload/hidden.h"
#include "libtrack/preload/stack_names.h"
#include "libtrack/preload/unwind_fast.h"

struct thread_block {
	uint64_t *words; /* [RING_WORDS] the ring's */
	struct ring_header *ring;
	uint64_t head;           /* words written; published up to ring->head */
	uint64_t limit;          /* head may grow up to here without a look at the tail */
	uint64_t group;          /* where the record group that is being written began */
	uint64_t epoch_us;       /* last time that was written to the ring */
	uint64_t interval_bytes; /* of the last allocation that was written; 0: all are recorded */
	uint32_t call_count;     /* for the measurement of every MEASURED_CALLSth */
	uint32_t ring_index;
	uint32_t next_idle;            /* ring index + 1 */
	uint32_t generation;           /* of tracker.generation, when the names were made */
	uint32_t is_side;              /* shared by threads in unusual states, under a lock */
	uint32_t kernel_id;            /* of the thread; 0: not known */
	uint32_t is_populated;         /* its tables were offered memory (stack_capture.c) */
	uintptr_t own_stacks[4];       /* other stacks that this thread was seen on: sp >> 16 */
	uint64_t frames[LIMIT_FRAMES]; /* the stack trace being captured, leaf first */
	uint64_t checked[LIMIT_FRAMES + 1]; /* the same, for a cross-check */
	struct stack_names names;
	struct unwind_state unwind;
};

struct launch;

enum thread_activity {
	THREAD_OUTSIDE = 0,
	THREAD_RECORDING = 1, /* in the tracker: an event now comes from a signal handler */
	THREAD_FOREIGN = 2,   /* in code that we called: its events are ours, not the program's */
};

struct thread_self {
	uint64_t countdown; /* bytes up to the next sample (sampler.h); 0: look at all */
	struct thread_block *block;
	uint64_t interval_bytes; /* that the countdown was drawn with; 0: none was drawn */
	uint64_t random_state;
	uint32_t activity;      /* enum thread_activity */
	uint32_t exit_rounds;   /* how often the thread's destructor has run */
	const void *releasing;  /* recorded already: what delete is about to free (allocators.c) */
	uint32_t has_left;      /* the block is given back: late events go to the side ring */
	struct launch *launch;  /* pages of hooks_exec.c's */
	uintptr_t entry_sp;     /* where the stack was when the event began */
	uint32_t is_moving;     /* in a realloc: must not be parked (leak_park.h) ... */
	uint32_t park_wanted;   /* ... though it was asked to */
	uint32_t ignoring;      /* what it allocates is no leak: depth of such scopes */
	uint32_t is_elsewhere;  /* the block that is recorded is not of malloc's (allocators.c) */
	uint64_t moving;        /* what was deferred of the block that a realloc has released */
	uintptr_t deferred;     /* ~ address of the last block that was: no pointer to it */
	uint32_t until_slack;   /* allocations up to the next one that is measured (slack.h) */
	uintptr_t exit_stack;   /* where the stack was of whoever called exit; 0: nobody has */
	uintptr_t daemon_stack; /* the same for daemon, as long as that runs */
};

extern HIDDEN _Thread_local struct thread_self thread_self
	__attribute__((tls_model("initial-exec")));

/*
 * Begins an event of the calling thread: finds or makes its block.
 *
 * returns  the block, to be given to thread_leave(); NULL if the event can't or isn't to be
 *          recorded
 */
struct thread_block *thread_enter(void);
void thread_leave(struct thread_block *block);

/*
 * Makes room for `word_count` words behind block->head, waiting for the collector if it must.
 * returns  false when recording has ended instead
 */
bool thread_reserve_slowly(struct thread_block *block, uint64_t word_count);

static inline bool thread_reserve(struct thread_block *block, uint64_t word_count)
{
	if (__builtin_expect(block->head + word_count <= block->limit, 1))
		return true;
	return thread_reserve_slowly(block, word_count);
}

static inline void thread_put(struct thread_block *block, uint64_t word)
{
	block->words[block->head++ & (RING_WORDS - 1)] = word;
}

/* The collector is there and takes what is written. */
bool thread_may_go_on(void);

/* Calls `visit` for each piece of memory that the tracker has mapped for threads. */
void thread_each_block(void (*visit)(void *context, const void *pages, size_t size_bytes),
		       void *context);

/*
 * Maps what threads may need later on: the program is about to forbid itself system calls. With
 * tracker.is_filtered, threads make do with that, and wait without sleeping.
 */
void thread_prepare_filter(void);

/*
 * The calling thread is about to enter strict seccomp, where even the time-stamp counter is denied.
 * If there is no other thread, none is needed; else this one is no longer recorded.
 */
void thread_prepare_strict(void);

/* Sets up what threads need in this process; `after_fork` drops what the parent had. */
void thread_start_process(bool after_fork);

#endif
