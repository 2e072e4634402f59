/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "common/log/event_coder.h"
#include "common/log/event_columns.h"

#define CLASS_HAS_INTERVAL 16u

void decoded_events_release(struct decoded_events *events)
{
	free(events->items);
	free(events->classes);
	free(events->threads.items);
	free(events->times.items);
	*events = (struct decoded_events){0};
}

/* Makes a table large enough, its content is lost. returns false: no memory */
static bool reserve(void **items, uint32_t *capacity, uint32_t count, size_t item_bytes)
{
	if (count <= *capacity)
		return true;
	free(*items);
	*items = malloc(count * item_bytes);
	*capacity = *items ? count : 0;
	return *items != NULL;
}

static bool prepare(struct decoded_events *events, uint32_t event_count, uint32_t class_count)
{
	events->count = 0;
	events->class_count = 0;
	events->threads.count = 0;
	events->times.count = 0;
	return reserve((void **)&events->items, &events->capacity, event_count,
		       sizeof(*events->items)) &&
	       reserve((void **)&events->classes, &events->class_capacity, class_count,
		       sizeof(*events->classes));
}

static enum mt_status corrupt(struct mt_error *error, const char *what)
{
	return mt_error_set(error, MT_ERR_CORRUPT, "%s of an events block make no sense", what);
}

static enum mt_status no_memory(struct mt_error *error)
{
	return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read the log");
}

static enum mt_status decode_nodes(struct stack_trie *trie, struct byte_reader *payload,
				   uint32_t node_count, struct mt_error *error)
{
	struct byte_reader column;
	uint64_t offset = 0;
	if (!column_open(payload, &column))
		return corrupt(error, "stack nodes");
	for (uint32_t i = 0; i < node_count; i++) {
		uint32_t node = trie->node_count;
		uint64_t back = byte_reader_varint(&column);
		uint64_t module = byte_reader_varint(&column);
		offset += (uint64_t)byte_reader_zigzag(&column);
		if (column.failed || back >= node || module > LIMIT_MODULES)
			return corrupt(error, "stack nodes");
		uint32_t parent = node - 1 - (uint32_t)back;
		if (trie->nodes[parent].depth > LIMIT_FRAMES)
			return mt_error_set(error, MT_ERR_LIMIT, "a stack trace is too deep");
		if (stack_trie_append(trie, parent, (uint16_t)module, offset) == STACK_NONE)
			return no_memory(error);
	}
	return column_is_whole(&column) ? MT_OK : corrupt(error, "stack nodes");
}

static enum mt_status decode_classes(struct event_state *state, const struct stack_trie *trie,
				     struct byte_reader *payload, uint32_t class_count,
				     struct decoded_events *events, struct mt_error *error)
{
	struct byte_reader column;
	uint64_t stack = 0;
	if (!column_open(payload, &column))
		return corrupt(error, "classes");
	for (uint32_t i = 0; i < class_count; i++) {
		uint64_t kind = byte_reader_varint(&column);
		stack += (uint64_t)byte_reader_zigzag(&column);
		struct event_class identity = {
			.kind = (uint16_t)(kind & ~(uint64_t)CLASS_HAS_INTERVAL),
			.stack = (uint32_t)stack,
			.size_bytes = byte_reader_varint(&column),
		};
		if (kind & CLASS_HAS_INTERVAL)
			identity.interval_bytes = byte_reader_varint(&column);
		if (column.failed || stack >= trie->node_count || kind >= 2 * CLASS_HAS_INTERVAL ||
		    identity.kind >= ALLOCATION_KIND_COUNT)
			return corrupt(error, "classes");
		if (event_state_add_class(state, &identity) == EVENT_NONE)
			return no_memory(error);
		events->classes[events->class_count++] = (struct decoded_class){
			.size_bytes = identity.size_bytes,
			.interval_bytes = identity.interval_bytes,
			.stack = identity.stack,
			.kind = identity.kind,
		};
	}
	return column_is_whole(&column) ? MT_OK : corrupt(error, "classes");
}

static enum mt_status decode_changes(struct event_changes *changes, struct byte_reader *payload,
				     uint32_t event_count, uint64_t value_max, const char *what,
				     struct mt_error *error)
{
	struct byte_reader column;
	uint64_t first = 0;
	uint64_t value = 0;
	if (!column_open(payload, &column))
		return corrupt(error, what);
	while (column.at < column.end) {
		first += byte_reader_varint(&column);
		value += (uint64_t)byte_reader_zigzag(&column);
		if (column.failed || first >= event_count || value > value_max ||
		    (changes->count == 0 && first != 0))
			return corrupt(error, what);
		if (!event_changes_add(changes, (uint32_t)first, value))
			return no_memory(error);
	}
	if (event_count > 0 && changes->count == 0)
		return corrupt(error, what);
	return MT_OK;
}

/* The symbols of a block, while they are decoded. */
struct decoding {
	struct event_state *state;
	struct decoded_events *events;
	struct byte_reader runs;
	struct byte_reader operations;
	struct split_reader symbols;
	struct split_reader locals;
	uint64_t run; /* predicted events that are left */
};

/* A symbol that was not predicted, + 1; 0: the columns make no sense. */
static uint32_t read_symbol(struct decoding *decoding)
{
	if (decoding->operations.at == decoding->operations.end)
		return 0;
	uint32_t operation = *decoding->operations.at++;
	uint64_t class_index = 0;
	if (operation > EVENT_LOST)
		return 0;
	if (event_makes_block((enum event_operation)operation) ||
	    event_ends_block((enum event_operation)operation)) {
		class_index = split_next(&decoding->symbols);
		if (class_index >= decoding->state->class_count)
			return 0;
	}
	decoding->run = byte_reader_varint(&decoding->runs);
	return ((uint32_t)class_index << 3 | operation) + 1;
}

/* Makes a block. returns its local number; EVENT_NONE: no memory */
static inline uint32_t make_block(struct decoding *decoding, uint32_t class_index)
{
	struct event_state *state = decoding->state;
	if (!state->has_slots)
		return event_class_make(&state->classes[class_index]);
	uint32_t slot = event_state_make(state, class_index);
	return slot == EVENT_NONE ? EVENT_NONE : state->slots[slot].local;
}

/* Ends a block. returns its local number; EVENT_NONE: there is no such block, or no memory */
static inline uint32_t end_block(struct decoding *decoding, uint32_t class_index)
{
	struct event_state *state = decoding->state;
	struct event_class *class = &state->classes[class_index];
	uint64_t code = split_next(&decoding->locals);
	if (code > EVENT_LOCAL_CODE_MAX || split_failed(&decoding->locals))
		return EVENT_NONE;
	uint32_t local = event_local_decode(class, code);
	if (!event_class_is_live(class, local))
		return EVENT_NONE;
	if (!state->has_slots)
		event_class_end(class, local);
	else if (!event_state_end(state, class->locals[local]))
		return EVENT_NONE;
	return local;
}

/* What an event without a class does: at most, a failed move brings a block back. */
static bool decode_rare(struct decoding *decoding, struct event_thread *thread,
			struct decoded_event *event)
{
	uint32_t moving = thread->moving;
	thread->moving = 0;
	if (decoded_operation(event) != EVENT_MOVE_FAILED)
		return true;
	if (!moving)
		return false;
	event->symbol |= (moving - 1) << 3;
	event->local = make_block(decoding, moving - 1);
	return event->local != EVENT_NONE;
}

/* Decodes events of one thread up to number `end`. returns false: they make no sense */
static bool decode_stretch(struct decoding *decoding, struct event_thread *thread, uint32_t end)
{
	struct event_state *state = decoding->state;
	struct decoded_event *event = &decoding->events->items[decoding->events->count];
	struct decoded_event *stop = &decoding->events->items[end];
	uint32_t previous = thread->previous;
	for (; event < stop; event++) {
		uint32_t *prediction = event_prediction(state, previous);
		if (decoding->run > 0)
			decoding->run--;
		else
			*prediction = read_symbol(decoding);
		previous = *prediction;
		if (previous == 0)
			return false;
		uint32_t class_index = (previous - 1) >> 3;
		event->symbol = previous - 1;
		switch (decoded_operation(event)) {
		case EVENT_ALLOCATE:
		case EVENT_MOVE_END:
			event->local = make_block(decoding, class_index);
			break;
		case EVENT_RELEASE:
			thread->moving = 0;
			event->local = end_block(decoding, class_index);
			break;
		case EVENT_MOVE_BEGIN:
			thread->moving = class_index + 1;
			event->local = end_block(decoding, class_index);
			break;
		case EVENT_LOST:
			event->local = end_block(decoding, class_index);
			break;
		case EVENT_MOVE_FAILED:
		case EVENT_RELEASE_UNKNOWN:
		case EVENT_MOVE_UNKNOWN:
			event->local = 0;
			if (!decode_rare(decoding, thread, event))
				return false;
			break;
		}
		if (event->local == EVENT_NONE)
			return false;
	}
	thread->previous = previous;
	decoding->events->count = end;
	return true;
}

static enum mt_status decode_events(struct decoding *decoding, uint32_t event_count,
				    struct mt_error *error)
{
	const struct event_changes *threads = &decoding->events->threads;
	decoding->run = byte_reader_varint(&decoding->runs);
	for (uint32_t i = 0; i < threads->count; i++) {
		struct event_thread *thread = event_state_thread(decoding->state,
								 (uint32_t)threads->items[i].value);
		if (!thread)
			return no_memory(error);
		uint32_t end = i + 1 < threads->count ? threads->items[i + 1].first : event_count;
		if (!decode_stretch(decoding, thread, end))
			return corrupt(error, "symbols");
	}
	if (decoding->run != 0 || !column_is_whole(&decoding->runs) ||
	    !column_is_whole(&decoding->operations) || !split_is_whole(&decoding->symbols) ||
	    !split_is_whole(&decoding->locals))
		return corrupt(error, "columns");
	return event_state_end_batch(decoding->state) ? MT_OK : no_memory(error);
}

enum mt_status event_decode(struct event_state *state, struct stack_trie *trie,
			    const uint8_t *bytes, size_t size_bytes, struct decoded_events *events,
			    struct mt_error *error)
{
	struct byte_reader payload = byte_reader_over(bytes, size_bytes);
	struct decoding decoding = {.state = state, .events = events};
	uint64_t first_node = byte_reader_varint(&payload);
	uint64_t node_count = byte_reader_varint(&payload);
	uint64_t first_class = byte_reader_varint(&payload);
	uint64_t class_count = byte_reader_varint(&payload);
	uint64_t event_count = byte_reader_varint(&payload);
	if (payload.failed || first_node != trie->node_count || first_class != state->class_count)
		return corrupt(error, "numbers");
	if (node_count > LIMIT_BLOCK_NODES || event_count > LIMIT_BLOCK_EVENTS ||
	    class_count > LIMIT_BLOCK_EVENTS || first_node + node_count > LIMIT_STACK_NODES)
		return mt_error_set(error, MT_ERR_LIMIT, "an events block is over the limits");
	if (!prepare(events, (uint32_t)event_count, (uint32_t)class_count))
		return no_memory(error);
	events->first_class = (uint32_t)first_class;
	enum mt_status status = decode_nodes(trie, &payload, (uint32_t)node_count, error);
	if (status == MT_OK)
		status = decode_classes(state, trie, &payload, (uint32_t)class_count, events,
					error);
	if (status == MT_OK)
		status = decode_changes(&events->threads, &payload, (uint32_t)event_count,
					LIMIT_THREADS - 1, "threads", error);
	if (status == MT_OK)
		status = decode_changes(&events->times, &payload, (uint32_t)event_count, UINT64_MAX,
					"times", error);
	if (status != MT_OK)
		return status;
	if (!column_open(&payload, &decoding.runs) ||
	    !column_open(&payload, &decoding.operations) ||
	    !split_open(&payload, &decoding.symbols) || !split_open(&payload, &decoding.locals) ||
	    payload.at != payload.end)
		return corrupt(error, "columns");
	return decode_events(&decoding, (uint32_t)event_count, error);
}
