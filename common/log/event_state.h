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
 * An event is a symbol: class << 3 | operation. The symbol that followed last time is the
 * prediction for the next time, per thread; the log has the mispredicted ones and how many were
 * right between.
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

/* What coding an event needs comes first, in 48 bytes: often one line of the cache. */
struct event_class {
	uint32_t *locals; /* [capacity] slot of a live one, else the next free one | LOCAL_FREE */
	uint32_t used;    /* local numbers given out so far */
	uint32_t first_free; /* local number + 1; 0: none */
	uint32_t live;
	uint32_t newest; /* local number that was given out last, as far as it is known */
	uint32_t last_released;
	uint32_t next[2]; /* predictions + 1, after a block was made and after one ended */
	int16_t nearness; /* above 0: releases come in the order of local numbers, or nearly */
	uint16_t kind;    /* enum allocation_kind */
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
	uint32_t born; /* number of the allocation, mod 2^32 */
};

struct event_thread {
	uint32_t previous; /* symbol + 1 of its last event; 0: none */
	uint32_t moving;   /* class + 1 of the block that a realloc released; 0: none */
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
	uint32_t born;         /* allocations so far */
	uint32_t batch_born;   /* when the batch began */
	uint32_t live_count;   /* blocks that have slots */
	uint32_t lone_next[8]; /* predictions + 1 after operations without a class */
};

#define EVENT_NONE UINT32_MAX

void event_state_release(struct event_state *state);

/* Makes a copy, in memory of its own. returns false: no memory, and nothing is left to release */
bool event_state_copy(struct event_state *copy, const struct event_state *state);

/* Adds a class. returns its index; EVENT_NONE: no memory, or too many */
uint32_t event_state_add_class(struct event_state *state, const struct event_class *identity);

/* The state of a thread. returns NULL: no memory */
struct event_thread *event_state_thread(struct event_state *state, uint32_t thread);

/* Makes a block of a class, with a slot. returns the slot; EVENT_NONE: no memory */
uint32_t event_state_make(struct event_state *state, uint32_t class_index);

/* Ends the block in a slot. returns false: no memory */
bool event_state_end(struct event_state *state, uint32_t slot);

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

/* Takes back the local number of a live block. */
static inline void event_class_end(struct event_class *class, uint32_t local)
{
	if (local != class->newest) {
		bool is_near = local - class->last_released + EVENT_NEAR <= 2 * EVENT_NEAR;
		if (is_near && class->nearness < EVENT_NEARNESS_MAX)
			class->nearness++;
		else if (!is_near && class->nearness > -EVENT_NEARNESS_MAX)
			class->nearness--;
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
	if (class->capacity > EVENT_KEPT_LOCALS)
		event_class_shrink(class);
}

/* The batch is over: waiting slots become free. returns false: no memory */
bool event_state_end_batch(struct event_state *state);

/*
 * A local number as it is stored with a release: 0 for the newest; else by its distance from the
 * one released before, where blocks of the class go in order, or as it is, where they go at random.
 */
static inline uint64_t event_local_encode(const struct event_class *class, uint32_t local)
{
	int64_t distance = (int64_t)local - (int64_t) class->last_released;
	if (local == class->newest)
		return 0;
	if (class->nearness <= 0)
		return 1 + (uint64_t)local;
	return 1 + (((uint64_t)distance << 1) ^ (uint64_t)(distance >> 63));
}

/* The way back. `code` is at most EVENT_LOCAL_CODE_MAX; the result may be no local number. */
static inline uint32_t event_local_decode(const struct event_class *class, uint64_t code)
{
	if (code == 0)
		return class->newest;
	code--;
	if (class->nearness <= 0)
		return (uint32_t)code;
	return (uint32_t)((int64_t) class->last_released +
			  ((int64_t)(code >> 1) ^ -(int64_t)(code & 1)));
}

#define EVENT_LOCAL_CODE_MAX (1ull << 33)

/* Where the prediction for the event after `previous` (symbol + 1, 0: none) is kept. */
static inline uint32_t *event_prediction(struct event_state *state, uint32_t previous)
{
	uint32_t symbol = previous - 1;
	enum event_operation operation = (enum event_operation)(symbol & 7);
	if (previous == 0)
		return &state->lone_next[0];
	if (event_makes_block(operation))
		return &state->classes[symbol >> 3].next[0];
	if (event_ends_block(operation))
		return &state->classes[symbol >> 3].next[1];
	return &state->lone_next[operation];
}

#endif
