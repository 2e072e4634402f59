/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Claiming rings, keeping blocks for the next thread, and the side ring.
 *
 * The side ring is for the rare events of threads that have no ring to write to: a signal handler
 * that interrupted the tracker in this very thread, a thread whose destructors have already given
 * its ring back, and one that was made by clone() with another's thread-local storage. It is shared
 * under a try-lock: who doesn't get it in a bounded number of tries isn't recorded, and is counted.
 */
#include "libtrack/preload/thread.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "common/counter.h"
#include "common/sys.h"
#include "libtrack/preload/leak_park.h"
#include "libtrack/preload/patience.h"
#include "libtrack/preload/recorder.h"
#include "libtrack/preload/slack.h"
#include "libtrack/preload/stack_capture.h"
#include "libtrack/preload/tracker.h"

#define SIDE_LOCK_TRIES 20000
#define WAIT_STEP_NS 10000000L
#define WAIT_STEPS 100
#define SPINS_PER_STEP 150000 /* for a step without a system call: some milliseconds */
/* What the kernel at least puts between the stacks of a handler and of what it interrupted. */
#define HANDLER_FRAME_BYTES 1024u
#define SPARE_BLOCKS 24u
#define FILTERED_CHUNKS 3u /* rings for as many threads again in children */

_Thread_local struct thread_self thread_self __attribute__((tls_model("initial-exec")));

static struct {
	pthread_key_t exit_key;
	_Atomic uint32_t has_exit_key;
	_Atomic uint32_t attached; /* threads that have had a block in this process */
	_Atomic uint64_t idle;     /* stack of idle blocks: tag << 32 | ring index + 1 */
	_Atomic(struct thread_block *) blocks[SEGMENT_RINGS]; /* by ring index, of this process */
	_Atomic(struct thread_block *) side;
	_Atomic uint32_t side_lock;
	_Atomic uint32_t side_is_stuck; /* its holder did not give it back within a second */
	_Atomic uint32_t has_no_side;   /* there was no ring for it */
	_Atomic(struct thread_self *) side_holder;
	uintptr_t side_sp;          /* where the holder's stack was */
	struct thread_block *spare; /* [SPARE_BLOCKS] for a process that may not map any more */
	_Atomic uint32_t spare_used;
	bool is_side_nested; /* under side_lock: the holder is a handler inside an event */
	bool is_forked;      /* the image continues its parent's program: no image note */
} threads;

static inline void pause_briefly(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#else
	__asm__ volatile("yield");
#endif
}

static bool is_filtered(void)
{
	return __builtin_expect(atomic_load_explicit(&tracker.is_filtered, memory_order_relaxed),
				0);
}

bool thread_may_go_on(void)
{
	return tracker_records() && !patience_sees_death() &&
	       !atomic_load_explicit(&tracker.segment->stopped, memory_order_relaxed);
}

/* Waits until the ring's tail is no longer `tail`, for the time of a step. */
static void await_drained(struct ring_header *ring, uint64_t tail)
{
	uint32_t drained = atomic_load_explicit(&ring->drained, memory_order_relaxed);
	if (is_filtered()) {
		tracker_wake_collector();
		for (int i = 0; i < SPINS_PER_STEP &&
				atomic_load_explicit(&ring->tail, memory_order_relaxed) == tail;
		     i++)
			pause_briefly();
		return;
	}
	atomic_store_explicit(&ring->waiting, 1, memory_order_seq_cst);
	tracker_wake_collector();
	if (atomic_load_explicit(&ring->tail, memory_order_seq_cst) == tail)
		sys_futex_wait(&ring->drained, drained, WAIT_STEP_NS);
	atomic_store_explicit(&ring->waiting, 0, memory_order_relaxed);
}

struct wait {
	int steps;
	uint64_t step_ns; /* when the last step was counted; 0: not begun */
};

/*
 * Signals end futex calls early, and on a busy machine seconds may pass in which nobody was let
 * run: a step is one that took its time, however long. If the clock may not be asked, each one
 * counts.
 */
static bool wait_is_over(struct wait *wait)
{
	if (is_filtered())
		return ++wait->steps > WAIT_STEPS;
	uint64_t now_ns = clock_monotonic_ns();
	if (!wait->step_ns)
		wait->step_ns = now_ns;
	if (now_ns - wait->step_ns >= WAIT_STEP_NS) {
		wait->steps++;
		wait->step_ns = now_ns;
	}
	return wait->steps > WAIT_STEPS;
}

bool thread_reserve_slowly(struct thread_block *block, uint64_t word_count)
{
	struct ring_header *ring = block->ring;
	uint64_t last_tail = UINT64_MAX;
	struct wait wait;
	struct patience patience;
	if (atomic_load_explicit(&tracker.segment->stopped, memory_order_relaxed)) {
		tracker_stop(0);
		return false;
	}
	for (;;) {
		uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (block->head + word_count <= tail + RING_WORDS) {
			/* A look at the tail every half ring, so that the collector is woken in
			 * time. */
			uint64_t half = block->head + word_count + RING_WORDS / 2;
			block->limit = half < tail + RING_WORDS ? half : tail + RING_WORDS;
			if (block->head - tail >= RING_WORDS / 4)
				tracker_wake_collector();
			return true;
		}
		if (tail != last_tail) {
			wait = (struct wait){0};
			patience = (struct patience){0};
		}
		last_tail = tail;
		bool is_over = is_filtered() ? wait_is_over(&wait)
					     : patience_ask(&patience, PATIENCE_STALLED_STEPS) !=
						       PATIENCE_LEFT;
		if (is_over || !thread_may_go_on()) {
			tracker_stop(IMAGE_LOST_BACK_PRESSURE);
			return false;
		}
		await_drained(ring, tail);
	}
}

/*
 * Maps chunk `index`. The segment's file was closed at the start, so the mapping is made from the
 * one that there is: mremap of zero bytes of a shared mapping makes a second one of the same file,
 * which starts at the same place; what lies in front of the chunk is unmapped again.
 */
static void *map_chunk(uint32_t index)
{
	void *chunk = atomic_load_explicit(&tracker.chunks[index], memory_order_acquire);
	if (chunk || is_filtered())
		return chunk;
	uint64_t offset = atomic_load_explicit(&tracker.segment->chunk_offset[index],
					       memory_order_acquire);
	long mapped = sys_call6(SYS_mremap, (long)tracker.segment, 0,
				(long)(offset + SEGMENT_CHUNK_TRACKER_BYTES), MREMAP_MAYMOVE, 0, 0);
	if (sys_failed(mapped))
		return NULL;
	sys_munmap((void *)mapped, offset);
	chunk = (char *)mapped + offset;
	void *other = NULL;
	if (atomic_compare_exchange_strong(&tracker.chunks[index], &other, chunk))
		return chunk;
	sys_munmap(chunk, SEGMENT_CHUNK_TRACKER_BYTES);
	return other;
}

/* returns  the index of a ring that is ours now; -1: none is free; -2: no memory to map one */
static int claim_free_ring(void)
{
	uint32_t count = atomic_load_explicit(&tracker.segment->chunk_count, memory_order_acquire);
	for (uint32_t c = 0; c < count; c++) {
		void *chunk = map_chunk(c);
		if (!chunk)
			return -2;
		for (uint32_t r = 0; r < SEGMENT_CHUNK_RINGS; r++) {
			uint32_t nobody = 0;
			struct ring_header *ring = segment_chunk_ring(chunk, r);
			if (atomic_load_explicit(&ring->owner, memory_order_relaxed) == 0 &&
			    atomic_compare_exchange_strong(&ring->owner, &nobody,
							   tracker.image_index + 1))
				return (int)(c * SEGMENT_CHUNK_RINGS + r);
		}
	}
	return -1;
}

/* Asks the collector for more rings, and waits a step for them. */
static void ask_for_chunk(uint32_t count)
{
	atomic_store_explicit(&tracker.segment->chunk_wanted, 1, memory_order_release);
	tracker_wake_collector();
	sys_futex_wait(&tracker.segment->chunk_count, count, PATIENCE_STEP_NS);
}

/*
 * ret_loss  set on failure: enum image_flags, why there is none; 0 if nothing is recorded any more
 * returns   the index of a ring that is ours now, -1 on failure
 */
static int claim_ring(uint32_t *ret_loss)
{
	static const uint32_t losses[] = {
		[PATIENCE_REFUSED] = IMAGE_LOST_NO_ROOM,
		[PATIENCE_STALLED] = IMAGE_LOST_BACK_PRESSURE,
		[PATIENCE_STOPPED] = 0,
	};
	struct patience patience = {0};
	uint32_t last_count = 0;
	for (;;) {
		uint32_t count = atomic_load_explicit(&tracker.segment->chunk_count,
						      memory_order_acquire);
		int index = claim_free_ring();
		*ret_loss = index == -2 ? IMAGE_LOST_NO_MEMORY : IMAGE_LOST_NO_ROOM;
		if (index != -1 || is_filtered())
			return index < 0 ? -1 : index;
		/* There were new ones, for others. */
		if (count != last_count)
			patience = (struct patience){0};
		last_count = count;
		enum patience_end end = patience_ask(&patience, PATIENCE_ROOM_STEPS);
		if (end != PATIENCE_LEFT || !tracker_records()) {
			*ret_loss = losses[end];
			return -1;
		}
		ask_for_chunk(count);
	}
}

static struct image_slot *own_image(void)
{
	return &tracker.segment->images[tracker.image_index];
}

static struct thread_block *block_memory(void)
{
	if (!is_filtered())
		return sys_pages(sizeof(struct thread_block));
	uint32_t index = atomic_fetch_add(&threads.spare_used, 1);
	if (!threads.spare || index >= SPARE_BLOCKS)
		return NULL;
	/* In a fork's child it is what the parent left. */
	memset(&threads.spare[index], 0, sizeof(threads.spare[index]));
	return &threads.spare[index];
}

/* ret_loss  set on failure, as claim_ring() does */
static struct thread_block *block_new(uint32_t *ret_loss)
{
	int index = claim_ring(ret_loss);
	if (index < 0)
		return NULL;
	*ret_loss = IMAGE_LOST_NO_MEMORY;
	struct thread_block *block = block_memory();
	void *chunk = map_chunk((uint32_t)index / SEGMENT_CHUNK_RINGS);
	if (!block || !chunk)
		return NULL;
	block->ring = segment_chunk_ring(chunk, (uint32_t)index % SEGMENT_CHUNK_RINGS);
	block->words = segment_chunk_words(chunk, (uint32_t)index % SEGMENT_CHUNK_RINGS);
	block->head = atomic_load_explicit(&block->ring->head, memory_order_relaxed);
	block->limit = block->head; /* the first event looks at the tail */
	block->epoch_us = UINT64_MAX;
	block->ring_index = (uint32_t)index;
	block->generation = atomic_load_explicit(&tracker.generation, memory_order_relaxed);
	stack_bounds_init(&block->unwind.bounds);
	unwind_init(&block->unwind);
	/* A producer that was killed in the middle of a record may have left it set. */
	atomic_store_explicit(&block->ring->busy, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&own_image()->tracker_bytes, sizeof(*block),
				  memory_order_relaxed);
	atomic_fetch_add_explicit(&own_image()->shared_bytes, RING_BYTES, memory_order_relaxed);
	atomic_store_explicit(&threads.blocks[index], block, memory_order_release);
	return block;
}

static void idle_push(struct thread_block *block)
{
	uint64_t top = atomic_load(&threads.idle);
	uint64_t next;
	do {
		block->next_idle = (uint32_t)top;
		next = ((top >> 32) + 1) << 32 | (block->ring_index + 1);
	} while (!atomic_compare_exchange_weak(&threads.idle, &top, next));
}

static struct thread_block *idle_pop(void)
{
	uint64_t top = atomic_load(&threads.idle);
	while ((uint32_t)top) {
		struct thread_block *block = atomic_load(&threads.blocks[(uint32_t)top - 1]);
		uint64_t next = ((top >> 32) + 1) << 32 | block->next_idle;
		if (atomic_compare_exchange_weak(&threads.idle, &top, next))
			return block;
	}
	return NULL;
}

/*
 * Says whether what this thread was doing when its stack was at `entry` has been left for good: a
 * signal handler interrupted it and jumped out. Its frames were below the caller's, on the same
 * stack; if they are not, or one can't tell, the caller is a handler that will return to it.
 */
static bool is_abandoned(const struct thread_block *block, uintptr_t entry, uintptr_t sp)
{
	const struct stack_bounds *bounds = &block->unwind.bounds;
	stack_t alternate;
	if (!stack_bounds_contain(bounds, sp) || is_filtered() ||
	    (stack_bounds_contain(bounds, entry) && entry > sp + HANDLER_FRAME_BYTES))
		return false;
	/* An alternate stack may lie anywhere, also within the thread's own. */
	if (sys_failed(sys_call6(SYS_sigaltstack, 0, (long)&alternate, 0, 0, 0, 0)))
		return false;
	uintptr_t low = (uintptr_t)alternate.ss_sp;
	bool has_alternate = !(alternate.ss_flags & SS_DISABLE);
	bool entry_is_on = has_alternate && entry - low < alternate.ss_size;
	bool is_on = has_alternate && sp - low < alternate.ss_size;
	if (is_on != entry_is_on)
		return entry_is_on;
	return stack_bounds_contain(bounds, entry);
}

static void forget_stacks(struct thread_block *block)
{
	stack_names_clear(&block->names);
	unwind_forget(&block->unwind);
}

/* Drops a record that was begun, and what the ring's reader may not have been told of. */
static void give_up_record(struct thread_block *block)
{
	block->head = atomic_load_explicit(&block->ring->head, memory_order_relaxed);
	block->epoch_us = UINT64_MAX;
	forget_stacks(block);
	atomic_store_explicit(&block->ring->busy, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&own_image()->skipped_events, 1, memory_order_relaxed);
}

/*
 * Gives the lock's holder, who may have lost its processor, time to go on. Not for ever, and not
 * again if it was in vain: it may have been ended in there.
 */
static bool may_await_side(struct wait *wait)
{
	if (is_filtered() || !tracker_records() || atomic_load(&threads.side_is_stuck))
		return false;
	if (wait_is_over(wait)) {
		atomic_store(&threads.side_is_stuck, 1);
		return false;
	}
	(void)sys_call6(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
	return true;
}

/*
 * Takes the side ring's lock. returns false if it can't be had, because of another thread or
 * because the calling one holds it, in an event that a signal handler interrupted
 */
static bool lock_side(struct thread_self *self, uintptr_t sp)
{
	if (atomic_load(&threads.side_lock) && atomic_load(&threads.side_holder) == self) {
		struct thread_block *side = atomic_load(&threads.side);
		if (!self->block || !side || !is_abandoned(self->block, threads.side_sp, sp))
			return false;
		give_up_record(side);
		return true;
	}
	uint32_t unlocked = 0;
	struct wait wait = {0};
	int limit = is_filtered() ? SIDE_LOCK_TRIES * 200 : SIDE_LOCK_TRIES;
	for (int tries = 0; !atomic_compare_exchange_weak(&threads.side_lock, &unlocked, 1);
	     tries++) {
		unlocked = 0;
		if (tries < limit && tracker_records())
			pause_briefly();
		else if (!may_await_side(&wait))
			return false;
	}
	return true;
}

static void unlock_side(void)
{
	atomic_store(&threads.side_holder, NULL);
	atomic_store_explicit(&threads.side_lock, 0, memory_order_release);
}

static struct thread_block *enter_side(struct thread_self *self, bool is_nested)
{
	uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
	if (atomic_load(&tracker.is_strict) || !lock_side(self, sp)) {
		atomic_fetch_add_explicit(&own_image()->skipped_events, 1, memory_order_relaxed);
		return NULL;
	}
	threads.side_sp = sp;
	atomic_store(&threads.side_holder, self);
	/* From now on the order between this ring and the others is told by stamps. */
	atomic_store_explicit(&tracker.stamping, 1, memory_order_release);
	struct thread_block *side = atomic_load(&threads.side);
	if (!side && !atomic_load(&threads.has_no_side)) {
		uint32_t loss;
		side = block_new(&loss);
		if (side)
			side->is_side = 1;
		else
			atomic_store(&threads.has_no_side, 1);
		atomic_store(&threads.side, side);
	}
	if (!side || !recorder_note_thread(side, tracker_thread_id())) {
		atomic_fetch_add_explicit(&own_image()->skipped_events, 1, memory_order_relaxed);
		unlock_side();
		return NULL;
	}
	stack_bounds_init(&side->unwind.bounds);
	threads.is_side_nested = is_nested;
	return side;
}

static struct thread_block *attach(struct thread_self *self)
{
	if (!tracker_records())
		return NULL;
	uint32_t loss = 0;
	struct thread_block *block = idle_pop();
	if (block) {
		stack_bounds_init(&block->unwind.bounds);
		/* A number stands for a thread too. */
		if (tracker.deferred_low_bits)
			forget_stacks(block);
	} else {
		block = block_new(&loss);
	}
	if (!block && is_filtered() && atomic_load(&threads.side)) {
		self->has_left = 1; /* it shares the side ring from the start */
		return enter_side(self, false);
	}
	if (!block) {
		tracker_stop(loss);
		return NULL;
	}
	block->kernel_id = is_filtered() ? 0 : (uint32_t)sys_call6(SYS_gettid, 0, 0, 0, 0, 0, 0);
	memset(block->own_stacks, 0, sizeof(block->own_stacks));
	self->until_slack = block->kernel_id % SLACK_STRIDE;
	bool is_first = atomic_fetch_add(&threads.attached, 1) == 0;
	if (!is_first)
		atomic_store_explicit(&tracker.stamping, 1, memory_order_release);
	if (atomic_load_explicit(&threads.has_exit_key, memory_order_acquire)) {
		self->activity = THREAD_FOREIGN;
		(void)pthread_setspecific(threads.exit_key, self); /* fails: the ring stays ours */
		self->activity = THREAD_RECORDING;
	}
	uint32_t id = is_first && threads.is_forked ? tracker.pid : tracker_thread_id();
	if ((is_first && !threads.is_forked && !recorder_note_image(block)) ||
	    !recorder_note_thread(block, id))
		return NULL;
	self->block = block;
	return block;
}

/*
 * Says whether the caller is not the thread whose block this is, but another one that was made with
 * the same thread-local storage. Only a stack that is not the thread's gives it away.
 */
static bool is_other_thread(struct thread_block *block, uintptr_t sp)
{
	uintptr_t stack = sp >> 16;
	bool must_ask = atomic_load_explicit(&tracker.shares_tls, memory_order_relaxed);
	uintptr_t *seen = &block->own_stacks[stack % 4];
	if ((*seen == stack && !must_ask) || !block->kernel_id || is_filtered())
		return false;
	if ((uint32_t)sys_call6(SYS_gettid, 0, 0, 0, 0, 0, 0) != block->kernel_id)
		return true;
	*seen = stack;
	return false;
}

struct thread_block *thread_enter(void)
{
	struct thread_self *self = &thread_self;
	uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
	if (__builtin_expect(!*tracker.alive, 0))
		tracker_enter_child(0);
	struct thread_block *block = self->block;
	if (self->activity != THREAD_OUTSIDE) {
		if (self->activity == THREAD_FOREIGN)
			return NULL;
		if (!block || !is_abandoned(block, self->entry_sp, sp))
			return enter_side(self, true);
		give_up_record(block);
	}
	if (block &&
	    __builtin_expect(
		    !stack_bounds_contain(&block->unwind.bounds, sp) ||
			    atomic_load_explicit(&tracker.shares_tls, memory_order_relaxed),
		    0) &&
	    is_other_thread(block, sp))
		return enter_side(self, true);
	self->entry_sp = sp;
	self->activity = THREAD_RECORDING;
	atomic_signal_fence(memory_order_seq_cst);
	if (__builtin_expect(!block, 0))
		block = self->has_left ? enter_side(self, false) : attach(self);
	if (!block)
		self->activity = THREAD_OUTSIDE;
	return block;
}

void thread_leave(struct thread_block *block)
{
	if (__builtin_expect(block->is_side, 0)) {
		bool is_nested = threads.is_side_nested;
		unlock_side();
		if (is_nested)
			return;
	}
	atomic_signal_fence(memory_order_seq_cst);
	thread_self.activity = THREAD_OUTSIDE;
	if (__builtin_expect(thread_self.park_wanted, 0) && !thread_self.is_moving)
		leak_park_deferred();
}

void thread_each_block(void (*visit)(void *context, const void *pages, size_t size_bytes),
		       void *context)
{
	for (uint32_t i = 0; i < SEGMENT_RINGS; i++) {
		const struct thread_block *block = atomic_load(&threads.blocks[i]);
		if (block)
			visit(context, block, sizeof(*block));
		if (block && unwind_pages(&block->unwind))
			visit(context, unwind_pages(&block->unwind), UNWIND_PAGES_BYTES);
	}
}

void thread_prepare_strict(void)
{
	struct thread_block *block = thread_enter();
	if (block)
		thread_leave(block);
	if (!block || block->is_side || atomic_load(&tracker.stamping)) {
		thread_self.activity = THREAD_FOREIGN;
		atomic_fetch_add_explicit(&own_image()->skipped_events, 1, memory_order_relaxed);
		return;
	}
	atomic_store(&tracker.is_strict, 1);
}

void thread_prepare_filter(void)
{
	struct wait wait = {0};
	uint32_t count;
	for (;;) {
		count = atomic_load_explicit(&tracker.segment->chunk_count, memory_order_acquire);
		if (count >= FILTERED_CHUNKS || wait_is_over(&wait) || !thread_may_go_on())
			break;
		ask_for_chunk(count);
	}
	for (uint32_t i = 0; i < count; i++)
		(void)map_chunk(i); /* else its rings are not used */
	if (!threads.spare)
		threads.spare = sys_pages(SPARE_BLOCKS * sizeof(*threads.spare));
	/* Makes the side ring, and the caller's own. */
	struct thread_block *block = thread_enter();
	if (!block)
		return;
	struct thread_block *side = enter_side(&thread_self, true);
	if (side)
		thread_leave(side);
	thread_leave(block);
}

/*
 * A thread's destructors run in up to PTHREAD_DESTRUCTOR_ITERATIONS rounds; ours asks for the
 * next one until the last, so that it gives the ring back after most others have freed theirs.
 */
static void thread_ends(void *value)
{
	struct thread_self *self = value;
	if (++self->exit_rounds < PTHREAD_DESTRUCTOR_ITERATIONS &&
	    pthread_setspecific(threads.exit_key, self) == 0)
		return;
	struct thread_block *block = self->block;
	self->has_left = 1;
	self->block = NULL;
	if (block)
		idle_push(block);
}

/*
 * A signal handler that forked in the middle of an event: in the child the event goes on when the
 * handler returns, and must not write to the parent's ring. It gets pages to waste.
 */
static void divert(struct thread_block *block)
{
	uint64_t *words = sys_pages(RING_BYTES);
	struct ring_header *ring = sys_pages(sizeof(*ring));
	if (!words || !ring)
		return;
	block->words = words;
	block->ring = ring;
	block->limit = UINT64_MAX;
}

static void unmap_block(struct thread_block *block)
{
	const void *pages = unwind_pages(&block->unwind);
	if (pages)
		sys_munmap((void *)pages, UNWIND_PAGES_BYTES);
	sys_munmap(block, sizeof(*block));
}

void thread_start_process(bool after_fork)
{
	if (!after_fork) {
		if (pthread_key_create(&threads.exit_key, thread_ends) == 0)
			atomic_store_explicit(&threads.has_exit_key, 1, memory_order_release);
		return;
	}
	/* The rings are the parent's; the blocks are copies of its threads' that nobody needs. */
	bool is_in_event = thread_self.activity != THREAD_OUTSIDE;
	for (uint32_t i = 0; i < SEGMENT_RINGS; i++) {
		struct thread_block *block = atomic_load_explicit(&threads.blocks[i],
								  memory_order_relaxed);
		if (!block)
			continue;
		atomic_store_explicit(&threads.blocks[i], NULL, memory_order_relaxed);
		if (is_in_event)
			divert(block);
		else if (!is_filtered())
			unmap_block(block);
	}
	if (!is_in_event)
		atomic_store(&threads.spare_used, 0);
	thread_self.block = NULL;
	atomic_store(&threads.side, NULL);
	unlock_side();
	atomic_store(&threads.side_is_stuck, 0);
	atomic_store(&threads.has_no_side, 0);
	atomic_store(&threads.idle, 0);
	atomic_store(&threads.attached, 0);
	stack_capture_enter_child();
	threads.is_forked = true;
}
