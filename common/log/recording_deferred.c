/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Allocations that traced processes did not tell of when they made them (common/deferred.h). */
#include "common/deferred.h"
#include "common/log/recording.h"
#include "common/log/recording_state.h"

/* returns  false: no memory */
static bool note_changes(struct recorded_image *image, uint64_t time_us, uint32_t thread)
{
	struct event_batch *batch = &image->batch;
	uint32_t first = batch->event_count;
	const struct event_changes *threads = &batch->threads;
	if (first == 0)
		image->first_us = time_us;
	if ((first == 0 || time_us != image->last_us) &&
	    !event_changes_add(&batch->times, first, time_us))
		return false;
	image->last_us = time_us;
	return (first > 0 && threads->items[threads->count - 1].value == thread) ||
	       event_changes_add(&batch->threads, first, thread);
}

struct deferred_allocation recording_read_deferred(const struct recorded_image *image,
						   const struct deferred_block *block)
{
	uint32_t number = deferred_slot_stack(block->slot);
	struct numbered_stack stack = {.node = STACK_ROOT};
	if (number < image->numbered_count)
		stack = image->numbered[number];
	return (struct deferred_allocation){
		.address = block->address,
		.size_bytes = deferred_slot_size(block->slot),
		.time_us = deferred_slot_time_us(block->slot),
		.stack = stack.node,
		.thread = stack.thread,
		.kind = deferred_slot_kind(block->slot),
	};
}

/* returns  false: no memory */
static bool add(struct recorded_image *image, const struct deferred_block *block)
{
	struct event_batch *batch = &image->batch;
	struct deferred_allocation allocation = recording_read_deferred(image, block);
	if (allocation.kind >= ALLOCATION_KIND_COUNT)
		return true;
	uint32_t stack = recording_stack(image, allocation.stack);
	if (stack == STACK_NONE || !note_changes(image, allocation.time_us, allocation.thread))
		return false;
	batch->codes[batch->event_count] = EVENT_CODE(EVENT_ALLOCATE, allocation.kind);
	batch->addresses[batch->event_count++] = allocation.address;
	batch->sizes[batch->block_count] = allocation.size_bytes;
	batch->stacks[batch->block_count++] = stack;
	return true;
}

enum mt_status recording_add_deferred(struct recording *recording, struct recorded_image *image,
				      const struct deferred_block *blocks, size_t count,
				      struct mt_error *error)
{
	struct event_batch *batch = &image->batch;
	if (count == 0)
		return MT_OK;
	enum mt_status status = recording_commit(recording, error);
	uint64_t last_us = image->last_us;
	if (status == MT_OK && !event_batch_reserve(batch, RECORDING_BATCH_EVENTS))
		status = mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to record with");
	for (size_t i = 0; i < count && status == MT_OK; i++) {
		if (!add(image, &blocks[i]))
			status = mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to record with");
		else if (batch->event_count == batch->capacity)
			status = recording_commit(recording, error);
	}
	if (status == MT_OK)
		status = recording_commit(recording, error);
	if (last_us > image->last_us)
		image->last_us = last_us;
	return status;
}
