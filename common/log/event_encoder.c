/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "common/log/event_coder.h"
#include "common/log/event_columns.h"

#define FIRST_CLASS_SLOTS 1024u
#define PREFETCH_EVENTS 12u
#define CLASS_HAS_INTERVAL 16u

bool event_encoder_init(struct event_encoder *encoder, const struct block_map_pages *pages,
			uint64_t image_serial)
{
	*encoder = (struct event_encoder){.class_mask = FIRST_CLASS_SLOTS - 1,
					  .state.has_slots = true};
	encoder->class_slots = calloc(FIRST_CLASS_SLOTS, sizeof(*encoder->class_slots));
	return encoder->class_slots && block_map_init(&encoder->map, pages, image_serial);
}

void event_encoder_release(struct event_encoder *encoder)
{
	event_state_release(&encoder->state);
	block_map_release(&encoder->map);
	free(encoder->births);
	free(encoder->class_slots);
	free(encoder->recent);
	buffer_release(&encoder->runs);
	buffer_release(&encoder->codes);
	split_release(&encoder->symbols);
	split_release(&encoder->locals);
	buffer_release(&encoder->threads);
	buffer_release(&encoder->times);
	*encoder = (struct event_encoder){0};
}

/* What tells a class from others. */
struct class_identity {
	uint64_t size_bytes;
	uint64_t interval_bytes;
	uint32_t stack;
	uint16_t kind;
};

static uint32_t identity_hash(const struct class_identity *identity)
{
	uint64_t hash = (identity->size_bytes ^ (uint64_t)identity->stack << 32) *
			0x9e3779b97f4a7c15u;
	hash ^= hash >> 32 ^ identity->interval_bytes ^ (uint64_t)identity->kind << 60;
	return (uint32_t)(hash * 0xbf58476d1ce4e5b9u >> 32);
}

static inline bool is_class(const struct event_class *class, const struct class_identity *identity)
{
	return class->size_bytes == identity->size_bytes && class->stack == identity->stack &&
	       class->kind == identity->kind && class->interval_bytes == identity->interval_bytes;
}

static void put_class(struct event_encoder *encoder, uint32_t index)
{
	const struct event_class *class = &encoder->state.classes[index];
	const struct class_identity identity = {class->size_bytes, class->interval_bytes,
						class->stack, class->kind};
	uint32_t slot = identity_hash(&identity) & encoder->class_mask;
	while (encoder->class_slots[slot])
		slot = (slot + 1) & encoder->class_mask;
	encoder->class_slots[slot] = index + 1;
}

/* Makes the table large enough for `count` classes: at most half full. */
static bool grow_class_slots(struct event_encoder *encoder, uint32_t count)
{
	uint32_t mask = encoder->class_mask;
	while (count > mask / 2)
		mask = mask * 2 + 1;
	uint32_t *slots = calloc((size_t)mask + 1, sizeof(*slots));
	if (!slots)
		return false;
	free(encoder->class_slots);
	encoder->class_slots = slots;
	encoder->class_mask = mask;
	for (uint32_t i = 0; i < encoder->state.class_count; i++)
		put_class(encoder, i);
	return true;
}

static __attribute__((noinline)) uint32_t add_class(struct event_encoder *encoder,
						    const struct class_identity *identity)
{
	struct event_state *state = &encoder->state;
	const struct event_class class = {
		.size_bytes = identity->size_bytes,
		.interval_bytes = identity->interval_bytes,
		.stack = identity->stack,
		.kind = (uint8_t)identity->kind,
	};
	if (state->class_count * 2 > encoder->class_mask &&
	    !grow_class_slots(encoder, state->class_count + 1))
		return EVENT_NONE;
	uint32_t index = event_state_add_class(state, &class);
	if (index != EVENT_NONE)
		put_class(encoder, index);
	return index;
}

/* Finds or makes a class. returns EVENT_NONE: no memory */
static inline uint32_t find_class(struct event_encoder *encoder,
				  const struct class_identity *identity)
{
	const struct event_class *classes = encoder->state.classes;
	/* Most stack traces always allocate the same size. */
	uint32_t *recent = &encoder->recent[identity->stack];
	if (*recent && is_class(&classes[*recent - 1], identity))
		return *recent - 1;
	for (uint32_t slot = identity_hash(identity) & encoder->class_mask;
	     encoder->class_slots[slot]; slot = (slot + 1) & encoder->class_mask) {
		*recent = encoder->class_slots[slot];
		if (is_class(&classes[*recent - 1], identity))
			return *recent - 1;
	}
	uint32_t index = add_class(encoder, identity);
	*recent = index + 1; /* EVENT_NONE: 0 */
	return index;
}

/* Makes room for what is known of `node_count` stacks. returns false: no memory */
static bool grow_recent(struct event_encoder *encoder, uint32_t node_count)
{
	if (node_count <= encoder->recent_capacity)
		return true;
	uint32_t capacity = node_count + node_count / 2 + 64;
	uint32_t *grown = realloc(encoder->recent, capacity * sizeof(*grown));
	if (!grown)
		return false;
	memset(grown + encoder->recent_capacity, 0,
	       (capacity - encoder->recent_capacity) * sizeof(*grown));
	encoder->recent = grown;
	encoder->recent_capacity = capacity;
	return true;
}

bool event_encoder_resume(struct event_encoder *encoder, struct event_state *state,
			  const uint64_t *addresses)
{
	event_state_release(&encoder->state);
	encoder->state = *state;
	*state = (struct event_state){0};
	if (!grow_class_slots(encoder, encoder->state.class_count))
		return false;
	encoder->stored_classes = encoder->state.class_count;
	for (uint32_t slot = 0; slot < encoder->state.slot_count; slot++)
		if (!block_map_take_page(&encoder->map, slot))
			return false;
	for (uint32_t i = 0; i < encoder->state.class_count; i++) {
		const struct event_class *class = &encoder->state.classes[i];
		for (uint32_t local = 0; local < class->used; local++) {
			uint32_t slot = class->locals[local];
			if (!(slot & LOCAL_FREE) &&
			    !block_map_add(&encoder->map, addresses[slot], slot))
				return false;
		}
	}
	return true;
}

/* The batch that is being encoded. */
struct encoding {
	struct event_encoder *encoder;
	const struct event_batch *batch;
	struct decoded_events *copy; /* NULL: not wanted, or no memory for it */
	uint32_t event;              /* of the batch */
	uint32_t block;              /* blocks made by events before it */
	uint32_t count;              /* events written */
	uint64_t thread;
	uint64_t time_us;
	uint64_t interval_bytes;
	uint32_t next_thread;
	uint32_t next_time;
	uint32_t next_interval;
	uint32_t last_thread_at; /* number of the event that the last column entry is for */
	uint32_t last_time_at;
	uint64_t last_thread;
	uint64_t last_time_us;
	uint64_t run;               /* steady guesses since the last one that was wrong */
	bool is_changed;            /* thread or time, since an event was written */
	struct event_thread *state; /* of the thread */
};

static bool follow_changes(struct encoding *encoding)
{
	const struct event_batch *batch = encoding->batch;
	encoding->is_changed = true;
	(void)event_changes_follow(&batch->intervals, encoding->event, &encoding->next_interval,
				   &encoding->interval_bytes);
	(void)event_changes_follow(&batch->times, encoding->event, &encoding->next_time,
				   &encoding->time_us);
	if (event_changes_follow(&batch->threads, encoding->event, &encoding->next_thread,
				 &encoding->thread))
		encoding->state = event_state_thread(&encoding->encoder->state,
						     (uint32_t)encoding->thread);
	return encoding->state != NULL;
}

/* There is a copy for as long as there is memory for it. */
static void keep_copy(struct encoding *encoding, bool has_memory)
{
	if (!has_memory)
		encoding->copy = NULL;
}

/* With the event that they are for: one that is not written has no place in the columns. */
static __attribute__((noinline)) void write_changes(struct encoding *encoding)
{
	struct event_encoder *encoder = encoding->encoder;
	bool is_first = encoding->count == 0;
	encoding->is_changed = false;
	if (is_first || encoding->time_us != encoding->last_time_us) {
		buffer_varint(&encoder->times, encoding->count - encoding->last_time_at);
		buffer_zigzag(&encoder->times,
			      (int64_t)(encoding->time_us - encoding->last_time_us));
		if (encoding->copy)
			keep_copy(encoding, event_changes_add(&encoding->copy->times,
							      encoding->count, encoding->time_us));
		encoding->last_time_at = encoding->count;
		encoding->last_time_us = encoding->time_us;
	}
	if (is_first || encoding->thread != encoding->last_thread) {
		buffer_varint(&encoder->threads, encoding->count - encoding->last_thread_at);
		buffer_zigzag(&encoder->threads,
			      (int64_t)(encoding->thread - encoding->last_thread));
		if (encoding->copy)
			keep_copy(encoding, event_changes_add(&encoding->copy->threads,
							      encoding->count, encoding->thread));
		encoding->last_thread_at = encoding->count;
		encoding->last_thread = encoding->thread;
	}
}

/* The events up to the batch's end have room in the copy, and one that is none of them. */
static void make_room(struct encoding *encoding)
{
	struct decoded_events *copy = encoding->copy;
	uint32_t wanted = encoding->count + encoding->batch->event_count - encoding->event + 1;
	if (!copy || wanted <= copy->capacity)
		return;
	uint32_t capacity = wanted + wanted / 8;
	struct decoded_event *grown = realloc(copy->items, capacity * sizeof(*grown));
	keep_copy(encoding, grown != NULL);
	if (!grown)
		return;
	copy->items = grown;
	copy->capacity = capacity;
}

/* An event as it will be decoded, before its symbol is written. */
static inline void copy_event(const struct encoding *encoding, uint32_t class_index,
			      enum event_operation operation, uint32_t local)
{
	if (encoding->copy)
		encoding->copy->items[encoding->count] = (struct decoded_event){
			.symbol = class_index << 3 | operation, .local = local};
}

static inline void put_code(struct event_encoder *encoder, uint32_t code)
{
	if (buffer_reserve(&encoder->codes, 1))
		encoder->codes.bytes[encoder->codes.size_bytes++] = (uint8_t)code;
}

/*
 * The guess is the symbol, or the block of event_state_successor, which is number `number`: that
 * takes some steps to tell, so `number` becomes 0 when it is not.
 */
static inline bool is_right(const struct encoding *encoding, uint32_t guess, uint32_t symbol,
			    uint64_t *number)
{
	if (guess == symbol + 1)
		return true;
	if (guess != EVENT_RELEASE_NEXT + 1 || !*number)
		return false;
	if (event_state_is_successor(&encoding->encoder->state, encoding->state, *number))
		return true;
	*number = 0;
	return false;
}

/* Writes a symbol that is not the guess. returns the one that was written */
static __attribute__((noinline)) uint32_t write_surprise(struct encoding *encoding,
							 const struct event_context *context,
							 uint32_t symbol, uint64_t number)
{
	struct event_encoder *encoder = encoding->encoder;
	uint32_t code = 0;
	if (*context->steady == EVENT_STEADY) {
		buffer_varint(&encoder->runs, encoding->run);
		encoding->run = 0;
	}
	for (uint32_t i = 0; i < EVENT_GUESSES - 1 && !code; i++)
		if (is_right(encoding, context->others[i], symbol, &number)) {
			symbol = context->others[i] - 1;
			code = i + 1;
		}
	if (!code) {
		if (is_right(encoding, EVENT_RELEASE_NEXT + 1, symbol, &number))
			symbol = EVENT_RELEASE_NEXT;
		uint32_t form = symbol & ((1u << EVENT_FORM_BITS) - 1);
		code = EVENT_GUESSES + form;
		if (!event_form_is_lone(form))
			split_put(&encoder->symbols, symbol >> EVENT_FORM_BITS);
	}
	put_code(encoder, code);
	event_context_miss(context, symbol + 1);
	return symbol;
}

/* What write_symbol does where it is not a steady guess that is right. */
static __attribute__((noinline)) uint32_t write_code(struct encoding *encoding, uint32_t previous,
						     uint32_t symbol, uint64_t number)
{
	struct event_encoder *encoder = encoding->encoder;
	struct event_context context = event_context(&encoder->state, previous);
	if (!is_right(encoding, *context.guess, symbol, &number))
		return write_surprise(encoding, &context, symbol, number);
	if (*context.steady == EVENT_STEADY) {
		encoding->run++;
	} else {
		put_code(encoder, 0);
		++*context.steady;
	}
	return *context.guess - 1;
}

/*
 * Writes an event's symbol.
 *
 * number   of the block that it releases, if it may be event_state_successor's; else 0
 * returns  the symbol that was written: this one or EVENT_RELEASE_NEXT
 */
static inline uint32_t write_symbol(struct encoding *encoding, uint32_t symbol, uint64_t number)
{
	uint32_t previous = encoding->state->previous;
	uint32_t form = (previous - 1) & ((1u << EVENT_FORM_BITS) - 1);
	encoding->state->previous = symbol + 1;
	if (encoding->is_changed)
		write_changes(encoding);
	encoding->count++;
	if (previous == 0 || event_form_is_lone(form))
		return write_code(encoding, previous, symbol, number);
	const struct event_class *class =
		&encoding->encoder->state.classes[(previous - 1) >> EVENT_FORM_BITS];
	uint32_t i = form != EVENT_ALLOCATE && form != EVENT_MOVE_END;
	if (class->guess[i] != symbol + 1 || class->steady[i] != EVENT_STEADY)
		return write_code(encoding, previous, symbol, number);
	encoding->run++;
	return symbol;
}

/* The form in which the end of a block is written, but for EVENT_RELEASE_NEXT. */
static inline uint32_t form_of_end(const struct event_class *class, uint32_t local,
				   enum event_operation operation)
{
	if (operation == EVENT_LOST || local == class->newest)
		return operation;
	if (operation == EVENT_MOVE_BEGIN)
		return EVENT_MOVE_OTHER;
	if (local == class->again[0])
		return EVENT_RELEASE_AGAIN;
	return local == class->again[1] ? EVENT_RELEASE_BEFORE : EVENT_RELEASE_OTHER;
}

/* Writes the end of a known block. returns false: no memory */
static inline bool end_block(struct encoding *encoding, uint32_t slot,
			     enum event_operation operation)
{
	struct event_encoder *encoder = encoding->encoder;
	const struct event_slot *ended = &encoder->state.slots[slot];
	uint32_t class_index = ended->class_index;
	uint32_t local = ended->local;
	const struct event_class *class = &encoder->state.classes[class_index];
	uint64_t number = event_birth_is_known(&encoder->state, ended->born) ? ended->born : 0;
	uint32_t form = form_of_end(class, local, operation);
	copy_event(encoding, class_index, operation, local);
	uint32_t written = write_symbol(encoding, event_symbol(class_index, form),
					operation == EVENT_RELEASE ? number : 0);
	if (form == EVENT_LOST)
		split_put(&encoder->locals, local);
	else if (event_form_has_local(form) && written != EVENT_RELEASE_NEXT)
		split_put(&encoder->locals, event_local_encode(class, local));
	if (number)
		event_state_note_end(&encoder->state, encoding->state, number);
	return event_state_end(&encoder->state, slot);
}

/* returns  false: no memory */
static bool note_birth(const struct encoding *encoding, uint32_t slot)
{
	struct event_encoder *encoder = encoding->encoder;
	if (slot >= encoder->birth_capacity) {
		uint32_t capacity = slot + slot / 2 + 1024;
		struct block_birth *grown = realloc(encoder->births, capacity * sizeof(*grown));
		if (!grown)
			return false;
		encoder->births = grown;
		encoder->birth_capacity = capacity;
	}
	encoder->births[slot] = (struct block_birth){.time_us = encoding->time_us,
						     .event = encoder->encoded_events +
							      encoding->event,
						     .thread = (uint32_t)encoding->thread};
	return true;
}

static bool make_block(struct encoding *encoding, uint64_t address, uint32_t class_index,
		       enum event_operation operation)
{
	struct event_encoder *encoder = encoding->encoder;
	uint32_t lost = block_map_find(&encoder->map, address);
	if (lost != BLOCK_MAP_NONE) {
		(void)block_map_remove(&encoder->map, address); /* just found */
		make_room(encoding);
		if (!end_block(encoding, lost, EVENT_LOST))
			return false;
	}
	uint32_t slot = event_state_make(&encoder->state, encoding->state, class_index);
	if (slot == EVENT_NONE || !block_map_add(&encoder->map, address, slot) ||
	    (encoder->keeps_births && !note_birth(encoding, slot)))
		return false;
	copy_event(encoding, class_index, operation, encoder->state.slots[slot].local);
	(void)write_symbol(encoding,
			   operation == EVENT_MOVE_FAILED ? EVENT_MOVE_FAILED
							  : event_symbol(class_index, operation),
			   0);
	return true;
}

/* The class of the next block that is made. returns EVENT_NONE: no memory */
static inline uint32_t next_class(struct encoding *encoding)
{
	const struct event_batch *batch = encoding->batch;
	const struct class_identity identity = {
		.size_bytes = batch->sizes[encoding->block],
		.interval_bytes = encoding->interval_bytes,
		.stack = batch->stacks[encoding->block],
		.kind = (uint16_t)EVENT_CODE_KIND(batch->codes[encoding->event]),
	};
	encoding->block++;
	return find_class(encoding->encoder, &identity);
}

static bool encode_allocation(struct encoding *encoding, enum event_operation operation)
{
	const struct event_batch *batch = encoding->batch;
	uint32_t class_index = next_class(encoding);
	return class_index != EVENT_NONE &&
	       make_block(encoding, batch->addresses[encoding->event], class_index, operation);
}

static bool encode_release(struct encoding *encoding, enum event_operation operation)
{
	struct event_encoder *encoder = encoding->encoder;
	uint32_t slot = block_map_remove(&encoder->map,
					 encoding->batch->addresses[encoding->event]);
	bool is_move = operation == EVENT_MOVE_BEGIN;
	encoding->state->moving = 0;
	if (slot == BLOCK_MAP_NONE) {
		copy_event(encoding, 0, is_move ? EVENT_MOVE_UNKNOWN : EVENT_RELEASE_UNKNOWN, 0);
		(void)write_symbol(encoding, is_move ? EVENT_MOVE_UNKNOWN : EVENT_RELEASE_UNKNOWN,
				   0);
		return true;
	}
	if (is_move)
		encoding->state->moving = encoder->state.slots[slot].class_index + 1;
	return end_block(encoding, slot, operation);
}

static bool encode_failed_move(struct encoding *encoding)
{
	uint32_t moving = encoding->state->moving;
	encoding->state->moving = 0;
	/* Of a block that was not known when the move began: nothing to undo. */
	if (!moving)
		return true;
	return make_block(encoding, encoding->batch->addresses[encoding->event], moving - 1,
			  EVENT_MOVE_FAILED);
}

/*
 * The next two events make a block and release it, which needs neither a place in the map nor a
 * slot: the one that it would have been given is free again, and so the next.
 */
static inline bool is_pair(const struct encoding *encoding, uint32_t end)
{
	const struct event_encoder *encoder = encoding->encoder;
	const struct event_batch *batch = encoding->batch;
	uint32_t event = encoding->event;
	return event + 1 < end && batch->addresses[event] == batch->addresses[event + 1] &&
	       EVENT_CODE_OPERATION(batch->codes[event]) == EVENT_ALLOCATE &&
	       EVENT_CODE_OPERATION(batch->codes[event + 1]) == EVENT_RELEASE &&
	       encoder->state.free_count > 0 && !encoder->keeps_births &&
	       block_map_find(&encoder->map, batch->addresses[event]) == BLOCK_MAP_NONE;
}

/* Encodes both events of a pair, and stays at the second. returns false: no memory */
static bool encode_pair(struct encoding *encoding)
{
	struct event_state *state = &encoding->encoder->state;
	uint32_t class_index = next_class(encoding);
	if (class_index == EVENT_NONE)
		return false;
	struct event_class *class = &state->classes[class_index];
	uint32_t local = event_class_make(class);
	if (local == EVENT_NONE ||
	    event_state_note_birth(state, encoding->state, class_index, local) == EVENT_NONE)
		return false;
	copy_event(encoding, class_index, EVENT_ALLOCATE, local);
	(void)write_symbol(encoding, event_symbol(class_index, EVENT_ALLOCATE), 0);
	encoding->event++;
	encoding->state->moving = 0;
	copy_event(encoding, class_index, EVENT_RELEASE, local);
	(void)write_symbol(encoding, event_symbol(class_index, EVENT_RELEASE), state->birth_count);
	event_state_note_end(state, encoding->state, state->birth_count);
	event_class_end(class, local);
	return true;
}

static bool encode_event(struct encoding *encoding)
{
	enum event_operation operation = EVENT_CODE_OPERATION(
		encoding->batch->codes[encoding->event]);
	switch (operation) {
	case EVENT_ALLOCATE:
	case EVENT_MOVE_END:
		return encode_allocation(encoding, operation);
	case EVENT_RELEASE:
	case EVENT_MOVE_BEGIN:
		return encode_release(encoding, operation);
	case EVENT_MOVE_FAILED:
		return encode_failed_move(encoding);
	case EVENT_RELEASE_UNKNOWN:
	case EVENT_MOVE_UNKNOWN:
	case EVENT_LOST:
		break; /* what the encoder finds out, not what it is told */
	}
	return false;
}

static void encode_nodes(const struct stack_trie *trie, uint32_t first_node, struct buffer *payload)
{
	struct buffer column = {0};
	uint64_t offset = 0;
	for (uint32_t node = first_node; node < trie->node_count; node++) {
		const struct stack_node *entry = &trie->nodes[node];
		/* Most often a node is the child of the one before it: 0. */
		buffer_varint(&column, node - 1 - entry->parent);
		buffer_varint(&column, entry->module);
		buffer_zigzag(&column, (int64_t)(entry->offset - offset));
		offset = entry->offset;
	}
	column_append(payload, &column);
	buffer_release(&column);
}

static void encode_classes(const struct event_encoder *encoder, struct buffer *payload)
{
	struct buffer column = {0};
	uint32_t stack = 0;
	for (uint32_t i = encoder->stored_classes; i < encoder->state.class_count; i++) {
		const struct event_class *class = &encoder->state.classes[i];
		buffer_varint(&column,
			      class->kind | (class->interval_bytes ? CLASS_HAS_INTERVAL : 0u));
		buffer_zigzag(&column, (int64_t) class->stack - (int64_t)stack);
		buffer_varint(&column, class->size_bytes);
		if (class->interval_bytes)
			buffer_varint(&column, class->interval_bytes);
		stack = class->stack;
	}
	column_append(payload, &column);
	buffer_release(&column);
}

/* The event before which thread, time or interval is another. */
static uint32_t end_of_stretch(const struct encoding *encoding)
{
	const struct event_batch *batch = encoding->batch;
	uint32_t end = event_changes_next(&batch->threads, encoding->next_thread,
					  batch->event_count);
	end = event_changes_next(&batch->intervals, encoding->next_interval, end);
	return event_changes_next(&batch->times, encoding->next_time, end);
}

static bool encode_stretch(struct encoding *encoding, uint32_t end)
{
	const struct event_batch *batch = encoding->batch;
	for (; encoding->event < end; encoding->event++) {
		if (encoding->event + PREFETCH_EVENTS < batch->event_count)
			block_map_prefetch(&encoding->encoder->map,
					   batch->addresses[encoding->event + PREFETCH_EVENTS]);
		if (is_pair(encoding, end) ? !encode_pair(encoding) : !encode_event(encoding))
			return false;
	}
	return true;
}

static bool encode_events(struct encoding *encoding)
{
	struct event_encoder *encoder = encoding->encoder;
	const struct event_batch *batch = encoding->batch;
	buffer_clear(&encoder->runs);
	buffer_clear(&encoder->codes);
	buffer_clear(&encoder->threads);
	buffer_clear(&encoder->times);
	split_clear(&encoder->symbols);
	split_clear(&encoder->locals);
	while (encoding->event < batch->event_count)
		if (!follow_changes(encoding) ||
		    !encode_stretch(encoding, end_of_stretch(encoding)))
			return false;
	buffer_varint(&encoder->runs, encoding->run);
	return event_state_end_batch(&encoder->state);
}

/* The classes that the block defines, and that all is there. */
static void complete_copy(const struct encoding *encoding)
{
	const struct event_encoder *encoder = encoding->encoder;
	struct decoded_events *copy = encoding->copy;
	uint32_t count = encoder->state.class_count - encoder->stored_classes;
	if (count > copy->class_capacity) {
		free(copy->classes);
		copy->class_capacity = 0;
		copy->classes = malloc((count + count / 2) * sizeof(*copy->classes));
		if (!copy->classes)
			return;
		copy->class_capacity = count + count / 2;
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct event_class *class =
			&encoder->state.classes[encoder->stored_classes + i];
		copy->classes[i] = (struct decoded_class){
			.size_bytes = class->size_bytes,
			.interval_bytes = class->interval_bytes,
			.stack = class->stack,
			.kind = class->kind,
		};
	}
	copy->first_class = encoder->stored_classes;
	copy->class_count = count;
	copy->count = encoding->count;
	copy->is_whole = true;
}

uint32_t event_encode(struct event_encoder *encoder, const struct event_batch *batch,
		      const struct stack_trie *trie, uint32_t first_node, struct buffer *payload,
		      struct decoded_events *copy)
{
	struct encoding encoding = {.encoder = encoder, .batch = batch};
	if (copy && decoded_events_prepare(copy, batch->event_count, 0))
		encoding.copy = copy;
	if (!grow_recent(encoder, trie->node_count) || !encode_events(&encoding)) {
		payload->failed = true;
		return 0;
	}
	buffer_varint(payload, first_node);
	buffer_varint(payload, trie->node_count - first_node);
	buffer_varint(payload, encoder->stored_classes);
	buffer_varint(payload, encoder->state.class_count - encoder->stored_classes);
	buffer_varint(payload, encoding.count);
	encode_nodes(trie, first_node, payload);
	encode_classes(encoder, payload);
	column_append(payload, &encoder->threads);
	column_append(payload, &encoder->times);
	column_append(payload, &encoder->runs);
	column_append(payload, &encoder->codes);
	split_append(payload, &encoder->symbols);
	split_append(payload, &encoder->locals);
	if (encoding.copy)
		complete_copy(&encoding);
	encoder->stored_classes = encoder->state.class_count;
	encoder->encoded_events += batch->event_count;
	return encoding.count;
}
