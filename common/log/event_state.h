/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the encoder and the decoder of events both know of an image's blocks at any point of the
 * log. They run the same code on it, so that the log need not say what follows from it.
 *
 * A class is what all blocks have in common that one kind of function made, of one size, at one
 * stack trace and sampling interval. Within its class a block has a local number: the one that was
 * given back last, else the next. A release in the log is a class and a local number, which is
 * small, or predictable, or both; addresses are not stored at all.
 *
 * A slot is a block's number in its image, for tables of what else is known of it. Slots are reused
 * too, but one whose block was there before the current batch only when the batch is over: so what
 * stood in the slots at a batch's beginning stands there until its end (recovery needs that). A
 * reader that only replays does without slots: a block is its class and local number.
 *
 * An event is a symbol (event_symbol). What follows an event is predicted from it, per thread: each
 * such context knows the last four symbols that followed, the latest first. The log has which of
 * them it was, unless it was the first and that has been right for some time. A release may also be
 * predicted as that of the block which was made next after the one its thread released last.
 */
#ifndef MEMTRACE_COMMON_LOG_EVENT_STATE_H
#define MEMTRACE_COMMON_LOG_EVENT_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_operation {
	EVENT_ALLOCATE = 0,
	EVENT_RELEASE = 1,
	EVENT_MOVE_BEGIN = 2,  /* realloc: the old block is released ... */
	EVENT_MOVE_END = 3,    /* ... and the new one made */
	EVENT_MOVE_FAILED = 4, /* ... or the old one is live again; no class: the thread's last */
	EVENT_RELEASE_UNKNOWN = 5, /* of a block that nothing is known of; no class */
	EVENT_MOVE_UNKNOWN = 6,    /* a MOVE_BEGIN of such a block; no class */
	EVENT_LOST = 7,            /* its release was not seen: another block came to its address */
};

static inline bool event_makes_block(enum event_operation operation)
{
	return operation == EVENT_ALLOCATE || operation == EVENT_MOVE_END;
}

static inline bool event_ends_block(enum event_operation operation)
{
	return operation == EVENT_RELEASE || operation == EVENT_MOVE_BEGIN ||
	       operation == EVENT_LOST;
}

/*
 * How an event is written: class << 4 | one of these, the first eight of which are the operations.
 * Of the releases without a local number in the log it says which block it is.
 */
enum event_form {
	EVENT_RELEASE_OTHER = 8,   /* none of those below; EVENT_RELEASE itself is of the newest */
	EVENT_MOVE_OTHER = 9,      /* the same of MOVE_BEGIN */
	EVENT_RELEASE_AGAIN = 10,  /* of the local number in again[0] */
	EVENT_RELEASE_BEFORE = 11, /* ... in again[1] */
	EVENT_RELEASE_NEXT = 12,   /* event_state_successor; no class */
};
#define EVENT_FORM_COUNT 13u
#define EVENT_FORM_BITS 4u
#define EVENT_LONE_FORMS                                                                           \
	(1u << EVENT_MOVE_FAILED | 1u << EVENT_RELEASE_UNKNOWN | 1u << EVENT_MOVE_UNKNOWN |        \
	 1u << EVENT_RELEASE_NEXT)

static inline uint32_t event_symbol(uint32_t class_index, uint32_t form)
{
	return class_index << EVENT_FORM_BITS | form;
}

/* The symbol names no class: it is that of another block, or none. */
static inline bool event_form_is_lone(uint32_t form)
{
	return (EVENT_LONE_FORMS >> form & 1u) != 0;
}

/* The log has the block's local number. */
static inline bool event_form_has_local(uint32_t form)
{
	return form == EVENT_RELEASE_OTHER || form == EVENT_MOVE_OTHER || form == EVENT_LOST;
}

#define EVENT_GUESSES 4u

/* After so many right guesses on end they are counted instead of written one by one. */
#define EVENT_STEADY 4u

#define EVENT_NONE UINT32_MAX

/* What coding an event needs comes first, in 48 bytes: often one line of the cache. */
struct event_class {
	uint32_t *locals; /* [capacity] slot of a live one, else the next free one | LOCAL_FREE */
	uint32_t used;    /* local numbers given out so far */
	uint32_t first_free; /* local number + 1; 0: none */
	uint32_t live;
	uint32_t newest; /* local number that was given out last, as far as it is known */
	uint32_t last_released;
	int8_t nearness;   /* above 0: releases come in the order of local numbers, or nearly */
	uint8_t kind;      /* enum allocation_kind */
	uint8_t steady[2]; /* right guesses on end, up to EVENT_STEADY */
	uint32_t guess[2]; /* symbols + 1, after a block was made and after one ended; 0: none */
	uint32_t others[2][EVENT_GUESSES - 1]; /* further ones, the latest first */
	uint32_t again[2]; /* local numbers not newest when they were released, the latest first */
	uint32_t capacity;
	uint32_t stack; /* node of the image's trie */
	uint64_t size_bytes;
	uint64_t interval_bytes; /* mean bytes between samples; 0: every allocation was recorded */
};

#define LOCAL_FREE 0x80000000u
#define EVENT_CLASSES_MAX (1u << 28)
#define EVENT_SLOTS_MAX (1u << 31)

struct event_slot {
	uint32_t class_index;
	uint32_t local;
	uint64_t born; /* its number, from 1 */
};

/* A block that was made in the batch. Only the last so many are known. */
#define EVENT_BIRTHS_MAX (1u << 15)

struct event_birth {
	uint32_t class_index; /* EVENT_NONE: it has ended */
	uint32_t local;
	uint32_t next; /* number of the next one that the thread made; 0: none, yet */
};

struct event_thread {
	uint64_t last_birth; /* number of the block that it made last, from 1; 0: none */
	uint64_t followed;   /* ... of the last that it released and that was known; 0: none */
	uint32_t previous;   /* symbol + 1 of its last event; 0: none */
	uint32_t moving;     /* class + 1 of the block that a realloc released; 0: none */
};

/* What is predicted after an operation without a class. */
struct event_lone {
	uint32_t guess;
	uint32_t others[EVENT_GUESSES - 1];
	uint8_t steady;
};

struct event_state {
	struct event_class *classes; /* [class_count] */
	uint32_t class_count;
	uint32_t class_capacity;
	struct event_slot *slots; /* [slot_count] */
	uint32_t slot_count;
	uint32_t slot_capacity;
	uint32_t *free_slots; /* [free_count] the last one is taken first */
	uint32_t free_count;
	uint32_t free_capacity;
	uint32_t *waiting; /* [waiting_count] free when the batch is over */
	uint32_t waiting_count;
	uint32_t waiting_capacity;
	struct event_thread *threads; /* [thread_capacity] */
	uint32_t thread_capacity;
	bool has_slots;
	uint32_t live_count;        /* blocks that have slots */
	struct event_birth *births; /* [birth_capacity] of the batch */
	uint32_t birth_capacity;
	uint64_t birth_count;      /* blocks made so far: the number of the last one */
	uint64_t batch_births;     /* when the batch began */
	uint64_t unknown_births;   /* number of the last one that is not known any more */
	struct event_lone lone[8]; /* by operation; 0: before a thread's first event */
};

void event_state_release(struct event_state *state);

/* Makes a copy, in memory of its own. returns false: no memory, and nothing is left to release */
bool event_state_copy(struct event_state *copy, const struct event_state *state);

/* The same without slots, as event_state_drop_slots leaves it. */
bool event_state_copy_bare(struct event_state *copy, const struct event_state *state);

/* Memory that its tables take. */
uint64_t event_state_bytes(const struct event_state *state);

/*
 * Goes on without slots. To be called between two batches: then the blocks that there are have no
 * places among births.
 */
void event_state_drop_slots(struct event_state *state);

/* Adds a class. returns its index; EVENT_NONE: no memory, or too many */
uint32_t event_state_add_class(struct event_state *state, const struct event_class *identity);

/* The state of a thread. returns NULL: no memory */
struct event_thread *event_state_thread(struct event_state *state, uint32_t thread);

/* Makes a block of a class, with a slot. returns the slot; EVENT_NONE: no memory */
uint32_t event_state_make(struct event_state *state, struct event_thread *thread,
			  uint32_t class_index);

/* Makes room for one more birth. returns false: no memory */
bool event_state_grow_births(struct event_state *state);

/* Ends the block in a slot. returns false: no memory */
bool event_state_end(struct event_state *state, uint32_t slot);

/*
 * The block that was made next after the one that the thread released last, by the thread that
 * made that one, if both were made in this batch and it still lives.
 *
 * returns  its number; 0: there is none
 */
uint64_t event_state_successor(const struct event_state *state, const struct event_thread *thread);

/* returns  event_state_successor is the live block `number` */
bool event_state_is_successor(const struct event_state *state, const struct event_thread *thread,
			      uint64_t number);

/* Makes room for one more local number. returns false: no memory */
bool event_class_grow(struct event_class *class);

/* The last live block has ended: a large table is given back. */
void event_class_shrink(struct event_class *class);

#define EVENT_KEPT_LOCALS 64u
#define EVENT_NEAR 2u
#define EVENT_NEARNESS_MAX 8

static inline bool event_class_is_live(const struct event_class *class, uint32_t local)
{
	return local < class->used && !(class->locals[local] & LOCAL_FREE);
}

/* Gives a new block its local number, without a slot. returns it; EVENT_NONE: no memory */
static inline uint32_t event_class_make(struct event_class *class)
{
	uint32_t local = class->used;
	if (class->first_free) {
		local = class->first_free - 1;
		class->first_free = class->locals[local] & ~LOCAL_FREE;
	} else if (local < class->capacity || event_class_grow(class)) {
		class->used++;
	} else {
		return EVENT_NONE;
	}
	class->locals[local] = 0;
	class->newest = local;
	class->live++;
	return local;
}

/* Where a birth of the batch is kept, or was. */
static inline uint32_t event_birth_place(const struct event_state *state, uint64_t number)
{
	return (uint32_t)(number - state->batch_births - 1) & (EVENT_BIRTHS_MAX - 1);
}

/* Of the batch, and not so long ago that its place is another one's. */
static inline bool event_birth_is_known(const struct event_state *state, uint64_t number)
{
	return number > state->unknown_births;
}

/* Notes that a thread has made a block. returns its place; EVENT_NONE: no memory */
static inline uint32_t event_state_note_birth(struct event_state *state,
					      struct event_thread *thread, uint32_t class_index,
					      uint32_t local)
{
	uint64_t number = ++state->birth_count;
	uint32_t place = event_birth_place(state, number);
	if (place >= state->birth_capacity && !event_state_grow_births(state))
		return EVENT_NONE;
	if (event_birth_is_known(state, thread->last_birth))
		state->births[event_birth_place(state, thread->last_birth)].next = (uint32_t)number;
	if (number - state->unknown_births > EVENT_BIRTHS_MAX)
		state->unknown_births++;
	thread->last_birth = number;
	state->births[place] = (struct event_birth){.class_index = class_index, .local = local};
	return place;
}

/* The number of a live block; 0: it is not known. */
static inline uint64_t event_state_number(const struct event_state *state, uint32_t class_index,
					  uint32_t local)
{
	uint32_t place = state->classes[class_index].locals[local];
	if (state->has_slots) {
		uint64_t number = state->slots[place].born;
		return event_birth_is_known(state, number) ? number : 0;
	}
	uint32_t last = event_birth_place(state, state->birth_count);
	uint32_t back = (last - place) & (EVENT_BIRTHS_MAX - 1);
	if (back >= state->birth_count - state->unknown_births)
		return 0;
	/* The block may be an older one than what is there now. */
	const struct event_birth *birth = &state->births[place];
	return birth->class_index == class_index && birth->local == local
		       ? state->birth_count - back
		       : 0;
}

/* Notes that a thread has released a block, or that it was lost. `number` is not 0. */
static inline void event_state_note_end(struct event_state *state, struct event_thread *thread,
					uint64_t number)
{
	state->births[event_birth_place(state, number)].class_index = EVENT_NONE;
	thread->followed = number;
}

/* Takes back the local number of a live block. */
static inline void event_class_end(struct event_class *class, uint32_t local)
{
	if (local != class->newest) {
		bool is_near = local - class->last_released + EVENT_NEAR <= 2 * EVENT_NEAR;
		if (is_near && class->nearness < EVENT_NEARNESS_MAX)
			class->nearness++;
		else if (!is_near && class->nearness > -EVENT_NEARNESS_MAX)
			class->nearness--;
		if (local != class->again[0]) {
			class->again[1] = class->again[0];
			class->again[0] = local;
		}
	}
	class->locals[local] = LOCAL_FREE | class->first_free;
	class->first_free = local + 1;
	class->last_released = local;
	/* Blocks that end in reverse order: the one made before is the next to go. */
	if (local == class->newest && local > 0)
		class->newest = local - 1;
	if (--class->live > 0)
		return;
	class->used = 0;
	class->first_free = 0;
	class->newest = 0;
	class->last_released = 0;
	class->again[0] = 0;
	class->again[1] = 0;
	if (class->capacity > EVENT_KEPT_LOCALS)
		event_class_shrink(class);
}

/* The batch is over: waiting slots become free. returns false: no memory */
bool event_state_end_batch(struct event_state *state);

/*
 * A local number as it is stored with the release of a block that is not the newest: by its
 * distance from the one released before, where blocks of the class go in order, or as it is, where
 * they go at random.
 */
static inline uint64_t event_local_encode(const struct event_class *class, uint32_t local)
{
	int64_t distance = (int64_t)local - (int64_t) class->last_released;
	if (class->nearness <= 0)
		return local;
	return ((uint64_t)distance << 1) ^ (uint64_t)(distance >> 63);
}

/* The way back. `code` is at most EVENT_LOCAL_CODE_MAX; the result may be no local number. */
static inline uint32_t event_local_decode(const struct event_class *class, uint64_t code)
{
	if (class->nearness <= 0)
		return (uint32_t)code;
	return (uint32_t)((int64_t) class->last_released +
			  ((int64_t)(code >> 1) ^ -(int64_t)(code & 1)));
}

#define EVENT_LOCAL_CODE_MAX (1ull << 33)

/* What is known of the symbols that followed an event of one kind: places in the state. */
struct event_context {
	uint32_t *guess;  /* symbol + 1; 0: none */
	uint32_t *others; /* [EVENT_GUESSES - 1] the same */
	uint8_t *steady;
};

/* The context of the event after `previous` (symbol + 1, 0: none). */
static inline struct event_context event_context(struct event_state *state, uint32_t previous)
{
	uint32_t form = (previous - 1) & ((1u << EVENT_FORM_BITS) - 1);
	if (previous == 0 || event_form_is_lone(form)) {
		struct event_lone *lone = &state->lone[previous ? form : 0];
		return (struct event_context){&lone->guess, lone->others, &lone->steady};
	}
	struct event_class *class = &state->classes[(previous - 1) >> EVENT_FORM_BITS];
	uint32_t i = form != EVENT_ALLOCATE && form != EVENT_MOVE_END;
	return (struct event_context){&class->guess[i], class->others[i], &class->steady[i]};
}

/* The guess was wrong: `symbol` (+ 1) becomes the next one, and who was before it moves back by
 * one. */
static inline void event_context_miss(const struct event_context *context, uint32_t symbol)
{
	uint32_t moved = *context->guess;
	*context->guess = symbol;
	*context->steady = 0;
	for (uint32_t i = 0; i < EVENT_GUESSES - 1 && moved != symbol; i++) {
		uint32_t next = context->others[i];
		context->others[i] = moved;
		moved = next;
	}
}

#endif
