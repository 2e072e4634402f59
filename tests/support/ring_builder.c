/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/support/ring_builder.h"

#include <stdlib.h>
#include <string.h>

#include "common/format.h"

void ring_builder_release(struct ring_builder *ring)
{
	free(ring->words);
	*ring = (struct ring_builder){0};
}

void ring_builder_word(struct ring_builder *ring, uint64_t word)
{
	if (ring->count == ring->capacity) {
		ring->capacity = ring->capacity ? ring->capacity * 2 : 256;
		ring->words = realloc(ring->words, ring->capacity * sizeof(*ring->words));
		if (!ring->words)
			abort();
	}
	ring->words[ring->count++] = word;
}

static void put_text(struct ring_builder *ring, const char *text)
{
	size_t size_bytes = strlen(text);
	ring_builder_word(ring, size_bytes);
	for (size_t at = 0; at < size_bytes; at += 8) {
		uint64_t word = 0;
		memcpy(&word, text + at, size_bytes - at < 8 ? size_bytes - at : 8);
		ring_builder_word(ring, word);
	}
}

/* The note's first word is written when its length is known. */
static size_t begin_note(struct ring_builder *ring)
{
	ring_builder_word(ring, 0);
	return ring->count;
}

static void end_note(struct ring_builder *ring, size_t begin, enum ring_note note)
{
	ring->words[begin - 1] = ring_note_word(note, (uint32_t)(ring->count - begin));
}

void ring_builder_image(struct ring_builder *ring, uint64_t serial, uint32_t pid, const char *path,
			const char *command)
{
	size_t begin = begin_note(ring);
	ring_builder_word(ring, serial);
	ring_builder_word(ring, pid);
	ring_builder_word(ring, 1);
	ring_builder_word(ring, 0);
	put_text(ring, path);
	put_text(ring, command);
	end_note(ring, begin, RING_NOTE_IMAGE);
}

void ring_builder_thread(struct ring_builder *ring, uint64_t serial, bool is_side, uint32_t id)
{
	size_t begin = begin_note(ring);
	ring_builder_word(ring, serial);
	ring_builder_word(ring, is_side);
	ring_builder_word(ring, id);
	end_note(ring, begin, RING_NOTE_THREAD);
}

void ring_builder_module(struct ring_builder *ring, uint32_t id, uint64_t start, uint64_t end,
			 const char *path)
{
	size_t begin = begin_note(ring);
	ring_builder_word(ring, id);
	ring_builder_word(ring, start);
	ring_builder_word(ring, end);
	ring_builder_word(ring, start);
	put_text(ring, path);
	put_text(ring, "\1\2\3\4");
	end_note(ring, begin, RING_NOTE_MODULE);
}

void ring_builder_unload(struct ring_builder *ring, uint32_t id)
{
	size_t begin = begin_note(ring);
	ring_builder_word(ring, id);
	end_note(ring, begin, RING_NOTE_UNLOAD);
}

void ring_builder_name(struct ring_builder *ring, uint32_t thread_id, const char *name)
{
	size_t begin = begin_note(ring);
	ring_builder_word(ring, thread_id);
	put_text(ring, name);
	end_note(ring, begin, RING_NOTE_NAME);
}

void ring_builder_untraced(struct ring_builder *ring, uint32_t pid, const char *path,
			   const char *reason)
{
	size_t begin = begin_note(ring);
	ring_builder_word(ring, pid);
	put_text(ring, path);
	put_text(ring, reason);
	end_note(ring, begin, RING_NOTE_UNTRACED);
}

void ring_builder_interval(struct ring_builder *ring, uint64_t bytes)
{
	size_t begin = begin_note(ring);
	ring_builder_word(ring, bytes);
	end_note(ring, begin, RING_NOTE_INTERVAL);
}

void ring_builder_stack(struct ring_builder *ring, uint32_t slot, uint32_t kept,
			const uint64_t *frames)
{
	size_t begin = begin_note(ring);
	for (; *frames; frames++)
		ring_builder_word(ring, *frames);
	ring->words[begin - 1] = (uint64_t)RING_STACK | (uint64_t)slot << RING_STACK_SLOT_SHIFT |
				 (uint64_t)(ring->count - begin) << RING_STACK_COUNT_SHIFT |
				 (uint64_t)kept << RING_STACK_KEPT_SHIFT |
				 (uint64_t)ring->last_slot << RING_STACK_BASE_SHIFT;
	ring->last_slot = slot;
}

void ring_builder_stamp(struct ring_builder *ring, uint64_t stamp)
{
	ring_builder_word(ring, stamp << 4 | RING_STAMP);
}

void ring_builder_epoch(struct ring_builder *ring, uint64_t time_us)
{
	ring_builder_word(ring, time_us << 4 | RING_EPOCH);
}

void ring_builder_event(struct ring_builder *ring, enum ring_record type, uint32_t slot,
			uint64_t address, uint64_t size_bytes)
{
	if (ring_address_fits(address)) {
		ring_builder_word(ring, ring_word(type, ALLOCATION_MALLOC, slot, address));
	} else {
		ring_builder_word(ring, (uint64_t)type << 4 | RING_WIDE);
		ring_builder_word(ring, address);
		ring_builder_word(ring, ring_word(type, ALLOCATION_MALLOC, slot, 0));
	}
	if (type == RING_ALLOCATE || type == RING_MOVE_END)
		ring_builder_word(ring, size_bytes);
}
