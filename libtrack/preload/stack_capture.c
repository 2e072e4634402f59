/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/stack_capture.h"

#include <errno.h>
#include <stdatomic.h>

#include "common/sys.h"
#include "libtrack/preload/modules.h"
#include "libtrack/preload/rule_cache.h"
#include "libtrack/preload/stack_check.h"
#include "libtrack/preload/tracker.h"

static bool is_fast(void)
{
#ifdef MEMTRACE_HAS_FAST_UNWINDER
	return __builtin_expect(tracker.segment->unwinder == UNWINDER_FAST, 1);
#else
	return false;
#endif
}

#ifdef MEMTRACE_HAS_FAST_UNWINDER
/*
 * A walk over another stack than the thread's own reads as far as there is memory. Where it ends is
 * an address in whatever lies behind that stack; left in words below, it would look like a pointer
 * of a coroutine's that is not running.
 */
static __attribute__((noinline)) void clear_words_below(void)
{
	uint64_t words[64];
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		words[i] = 0;
	__asm__ volatile("" : : "r"(words) : "memory");
}
#endif

static struct stack_name capture(struct thread_block *block, const struct unwind_start *start)
{
#ifdef MEMTRACE_HAS_FAST_UNWINDER
	if (is_fast()) {
		uint64_t hash;
		uint32_t kept = unwind_fast(&block->unwind, start, &block->names, &hash);
		stack_names_prefetch(&block->names, hash);
		unwind_remember(&block->unwind, start, hash);
		if (__builtin_expect(!stack_bounds_contain(&block->unwind.bounds, start->sp), 0))
			clear_words_below();
		struct stack_name name = stack_names_find(&block->names, hash, kept);
		unwind_name(&block->unwind, hash, name.slot);
		return name;
	}
#endif
	bool is_truncated;
	size_t count = unwind_capture(start, block->frames, &is_truncated);
	return stack_names_name(&block->names, block->frames, count, is_truncated);
}

/* A module was unloaded since: what was learnt of its addresses is void. */
static __attribute__((noinline)) void forget(struct thread_block *block, uint32_t generation)
{
	stack_names_clear(&block->names);
	unwind_forget(&block->unwind);
	block->generation = generation;
}

/*
 * A first thread's tables get their memory at once: most programs are short and have no other. Of
 * many threads that capture a few traces each they would take more than they need.
 */
static void populate(struct thread_block *block)
{
	block->is_populated = 1;
	if (atomic_load_explicit(&tracker.stamping, memory_order_relaxed) ||
	    atomic_load_explicit(&tracker.is_filtered, memory_order_relaxed))
		return;
	(void)sys_populate(block->names.slot_hash, sizeof(block->names.slot_hash));
	(void)sys_populate(block->unwind.links, sizeof(block->unwind.links));
}

/* Threads of a process with a large table of traces: what they are allowed beside their own. */
#define ENLARGED_MAX 4u
static _Atomic uint32_t enlarged;

static __attribute__((noinline)) void enlarge(struct thread_block *block)
{
	block->unwind.traces.losses = 0;
	if (atomic_load_explicit(&tracker.is_filtered, memory_order_relaxed) ||
	    atomic_fetch_add(&enlarged, 1) >= ENLARGED_MAX)
		return;
	void *pages = sys_pages(UNWIND_PAGES_BYTES);
	if (!pages)
		return;
	unwind_enlarge(&block->unwind, pages);
	atomic_fetch_add_explicit(&tracker.segment->images[tracker.image_index].tracker_bytes,
				  UNWIND_PAGES_BYTES, memory_order_relaxed);
}

void stack_capture_enter_child(void)
{
	atomic_store(&enlarged, 0);
}

static bool checks(void)
{
	return __builtin_expect(tracker.segment->session_flags & SESSION_CROSS_CHECK, 0);
}

static __attribute__((noinline)) struct stack_name walk(struct thread_block *block,
							const struct unwind_start *start)
{
	for (;;) {
		uint32_t generation = atomic_load_explicit(&tracker.generation,
							   memory_order_acquire);
		if (__builtin_expect(block->generation != generation, 0))
			forget(block, generation);
		struct stack_name name = capture(block, start);
		if (checks())
			stack_check(block, start, 0);
		if (__builtin_expect(unwind_is_tight(&block->unwind), 0))
			enlarge(block);
		if (__builtin_expect(!name.is_new, 1))
			return name;
		if (!block->is_populated)
			populate(block);
		/* Found in a table of an unloaded module, it may be wrong: then once more. */
		if (modules_announce(block, block->names.previous + name.kept,
				     block->names.depth - name.kept))
			return name;
	}
}

/* returns  a trace that was captured before; NULL: it is to be walked */
static inline struct trace_entry *recall(struct thread_block *block,
					 const struct unwind_start *start)
{
	uint32_t generation = atomic_load_explicit(&tracker.generation, memory_order_acquire);
	if (!is_fast() || __builtin_expect(block->generation != generation, 0))
		return NULL;
	return unwind_recall(&block->unwind, start);
}

static inline void recalled(struct thread_block *block, const struct unwind_start *start,
			    struct trace_entry *entry)
{
	unwind_recalled(&block->unwind, entry);
	if (checks())
		stack_check(block, start, entry->hash);
}

/* Its name may be another trace's by now. */
static inline bool has_name(const struct thread_block *block, const struct trace_entry *entry)
{
	return block->names.slot_hash[entry->slot] == entry->hash;
}

struct stack_name stack_capture(struct thread_block *block, const struct unwind_start *start)
{
	struct trace_entry *entry = recall(block, start);
	if (!entry || !has_name(block, entry))
		return walk(block, start);
	recalled(block, start, entry);
	return (struct stack_name){.slot = entry->slot};
}

uint32_t stack_capture_number(struct thread_block *block, const struct unwind_start *start,
			      struct stack_name *ret_name)
{
	struct trace_entry *entry = recall(block, start);
	/* With a number no name is needed, so it does not matter whose that is. */
	if (entry && (__builtin_expect(entry->number, 1) || has_name(block, entry))) {
		if (!entry->number) {
			*ret_name = (struct stack_name){.slot = entry->slot};
			entry->number = block->names.numbers[entry->slot];
		}
		recalled(block, start, entry);
		return entry->number;
	}
	*ret_name = walk(block, start);
	uint32_t number = ret_name->is_new ? 0 : block->names.numbers[ret_name->slot];
	if (number)
		stack_capture_numbered(block, *ret_name, number);
	return number;
}

void stack_capture_numbered(struct thread_block *block, struct stack_name name, uint32_t number)
{
	block->names.numbers[name.slot] = number;
	unwind_number(&block->unwind, block->names.slot_hash[name.slot], number);
}
