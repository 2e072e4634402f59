/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/log/event_state.h"

#include <stdlib.h>
#include <string.h>

#include "common/format.h"

/* How many blocks that have ended event_state_successor passes over, and one more. */
#define SUCCESSOR_STEPS 32u

void event_state_release(struct event_state *state)
{
	for (uint32_t i = 0; i < state->class_count; i++)
		free(state->classes[i].locals);
	free(state->classes);
	free(state->slots);
	free(state->free_slots);
	free(state->waiting);
	free(state->threads);
	free(state->births);
	*state = (struct event_state){0};
}

/* returns  false: no memory */
static bool copy_items(void **copy, const void *items, size_t count, size_t item_bytes)
{
	*copy = calloc(count + 1, item_bytes);
	if (*copy && count)
		memcpy(*copy, items, count * item_bytes);
	return *copy != NULL;
}

bool event_state_copy(struct event_state *copy, const struct event_state *state)
{
	*copy = *state;
	bool is_good = copy_items((void **)&copy->slots, state->slots, state->slot_count,
				  sizeof(*copy->slots));
	is_good &= copy_items((void **)&copy->free_slots, state->free_slots, state->free_count,
			      sizeof(*copy->free_slots));
	is_good &= copy_items((void **)&copy->waiting, state->waiting, state->waiting_count,
			      sizeof(*copy->waiting));
	is_good &= copy_items((void **)&copy->threads, state->threads, state->thread_capacity,
			      sizeof(*copy->threads));
	is_good &= copy_items((void **)&copy->classes, state->classes, state->class_count,
			      sizeof(*copy->classes));
	is_good &= copy_items((void **)&copy->births, state->births, state->birth_capacity,
			      sizeof(*copy->births));
	copy->slot_capacity = state->slot_count;
	copy->free_capacity = state->free_count;
	copy->waiting_capacity = state->waiting_count;
	copy->class_capacity = state->class_count;
	copy->class_count = 0;
	for (uint32_t i = 0; i < state->class_count && is_good; i++) {
		const struct event_class *class = &state->classes[i];
		struct event_class *twin = &copy->classes[copy->class_count++];
		is_good = copy_items((void **)&twin->locals, class->locals, class->used,
				     sizeof(*class->locals));
		twin->capacity = class->used;
	}
	if (!is_good)
		event_state_release(copy);
	return is_good;
}

bool event_state_copy_bare(struct event_state *copy, const struct event_state *state)
{
	struct event_state bare = *state;
	bare.slot_count = 0;
	bare.free_count = 0;
	bare.waiting_count = 0;
	if (!event_state_copy(copy, &bare))
		return false;
	event_state_drop_slots(copy);
	return true;
}

uint64_t event_state_bytes(const struct event_state *state)
{
	uint64_t bytes = state->class_capacity * sizeof(*state->classes) +
			 state->slot_capacity * sizeof(*state->slots) +
			 state->free_capacity * sizeof(*state->free_slots) +
			 state->waiting_capacity * sizeof(*state->waiting) +
			 state->thread_capacity * sizeof(*state->threads) +
			 state->birth_capacity * sizeof(*state->births);
	for (uint32_t c = 0; c < state->class_count; c++)
		bytes += state->classes[c].capacity * sizeof(*state->classes[c].locals);
	return bytes;
}

void event_state_drop_slots(struct event_state *state)
{
	for (uint32_t c = 0; c < state->class_count; c++) {
		struct event_class *class = &state->classes[c];
		for (uint32_t local = 0; local < class->used; local++)
			if (event_class_is_live(class, local))
				class->locals[local] = 0;
	}
	free(state->slots);
	free(state->free_slots);
	free(state->waiting);
	state->slots = NULL;
	state->free_slots = NULL;
	state->waiting = NULL;
	state->slot_count = state->slot_capacity = 0;
	state->free_count = state->free_capacity = 0;
	state->waiting_count = state->waiting_capacity = 0;
	state->live_count = 0;
	state->has_slots = false;
}

/* Makes room for one more item. returns false: no memory */
static bool grow(void **items, uint32_t count, uint32_t *capacity, size_t item_bytes)
{
	if (count < *capacity)
		return true;
	uint32_t larger = *capacity ? *capacity + *capacity / 2 + 8 : 16;
	void *grown = larger < *capacity ? NULL : realloc(*items, larger * item_bytes);
	if (!grown)
		return false;
	*items = grown;
	*capacity = larger;
	return true;
}

uint32_t event_state_add_class(struct event_state *state, const struct event_class *identity)
{
	if (state->class_count >= EVENT_CLASSES_MAX ||
	    !grow((void **)&state->classes, state->class_count, &state->class_capacity,
		  sizeof(*state->classes)))
		return EVENT_NONE;
	state->classes[state->class_count] = (struct event_class){
		.size_bytes = identity->size_bytes,
		.interval_bytes = identity->interval_bytes,
		.stack = identity->stack,
		.kind = identity->kind,
	};
	return state->class_count++;
}

struct event_thread *event_state_thread(struct event_state *state, uint32_t thread)
{
	if (thread < state->thread_capacity)
		return &state->threads[thread];
	if (thread >= LIMIT_THREADS)
		return NULL;
	uint32_t capacity = state->thread_capacity ? state->thread_capacity : 4;
	while (capacity <= thread)
		capacity *= 2;
	struct event_thread *grown = realloc(state->threads, capacity * sizeof(*grown));
	if (!grown)
		return NULL;
	memset(grown + state->thread_capacity, 0,
	       (capacity - state->thread_capacity) * sizeof(*grown));
	state->threads = grown;
	state->thread_capacity = capacity;
	return &state->threads[thread];
}

bool event_class_grow(struct event_class *class)
{
	return grow((void **)&class->locals, class->used, &class->capacity, sizeof(*class->locals));
}

/* A small table stays: a class that fills and empties all the time needs it again. */
void event_class_shrink(struct event_class *class)
{
	free(class->locals);
	class->locals = NULL;
	class->capacity = 0;
}

static uint32_t take_slot(struct event_state *state)
{
	if (state->free_count)
		return state->free_slots[--state->free_count];
	if (state->slot_count >= EVENT_SLOTS_MAX ||
	    !grow((void **)&state->slots, state->slot_count, &state->slot_capacity,
		  sizeof(*state->slots)))
		return EVENT_NONE;
	return state->slot_count++;
}

bool event_state_grow_births(struct event_state *state)
{
	return grow((void **)&state->births, state->birth_capacity, &state->birth_capacity,
		    sizeof(*state->births));
}

/* The number of the block that was made next by the thread that made this one; 0: not known. */
static uint64_t next_birth(const struct event_state *state, uint64_t number)
{
	if (!event_birth_is_known(state, number))
		return 0;
	uint32_t next = state->births[event_birth_place(state, number)].next;
	if (!next)
		return 0;
	number += (uint32_t)(next - (uint32_t)number);
	return event_birth_is_known(state, number) ? number : 0;
}

static bool is_live(const struct event_state *state, uint64_t number)
{
	return state->births[event_birth_place(state, number)].class_index != EVENT_NONE;
}

uint64_t event_state_successor(const struct event_state *state, const struct event_thread *thread)
{
	uint64_t number = thread->followed;
	for (uint32_t i = 0; i < SUCCESSOR_STEPS; i++) {
		number = next_birth(state, number);
		if (!number || is_live(state, number))
			return number;
	}
	return 0;
}

bool event_state_is_successor(const struct event_state *state, const struct event_thread *thread,
			      uint64_t wanted)
{
	uint64_t number = thread->followed;
	for (uint32_t i = 0; i < SUCCESSOR_STEPS; i++) {
		number = next_birth(state, number);
		/* They only go up. */
		if (!number || number >= wanted)
			return number == wanted;
		if (is_live(state, number))
			return false;
	}
	return false;
}

uint32_t event_state_make(struct event_state *state, struct event_thread *thread,
			  uint32_t class_index)
{
	struct event_class *class = &state->classes[class_index];
	uint32_t slot = take_slot(state);
	uint32_t local = slot == EVENT_NONE ? EVENT_NONE : event_class_make(class);
	if (local == EVENT_NONE ||
	    event_state_note_birth(state, thread, class_index, local) == EVENT_NONE)
		return EVENT_NONE;
	class->locals[local] = slot;
	state->live_count++;
	state->slots[slot] = (struct event_slot){
		.class_index = class_index, .local = local, .born = state->birth_count};
	return slot;
}

bool event_state_end(struct event_state *state, uint32_t slot)
{
	const struct event_slot *ended = &state->slots[slot];
	event_class_end(&state->classes[ended->class_index], ended->local);
	state->live_count--;
	if (ended->born > state->batch_births) {
		if (!grow((void **)&state->free_slots, state->free_count, &state->free_capacity,
			  sizeof(*state->free_slots)))
			return false;
		state->free_slots[state->free_count++] = slot;
		return true;
	}
	if (!grow((void **)&state->waiting, state->waiting_count, &state->waiting_capacity,
		  sizeof(*state->waiting)))
		return false;
	state->waiting[state->waiting_count++] = slot;
	return true;
}

bool event_state_end_batch(struct event_state *state)
{
	for (uint32_t i = 0; i < state->waiting_count; i++) {
		if (!grow((void **)&state->free_slots, state->free_count, &state->free_capacity,
			  sizeof(*state->free_slots)))
			return false;
		state->free_slots[state->free_count++] = state->waiting[i];
	}
	state->waiting_count = 0;
	state->batch_births = state->birth_count;
	state->unknown_births = state->birth_count;
	return true;
}
