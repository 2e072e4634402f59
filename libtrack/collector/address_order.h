/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sorting by address, for as many blocks as a heap has. */
#ifndef MEMTRACE_COLLECTOR_ADDRESS_ORDER_H
#define MEMTRACE_COLLECTOR_ADDRESS_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct addressed {
	uint64_t address;
	uint32_t item; /* the owner's */
};

/* By ascending address; those of one address stay in their order. returns false: no memory */
bool address_order_sort(struct addressed *items, size_t count);

#endif
