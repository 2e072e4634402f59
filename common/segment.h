/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The shared segment of a recording: one file, made by the collector, mapped by every traced
 * process and, after a crash, by whoever opens the log.
 *
 *   offset 0        struct segment_header, with one slot per live process image
 *   spool_offset    raw ring records that the collector has taken and not yet put into the log
 *   chunk_offset[i] chunk i: SEGMENT_CHUNK_RINGS ring headers (one page), their rings, and the
 *                   collector's snapshots of its decoders
 *
 * All of it has its blocks allocated before it is announced, because a store to a hole on a full
 * disk is SIGBUS in the program that we are guests of. Chunks are added while threads come.
 *
 *   extent_offset[i] addresses of live blocks, by image and slot: the collector's memory of what
 * the log does not say, kept where it outlives the collector
 *
 * Nothing published is lost: a ring's tail moves past words only when the spool holds them, the
 * spool's tail only when the log holds them, and a snapshot says where in every ring's stream the
 * log's last commit stands.
 */
#ifndef MEMTRACE_COMMON_SEGMENT_H
#define MEMTRACE_COMMON_SEGMENT_H

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "common/ring.h"

#define SEGMENT_MAGIC "MTSEGMT"
#define SEGMENT_VERSION 1u
#define SEGMENT_IMAGES 1024u
#define SEGMENT_CHUNK_RINGS 16u
#define SEGMENT_CHUNKS 256u
#define SEGMENT_RINGS (SEGMENT_CHUNK_RINGS * SEGMENT_CHUNKS)
#define SEGMENT_PAGE 4096u
#define SEGMENT_EXTENTS 4096u

#define SEGMENT_CHUNK_HEADERS_BYTES SEGMENT_PAGE
#define SEGMENT_CHUNK_TRACKER_BYTES (SEGMENT_CHUNK_HEADERS_BYTES + SEGMENT_CHUNK_RINGS * RING_BYTES)
#define SEGMENT_SNAPSHOT_BYTES (36u << 10)
#define SEGMENT_CHUNK_BYTES                                                                        \
	(SEGMENT_CHUNK_TRACKER_BYTES + SEGMENT_CHUNK_RINGS * 2 * SEGMENT_SNAPSHOT_BYTES)
static_assert(SEGMENT_CHUNK_RINGS * sizeof(struct ring_header) <= SEGMENT_CHUNK_HEADERS_BYTES,
	      "the ring headers of a chunk share one page");
static_assert(SEGMENT_CHUNK_BYTES % SEGMENT_PAGE == 0, "chunks are mapped");

enum image_flags {
	IMAGE_LOST_BACK_PRESSURE = 1, /* recording ended: the collector made no progress in time */
	IMAGE_LOST_NO_MEMORY = 2,     /* a thread was not recorded: it could not map its ring */
	IMAGE_LOST_NO_ROOM = 4,       /* a thread was not recorded: the segment has no more rings */
};

/* One process image: a process from fork or exec to the next exec or its end. */
struct image_slot {
	_Alignas(64) _Atomic uint32_t pid; /* in the process's own pid namespace; 0 = free */
	_Atomic uint32_t flags;            /* enum image_flags */
	_Atomic uint64_t serial;        /* unique in the recording; 0 until the slot is filled in */
	_Atomic uint64_t parent_serial; /* image it was forked from; 0 for a program's start */
	_Atomic uint32_t forks_started; /* fork() begun here ... */
	_Atomic uint32_t forks_joined;  /* ... and children that have taken a slot */
	_Atomic uint32_t ended;         /* an exec is under way: cleared when it fails */
	_Atomic uint32_t skipped_events;     /* allocator calls that could not be recorded */
	_Atomic uint32_t scan_lost;          /* what the last leak scan found */
	_Atomic uint64_t tracker_bytes;      /* private memory that the tracker has mapped */
	_Atomic uint64_t pid_namespace;      /* that `pid` is in: its inode number; 0: not known */
	_Atomic uint32_t watched_pid;        /* the pid as the collector has it; 0: not yet */
	_Atomic uint32_t failed_allocations; /* calls for which there was no memory */
	_Alignas(64) _Atomic uint64_t shared_bytes; /* ring memory that the image's threads touch */
	_Atomic uint64_t checked_stacks;            /* SESSION_CROSS_CHECK: traces compared ... */
	_Atomic uint64_t
		differing_stacks;        /* ... that differed without being marked as guessed ... */
	_Atomic uint64_t guessed_stacks; /* ... and that were marked */
	_Atomic uint64_t overhead_ticks; /* SESSION_MEASURE_OVERHEAD: of the stamps' counter */
	_Atomic uint32_t scan_turn;      /* futex: enum leak_scan_turn, common/leak_protocol.h */
	_Atomic uint32_t scan_ring;      /* index of the ring whose words carry the memory */
	_Atomic uint32_t scan_is_last;   /* no thread goes on after it but to end the process */
	_Atomic uint64_t scan_area;      /* where struct leak_scan_area is in the process */
	_Atomic uint32_t scan_wanted;    /* a scan on request: number of the request */
	_Atomic uint32_t scan_done;      /* and of the last one that was answered */
	_Atomic uint32_t defers_no_more; /* the last scan has found all that was deferred */
	_Atomic uint64_t without_lsan_names; /* `serial` if the executable has none of these */
	_Atomic uint64_t slack_measured; /* allocations of which the usable size was taken ... */
	_Atomic uint64_t slack_requested_bytes; /* ... and what those that they stand for */
	_Atomic uint64_t slack_usable_bytes;    /* asked for and got (preload/slack.h) */
};

struct segment_header {
	char magic[8];
	uint32_t version;
	uint32_t header_bytes; /* sizeof(struct segment_header), rounded up to pages */
	uint32_t ring_words;
	uint32_t session_flags; /* enum session_flags */
	uint32_t unwinder;      /* enum unwinder_kind */
	uint32_t max_frames;
	uint64_t start_realtime_ns;
	uint64_t start_monotonic_ns;
	uint64_t spool_offset;
	uint64_t spool_bytes;
	char deferred_path[64]; /* of the file of common/deferred.h; "": there is none */
	_Atomic uint64_t chunk_offset[SEGMENT_CHUNKS];
	_Atomic uint64_t extent_offset[SEGMENT_EXTENTS];

	/* Written by the collector, read by every thread on its events. */
	_Alignas(64) _Atomic uint64_t elapsed_us;
	_Atomic uint64_t deferred_time;  /* the same as deferred_time_encode() has it */
	_Atomic uint64_t interval_bytes; /* mean bytes between samples; 0 = every allocation */
	_Atomic uint32_t stopped;        /* the log cannot be written: record no more */

	/* Written by the collector, read on slow paths. */
	_Alignas(64) _Atomic uint32_t chunk_count; /* futex */
	_Atomic uint32_t extent_count;
	_Atomic uint64_t spool_head; /* bytes, never reset */
	_Atomic uint64_t spool_tail;
	_Atomic uint32_t is_ready; /* futex: all that is above has its value */
	uint32_t launcher_pid;     /* who starts ... */
	uint32_t program_pid;      /* ... the first process */

	/* Written by traced processes. */
	_Alignas(64) _Atomic uint32_t
		doorbell;              /* futex: the collector's sleep ends when it changes */
	_Atomic uint32_t chunk_wanted; /* a thread found no free ring */
	_Atomic uint64_t image_serial; /* last serial given out */
	_Atomic uint64_t given_up_us;  /* 1 + elapsed_us at which somebody gave up waiting */
	_Atomic uint32_t lost_images;  /* enum image_flags of processes that found no slot */

	_Alignas(64) _Atomic uint32_t collector_sleeping;
	/*
	 * A robust mutex that the collector holds for its whole life: when it dies, however it
	 * dies, the kernel sets FUTEX_OWNER_DIED in the mutex's first word. Trackers only look at
	 * that.
	 */
	pthread_mutex_t collector_alive;

	struct image_slot images[SEGMENT_IMAGES];
};

enum session_flags {
	SESSION_CLOCK_STAMPS =
		1, /* the time-stamp counter is not usable: stamps are clock_gettime's */
	SESSION_NO_CHILDREN = 2,        /* record the first process only */
	SESSION_CROSS_CHECK = 4,        /* compare each stack trace with other unwinders */
	SESSION_LEAK_CHECK = 8,         /* every process is scanned for leaks when it ends */
	SESSION_SCRUB = 16,             /* blocks are zeroed before they are freed */
	SESSION_MAY_SAMPLE = 64,        /* not every allocation is, or will always be, recorded */
	SESSION_MEASURE_OVERHEAD = 128, /* add up the time that recording takes */
};

enum unwinder_kind {
	UNWINDER_LIBUNWIND = 1,
	UNWINDER_FRAME_POINTER = 2,
	UNWINDER_FAST = 3, /* x86-64 only */
};

#if defined(__x86_64__)
#define UNWINDER_DEFAULT UNWINDER_FAST
#else
/* Compilers for aarch64 keep frame pointers, unless they are told not to. */
#define UNWINDER_DEFAULT UNWINDER_FRAME_POINTER
#endif

#define SEGMENT_HEADER_BYTES                                                                       \
	((uint32_t)((sizeof(struct segment_header) + SEGMENT_PAGE - 1) / SEGMENT_PAGE *            \
		    SEGMENT_PAGE))

/*
 * An extent: a page of entries, then a page of addresses for each of them. An address page of an
 * image holds those of the slots from `first_slot` on (common/log/block_map.h).
 */
#define SEGMENT_EXTENT_PAGES 255u
#define SEGMENT_EXTENT_BYTES ((SEGMENT_EXTENT_PAGES + 1) * SEGMENT_PAGE)

struct extent_entry {
	_Atomic uint64_t image_serial; /* 0 = free */
	uint32_t first_slot;
	uint32_t reserved;
};
static_assert(SEGMENT_EXTENT_PAGES * sizeof(struct extent_entry) <= SEGMENT_PAGE,
	      "the entries of an extent share one page");

/* A piece of a ring's stream in the spool: this header, then `word_count` words. */
struct spool_piece {
	uint64_t position; /* of the first word in the ring's stream */
	uint32_t ring;     /* SPOOL_SKIP: nothing more up to the spool's end */
	uint32_t word_count;
};
#define SPOOL_SKIP UINT32_MAX

/* The name of a log's segment is the log's with this behind it. */
#define SEGMENT_SUFFIX ".segment"

static inline struct ring_header *segment_chunk_ring(void *chunk, unsigned index_in_chunk)
{
	return (struct ring_header *)chunk + index_in_chunk;
}

static inline uint64_t *segment_chunk_words(void *chunk, unsigned index_in_chunk)
{
	return (uint64_t *)(void *)((char *)chunk + SEGMENT_CHUNK_HEADERS_BYTES +
				    (uint64_t)index_in_chunk * RING_BYTES);
}

#endif
