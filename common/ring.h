/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ring between one thread of a traced process and the collector: what is in shared memory,
 * and the words that go through it.
 *
 * Single producer, single consumer, 64-bit words. `head` and `tail` count words since the ring
 * was made and are never reset, so `head - tail` is what is in it and `head` alone places a word
 * in the stream for good. The producer writes whole records and then moves `head` once, so that
 * whatever happens to the process, [tail, head) is a sequence of whole records. A word is never
 * split; a record may wrap around the end of the ring.
 *
 * Records (w0 is the first word, its low four bits are the type):
 *
 *   ALLOCATE         63       20 19    7 6    4 3  0
 *                   | addr >> 3 |  slot | kind |type|   w1 = size in bytes (>> 4 on aarch64)
 *   RELEASE         | addr >> 3 |       | kind |type|
 *   MOVE_BEGIN      | addr >> 3 |       | kind |type|   a realloc releases this block ...
 *   MOVE_END        | addr >> 3 |  slot | kind |type|   w1 = size: ... and has made this one
 *   MOVE_FAILED     | addr >> 3 |       | kind |type|   ... and did not: it is live as before
 *   STACK           | base << 44 | kept << 32 | count << 20 | slot << 7 | type |
 *                    then `count` words, the new frames, outermost first
 *   STAMP           | time-stamp counter << 4 | type |  of the records up to the next STAMP
 *   EPOCH           | microseconds << 4 | type |        time of the records that follow
 *   NOTE            | word_count << 32 | subtype << 4 | type |  then word_count words
 *   DEFERRED        | addr >> 3 |       |      |type|   w1 = a slot of common/deferred.h: an
 *                    allocation that was not told of when it was made
 *   WIDE            | record type << 4 | type |         the next record has its address in a word
 *                    of its own, in front of the other words, because it does not fit
 *
 * An allocation names its stack trace by a slot of the thread's table. STACK fills a slot: `kept`
 * outermost frames of the stack trace in slot `base`, then the new ones. A frame is a return
 * address with flags in its top bits (RING_FRAME_*). A MOVE_BEGIN without an end is a realloc
 * that freed.
 */
#ifndef MEMTRACE_COMMON_RING_H
#define MEMTRACE_COMMON_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RING_WORDS (1u << 14)
#define RING_BYTES (RING_WORDS * 8u)
#define RING_SLOTS 8192u /* stack traces that a thread can name at a time: 13 bits */

enum ring_record {
	RING_ALLOCATE = 1,
	RING_RELEASE = 2,
	RING_MOVE_BEGIN = 3,
	RING_MOVE_FAILED = 4,
	RING_STACK = 5,
	RING_STAMP = 6,
	RING_EPOCH = 7,
	RING_NOTE = 8,
	RING_WIDE = 9,
	RING_MOVE_END = 10,
	RING_DEFERRED = 11,
};

enum ring_note {
	RING_NOTE_IMAGE = 1,    /* the ring's next owner is this process image */
	RING_NOTE_THREAD = 2,   /* what follows is by this thread */
	RING_NOTE_MODULE = 3,   /* an ELF object is mapped */
	RING_NOTE_UNLOAD = 4,   /* and no longer is */
	RING_NOTE_NAME = 5,     /* a thread's name */
	RING_NOTE_UNTRACED = 6, /* the image starts a program that cannot be traced */
	RING_NOTE_INTERVAL = 7, /* sampling interval of the allocations that follow */
	RING_NOTE_MAP = 8,      /* memory was mapped */
	RING_NOTE_UNMAP = 9,    /* memory is about to be unmapped */
	RING_NOTE_RESTORE = 10, /* and was not: the thread's last UNMAP failed */
	RING_NOTE_MARKER = 11,  /* the program wants this time to be known */
	RING_NOTE_IGNORE = 12,  /* the block at this address is no leak */
	RING_NOTE_NUMBER = 13,  /* the trace of a slot has this number in common/deferred.h */
};

enum ring_marker {
	RING_MARKER_TEXT = 0,
	RING_MARKER_PAUSE = 1,  /* allocations that follow are not recorded ... */
	RING_MARKER_RESUME = 2, /* ... until here */
};
#define RING_MARKER_COUNT 3u

/*
 * In the address of a block of the program's own pools: the first block of a chunk has the address
 * of the chunk, and both are live.
 */
#define RING_POOL_ADDRESS (1ull << 63)

#define RING_TYPE_MASK 0xfu
#define RING_KIND_SHIFT 4
#define RING_KIND_MASK 0x7u
#define RING_SLOT_SHIFT 7
#define RING_ADDRESS_SHIFT 20
/* 44 bits of w0 hold the address: 47 bits in units of 8 on x86-64, 48 in units of 16 on aarch64. */
#ifdef __aarch64__
#define RING_ADDRESS_UNIT_BITS 4
#else
#define RING_ADDRESS_UNIT_BITS 3
#endif
#define RING_ADDRESS_BITS (44 + RING_ADDRESS_UNIT_BITS)

#define RING_STACK_SLOT_SHIFT 7
#define RING_STACK_COUNT_SHIFT 20
#define RING_STACK_KEPT_SHIFT 32
#define RING_STACK_BASE_SHIFT 44

#define RING_FRAME_EXACT (1ull << 63)     /* the instruction itself, not a return address */
#define RING_FRAME_GUESSED (1ull << 62)   /* found without an unwind table */
#define RING_FRAME_TRUNCATED (1ull << 61) /* no frame: what is further out was not walked */
#define RING_FRAME_ADDRESS(word) ((word) & ((1ull << 57) - 1))

/*
 * Words of the notes; TEXT is a size in bytes in a word, then the bytes, filled up to whole words.
 *
 *   IMAGE     serial, pid, parent's pid, start time in ticks since boot, TEXT path, TEXT command
 *   THREAD    image serial, 1 if the ring is shared and the thread may be known already, thread id
 *   MODULE    id, first address, end address, load bias, TEXT path ("": the program), TEXT build-id
 *   UNLOAD    id
 *   NAME      thread id, TEXT name
 *   UNTRACED  pid of the process, TEXT path, TEXT reason
 *   INTERVAL  bytes
 *   MAP       slot of the stack trace | enum mapping_source << 16, address, size in bytes
 *   UNMAP     address, size in bytes
 *   RESTORE   nothing
 *   MARKER    enum ring_marker, TEXT
 *   IGNORE    address
 *   NUMBER    slot, number
 */

/* Two cache lines: the producer writes the first, the consumer the second. */
struct ring_header {
	_Alignas(64) _Atomic uint64_t head; /* words */
	_Atomic uint32_t busy;  /* 1 while a group is being made that others wait for: head lags */
	_Atomic uint32_t owner; /* image slot + 1; 0 = free */
	_Alignas(64) _Atomic uint64_t tail; /* words */
	_Atomic uint32_t drained; /* futex: changed after tail was moved for a waiting producer */
	_Atomic uint32_t waiting; /* the producer sleeps on `drained` */
};

static inline bool ring_address_fits(uint64_t address)
{
	return !(address & ((1u << RING_ADDRESS_UNIT_BITS) - 1)) && !(address >> RING_ADDRESS_BITS);
}

static inline uint64_t ring_word(enum ring_record type, unsigned kind, unsigned slot,
				 uint64_t address)
{
	return (uint64_t)type | (uint64_t)kind << RING_KIND_SHIFT |
	       (uint64_t)slot << RING_SLOT_SHIFT |
	       address >> RING_ADDRESS_UNIT_BITS << RING_ADDRESS_SHIFT;
}

static inline uint64_t ring_word_address(uint64_t word)
{
	return word >> RING_ADDRESS_SHIFT << RING_ADDRESS_UNIT_BITS;
}

static inline uint64_t ring_note_word(enum ring_note note, uint32_t word_count)
{
	return (uint64_t)RING_NOTE | (uint64_t)note << 4 | (uint64_t)word_count << 32;
}

#endif
