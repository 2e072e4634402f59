/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/log/leak_marks.h"

#include <stdlib.h>
#include <string.h>

static struct leak_step *copy_steps(const struct leak_mark *mark)
{
	size_t size_bytes = mark->step_count * sizeof(*mark->steps);
	struct leak_step *steps = size_bytes ? malloc(size_bytes) : NULL;
	if (steps)
		memcpy(steps, mark->steps, size_bytes);
	return steps;
}

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
	item->holder = mark->holder ? strdup(mark->holder) : NULL;
	item->steps = copy_steps(mark);
	if ((mark->holder && !item->holder) || (mark->step_count && !item->steps)) {
		free(item->holder);
		free(item->steps);
		return false;
	}
	marks->count++;
	return true;
}

void leak_marks_release(struct leak_marks *marks)
{
	for (size_t i = 0; i < marks->count; i++) {
		free(marks->items[i].holder);
		free(marks->items[i].steps);
	}
	free(marks->items);
	free(marks->suppressions);
	*marks = (struct leak_marks){0};
}

static void encode_steps(const struct leak_mark *mark, struct buffer *payload)
{
	buffer_varint(payload, mark->step_count);
	if (mark->step_count == 0)
		return;
	buffer_varint(payload, mark->skipped_steps);
	for (uint32_t i = 0; i < mark->step_count; i++) {
		buffer_varint(payload, mark->steps[i].bytes);
		buffer_varint(payload, mark->steps[i].stack);
	}
}

void leak_marks_encode(const struct leak_marks *marks, struct buffer *payload)
{
	const char *suppressions = marks->suppressions;
	uint32_t flags = marks->flags | LEAK_SCAN_HAS_PATHS;
	buffer_varint(payload, suppressions ? flags | LEAK_SCAN_HAS_SUPPRESSIONS : flags);
	if (suppressions)
		buffer_string(payload, suppressions, strlen(suppressions));
	for (unsigned kind = 0; flags & LEAK_SCAN_HAS_SUMS && kind < LEAK_UNCLASSIFIED; kind++) {
		buffer_varint(payload, marks->left_out[kind].blocks);
		buffer_varint(payload, marks->left_out[kind].bytes);
	}
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
		encode_steps(mark, payload);
	}
}

/* steps  [LEAK_STEPS_MAX] the mark's from now on */
static bool decode_steps(struct leak_mark *mark, struct leak_step *steps,
			 struct byte_reader *payload)
{
	uint64_t count = byte_reader_varint(payload);
	if (payload->failed || count > LEAK_STEPS_MAX)
		return false;
	if (count == 0)
		return true;
	mark->steps = steps;
	mark->step_count = (uint32_t)count;
	mark->skipped_steps = byte_reader_varint(payload);
	for (uint32_t i = 0; i < mark->step_count; i++) {
		steps[i].bytes = byte_reader_varint(payload);
		steps[i].stack = (uint32_t)byte_reader_varint(payload);
	}
	return !payload->failed;
}

static bool decode_mark(struct leak_marks *marks, bool has_path, struct byte_reader *payload)
{
	struct leak_step steps[LEAK_STEPS_MAX];
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
	if (has_path && !decode_steps(&mark, steps, payload))
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

static bool decode_suppressions(struct leak_marks *marks, struct byte_reader *payload)
{
	size_t size_bytes = 0;
	const uint8_t *text = byte_reader_string(payload, LIMIT_SUPPRESSIONS_BYTES, &size_bytes);
	if (payload->failed)
		return false;
	marks->suppressions = strndup((const char *)text, size_bytes);
	return marks->suppressions != NULL;
}

bool leak_marks_decode(struct leak_marks *ret_marks, struct byte_reader *payload)
{
	uint32_t flags = (uint32_t)byte_reader_varint(payload);
	ret_marks->flags = flags & ~(uint32_t)(LEAK_SCAN_HAS_SUPPRESSIONS | LEAK_SCAN_HAS_PATHS);
	if (flags & LEAK_SCAN_HAS_SUPPRESSIONS && !decode_suppressions(ret_marks, payload))
		return false;
	for (unsigned kind = 0; flags & LEAK_SCAN_HAS_SUMS && kind < LEAK_UNCLASSIFIED; kind++) {
		ret_marks->left_out[kind].blocks = byte_reader_varint(payload);
		ret_marks->left_out[kind].bytes = byte_reader_varint(payload);
	}
	while (!payload->failed && byte_reader_left(payload) > 0)
		if (!decode_mark(ret_marks, flags & LEAK_SCAN_HAS_PATHS, payload))
			return false;
	return !payload->failed;
}
