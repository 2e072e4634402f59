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

bool decoded_events_prepare(struct decoded_events *events, uint32_t event_count,
			    uint32_t class_count)
{
	events->is_whole = false;
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
			.kind = (uint8_t)(kind & ~(uint64_t)CLASS_HAS_INTERVAL),
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
	struct byte_reader codes;
	struct split_reader symbols;
	struct split_reader locals;
	uint64_t run; /* steady guesses that are left until one is wrong */
};

/* A symbol that is not among the guesses, + 1; 0: the columns make no sense. */
static uint32_t read_other(struct decoding *decoding, uint32_t form)
{
	uint64_t class_index = 0;
	if (form >= EVENT_FORM_COUNT)
		return 0;
	if (!event_form_is_lone(form)) {
		class_index = split_next(&decoding->symbols);
		if (class_index >= decoding->state->class_count)
			return 0;
	}
	return event_symbol((uint32_t)class_index, form) + 1;
}

/* What read_symbol does where it is not a steady guess that was right. */
static __attribute__((noinline)) uint32_t read_code(struct decoding *decoding, uint32_t previous)
{
	struct event_context context = event_context(decoding->state, previous);
	bool is_steady = *context.steady == EVENT_STEADY;
	if (is_steady && decoding->run > 0) {
		decoding->run--;
		return *context.guess;
	}
	if (decoding->codes.at == decoding->codes.end)
		return 0;
	uint32_t code = *decoding->codes.at++;
	if (is_steady)
		decoding->run = byte_reader_varint(&decoding->runs);
	if (code == 0) {
		if (is_steady)
			return 0;
		++*context.steady;
		return *context.guess;
	}
	uint32_t symbol = code < EVENT_GUESSES ? context.others[code - 1]
					       : read_other(decoding, code - EVENT_GUESSES);
	event_context_miss(&context, symbol);
	return symbol;
}

/* The symbol of the event after `previous`, + 1; 0: the columns make no sense. */
static inline uint32_t read_symbol(struct decoding *decoding, uint32_t previous)
{
	uint32_t form = (previous - 1) & ((1u << EVENT_FORM_BITS) - 1);
	if (decoding->run == 0 || previous == 0 || event_form_is_lone(form))
		return read_code(decoding, previous);
	const struct event_class *class =
		&decoding->state->classes[(previous - 1) >> EVENT_FORM_BITS];
	uint32_t i = form != EVENT_ALLOCATE && form != EVENT_MOVE_END;
	if (class->steady[i] != EVENT_STEADY)
		return read_code(decoding, previous);
	decoding->run--;
	return class->guess[i];
}

/* Makes a block. returns its local number; EVENT_NONE: no memory */
static inline uint32_t make_block(struct decoding *decoding, struct event_thread *thread,
				  uint32_t class_index)
{
	struct event_state *state = decoding->state;
	if (state->has_slots) {
		uint32_t slot = event_state_make(state, thread, class_index);
		return slot == EVENT_NONE ? EVENT_NONE : state->slots[slot].local;
	}
	struct event_class *class = &state->classes[class_index];
	uint32_t local = event_class_make(class);
	uint32_t place = local == EVENT_NONE
				 ? EVENT_NONE
				 : event_state_note_birth(state, thread, class_index, local);
	if (place == EVENT_NONE)
		return EVENT_NONE;
	class->locals[local] = place;
	return local;
}

/* The local number of the block that an event in this form ends; it may be none. */
static inline uint32_t read_local(struct decoding *decoding, const struct event_class *class,
				  uint32_t form)
{
	if (form == EVENT_RELEASE_AGAIN || form == EVENT_RELEASE_BEFORE)
		return class->again[form - EVENT_RELEASE_AGAIN];
	if (!event_form_has_local(form))
		return class->newest;
	uint64_t code = split_next(&decoding->locals);
	if (code > EVENT_LOCAL_CODE_MAX || split_failed(&decoding->locals))
		return EVENT_NONE;
	if (form != EVENT_LOST)
		return event_local_decode(class, code);
	return code < EVENT_NONE ? (uint32_t)code : EVENT_NONE;
}

/* Ends a block. returns its local number; EVENT_NONE: there is no such block, or no memory */
static inline uint32_t end_block(struct decoding *decoding, struct event_thread *thread,
				 uint32_t class_index, uint32_t local)
{
	struct event_state *state = decoding->state;
	struct event_class *class = &state->classes[class_index];
	if (!event_class_is_live(class, local))
		return EVENT_NONE;
	uint64_t number = event_state_number(state, class_index, local);
	if (number)
		event_state_note_end(state, thread, number);
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
	event->local = make_block(decoding, thread, moving - 1);
	return event->local != EVENT_NONE;
}

/* The operation of each form, but for those of them that are one. */
static const uint8_t form_operations[EVENT_FORM_COUNT] = {
	EVENT_ALLOCATE,    EVENT_RELEASE,         EVENT_MOVE_BEGIN,   EVENT_MOVE_END,
	EVENT_MOVE_FAILED, EVENT_RELEASE_UNKNOWN, EVENT_MOVE_UNKNOWN, EVENT_LOST,
	EVENT_RELEASE,     EVENT_MOVE_BEGIN,      EVENT_RELEASE,      EVENT_RELEASE,
	EVENT_RELEASE,
};

/* Decodes the release of event_state_successor's block. returns its symbol + 1; 0: there is none */
static uint32_t decode_next_release(struct decoding *decoding, struct event_thread *thread,
				    struct decoded_event *event)
{
	const struct event_state *state = decoding->state;
	uint64_t number = event_state_successor(state, thread);
	if (!number)
		return 0;
	const struct event_birth *birth = &state->births[event_birth_place(state, number)];
	uint32_t class_index = birth->class_index;
	thread->moving = 0;
	event->symbol = class_index << 3 | EVENT_RELEASE;
	event->local = end_block(decoding, thread, class_index, birth->local);
	return event_symbol(class_index, EVENT_RELEASE) + 1;
}

/* Decodes events of one thread up to number `end`. returns false: they make no sense */
static bool decode_stretch(struct decoding *decoding, struct event_thread *thread, uint32_t end)
{
	struct event_state *state = decoding->state;
	struct decoded_event *event = &decoding->events->items[decoding->events->count];
	struct decoded_event *stop = &decoding->events->items[end];
	uint32_t previous = thread->previous;
	for (; event < stop; event++) {
		previous = read_symbol(decoding, previous);
		if (previous == 0)
			return false;
		uint32_t class_index = (previous - 1) >> EVENT_FORM_BITS;
		uint32_t form = (previous - 1) & ((1u << EVENT_FORM_BITS) - 1);
		event->symbol = class_index << 3 | form_operations[form];
		switch (form) {
		case EVENT_ALLOCATE:
		case EVENT_MOVE_END:
			event->local = make_block(decoding, thread, class_index);
			break;
		case EVENT_RELEASE_NEXT:
			previous = decode_next_release(decoding, thread, event);
			break;
		case EVENT_MOVE_FAILED:
		case EVENT_RELEASE_UNKNOWN:
		case EVENT_MOVE_UNKNOWN:
			event->local = 0;
			if (!decode_rare(decoding, thread, event))
				return false;
			break;
		default:
			if (form != EVENT_LOST)
				thread->moving = decoded_operation(event) == EVENT_MOVE_BEGIN
							 ? class_index + 1
							 : 0;
			event->local = end_block(
				decoding, thread, class_index,
				read_local(decoding, &state->classes[class_index], form));
			break;
		}
		if (previous == 0 || event->local == EVENT_NONE)
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
	    !column_is_whole(&decoding->codes) || !split_is_whole(&decoding->symbols) ||
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
	if (!decoded_events_prepare(events, (uint32_t)event_count, (uint32_t)class_count))
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
	if (!column_open(&payload, &decoding.runs) || !column_open(&payload, &decoding.codes) ||
	    !split_open(&payload, &decoding.symbols) || !split_open(&payload, &decoding.locals) ||
	    payload.at != payload.end)
		return corrupt(error, "columns");
	return decode_events(&decoding, (uint32_t)event_count, error);
}
