/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A record group is what one call of a hook writes: a stamp if one is due (page_owners.h), the time
 * if it has moved on, the definition of a new stack trace, and the event. It is published as a
 * whole.
 */
#include "libtrack/preload/recorder.h"

#include <string.h>

#include "common/counter.h"
#include "libtrack/preload/deferred_blocks.h"
#include "libtrack/preload/foreign_blocks.h"
#include "libtrack/preload/page_owners.h"
#include "libtrack/preload/recorded_map.h"
#include "libtrack/preload/stack_capture.h"
#include "libtrack/preload/tracker.h"

#define GROUP_OVERHEAD_WORDS 4 /* stamp, epoch, and a sampling interval's note */
#define EVENT_WORDS 4          /* wide, address, w0, w1 */
#define NO_STAMP UINT64_MAX
_Static_assert(ALLOCATION_KIND_COUNT <= RING_KIND_MASK + 1, "a kind has three bits in a ring");

/*
 * Whether the order of this group and other threads' has to be told: where they touch the same
 * memory, and once a tick, so that what happens in other memory is in step as well as its times
 * are.
 */
static inline bool must_stamp(const struct thread_block *block, uint64_t address, bool is_tick)
{
	return is_tick || block->is_side || !page_owners_has(address, block->ring_index);
}

static bool is_stamping(const struct thread_block *block)
{
	return atomic_load_explicit(&tracker.stamping, memory_order_relaxed) || block->is_side;
}

/*
 * `busy` comes first, also if there is no stamp because no other thread is known yet: this group
 * may be under way when one comes, whose events must not overtake it.
 */
static inline void busy_begin(struct thread_block *block)
{
	atomic_store_explicit(&block->ring->busy, 1, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void busy_end(struct thread_block *block)
{
	atomic_store_explicit(&block->ring->busy, 0, memory_order_release);
}

static inline void put_stamp(struct thread_block *block)
{
	block->group = block->head;
	thread_put(block, RING_STAMP);
}

static inline void put_time(struct thread_block *block, uint64_t elapsed_us)
{
	if (elapsed_us != block->epoch_us) {
		block->epoch_us = elapsed_us;
		thread_put(block, RING_EPOCH | elapsed_us << 4);
	}
}

static uint64_t elapsed_us(void)
{
	return atomic_load_explicit(&tracker.segment->elapsed_us, memory_order_relaxed);
}

/*
 * Of an event of the block at `address`.
 *
 * is_stamped  if any is: other threads' words may rest on what the group defines
 */
static inline void group_begin(struct thread_block *block, uint64_t address, bool is_stamped)
{
	uint64_t now_us = elapsed_us();
	block->group = NO_STAMP;
	busy_begin(block);
	if (is_stamping(block)) {
		if (must_stamp(block, address, is_stamped || now_us != block->epoch_us)) {
			page_owners_claim(address, block->ring_index);
			put_stamp(block);
		} else {
			busy_end(block);
		}
	}
	put_time(block, now_us);
}

/* Of something that is not about a block. */
static void group_begin_note(struct thread_block *block)
{
	block->group = NO_STAMP;
	busy_begin(block);
	if (is_stamping(block))
		put_stamp(block);
	put_time(block, elapsed_us());
}

static void put_stamp_value(struct thread_block *block)
{
	bool uses_clock = tracker.segment->session_flags & SESSION_CLOCK_STAMPS;
	block->words[block->group & (RING_WORDS - 1)] = RING_STAMP | counter_read(true, uses_clock)
									     << 4;
}

static inline void group_end(struct thread_block *block)
{
	if (block->group != NO_STAMP)
		put_stamp_value(block);
	atomic_store_explicit(&block->ring->head, block->head, memory_order_release);
	busy_end(block);
}

static inline void put_event(struct thread_block *block, enum ring_record type, unsigned kind,
			     unsigned slot, uint64_t address)
{
	if (__builtin_expect(ring_address_fits(address), 1)) {
		thread_put(block, ring_word(type, kind, slot, address));
		return;
	}
	thread_put(block, RING_WIDE | (uint64_t)type << 4);
	thread_put(block, address);
	thread_put(block, ring_word(type, kind, slot, 0));
}

/* Words of the definition of a new name, for which there must be room. */
static uint64_t stack_words(const struct thread_block *block, struct stack_name name)
{
	return name.is_new ? 1u + block->names.depth - name.kept : 0;
}

static void put_stack(struct thread_block *block, struct stack_name name)
{
	struct stack_names *names = &block->names;
	uint64_t count = names->depth - name.kept;
	if (tracker.deferred_low_bits)
		names->numbers[name.slot] = 0;
	thread_put(block, RING_STACK | (uint64_t)name.slot << RING_STACK_SLOT_SHIFT |
				  count << RING_STACK_COUNT_SHIFT |
				  (uint64_t)name.kept << RING_STACK_KEPT_SHIFT |
				  (uint64_t)name.base << RING_STACK_BASE_SHIFT);
	for (uint32_t i = name.kept; i < names->depth; i++)
		thread_put(block, names->previous[i]);
}

static void put_interval(struct thread_block *block, uint64_t interval_bytes)
{
	block->interval_bytes = interval_bytes;
	thread_put(block, ring_note_word(RING_NOTE_INTERVAL, 1));
	thread_put(block, interval_bytes);
}

/* What was made, and how it came to be recorded. */
struct allocation {
	enum ring_record type;
	enum allocation_kind kind;
	const void *address;
	size_t size_bytes;
	uint64_t interval_bytes;
};

static inline void record_named(struct thread_block *block, const struct allocation *allocation,
				struct stack_name name)
{
	if (!thread_reserve(block, GROUP_OVERHEAD_WORDS + stack_words(block, name) + EVENT_WORDS))
		return;
	/* Frames may be in modules that another thread has announced. */
	group_begin(block, (uint64_t)allocation->address, name.is_new);
	if (__builtin_expect(block->interval_bytes != allocation->interval_bytes, 0))
		put_interval(block, allocation->interval_bytes);
	if (name.is_new)
		put_stack(block, name);
	put_event(block, allocation->type, allocation->kind, name.slot,
		  (uint64_t)allocation->address);
	thread_put(block, allocation->size_bytes);
	group_end(block);
}

/* Tells the number of a stack trace, and the trace if it is new. returns 0: it can't have one */
static __attribute__((noinline)) uint32_t number_stack(struct thread_block *block,
						       struct stack_name name)
{
	uint32_t number = deferred_blocks_number_stack();
	if (!number || !thread_reserve(block, GROUP_OVERHEAD_WORDS + stack_words(block, name) + 3))
		return 0;
	group_begin_note(block);
	if (name.is_new)
		put_stack(block, name);
	thread_put(block, ring_note_word(RING_NOTE_NUMBER, 2));
	thread_put(block, name.slot);
	thread_put(block, number);
	group_end(block);
	block->names.numbers[name.slot] = number;
	return number;
}

/* Puts the allocation down where only a scan looks. returns false: it is to be told of */
static inline bool defer(struct thread_block *block, const struct allocation *allocation,
			 struct stack_name name)
{
	if (allocation->type != RING_ALLOCATE || allocation->size_bytes > DEFERRED_SIZE_MAX ||
	    allocation->kind == ALLOCATION_POOL || block->is_side || thread_self.ignoring ||
	    (thread_self.is_elsewhere && (uintptr_t)allocation->address % DEFERRED_GRANULE != 0))
		return false;
	_Atomic uint64_t *slot = deferred_blocks_make((uintptr_t)allocation->address);
	if (!slot)
		return false;
	uint32_t number = name.is_new ? 0 : block->names.numbers[name.slot];
	if (!number && !(number = number_stack(block, name)))
		return false;
	thread_self.deferred = ~(uintptr_t)allocation->address;
	atomic_store_explicit(slot,
			      deferred_slot_make((uintptr_t)allocation->address,
						 deferred_time_encode(elapsed_us()),
						 allocation->size_bytes, allocation->kind, number),
			      memory_order_relaxed);
	return true;
}

static inline void record_allocation(struct thread_block *block,
				     const struct allocation *allocation,
				     const struct unwind_start *start)
{
	struct stack_name name = stack_capture(block, start);
	if (!tracker.deferred_low_bits || !defer(block, allocation, name))
		record_named(block, allocation, name);
}

/* By the program (api.c). Releases are recorded all the same. */
static inline bool is_paused(void)
{
	return __builtin_expect(atomic_load_explicit(&tracker.paused, memory_order_relaxed) != 0,
				0);
}

/* A call that comes out of code which the tracker itself has called. */
static bool is_foreign(void)
{
	return __builtin_expect(thread_self.activity == THREAD_FOREIGN, 0);
}

static void skip_event(void)
{
	atomic_fetch_add_explicit(&tracker.segment->images[tracker.image_index].skipped_events, 1,
				  memory_order_relaxed);
}

#define MEASURED_CALLS 64u

/* Every MEASURED_CALLSth event is timed, and stands for as many. returns 0: not this one */
static inline uint64_t measure_begin(struct thread_block *block)
{
	if (__builtin_expect(!tracker.measures_overhead, 1) || ++block->call_count % MEASURED_CALLS)
		return 0;
	return counter_read(false, tracker.segment->session_flags & SESSION_CLOCK_STAMPS);
}

static inline void measure_end(uint64_t begin)
{
	if (__builtin_expect(begin == 0, 1))
		return;
	uint64_t end = counter_read(false, tracker.segment->session_flags & SESSION_CLOCK_STAMPS);
	atomic_fetch_add_explicit(&tracker.segment->images[tracker.image_index].overhead_ticks,
				  (end - begin) * MEASURED_CALLS, memory_order_relaxed);
}

static inline void record(const struct allocation *allocation, const struct unwind_start *start)
{
	if (is_foreign()) {
		/* Where blocks are marked, an unmarked one is nobody's. */
		if (!tracker.marks_blocks)
			foreign_blocks_add(allocation->address);
		return;
	}
	struct thread_block *block = is_paused() ? NULL : thread_enter();
	if (!block)
		return;
	uint64_t begin = measure_begin(block);
	if (!tracker.marks_blocks || recorded_map_add(allocation->address))
		record_allocation(block, allocation, start);
	else
		skip_event();
	if (__builtin_expect(thread_self.ignoring, 0))
		recorder_note_ignore(block, allocation->address);
	measure_end(begin);
	thread_leave(block);
}

void recorder_allocated(enum allocation_kind kind, const void *address, size_t size_bytes,
			uint64_t interval_bytes, const struct unwind_start *start)
{
	const struct allocation allocation = {RING_ALLOCATE, kind, address, size_bytes,
					      interval_bytes};
	record(&allocation, start);
}

void recorder_moved(const void *address, size_t size_bytes, uint64_t interval_bytes,
		    const struct unwind_start *start)
{
	/* The collector does not know of a block that had been deferred. */
	bool is_known = !thread_self.moving;
	const struct allocation allocation = {is_known ? RING_MOVE_END : RING_ALLOCATE,
					      ALLOCATION_REALLOC, address, size_bytes,
					      interval_bytes};
	record(&allocation, start);
}

struct recorder_position recorder_position(void)
{
	struct thread_self *self = &thread_self;
	self->deferred = 0;
	return (struct recorder_position){
		.countdown = self->countdown,
		.head = self->block ? self->block->head : 0,
	};
}

bool recorder_has_seen(const struct recorder_position *before, const void *address)
{
	const struct thread_self *self = &thread_self;
	const struct thread_block *block = self->block;
	if (self->countdown != before->countdown || self->deferred == ~(uintptr_t)address)
		return true;
	if (!block || block->head == before->head)
		return false;
	/* An allocation ends with its word and its size; the address may be in a word before. */
	uint64_t word = block->words[(block->head - 2) & (RING_WORDS - 1)];
	uint64_t wide = block->words[(block->head - 3) & (RING_WORDS - 1)];
	return (word & RING_TYPE_MASK) == RING_ALLOCATE &&
	       (ring_address_fits((uint64_t)address) ? ring_word_address(word) : wide) ==
		       (uint64_t)address;
}

/* The block is in the log, and its mark is taken off. */
static inline bool take_from_log(const void *address)
{
	if (tracker.marks_blocks)
		return recorded_map_take(address);
	return !foreign_blocks_remove(address) && !is_foreign();
}

static bool record_address(enum ring_record type, enum allocation_kind kind, const void *address)
{
	struct thread_block *block = thread_enter();
	if (!block)
		return false;
	uint64_t begin = measure_begin(block);
	bool has_room = thread_reserve(block, GROUP_OVERHEAD_WORDS + EVENT_WORDS);
	if (has_room) {
		group_begin(block, (uint64_t)address, false);
		put_event(block, type, kind, 0, (uint64_t)address);
		group_end(block);
	}
	measure_end(begin);
	thread_leave(block);
	return has_room;
}

/* No bit of the map of recorded blocks is meant for them: all are recorded. */
static const void *pool_address(const void *address)
{
	return (const void *)(RING_POOL_ADDRESS | (uintptr_t)address);
}

void recorder_pool_allocated(const void *address, size_t size_bytes,
			     const struct unwind_start *start)
{
	struct thread_block *block = is_paused() ? NULL : thread_enter();
	if (!block)
		return;
	const struct allocation allocation = {RING_ALLOCATE, ALLOCATION_POOL, pool_address(address),
					      size_bytes, 0};
	record_allocation(block, &allocation, start);
	thread_leave(block);
}

void recorder_pool_released(const void *address)
{
	/* Else: recording is over. */
	(void)record_address(RING_RELEASE, ALLOCATION_POOL, pool_address(address));
}

void recorder_released(enum allocation_kind kind, const void *address)
{
	if (__builtin_expect(thread_self.releasing == address, 0))
		return;
	if (!deferred_blocks_take(address) && take_from_log(address))
		(void)record_address(RING_RELEASE, kind, address); /* else: recording is over */
}

bool recorder_move_begins(const void *address)
{
	thread_self.moving = deferred_blocks_take(address);
	if (thread_self.moving)
		return true;
	return take_from_log(address) &&
	       record_address(RING_MOVE_BEGIN, ALLOCATION_REALLOC, address);
}

void recorder_move_failed(const void *address)
{
	if (thread_self.moving) {
		_Atomic uint64_t *slot = deferred_blocks_make((uintptr_t)address);
		if (slot) /* else: a handler has forked meanwhile, and this is the child */
			atomic_store_explicit(slot, thread_self.moving, memory_order_relaxed);
		return;
	}
	if (!tracker.marks_blocks || recorded_map_add(address))
		(void)record_address(RING_MOVE_FAILED, ALLOCATION_REALLOC, address);
}

static bool note_begin(struct thread_block *block, enum ring_note note, uint32_t word_count)
{
	if (!thread_reserve(block, GROUP_OVERHEAD_WORDS + 1u + word_count))
		return false;
	group_begin_note(block);
	thread_put(block, ring_note_word(note, word_count));
	return true;
}

/* What the tracker's own code maps (libunwind, for example) is not the program's. */
static struct thread_block *enter_for_mapping(void)
{
	return thread_self.activity == THREAD_OUTSIDE ? thread_enter() : NULL;
}

void recorder_mapped(enum mapping_source source, const void *address, size_t size_bytes,
		     const struct unwind_start *start)
{
	struct thread_block *block = is_paused() ? NULL : enter_for_mapping();
	if (!block)
		return;
	struct stack_name name = stack_capture(block, start);
	if (thread_reserve(block, GROUP_OVERHEAD_WORDS + stack_words(block, name) + 4)) {
		group_begin_note(block);
		if (name.is_new)
			put_stack(block, name);
		thread_put(block, ring_note_word(RING_NOTE_MAP, 3));
		thread_put(block, (uint64_t)name.slot | (uint64_t)source << 16);
		thread_put(block, (uint64_t)address);
		thread_put(block, size_bytes);
		group_end(block);
	}
	thread_leave(block);
}

static void note_words(enum ring_note note, const uint64_t *words, uint32_t count)
{
	struct thread_block *block = enter_for_mapping();
	if (!block)
		return;
	if (note_begin(block, note, count)) {
		for (uint32_t i = 0; i < count; i++)
			thread_put(block, words[i]);
		group_end(block);
	}
	thread_leave(block);
}

void recorder_unmapped(const void *address, size_t size_bytes)
{
	uint64_t words[] = {(uint64_t)address, size_bytes};
	note_words(RING_NOTE_UNMAP, words, 2);
}

void recorder_unmap_failed(void)
{
	note_words(RING_NOTE_RESTORE, NULL, 0);
}

static uint32_t text_words(size_t size_bytes)
{
	return 1u + (uint32_t)((size_bytes + 7) / 8);
}

/* A byte string as words: its length, then its bytes, the last word filled up with zeros. */
static void put_text(struct thread_block *block, const void *bytes, size_t size_bytes)
{
	thread_put(block, size_bytes);
	for (size_t i = 0; i < size_bytes; i += 8) {
		uint64_t word = 0;
		memcpy(&word, (const char *)bytes + i, size_bytes - i < 8 ? size_bytes - i : 8);
		thread_put(block, word);
	}
}

bool recorder_note_image(struct thread_block *block)
{
	const struct tracker_identity *identity = &tracker_identity;
	size_t path_bytes = strlen(identity->path);
	uint32_t words = 4 + text_words(path_bytes) + text_words(identity->command_bytes);
	if (!note_begin(block, RING_NOTE_IMAGE, words))
		return false;
	thread_put(block, tracker.image_serial);
	thread_put(block, identity->pid);
	thread_put(block, identity->parent_pid);
	thread_put(block, identity->start_ticks);
	put_text(block, identity->path, path_bytes);
	put_text(block, identity->command, identity->command_bytes);
	group_end(block);
	return true;
}

bool recorder_note_thread(struct thread_block *block, uint32_t thread_id)
{
	if (!note_begin(block, RING_NOTE_THREAD, 3))
		return false;
	thread_put(block, tracker.image_serial);
	thread_put(block, block->is_side);
	thread_put(block, thread_id);
	group_end(block);
	return true;
}

bool recorder_note_module(struct thread_block *block, const struct module_note *note)
{
	size_t path_bytes = strlen(note->path);
	if (path_bytes > LIMIT_STRING_BYTES / 16)
		path_bytes = LIMIT_STRING_BYTES / 16;
	uint32_t words = 4 + text_words(path_bytes) + text_words(note->build_id_bytes);
	if (!note_begin(block, RING_NOTE_MODULE, words))
		return false;
	thread_put(block, note->id);
	thread_put(block, note->start);
	thread_put(block, note->end);
	thread_put(block, note->bias);
	put_text(block, note->path, path_bytes);
	put_text(block, note->build_id, note->build_id_bytes);
	group_end(block);
	return true;
}

void recorder_note_ignore(struct thread_block *block, const void *address)
{
	uint64_t deferred = deferred_blocks_take(address);
	if (deferred && thread_reserve(block, GROUP_OVERHEAD_WORDS + 2)) {
		group_begin_note(block);
		thread_put(block, ring_word(RING_DEFERRED, 0, 0, (uint64_t)address));
		thread_put(block, deferred);
		group_end(block);
	}
	if (!note_begin(block, RING_NOTE_IGNORE, 1))
		return;
	thread_put(block, (uint64_t)address);
	group_end(block);
}

void recorder_note_unload(struct thread_block *block, uint32_t id)
{
	if (!note_begin(block, RING_NOTE_UNLOAD, 1))
		return;
	thread_put(block, id);
	group_end(block);
}

void recorder_note_name(struct thread_block *block, uint32_t thread_id, const char *name)
{
	size_t name_bytes = strnlen(name, 15);
	if (!note_begin(block, RING_NOTE_NAME, 1 + text_words(name_bytes)))
		return;
	thread_put(block, thread_id);
	put_text(block, name, name_bytes);
	group_end(block);
}

void recorder_name_thread(uint32_t thread_id, const char *name)
{
	struct thread_block *block = tracker_records() ? thread_enter() : NULL;
	if (!block)
		return;
	recorder_note_name(block, thread_id, name);
	thread_leave(block);
}

void recorder_note_untraced(struct thread_block *block, uint32_t pid, const char *path,
			    const char *reason)
{
	size_t path_bytes = strnlen(path, LIMIT_STRING_BYTES / 16);
	size_t reason_bytes = strlen(reason);
	if (!note_begin(block, RING_NOTE_UNTRACED,
			1 + text_words(path_bytes) + text_words(reason_bytes)))
		return;
	thread_put(block, pid);
	put_text(block, path, path_bytes);
	put_text(block, reason, reason_bytes);
	group_end(block);
}

void recorder_note_marker(struct thread_block *block, enum ring_marker kind, const char *text)
{
	size_t text_bytes = strnlen(text, LIMIT_MARKER_BYTES);
	if (!note_begin(block, RING_NOTE_MARKER, 1 + text_words(text_bytes)))
		return;
	thread_put(block, kind);
	put_text(block, text, text_bytes);
	group_end(block);
}
