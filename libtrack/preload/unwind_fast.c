/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/unwind_fast.h"

#include <string.h>
#include <ucontext.h>

#include "libtrack/preload/cfi_table.h"
#include "libtrack/preload/rule_cache.h"

#define LINKS_MAX (UNWIND_LINKS / 4 * 3)
#define FIRST_ADDRESS 4096u /* below are no return addresses: the walk is over */
#define RED_ZONE 128u
#define NO_FRAME UINT32_MAX

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* A walk: the registers of the frame that it stands at, and what may be read. */
struct walk {
	uint64_t key; /* of the frame's address, as in rule_cache.h */
	uintptr_t sp;
	uintptr_t fp;
	uintptr_t high;          /* end of the stack that sp is on */
	uintptr_t offset;        /* from an address to where its word is: not 0 on a copied stack */
	const greg_t *registers; /* of the frame that a signal interrupted, if the key is exact */
};

/* How far below sp a saved register may be: a leaf function that a signal interrupted may keep it
 * there. Of a copied stack there is nothing below. */
static inline uintptr_t lowest(const struct walk *walk)
{
	return walk->offset ? walk->sp : walk->sp - RED_ZONE;
}

static inline uintptr_t word_at(const struct walk *walk, uintptr_t address)
{
	return *(const uintptr_t *)(address + walk->offset);
}

static inline uint32_t link_slot(uint64_t key)
{
	return (uint32_t)((key * 0x9e3779b97f4a7c15u) >> 53); /* 11 bits */
}
_Static_assert(UNWIND_LINKS == 1u << 11, "link_slot gives eleven bits");

static void forget_links(struct unwind_state *state)
{
	memset(state->links, 0, sizeof(state->links));
	state->link_count = 0;
}

/* The link of a key, made if it isn't there. */
static uint32_t find_link(struct unwind_state *state, uint64_t key)
{
	uint32_t slot = link_slot(key);
	for (; state->links[slot].key; slot = (slot + 1) % UNWIND_LINKS)
		if (state->links[slot].key == key)
			return slot;
	if (state->link_count == LINKS_MAX) {
		forget_links(state);
		slot = link_slot(key);
	}
	state->link_count++;
	state->links[slot] = (struct unwind_link){.key = key, .rule = rule_cache_get(key)};
	return slot;
}

/* The link of the caller: most often the one that was the caller the last time. */
static inline uint32_t follow_link(struct unwind_state *state, uint32_t link, uint64_t key)
{
	uint32_t next = state->links[link].next;
	if (LIKELY(state->links[next].key == key))
		return next;
	next = find_link(state, key);
	/* The table may just have been emptied: then `link` is another's, or nobody's; harmless. */
	state->links[link].next = next;
	return next;
}

enum step_result { STEP_DONE, STEP_END, STEP_LOST };

/* A frame whose function keeps a frame pointer, as far as one can guess. */
static enum step_result step_guessed(struct walk *walk, struct memo_frame *frame)
{
	uintptr_t fp = walk->fp;
	if (fp < walk->sp || fp % 8 || walk->high - walk->sp < 16 || fp > walk->high - 16)
		return STEP_LOST;
	uintptr_t address = word_at(walk, fp + 8);
	if (address < FIRST_ADDRESS)
		return STEP_END;
	frame->slot = fp + 8;
	frame->address = address;
	frame->fp_slot = -8;
	frame->flags = MEMO_USES_FP | MEMO_GUESSED;
	walk->fp = word_at(walk, fp);
	walk->sp = fp + 16;
	walk->key = address;
	return STEP_DONE;
}

static enum step_result step_realigned(struct walk *walk, uint32_t rule, struct memo_frame *frame)
{
	uintptr_t fp = walk->fp;
	uintptr_t cfa_slot = fp + (uintptr_t)((intptr_t)RULE_ARGUMENT(rule) * 8);
	uintptr_t low = lowest(walk);
	if (fp % 8 || fp < low || fp > walk->high - 8 || cfa_slot < low ||
	    cfa_slot > walk->high - 8)
		return STEP_LOST;
	uintptr_t cfa = word_at(walk, cfa_slot);
	if (cfa <= walk->sp || cfa > walk->high || cfa % 8)
		return STEP_LOST;
	uintptr_t address = word_at(walk, cfa - 8);
	frame->slot = cfa - 8;
	frame->address = address;
	frame->fp_slot = (int32_t)(fp - frame->slot);
	frame->flags = MEMO_USES_FP | MEMO_COMPLEX;
	walk->fp = word_at(walk, fp);
	walk->sp = cfa;
	walk->key = address;
	return address < FIRST_ADDRESS ? STEP_END : STEP_DONE;
}

/* Into the frame that a signal interrupted: its registers are in the ucontext at sp. */
static enum step_result step_signal(struct walk *walk, const struct stack_bounds *bounds,
				    struct memo_frame *frame)
{
	enum {
		AT_FP = offsetof(ucontext_t, uc_mcontext.gregs[REG_RBP]),
		AT_SP = offsetof(ucontext_t, uc_mcontext.gregs[REG_RSP]),
		AT_PC = offsetof(ucontext_t, uc_mcontext.gregs[REG_RIP]),
	};
	uintptr_t context = walk->sp;
	if (context % 8 || walk->high - context < AT_PC + 8)
		return STEP_LOST;
	uintptr_t address = word_at(walk, context + AT_PC);
	uintptr_t sp = word_at(walk, context + AT_SP);
	frame->slot = context + AT_PC;
	frame->address = address;
	frame->fp_slot = (int32_t)AT_FP - (int32_t)AT_PC;
	frame->flags = MEMO_COMPLEX | MEMO_EXACT;
	walk->fp = word_at(walk, context + AT_FP);
	walk->key = address | RULE_KEY_EXACT;
	walk->registers = (const greg_t *)(context + offsetof(ucontext_t, uc_mcontext.gregs) +
					   walk->offset);
	if (address < FIRST_ADDRESS)
		return STEP_END;
	/* The handler may have had a stack of its own. */
	if (!(sp >= walk->sp && sp < walk->high)) {
		if (stack_bounds_contain(bounds, sp)) {
			walk->high = bounds->high;
			walk->offset = 0; /* the handler's may be a copy */
		} else {
			walk->high = sp; /* nothing further out can be read */
		}
	}
	walk->sp = sp;
	return STEP_DONE;
}

static enum step_result step_plt(struct walk *walk, uint32_t rule, struct memo_frame *frame)
{
	uintptr_t pc = (uintptr_t)RULE_KEY_ADDRESS(walk->key);
	bool is_pushed = (int32_t)(pc & 15) >= RULE_ARGUMENT(rule);
	uintptr_t cfa = walk->sp + 8 + (is_pushed ? 8 : 0);
	if (cfa > walk->high)
		return STEP_LOST;
	frame->slot = cfa - 8;
	frame->address = word_at(walk, cfa - 8);
	frame->fp_slot = 0;
	frame->flags = 0;
	walk->sp = cfa;
	walk->key = frame->address;
	return frame->address < FIRST_ADDRESS ? STEP_END : STEP_DONE;
}

/* returns  the CFA; 0: it can't be told */
static uintptr_t cfa_of_pair(const struct walk *walk, uint32_t rule)
{
	static const uint8_t places[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
					 REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
					 REG_R12, REG_R13, REG_R14, REG_R15};
	uintptr_t at = walk->sp + RULE_PAIR_OFFSET(rule);
	switch (RULE_SPECIAL_KIND(rule)) {
	case RULE_LARGE:
		return at;
	case RULE_STORED:
		at -= RULE_STORED_BELOW;
		if (at % 8 || at < lowest(walk) || at >= walk->high || walk->high - at < 8)
			return 0;
		return word_at(walk, at) + 8;
	default: /* RULE_REGISTER */
		if (!(walk->key & RULE_KEY_EXACT) || !walk->registers)
			return 0;
		return (uintptr_t)walk->registers[places[RULE_REGISTER_NUMBER(rule)]] +
		       RULE_REGISTER_OFFSET(rule);
	}
}

/* RULE_LARGE, RULE_STORED and RULE_REGISTER. */
static enum step_result step_pair(struct walk *walk, uint32_t rule, struct memo_frame *frame)
{
	uintptr_t cfa = cfa_of_pair(walk, rule);
	uintptr_t fp_distance = RULE_PAIR_FP_SLOT(rule);
	if (cfa % 8 || cfa - walk->sp - 1 >= walk->high - walk->sp ||
	    cfa - fp_distance < lowest(walk))
		return STEP_LOST;
	frame->slot = cfa - 8;
	frame->address = word_at(walk, cfa - 8);
	frame->fp_slot = 0;
	frame->flags = RULE_SPECIAL_KIND(rule) == RULE_LARGE ? 0 : MEMO_COMPLEX;
	if (fp_distance) {
		walk->fp = word_at(walk, cfa - fp_distance);
		frame->fp_slot = 8 - (int32_t)fp_distance;
	}
	walk->sp = cfa;
	walk->key = frame->address;
	return frame->address < FIRST_ADDRESS ? STEP_END : STEP_DONE;
}

static __attribute__((noinline)) enum step_result step_specially(struct walk *walk, uint32_t rule,
								 const struct stack_bounds *bounds,
								 struct memo_frame *frame)
{
	enum step_result result = STEP_LOST;
	if (RULE_KIND(rule) == RULE_GUESS) {
		result = step_guessed(walk, frame);
	} else {
		switch (RULE_SPECIAL_KIND(rule)) {
		case RULE_END:
			return STEP_END;
		case RULE_SIGNAL:
			result = step_signal(walk, bounds, frame);
			break;
		case RULE_PLT:
			result = step_plt(walk, rule, frame);
			break;
		case RULE_REALIGN:
			result = step_realigned(walk, rule, frame);
			break;
		case RULE_LARGE:
		case RULE_STORED:
		case RULE_REGISTER:
			result = step_pair(walk, rule, frame);
			break;
		default:
			return STEP_LOST;
		}
	}
	frame->fp = walk->fp;
	return result;
}

/* One frame outwards. On STEP_DONE `frame` has all but the flags that depend on frames further out.
 */
static inline __attribute__((always_inline)) enum step_result
step(struct walk *walk, uint32_t rule, const struct stack_bounds *bounds, struct memo_frame *frame)
{
	if (UNLIKELY(rule & RULE_SPECIAL)) {
		struct walk copy = *walk; /* `walk` itself stays in registers */
		enum step_result result = step_specially(&copy, rule, bounds, frame);
		*walk = copy;
		return result;
	}
	uintptr_t cfa = (rule & RULE_FROM_FP ? walk->fp : walk->sp) + RULE_CFA_OFFSET(rule);
	/* sp < cfa <= high, written so that nothing wraps when sp == high */
	if (UNLIKELY(cfa - walk->sp - 1 >= walk->high - walk->sp || cfa % 8))
		return STEP_LOST;
	uintptr_t slot = cfa - 8;
	uintptr_t address = word_at(walk, slot);
	uintptr_t fp_distance = RULE_FP_SLOT(rule);
	frame->fp_slot = 0;
	if (fp_distance) {
		if (UNLIKELY(cfa - fp_distance < lowest(walk)))
			return STEP_LOST;
		walk->fp = word_at(walk, cfa - fp_distance);
		frame->fp_slot = 8 - (int32_t)fp_distance;
	}
	frame->slot = slot;
	frame->address = address;
	frame->fp = walk->fp;
	frame->flags = rule & RULE_FROM_FP; /* MEMO_USES_FP */
	walk->sp = cfa;
	walk->key = address;
	return UNLIKELY(address < FIRST_ADDRESS) ? STEP_END : STEP_DONE;
}
_Static_assert((int)RULE_FROM_FP == (int)MEMO_USES_FP, "a rule's kind is a memo's flag");

/* Adds the word at `slot` to those that count. returns their number */
static inline uint32_t put_word(struct unwind_state *state, uint32_t count, uintptr_t slot,
				uint64_t word)
{
	uintptr_t distance = state->memo[0].slot - slot;
	uintptr_t words = distance >> 3 | distance << 61; /* large if it is not whole */
	if (UNLIKELY(count >= TRACE_WORDS_MAX || words > TRACE_PLACE_BASE))
		return MEMO_NO_WORDS;
	state->words.places[count] = (uint16_t)(TRACE_PLACE_BASE - words);
	state->words.sums[count] = (count ? state->words.sums[count - 1] : 0) +
				   trace_term(count, word);
	return count + 1;
}

/* The words of a frame, behind those of the frames further out. */
static inline uint32_t put_words(struct unwind_state *state, uint32_t count,
				 const struct memo_frame *frame)
{
	if (UNLIKELY(count == MEMO_NO_WORDS || frame->flags & (MEMO_COMPLEX | MEMO_EXACT)))
		return MEMO_NO_WORDS;
	count = put_word(state, count, frame->slot, frame->address);
	if (frame->flags & MEMO_CHECK_FP)
		count = put_word(state, count, frame->slot + (uintptr_t)(intptr_t)frame->fp_slot,
				 frame->fp);
	return count;
}

/* Brings the words up to the memo's innermost frame. returns their number */
static uint32_t update_words(struct unwind_state *state)
{
	uint32_t depth = state->words_depth;
	uint32_t words = depth > 0 ? state->memo[depth - 1].word_end : 0;
	for (; depth < state->depth; depth++) {
		words = put_words(state, words, &state->memo[depth]);
		state->memo[depth].word_end = (uint16_t)words;
	}
	state->words_depth = depth;
	return words;
}

/*
 * Looks whether the words that the last walk read further out than `frame` of the memo are as they
 * were. returns 0 if all are; else the number of frames, from the outermost, that were not looked
 * at
 */
static uint32_t verify(struct unwind_state *state, uint32_t frame, uintptr_t high)
{
	const struct memo_frame *memo = state->memo;
	uint32_t left = frame; /* frames [0, left) are to be looked at */
	/* Slots rise outwards: if the outermost is on this stack, all are. */
	if (left && memo[0].slot >= high)
		return left;
	if (memo[frame].flags & MEMO_DEEP) {
		(void)update_words(state);
		uint32_t count = left ? memo[left - 1].word_end : 0;
		if (count != MEMO_NO_WORDS &&
		    trace_words_hold(&state->words, count, (const uint64_t *)memo[0].slot))
			return 0;
	} else {
		while (left >= 4) {
			const struct memo_frame *four = &memo[left - 4];
			uintptr_t differences = (*(uintptr_t *)four[0].slot ^ four[0].address) |
						(*(uintptr_t *)four[1].slot ^ four[1].address) |
						(*(uintptr_t *)four[2].slot ^ four[2].address) |
						(*(uintptr_t *)four[3].slot ^ four[3].address);
			if (UNLIKELY(differences))
				break;
			left -= 4;
		}
	}
	while (left) {
		const struct memo_frame *outer = &memo[left - 1];
		if ((outer->flags & MEMO_COMPLEX) || outer->slot >= high ||
		    *(uintptr_t *)outer->slot != outer->address)
			break;
		if ((outer->flags & MEMO_CHECK_FP) &&
		    *(uintptr_t *)(outer->slot + (uintptr_t)(intptr_t)outer->fp_slot) != outer->fp)
			break;
		left--;
	}
	return left;
}

/* What is put down of a walk: fresh frames, and where it met the memo. */
struct result {
	uint32_t fresh_count;
	uint32_t joined; /* frame of the memo; NO_FRAME: none */
	bool is_truncated;
	bool ends_by_rule;
};

static bool is_end_rule(uint32_t rule)
{
	return RULE_KIND(rule) == RULE_SPECIAL && RULE_SPECIAL_KIND(rule) == RULE_END;
}

static void walk_with_memo(struct unwind_state *state, const struct walk *origin,
			   struct result *result)
{
	struct walk walk = *origin;
	uint32_t link = find_link(state, walk.key);
	/* Those further out than this one of the memo may still be met. */
	const struct memo_frame *next = &state->memo[state->depth];
	uint32_t count = 0;
	*result = (struct result){.joined = NO_FRAME};
	for (;;) {
		if (UNLIKELY(count == LIMIT_FRAMES)) {
			result->is_truncated = true;
			break;
		}
		struct memo_frame *frame = &state->fresh[count];
		enum step_result outcome = step(&walk, state->links[link].rule, &state->bounds,
						frame);
		if (UNLIKELY(outcome != STEP_DONE)) {
			result->is_truncated = outcome == STEP_LOST;
			result->ends_by_rule = is_end_rule(state->links[link].rule);
			break;
		}
		while (next > state->memo && next[-1].slot < frame->slot)
			next--;
		/*
		 * Slot, address and, where it matters, frame pointer are the frame's whole state,
		 * but for an interrupted one, whose stack pointer is a word of its own. It has to
		 * be found in the same way, too, since what counts of the frames further in depends
		 * on that: at one call there may have been functions with a frame pointer and
		 * without, or one that a signal interrupted before it had saved it.
		 */
		const struct memo_frame *met = next > state->memo ? next - 1 : NULL;
		if (met && met->slot == frame->slot && met->address == frame->address &&
		    !((met->flags | frame->flags) & MEMO_EXACT) &&
		    !((met->flags ^ frame->flags) & MEMO_HOW_FOUND) &&
		    met->fp_slot == frame->fp_slot &&
		    (!(met->flags & MEMO_LIVE) || met->fp == frame->fp) && !walk.offset) {
			uint32_t left = verify(state, (uint32_t)(met - state->memo), walk.high);
			if (LIKELY(left == 0)) {
				result->joined = (uint32_t)(met - state->memo);
				result->is_truncated = state->is_truncated;
				result->ends_by_rule = state->ends_by_rule;
				break;
			}
			/* Frames further out than this one changed: they may be met again. */
			next = &state->memo[left];
		}
		count++;
		link = follow_link(state, link, walk.key);
	}
	result->fresh_count = count;
}

static inline uint64_t frame_word(const struct memo_frame *frame)
{
	return (uint64_t)frame->address | (frame->flags & MEMO_EXACT ? RING_FRAME_EXACT : 0) |
	       (frame->flags & MEMO_GUESSED ? RING_FRAME_GUESSED : 0);
}

/* What a frame has to be marked with because of the one further out, found from its registers. */
static inline uint32_t flags_from(uint32_t outer, const struct memo_frame *frame)
{
	uint32_t flags = frame->flags;
	if (outer & MEMO_WANTS_FP)
		flags |= MEMO_LIVE | (frame->fp_slot ? MEMO_CHECK_FP : 0u);
	if (outer & (MEMO_DEEP | MEMO_COMPLEX | MEMO_LIVE))
		flags |= MEMO_DEEP;
	if ((flags & MEMO_USES_FP) || (!frame->fp_slot && (flags & MEMO_LIVE)))
		flags |= MEMO_WANTS_FP;
	return flags;
}

/* Puts the fresh frames behind the joined ones, and works out what is live in them. */
static void keep(struct unwind_state *state, const struct result *result)
{
	uint32_t depth = result->joined == NO_FRAME ? 0 : result->joined + 1;
	if (state->words_depth > depth)
		state->words_depth = depth;
	uint32_t outer = depth > 0 ? state->memo[depth - 1].flags : 0;
	for (uint32_t i = result->fresh_count; i-- > 0; depth++) {
		struct memo_frame *frame = &state->memo[depth];
		*frame = state->fresh[i];
		uint32_t flags = frame->flags;
		if (UNLIKELY((outer & (MEMO_WANTS_FP | MEMO_DEEP | MEMO_COMPLEX | MEMO_LIVE)) |
			     flags)) {
			flags |= flags_from(outer, frame);
			frame->flags = (uint16_t)flags;
		}
		outer = flags;
	}
	state->depth = depth;
	state->is_truncated = result->is_truncated;
	state->ends_by_rule = result->ends_by_rule;
}

static inline uint64_t put_frame(struct stack_names *names, uint32_t index, uint64_t frame,
				 uint64_t hash, uint32_t *kept)
{
	if (*kept == index && index < names->depth && names->previous[index] == frame)
		*kept = index + 1;
	names->previous[index] = frame;
	hash = stack_names_mix(hash, frame);
	names->prefix_hash[index] = hash;
	return hash;
}

/* Writes the trace to `names`: the memo's frames from `first` on, and the leaf. */
static uint32_t put_trace(const struct unwind_state *state, uint32_t first, bool was_truncated,
			  uint64_t leaf, struct stack_names *names, uint64_t *ret_hash)
{
	/* A truncated trace has a mark in front; with and without it nothing is shared. */
	uint32_t mark = state->is_truncated ? 1 : 0;
	uint32_t kept = state->is_truncated == was_truncated && first > 0 ? first + mark : 0;
	uint64_t hash;
	if (state->is_truncated != was_truncated)
		names->depth = 0;
	if (kept > 0) {
		hash = names->prefix_hash[kept - 1];
	} else {
		first = 0;
		hash = stack_names_seed;
		if (mark)
			hash = put_frame(names, 0, RING_FRAME_TRUNCATED, hash, &kept);
	}
	for (uint32_t i = first; i < state->depth; i++)
		hash = put_frame(names, i + mark, frame_word(&state->memo[i]), hash, &kept);
	uint32_t leaf_index = state->depth + mark;
	hash = put_frame(names, leaf_index, leaf, hash, &kept);
	names->depth = leaf_index + 1;
	*ret_hash = hash;
	return kept;
}

/*
 * More frames than there is room for: the outermost are left out. What the memo would join then is
 * of no use, since every frame has another place.
 */
static void walk_again_truncated(struct unwind_state *state, const struct walk *start,
				 struct result *result)
{
	state->depth = 0;
	walk_with_memo(state, start, result);
}

/* Where the walk begins, and on which memory. */
static struct walk begin(struct unwind_state *state, const struct unwind_start *start)
{
	struct walk walk = {.key = start->pc, .sp = start->sp, .fp = start->fp};
	if (LIKELY(stack_bounds_contain(&state->bounds, start->sp))) {
		walk.high = state->bounds.high;
		return walk;
	}
	/* Its own stack may not have been known when the thread's first event was on another one.
	 */
	if (!state->bounds.high)
		stack_bounds_init(&state->bounds);
	size_t size_bytes = stack_copy(start->sp, state->copy);
	walk.high = start->sp + size_bytes;
	walk.offset = (uintptr_t)state->copy - start->sp;
	return walk;
}

uint32_t unwind_fast(struct unwind_state *state, const struct unwind_start *start,
		     struct stack_names *names, uint64_t *ret_hash)
{
	struct result result;
	bool was_truncated = state->is_truncated;
	const struct walk origin = begin(state, start);
	walk_with_memo(state, &origin, &result);
	uint32_t joined = result.joined == NO_FRAME ? 0 : result.joined + 1;
	if (UNLIKELY(joined + result.fresh_count > LIMIT_FRAMES - 2)) {
		walk_again_truncated(state, &origin, &result);
		if (result.fresh_count > LIMIT_FRAMES - 2) {
			result.fresh_count = LIMIT_FRAMES - 2;
			result.is_truncated = true;
		}
		joined = 0;
	}
	keep(state, &result);
	uint32_t kept = put_trace(state, joined, was_truncated, (uint64_t)start->pc, names,
				  ret_hash);
	*ret_hash |= *ret_hash == 0;
	/* A copied stack is no stack to compare with the next time; the names of its frames are. */
	if (UNLIKELY(origin.offset || joined + result.fresh_count >= LIMIT_FRAMES - 2))
		state->depth = 0;
	return kept;
}

void unwind_remember(struct unwind_state *state, const struct unwind_start *start, uint64_t hash)
{
	struct trace_memo *traces = &state->traces;
	if (traces->rest > 0)
		return;
	if (++traces->misses == TRACE_TRIAL_MISSES)
		trace_memo_judge(traces);
	if (state->depth == 0 || state->is_truncated || !state->ends_by_rule)
		return;
	const struct memo_frame *outermost = &state->memo[0];
	const struct memo_frame *innermost = &state->memo[state->depth - 1];
	uint32_t words = update_words(state);
	if (words == MEMO_NO_WORDS ||
	    outermost->slot - start->sp > TRACE_PLACE_BASE * sizeof(uint64_t))
		return;
	struct trace trace = {
		.words = &state->words,
		.word_count = words,
		.span = (uint32_t)((outermost->slot - start->sp) / sizeof(uint64_t)),
		.has_fp = innermost->flags & MEMO_WANTS_FP,
		.hash = hash,
	};
	for (; trace.caller_count < TRACE_CALLERS && trace.caller_count < state->depth;
	     trace.caller_count++)
		trace.callers[trace.caller_count] =
			(uint32_t)((innermost[-(int)trace.caller_count].slot - start->sp) /
				   sizeof(uint64_t));
	trace_memo_add(traces, start, state->bounds.high, &trace);
}

size_t unwind_plainly(struct unwind_state *state, const struct unwind_start *start,
		      uint64_t *frames, size_t capacity, bool *ret_is_truncated)
{
	struct walk walk = begin(state, start);
	struct memo_frame frame;
	enum step_result outcome = STEP_DONE;
	size_t count = 0;
	frames[count++] = (uint64_t)start->pc;
	while (count < capacity) {
		outcome = step(&walk, rule_cache_get(walk.key), &state->bounds, &frame);
		if (outcome != STEP_DONE)
			break;
		frames[count++] = frame_word(&frame);
	}
	*ret_is_truncated = outcome != STEP_END;
	return count;
}

void unwind_forget(struct unwind_state *state)
{
	forget_links(state);
	trace_memo_clear(&state->traces);
	state->depth = 0;
}
