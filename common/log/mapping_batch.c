/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An event: operation + 4 * source, time since the event before, thread; MAP and UNMAP: address
 * minus that of the event before, size; MAP: stack node.
 */
#include "common/log/mapping_batch.h"

#include "common/status.h"

#define OPERATION_BITS 2

void mapping_batch_add(struct mapping_batch *batch, const struct mapping_event *event)
{
	struct buffer *payload = &batch->payload;
	if (batch->count++ == 0)
		batch->first_us = batch->last_us = event->time_us;
	uint64_t time_us = event->time_us > batch->last_us ? event->time_us : batch->last_us;
	buffer_varint(payload,
		      (uint64_t)event->operation | (uint64_t)event->source << OPERATION_BITS);
	buffer_varint(payload, time_us - batch->last_us);
	buffer_varint(payload, event->thread);
	batch->last_us = time_us;
	if (event->operation == MAPPING_RESTORE)
		return;
	buffer_zigzag(payload, (int64_t)(event->address - batch->last_address));
	buffer_varint(payload, event->size_bytes);
	batch->last_address = event->address;
	if (event->operation == MAPPING_MAP)
		buffer_varint(payload, event->stack);
}

void mapping_batch_clear(struct mapping_batch *batch)
{
	buffer_clear(&batch->payload);
	batch->count = 0;
	batch->last_address = 0;
}

void mapping_batch_release(struct mapping_batch *batch)
{
	buffer_release(&batch->payload);
	*batch = (struct mapping_batch){0};
}

static bool is_valid(const struct mapping_event *event, uint64_t code, uint64_t thread,
		     uint64_t stack)
{
	if (code >> OPERATION_BITS >= MAPPING_SOURCE_COUNT || event->operation > MAPPING_RESTORE ||
	    thread >= LIMIT_THREADS || stack >= LIMIT_STACK_NODES)
		return false;
	return event->operation == MAPPING_RESTORE ||
	       (event->size_bytes > 0 && event->address < 1ull << LIMIT_ADDRESS_BITS &&
		event->size_bytes <= (1ull << LIMIT_ADDRESS_BITS) - event->address);
}

int mapping_reader_next(struct mapping_reader *reader, struct mapping_event *ret_event)
{
	struct byte_reader *payload = &reader->payload;
	if (byte_reader_left(payload) == 0)
		return 0;
	uint64_t stack = 0;
	uint64_t code = byte_reader_varint(payload);
	reader->time_us += byte_reader_varint(payload);
	uint64_t thread = byte_reader_varint(payload);
	struct mapping_event event = {
		.operation = (enum mapping_operation)(code % (1u << OPERATION_BITS)),
		.source = (enum mapping_source)(code >> OPERATION_BITS & 0xff),
		.thread = (uint32_t)thread,
		.time_us = reader->time_us,
	};
	if (event.operation != MAPPING_RESTORE) {
		reader->last_address += (uint64_t)byte_reader_zigzag(payload);
		event.address = reader->last_address;
		event.size_bytes = byte_reader_varint(payload);
	}
	if (event.operation == MAPPING_MAP)
		stack = byte_reader_varint(payload);
	if (payload->failed || !is_valid(&event, code, thread, stack))
		return MT_ERR_CORRUPT;
	event.stack = (uint32_t)stack;
	*ret_event = event;
	return 1;
}
