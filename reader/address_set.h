/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Addresses that will be asked for. Most of what a large file says is about others, and a look into
 * the set, one step or two for addresses that are spread evenly, tells so.
 */
#ifndef MEMTRACE_READER_ADDRESS_SET_H
#define MEMTRACE_READER_ADDRESS_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct address_set {
	uint64_t *addresses; /* [count] ascending */
	size_t count;
	uint32_t *buckets; /* [bucket_count + 1] first address at or behind the bucket's start */
	size_t bucket_count;
	unsigned shift; /* a bucket is 1 << shift wide */
};

/* addresses  [count] copied, in any order. returns  false: no memory, and nothing to release */
bool address_set_init(struct address_set *set, const uint64_t *addresses, size_t count);
void address_set_release(struct address_set *set);

/* The first address that is not below `address`; set->count: there is none. */
size_t address_set_find(const struct address_set *set, uint64_t address);

bool address_set_has(const struct address_set *set, uint64_t address);

#endif
