/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/stack_errors.h"

#include <stdlib.h>
#include <string.h>

struct stack_error *stack_errors_entry(struct stack_errors *errors, uint32_t cost)
{
	if (cost >= errors->capacity) {
		size_t capacity = errors->capacity ? errors->capacity : 64;
		while (capacity <= cost)
			capacity *= 2;
		struct stack_error *grown = realloc(errors->items, capacity * sizeof(*grown));
		if (!grown)
			return NULL;
		memset(grown + errors->capacity, 0, (capacity - errors->capacity) * sizeof(*grown));
		errors->items = grown;
		errors->capacity = capacity;
	}
	return &errors->items[cost];
}

void stack_errors_release(struct stack_errors *errors)
{
	free(errors->items);
	*errors = (struct stack_errors){0};
}

/* As stack_cost_touch(). */
static void touch(struct stack_error *error, uint32_t mark)
{
	if (error->mark == mark)
		return;
	error->peak_blocks = error->live_blocks;
	error->peak_bytes = error->live_bytes;
	error->peak_samples = error->live_samples;
	error->mark = mark;
}

void stack_error_note(struct stack_error *error, const struct sample_weight *weight)
{
	error->allocations += weight->count_variance;
	error->allocated_bytes += weight->bytes_variance;
	error->samples++;
	if (weight->largest > error->largest_count)
		error->largest_count = weight->largest;
}

void stack_error_add(struct stack_error *error, const struct sample_weight *weight, uint32_t mark)
{
	touch(error, mark);
	error->live_blocks += weight->count_variance;
	error->live_bytes += weight->bytes_variance;
	error->live_samples++;
}

void stack_error_take(struct stack_error *error, const struct sample_weight *weight, uint32_t mark)
{
	touch(error, mark);
	error->live_samples--;
	error->live_blocks -= weight->count_variance;
	error->live_bytes -= weight->bytes_variance;
	/* Sums of floating-point numbers leave a rest. */
	if (error->live_samples == 0 || error->live_blocks < 0)
		error->live_blocks = 0;
	if (error->live_samples == 0 || error->live_bytes < 0)
		error->live_bytes = 0;
}

void stack_errors_settle(struct stack_errors *errors, uint32_t mark, bool is_gone)
{
	for (size_t i = 0; i < errors->capacity; i++) {
		struct stack_error *error = &errors->items[i];
		if (!is_gone) {
			touch(error, mark);
		} else if (error->mark != mark) {
			error->peak_blocks = 0;
			error->peak_bytes = 0;
			error->peak_samples = 0;
		}
	}
}

void stack_error_sum(struct stack_error *sum, const struct stack_error *other)
{
	sum->allocations += other->allocations;
	sum->allocated_bytes += other->allocated_bytes;
	sum->live_blocks += other->live_blocks;
	sum->live_bytes += other->live_bytes;
	sum->peak_blocks += other->peak_blocks;
	sum->peak_bytes += other->peak_bytes;
	if (other->largest_count > sum->largest_count)
		sum->largest_count = other->largest_count;
	sum->samples += other->samples;
	sum->live_samples += other->live_samples;
	sum->peak_samples += other->peak_samples;
}
