/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names for stack traces, a table a thread.
 *
 * A trace is known by a 64-bit hash of its frames, outermost first: h(0) = seed,
 * h(n+1) = mix(h(n) ^ frame). The hash of the whole picks STACK_NAMES_WAYS of RING_SLOTS slots,
 * where the trace may be; the slot's number is the name. If none of them holds the hash, the trace
 * is defined anew, in the place of the one that was defined before the others: what it shares with
 * the thread's previous trace, then the rest. The previous one is that which was last looked for
 * here, whatever traces were named meanwhile without being looked for (trace_memo.h). Nothing is
 * shared between threads; the collector brings the definitions together. Two of a million traces
 * share a hash with a probability of 3e-8.
 */
#ifndef MEMTRACE_PRELOAD_STACK_NAMES_H
#define MEMTRACE_PRELOAD_STACK_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/format.h"
#include "common/ring.h"

/* A line of the cache. With two, of 6,000 traces in turn a fifth had lost its place again. */
#define STACK_NAMES_WAYS 8u

struct stack_names {
	_Alignas(64) uint64_t slot_hash[RING_SLOTS];     /* 0 = empty */
	uint8_t next_way[RING_SLOTS / STACK_NAMES_WAYS]; /* of a set: where the oldest one is */
	uint32_t depth;                                  /* of the previous trace */
	uint32_t previous_slot;                          /* its name */
	uint32_t numbers[RING_SLOTS];           /* of deferred_blocks.h, by slot; 0: none */
	uint64_t previous[LIMIT_FRAMES + 1];    /* outermost first */
	uint64_t prefix_hash[LIMIT_FRAMES + 1]; /* [n]: of the n + 1 outermost frames */
};

struct stack_name {
	uint32_t slot;
	uint32_t base; /* slot of the previous trace ... */
	uint32_t kept; /* ... with which it shares this many outermost frames */
	bool is_new;   /* to be defined with the frames of names->previous from `kept` on */
};

static const uint64_t stack_names_seed = 0x51ed270b8d2f4a35u;

static inline uint64_t stack_names_mix(uint64_t hash, uint64_t frame)
{
	hash = (hash ^ frame) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 32;
}

static inline uint32_t stack_names_set(uint64_t hash)
{
	return (uint32_t)(hash >> 20) % (RING_SLOTS / STACK_NAMES_WAYS);
}

/* Has the processor fetch what will be asked for. */
static inline void stack_names_prefetch(const struct stack_names *names, uint64_t hash)
{
	__builtin_prefetch(&names->slot_hash[stack_names_set(hash) * STACK_NAMES_WAYS], 1);
	__builtin_prefetch(&names->numbers[stack_names_set(hash) * STACK_NAMES_WAYS]);
}

/*
 * The name for a trace that is in `names` already, with its hash, not 0, and what it kept of the
 * last.
 */
static inline struct stack_name stack_names_find(struct stack_names *names, uint64_t hash,
						 uint32_t kept)
{
	uint32_t set = stack_names_set(hash);
	const uint64_t *ways = &names->slot_hash[set * STACK_NAMES_WAYS];
	uint32_t found = 0;
	/* No branches: which one it is, is anyone's guess. */
	for (uint32_t i = 0; i < STACK_NAMES_WAYS; i++)
		found |= (uint32_t)(ways[i] == hash) << i;
	bool is_new = __builtin_expect(found == 0, 0);
	uint32_t way = (uint32_t)__builtin_ctz(found | 1u << STACK_NAMES_WAYS);
	if (is_new) {
		way = names->next_way[set]++ % STACK_NAMES_WAYS;
		names->slot_hash[set * STACK_NAMES_WAYS + way] = hash;
	}
	uint32_t slot = set * STACK_NAMES_WAYS + way;
	uint32_t base = names->previous_slot;
	names->previous_slot = slot;
	return (struct stack_name){.slot = slot, .base = base, .kept = kept, .is_new = is_new};
}

/* Forgets all names: the next trace is defined from its first frame. */
void stack_names_clear(struct stack_names *names);

/*
 * Names a trace and makes it the previous one.
 *
 * frames       [frame_count] leaf first, at most LIMIT_FRAMES
 * is_truncated frames further out are missing: a marker is put in their place
 */
struct stack_name stack_names_name(struct stack_names *names, const uint64_t *frames,
				   size_t frame_count, bool is_truncated);

#endif
