/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unwind rules by address, decoded once for all threads.
 *
 * Four ways a set; an entry is one word, tag << 28 | rule. The key, 48 bits, is multiplied by an
 * odd number mod 2^48, which loses nothing; set and tag together are the whole product. So a word
 * that has the tag is the right one, and readers and writers need neither lock nor order.
 */
#ifndef MEMTRACE_PRELOAD_RULE_CACHE_H
#define MEMTRACE_PRELOAD_RULE_CACHE_H

#include <stdint.h>

/* Keys are return addresses; with this bit, the instruction itself (after a signal frame). */
#define RULE_KEY_EXACT (1ull << 47)
#define RULE_KEY_ADDRESS(key) ((key) & (RULE_KEY_EXACT - 1))

/* The rule for a key, from the tables if it is not in the cache. */
uint32_t rule_cache_get(uint64_t key);

/* Forgets all: a module was unloaded. */
#ifdef MEMTRACE_HAS_FAST_UNWINDER
void rule_cache_clear(void);
#else
static inline void rule_cache_clear(void)
{
}
#endif

#endif
