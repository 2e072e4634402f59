/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/log/ring_decoder.h"

#include "common/deferred.h"
#include "common/log/recording.h"

/* Words are trusted as little as a file's: a traced program may have scribbled over the ring. */
struct cursor {
	struct ring_decoder *decoder;
	struct recording *recording;
	struct recorded_image *image;
	const uint64_t *words;
	size_t at;
	size_t word_count;
	bool is_settled; /* the batch has the decoder's thread, time and interval */
};

static bool has_words(const struct cursor *cursor, size_t count)
{
	return cursor->word_count - cursor->at >= count;
}

static bool is_full(const struct event_batch *batch)
{
	return batch->event_count == batch->capacity;
}

/* Thread, time and interval at the front of a batch and wherever they change. */
static __attribute__((noinline)) enum mt_status note_changes(struct cursor *cursor)
{
	const struct ring_decoder *decoder = cursor->decoder;
	struct recorded_image *image = cursor->image;
	struct event_batch *batch = &image->batch;
	uint32_t first = batch->event_count;
	/* Rings are merged by stamps, not by time: it may step back by a tick, and then stands
	 * still. */
	uint64_t time_us = decoder->time_us > image->last_us ? decoder->time_us : image->last_us;
	if (first == 0)
		image->first_us = time_us;
	if ((first == 0 || time_us != image->last_us) && !event_batch_add_time(batch, time_us))
		return MT_ERR_NO_MEMORY;
	image->last_us = time_us;
	const struct event_changes *threads = &batch->threads;
	if ((first == 0 || threads->items[threads->count - 1].value != decoder->thread) &&
	    !event_changes_add(&batch->threads, first, decoder->thread))
		return MT_ERR_NO_MEMORY;
	const struct event_changes *intervals = &batch->intervals;
	uint64_t interval = intervals->count ? intervals->items[intervals->count - 1].value : 0;
	if (interval != decoder->interval_bytes &&
	    !event_changes_add(&batch->intervals, first, decoder->interval_bytes))
		return MT_ERR_NO_MEMORY;
	cursor->is_settled = true;
	return MT_OK;
}

static inline __attribute__((always_inline)) enum mt_status settle(struct cursor *cursor)
{
	return cursor->is_settled ? MT_OK : note_changes(cursor);
}

static inline __attribute__((always_inline)) enum mt_status
add_event(struct cursor *cursor, enum event_operation operation, uint64_t word, uint64_t address)
{
	struct event_batch *batch = &cursor->image->batch;
	unsigned kind = (unsigned)(word >> RING_KIND_SHIFT) & RING_KIND_MASK;
	if (kind >= ALLOCATION_KIND_COUNT || address == 0)
		return MT_ERR_CORRUPT;
	enum mt_status status = settle(cursor);
	if (status != MT_OK)
		return status;
	batch->codes[batch->event_count] = EVENT_CODE(operation, kind);
	batch->addresses[batch->event_count] = address;
	if (event_makes_block(operation)) {
		unsigned slot = (unsigned)(word >> RING_SLOT_SHIFT) % RING_SLOTS;
		uint32_t stack = recording_stack(cursor->image, cursor->decoder->slots[slot]);
		if (!has_words(cursor, 1))
			return MT_ERR_CORRUPT;
		if (stack == STACK_NONE)
			return MT_ERR_NO_MEMORY;
		batch->sizes[batch->block_count] = cursor->words[cursor->at++];
		batch->stacks[batch->block_count++] = stack;
	}
	batch->event_count++;
	return MT_OK;
}

/* The trace that a deferred allocation's number stands for; the root: it is not known. */
static struct numbered_stack numbered_stack(const struct recorded_image *image, uint64_t slot)
{
	uint32_t number = deferred_slot_stack(slot);
	struct numbered_stack unknown = {.node = STACK_ROOT};
	return number < image->numbered_count ? image->numbered[number] : unknown;
}

static __attribute__((noinline)) enum mt_status decode_deferred(struct cursor *cursor,
								uint64_t word)
{
	struct event_batch *batch = &cursor->image->batch;
	if (!has_words(cursor, 1))
		return MT_ERR_CORRUPT;
	uint64_t address = ring_word_address(word);
	uint64_t slot = cursor->words[cursor->at++];
	unsigned kind = deferred_slot_kind(slot);
	if (kind >= ALLOCATION_KIND_COUNT || address == 0)
		return MT_ERR_CORRUPT;
	enum mt_status status = settle(cursor);
	if (status != MT_OK)
		return status;
	uint32_t stack = recording_stack(cursor->image, numbered_stack(cursor->image, slot).node);
	if (stack == STACK_NONE)
		return MT_ERR_NO_MEMORY;
	batch->codes[batch->event_count] = EVENT_CODE(EVENT_ALLOCATE, kind);
	batch->addresses[batch->event_count++] = address;
	batch->sizes[batch->block_count] = deferred_slot_size(slot);
	batch->stacks[batch->block_count++] = stack;
	return MT_OK;
}

static __attribute__((noinline)) enum mt_status decode_wide(struct cursor *cursor, uint64_t prefix)
{
	static const uint8_t operations[] = {
		[RING_ALLOCATE] = EVENT_ALLOCATE,       [RING_RELEASE] = EVENT_RELEASE,
		[RING_MOVE_BEGIN] = EVENT_MOVE_BEGIN,   [RING_MOVE_END] = EVENT_MOVE_END,
		[RING_MOVE_FAILED] = EVENT_MOVE_FAILED,
	};
	if (!has_words(cursor, 2))
		return MT_ERR_CORRUPT;
	unsigned type = (unsigned)(prefix >> 4) & RING_TYPE_MASK;
	uint64_t address = cursor->words[cursor->at++];
	uint64_t word = cursor->words[cursor->at++];
	if ((word & RING_TYPE_MASK) != type || type >= sizeof(operations) ||
	    (operations[type] == 0 && type != RING_ALLOCATE))
		return MT_ERR_CORRUPT;
	return add_event(cursor, (enum event_operation)operations[type], word, address);
}

/* The tree that the decoders' slots have nodes of. */
static struct stack_trie *told_trie(struct recorded_image *image)
{
	return image->logs_used_stacks ? &image->told.trie : &image->trie;
}

static uint32_t add_frame(struct recorded_image *image, uint32_t parent, uint16_t module,
			  uint64_t offset)
{
	return image->logs_used_stacks ? told_stacks_add(&image->told, parent, module, offset)
				       : stack_trie_intern(&image->trie, parent, module, offset);
}

/* A trace of so many frames, or of a part of them, can have been told. */
static bool is_known(struct recorded_image *image, uint32_t base, uint32_t kept)
{
	const struct stack_trie *trie = told_trie(image);
	return base < trie->node_count && (trie->nodes[base].depth >= kept || image->lacks_stacks);
}

/*
 * The node of the first `kept` frames of a trace that is known. Where its outermost frames are not
 * known any more it is as if it were too deep. returns STACK_NONE: no memory
 */
static uint32_t find_kept(struct recorded_image *image, uint32_t base, uint32_t kept)
{
	const struct stack_trie *trie = told_trie(image);
	return trie->nodes[base].depth >= kept
		       ? stack_trie_ancestor(trie, base, kept)
		       : add_frame(image, STACK_ROOT, 0, RING_FRAME_TRUNCATED);
}

static __attribute__((noinline)) enum mt_status decode_stack(struct cursor *cursor, uint64_t word)
{
	struct ring_decoder *decoder = cursor->decoder;
	struct recorded_image *image = cursor->image;
	size_t count = (size_t)(word >> RING_STACK_COUNT_SHIFT) % (1u << 12);
	uint32_t kept = (uint32_t)(word >> RING_STACK_KEPT_SHIFT) % (1u << 12);
	unsigned base = (unsigned)(word >> RING_STACK_BASE_SHIFT) % RING_SLOTS;
	unsigned slot = (unsigned)(word >> RING_STACK_SLOT_SHIFT) % RING_SLOTS;
	const struct mapped_module *module = NULL;
	if (!has_words(cursor, count) || kept + count > LIMIT_FRAMES + 1 ||
	    !is_known(image, decoder->slots[base], kept))
		return MT_ERR_CORRUPT;
	if (image->logs_used_stacks && !image->keeps_told && told_stacks_are_many(&image->told) &&
	    !recording_fold_stacks(cursor->recording, image))
		return MT_ERR_NO_MEMORY;
	uint32_t node = find_kept(image, decoder->slots[base], kept);
	for (size_t i = 0; i < count && node != STACK_NONE; i++) {
		uint64_t frame = cursor->words[cursor->at++];
		uint64_t address = RING_FRAME_ADDRESS(frame);
		uint64_t flags = frame - address;
		uint64_t place = flags & RING_FRAME_EXACT ? address : address - 1;
		/* Most calls are within a module. */
		if (!module || place < module->start || place >= module->end)
			module = module_map_find(&image->modules, place);
		node = add_frame(image, node, module ? (uint16_t)module->index : 0,
				 flags | RING_FRAME_ADDRESS(address - (module ? module->bias : 0)));
	}
	if (node == STACK_NONE)
		return MT_ERR_NO_MEMORY;
	decoder->slots[slot] = node;
	return MT_OK;
}

static enum mt_status decode_note(struct cursor *cursor, uint64_t word)
{
	size_t count = (size_t)(word >> 32);
	if (!has_words(cursor, count))
		return MT_ERR_CORRUPT;
	const uint64_t *words = cursor->words + cursor->at;
	cursor->at += count;
	cursor->is_settled = false;
	return recording_note(cursor->recording, cursor->image, cursor->decoder,
			      (enum ring_note)(word >> 4 & 0xff), words, count);
}

static inline enum mt_status decode_record(struct cursor *cursor)
{
	uint64_t word = cursor->words[cursor->at++];
	struct ring_decoder *decoder = cursor->decoder;
	switch (word & RING_TYPE_MASK) {
	case RING_ALLOCATE:
		return add_event(cursor, EVENT_ALLOCATE, word, ring_word_address(word));
	case RING_RELEASE:
		return add_event(cursor, EVENT_RELEASE, word, ring_word_address(word));
	case RING_MOVE_BEGIN:
		return add_event(cursor, EVENT_MOVE_BEGIN, word, ring_word_address(word));
	case RING_MOVE_END:
		return add_event(cursor, EVENT_MOVE_END, word, ring_word_address(word));
	case RING_MOVE_FAILED:
		return add_event(cursor, EVENT_MOVE_FAILED, word, ring_word_address(word));
	case RING_STACK:
		return decode_stack(cursor, word);
	case RING_STAMP:
		decoder->key = word >> 4;
		return MT_OK;
	case RING_EPOCH:
		decoder->time_us = event_time(word >> 4);
		cursor->is_settled = false;
		return MT_OK;
	case RING_NOTE:
		return decode_note(cursor, word);
	case RING_WIDE:
		return decode_wide(cursor, word);
	case RING_DEFERRED:
		return decode_deferred(cursor, word);
	}
	return MT_ERR_CORRUPT;
}

enum ring_decode_end ring_decoder_run(struct ring_decoder *decoder, struct recording *recording,
				      struct recorded_image *image, const uint64_t *words,
				      size_t *at, size_t word_count, uint64_t bound)
{
	struct cursor cursor = {
		.decoder = decoder,
		.recording = recording,
		.image = image,
		.words = words,
		.at = *at,
		.word_count = word_count,
	};
	enum ring_decode_end end = RING_DECODE_EMPTY;
	while (cursor.at < word_count) {
		if (ring_next_key(words + cursor.at, 0) > bound) {
			end = RING_DECODE_KEY;
			break;
		}
		if (is_full(&image->batch)) {
			end = RING_DECODE_FULL;
			break;
		}
		enum mt_status status = decode_record(&cursor);
		if (status != MT_OK) {
			end = status == MT_ERR_NO_MEMORY ? RING_DECODE_NO_MEMORY
							 : RING_DECODE_BROKEN;
			break;
		}
	}
	decoder->position += cursor.at - *at;
	*at = cursor.at;
	return end;
}

size_t ring_record_words(uint64_t word)
{
	switch (word & RING_TYPE_MASK) {
	case RING_ALLOCATE:
	case RING_MOVE_END:
	case RING_DEFERRED:
		return 2;
	case RING_RELEASE:
	case RING_MOVE_BEGIN:
	case RING_MOVE_FAILED:
	case RING_STAMP:
	case RING_EPOCH:
		return 1;
	case RING_STACK:
		return 1 + (size_t)(word >> RING_STACK_COUNT_SHIFT) % (1u << 12);
	case RING_NOTE:
		return 1 + (size_t)(word >> 32);
	case RING_WIDE:
		word >>= 4;
		return (word & RING_TYPE_MASK) == RING_WIDE ? 0 : 2 + ring_record_words(word);
	}
	return 0;
}

uint64_t ring_last_key(const uint64_t *words, size_t word_count)
{
	uint64_t key = 0;
	for (size_t at = 0; at < word_count;) {
		size_t length = ring_record_words(words[at]);
		if (length == 0)
			break; /* nonsense: the decoder will say so */
		key = ring_next_key(words + at, key);
		at += length;
	}
	return key;
}

uint64_t ring_first_serial(const uint64_t *words, size_t word_count)
{
	for (size_t at = 0; at < word_count;) {
		uint64_t word = words[at];
		unsigned type = (unsigned)(word & RING_TYPE_MASK);
		enum ring_note note = (enum ring_note)(word >> 4 & 0xff);
		size_t length = ring_record_words(word);
		if ((type != RING_STAMP && type != RING_EPOCH && type != RING_NOTE) ||
		    length > word_count - at)
			return RING_NO_SERIAL;
		if (type == RING_NOTE && length > 1 &&
		    (note == RING_NOTE_IMAGE || note == RING_NOTE_THREAD))
			return words[at + 1];
		at += length;
	}
	return 0;
}
