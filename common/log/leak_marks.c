/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/log/leak_marks.h"

#include <stdlib.h>
#include <string.h>

bool leak_marks_add(struct leak_marks *marks, const struct leak_mark *mark)
{
	if (marks->count == marks->capacity) {
		size_t capacity = marks->capacity ? marks->capacity * 2 : 32;
		struct leak_mark *grown = realloc(marks->items, capacity * sizeof(*grown));
		if (!grown)
			return false;
		marks->items = grown;
		marks->capacity = capacity;
	}
	struct leak_mark *item = &marks->items[marks->count];
	*item = *mark;
	if (mark->holder) {
		item->holder = strdup(mark->holder);
		if (!item->holder)
			return false;
	}
	marks->count++;
	return true;
}

void leak_marks_release(struct leak_marks *marks)
{
	for (size_t i = 0; i < marks->count; i++)
		free(marks->items[i].holder);
	free(marks->items);
	*marks = (struct leak_marks){0};
}

void leak_marks_encode(const struct leak_marks *marks, struct buffer *payload)
{
	buffer_varint(payload, marks->flags);
	for (size_t i = 0; i < marks->count; i++) {
		const struct leak_mark *mark = &marks->items[i];
		buffer_varint(payload, mark->stack);
		buffer_varint(payload, mark->thread);
		buffer_varint(payload, mark->allocation_kind);
		buffer_varint(payload, mark->leak_kind);
		buffer_varint(payload, mark->blocks);
		buffer_varint(payload, mark->bytes);
		buffer_varint(payload, mark->indirect_bytes);
		buffer_varint(payload, mark->oldest_us);
		buffer_varint(payload, mark->newest_us - mark->oldest_us);
		buffer_string(payload, mark->holder, mark->holder ? strlen(mark->holder) : 0);
	}
}

static bool decode_mark(struct leak_marks *marks, struct byte_reader *payload)
{
	size_t holder_bytes = 0;
	struct leak_mark mark = {
		.stack = (uint32_t)byte_reader_varint(payload),
		.thread = (uint32_t)byte_reader_varint(payload),
		.allocation_kind = (uint32_t)byte_reader_varint(payload),
		.leak_kind = (uint32_t)byte_reader_varint(payload),
		.blocks = byte_reader_varint(payload),
		.bytes = byte_reader_varint(payload),
		.indirect_bytes = byte_reader_varint(payload),
		.oldest_us = byte_reader_varint(payload),
	};
	mark.newest_us = mark.oldest_us + byte_reader_varint(payload);
	const uint8_t *holder = byte_reader_string(payload, LIMIT_STRING_BYTES, &holder_bytes);
	if (payload->failed || mark.allocation_kind >= ALLOCATION_KIND_COUNT ||
	    mark.leak_kind >= LEAK_UNCLASSIFIED || mark.blocks == 0)
		return false;
	if (holder_bytes > 0) {
		mark.holder = strndup((const char *)holder, holder_bytes);
		if (!mark.holder)
			return false;
	}
	bool is_added = leak_marks_add(marks, &mark);
	free(mark.holder);
	return is_added;
}

bool leak_marks_decode(struct leak_marks *ret_marks, struct byte_reader *payload)
{
	ret_marks->flags = (uint32_t)byte_reader_varint(payload);
	while (!payload->failed && byte_reader_left(payload) > 0)
		if (!decode_mark(ret_marks, payload))
			return false;
	return !payload->failed;
}
