/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How uncertain the costs of stack_costs.h are when they come from samples: variances, and numbers
 * of samples, by the costs' indexes. Nothing is kept while everything is recorded.
 */
#ifndef MEMTRACE_READER_STACK_ERRORS_H
#define MEMTRACE_READER_STACK_ERRORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reader/estimate.h"

struct stack_error {
	double allocations; /* variances of the costs of these names */
	double allocated_bytes;
	double live_blocks;
	double live_bytes;
	double peak_blocks;
	double peak_bytes;
	double largest_count; /* that one of the samples stood for */
	uint64_t samples;     /* that allocations and allocated_bytes are sums of */
	uint64_t live_samples;
	uint64_t peak_samples;
	uint32_t mark; /* number of the mark that peak_* belong to */
};

struct stack_errors {
	struct stack_error *items; /* [capacity] by index of the cost; the rest is zero */
	size_t capacity;
};

/* The entry for a cost. returns NULL: no memory */
struct stack_error *stack_errors_entry(struct stack_errors *errors, uint32_t cost);
void stack_errors_release(struct stack_errors *errors);

/* A block was allocated. */
void stack_error_note(struct stack_error *error, const struct sample_weight *weight);

/* A block came to life, or its life ended, while `mark` was the last mark. */
void stack_error_add(struct stack_error *error, const struct sample_weight *weight, uint32_t mark);
void stack_error_take(struct stack_error *error, const struct sample_weight *weight, uint32_t mark);

/* Brings peak_* of all entries to the last mark; `is_gone`: those older than it have no part. */
void stack_errors_settle(struct stack_errors *errors, uint32_t mark, bool is_gone);

/* Adds the variances and numbers of `other`. */
void stack_error_sum(struct stack_error *sum, const struct stack_error *other);

#endif
