/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Claiming rings, keeping blocks for the next thread, and the side ring.
 *
 * The side ring is for the rare events of threads that have no ring to write to: a signal handler
 * that interrupted the tracker in this very thread, and a thread whose destructors have already
 * given its ring back. It is shared under a try-lock: who doesn't get it in a bounded number of
 * tries isn't recorded, and is counted.
 */
#include "libtrack/preload/thread.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "common/sys.h"
#include "libtrack/preload/leak_park.h"
#include "libtrack/preload/recorder.h"
#include "libtrack/preload/tracker.h"

#define SIDE_LOCK_TRIES 20000
#define WAIT_STEP_NS 10000000L
#define WAIT_STEPS 100 /* without progress: one second */

_Thread_local struct thread_self thread_self __attribute__((tls_model("initial-exec")));

static struct {
	pthread_key_t exit_key;
	_Atomic uint32_t has_exit_key;
	_Atomic uint32_t attached; /* threads that have had a block in this process */
	_Atomic uint64_t idle;     /* stack of idle blocks: tag << 32 | ring index + 1 */
	_Atomic(struct thread_block *) blocks[SEGMENT_RINGS]; /* by ring index, of this process */
	_Atomic(struct thread_block *) side;
	_Atomic uint32_t side_lock;
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

void thread_wake_collector(void)
{
	struct segment_header *segment = tracker.segment;
	atomic_fetch_add_explicit(&segment->doorbell, 1, memory_order_release);
	if (atomic_load_explicit(&segment->collector_sleeping, memory_order_relaxed))
		sys_futex_wake(&segment->doorbell);
}

static bool is_collector_dead(void)
{
	/* The futex word of a mutex is its first member; the kernel marks it when the owner dies.
	 */
	const volatile uint32_t *word =
		(const volatile uint32_t *)&tracker.segment->collector_alive;
	return *word & FUTEX_OWNER_DIED;
}

bool thread_may_go_on(void)
{
	return tracker_records() && !is_collector_dead() &&
	       !atomic_load_explicit(&tracker.segment->stopped, memory_order_relaxed);
}

bool thread_reserve_slowly(struct thread_block *block, uint64_t word_count)
{
	struct ring_header *ring = block->ring;
	uint64_t last_tail = 0;
	if (atomic_load_explicit(&tracker.segment->stopped, memory_order_relaxed)) {
		tracker_stop(0);
		return false;
	}
	for (int steps = 0;;) {
		uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (block->head + word_count <= tail + RING_WORDS) {
			/* A look at the tail every half ring, so that the collector is woken in
			 * time. */
			uint64_t half = block->head + word_count + RING_WORDS / 2;
			block->limit = half < tail + RING_WORDS ? half : tail + RING_WORDS;
			if (block->head - tail >= RING_WORDS / 4)
				thread_wake_collector();
			return true;
		}
		steps = tail == last_tail ? steps + 1 : 0;
		last_tail = tail;
		if (steps > WAIT_STEPS || !thread_may_go_on()) {
			tracker_stop(IMAGE_LOST_BACK_PRESSURE);
			return false;
		}
		uint32_t drained = atomic_load_explicit(&ring->drained, memory_order_relaxed);
		atomic_store_explicit(&ring->waiting, 1, memory_order_seq_cst);
		thread_wake_collector();
		if (atomic_load_explicit(&ring->tail, memory_order_seq_cst) == tail)
			sys_futex_wait(&ring->drained, drained, WAIT_STEP_NS);
		atomic_store_explicit(&ring->waiting, 0, memory_order_relaxed);
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
	if (chunk)
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

static int claim_ring(void)
{
	for (int steps = 0; steps < WAIT_STEPS && thread_may_go_on(); steps++) {
		uint32_t count = atomic_load_explicit(&tracker.segment->chunk_count,
						      memory_order_acquire);
		int index = claim_free_ring();
		if (index != -1)
			return index;
		atomic_store_explicit(&tracker.segment->chunk_wanted, 1, memory_order_release);
		thread_wake_collector();
		sys_futex_wait(&tracker.segment->chunk_count, count, WAIT_STEP_NS);
	}
	return -1;
}

static struct image_slot *own_image(void)
{
	return &tracker.segment->images[tracker.image_index];
}

static struct thread_block *block_new(void)
{
	int index = claim_ring();
	if (index < 0)
		return NULL;
	struct thread_block *block = sys_pages(sizeof(*block));
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

static struct thread_block *attach(struct thread_self *self)
{
	if (!tracker_records())
		return NULL;
	struct thread_block *block = idle_pop();
	if (block)
		stack_bounds_init(&block->unwind.bounds);
	else
		block = block_new();
	if (!block) {
		tracker_stop(IMAGE_LOST_NO_MEMORY);
		return NULL;
	}
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

static struct thread_block *enter_side(bool is_nested)
{
	uint32_t unlocked = 0;
	for (int tries = 0; !atomic_compare_exchange_weak(&threads.side_lock, &unlocked, 1);
	     tries++) {
		unlocked = 0;
		if (tries == SIDE_LOCK_TRIES || !tracker_records()) {
			atomic_fetch_add_explicit(&own_image()->skipped_events, 1,
						  memory_order_relaxed);
			return NULL;
		}
		pause_briefly();
	}
	/* From now on the order between this ring and the others is told by stamps. */
	atomic_store_explicit(&tracker.stamping, 1, memory_order_release);
	struct thread_block *side = atomic_load(&threads.side);
	if (!side) {
		side = block_new();
		if (side)
			side->is_side = 1;
		atomic_store(&threads.side, side);
	}
	if (!side || !recorder_note_thread(side, tracker_thread_id())) {
		atomic_store_explicit(&threads.side_lock, 0, memory_order_release);
		return NULL;
	}
	threads.is_side_nested = is_nested;
	return side;
}

struct thread_block *thread_enter(void)
{
	struct thread_self *self = &thread_self;
	if (self->activity != THREAD_OUTSIDE)
		return self->activity == THREAD_RECORDING ? enter_side(true) : NULL;
	self->activity = THREAD_RECORDING;
	atomic_signal_fence(memory_order_seq_cst);
	if (__builtin_expect(!*tracker.alive, 0)) {
		self->activity = THREAD_OUTSIDE;
		tracker_enter_child(0);
		self->activity = THREAD_RECORDING;
	}
	struct thread_block *block = self->block;
	if (__builtin_expect(!block, 0))
		block = self->has_left ? enter_side(false) : attach(self);
	if (!block)
		self->activity = THREAD_OUTSIDE;
	return block;
}

void thread_leave(struct thread_block *block)
{
	if (__builtin_expect(block->is_side, 0)) {
		bool is_nested = threads.is_side_nested;
		atomic_store_explicit(&threads.side_lock, 0, memory_order_release);
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
	}
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
		else
			sys_munmap(block, sizeof(*block));
	}
	thread_self.block = NULL;
	atomic_store(&threads.side, NULL);
	atomic_store(&threads.side_lock, 0);
	atomic_store(&threads.idle, 0);
	atomic_store(&threads.attached, 0);
	threads.is_forked = true;
}
