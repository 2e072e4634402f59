/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sorting by a number, an address or a time, for as many items as a heap has blocks. */
#ifndef MEMTRACE_COLLECTOR_KEY_ORDER_H
#define MEMTRACE_COLLECTOR_KEY_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keyed {
	uint64_t key;
	uint64_t item; /* the owner's */
};

/* By ascending key; those of one key stay in their order. returns false: no memory */
bool key_order_sort(struct keyed *items, size_t count);

#endif
