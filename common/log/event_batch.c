/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/log/event_batch.h"

#include <stdlib.h>
#include <string.h>

/* Distances between changes of the time that are told apart, from a power of two to the next. */
#define TIME_DISTANCES 16u

static bool resize(void **array, size_t count, size_t item_bytes)
{
	void *grown = realloc(*array, count * item_bytes);
	if (!grown)
		return false;
	*array = grown;
	return true;
}

bool event_batch_reserve(struct event_batch *batch, uint32_t capacity)
{
	if (capacity <= batch->capacity)
		return true;
	if (!resize((void **)&batch->codes, capacity, sizeof(*batch->codes)) ||
	    !resize((void **)&batch->addresses, capacity, sizeof(*batch->addresses)) ||
	    !resize((void **)&batch->sizes, capacity, sizeof(*batch->sizes)) ||
	    !resize((void **)&batch->stacks, capacity, sizeof(*batch->stacks)))
		return false;
	batch->capacity = capacity;
	return true;
}

bool event_changes_add(struct event_changes *changes, uint32_t first, uint64_t value)
{
	struct event_change *last = changes->count ? &changes->items[changes->count - 1] : NULL;
	if (last && last->first == first) {
		last->value = value;
		return true;
	}
	if (changes->count == changes->capacity) {
		uint32_t capacity = changes->capacity ? changes->capacity * 2 : 64;
		if (!resize((void **)&changes->items, capacity, sizeof(*changes->items)))
			return false;
		changes->capacity = capacity;
	}
	changes->items[changes->count++] = (struct event_change){.first = first, .value = value};
	return true;
}

bool event_batch_add_time(struct event_batch *batch, uint64_t time_us)
{
	const struct event_changes *times = &batch->times;
	uint32_t first = batch->event_count;
	if (times->count > 0) {
		const struct event_change *last = &times->items[times->count - 1];
		uint32_t distance = first - last->first;
		if (distance >= 2 * TIME_DISTANCES &&
		    time_us - last->value <= 2 * EVENT_TIME_STEP_US) {
			int shift = 31 - __builtin_clz(distance / TIME_DISTANCES);
			first = last->first + (distance >> shift << shift);
		}
	}
	return event_changes_add(&batch->times, first, time_us);
}

void event_batch_clear(struct event_batch *batch)
{
	batch->event_count = 0;
	batch->block_count = 0;
	batch->threads.count = 0;
	batch->times.count = 0;
	batch->intervals.count = 0;
}

void event_batch_release(struct event_batch *batch)
{
	free(batch->codes);
	free(batch->addresses);
	free(batch->sizes);
	free(batch->stacks);
	free(batch->threads.items);
	free(batch->times.items);
	free(batch->intervals.items);
	*batch = (struct event_batch){0};
}
