/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A leak scan, as tracker and collector agree on it.
 *
 * A thread of the traced process parks the others, lays out what it knows of the process in its
 * own memory (struct leak_scan_area) and asks the collector to scan. The collector has the live
 * blocks; it sees the process's memory through the eyes of that thread, which reads it with
 * process_vm_readv into the words of its own ring, empty at that time. So no permission is needed
 * that the process might lack, or the collector towards it: another user, a process that can't be
 * dumped, yama, pid and mount namespaces make no difference, and no descriptor stays open.
 *
 * image_slot.scan_turn says whose turn it is:
 *
 *   NONE -> ASKED (the process) -> { READ (the collector) -> GIVEN (the process) }* -> OVER -> NONE
 *
 * For READ the ring's words begin with LEAK_SCAN_RANGES pairs at most of address and size in
 * bytes (struct leak_scan_request); the process puts the contents, rounded up to words each, behind
 * the request. What can't be read is zero.
 */
#ifndef MEMTRACE_COMMON_LEAK_PROTOCOL_H
#define MEMTRACE_COMMON_LEAK_PROTOCOL_H

#include <assert.h>
#include <stdint.h>

#include "common/ring.h"

enum leak_scan_turn {
	LEAK_SCAN_TURN_NONE = 0,
	LEAK_SCAN_TURN_ASKED = 1,
	LEAK_SCAN_TURN_READ = 2,
	LEAK_SCAN_TURN_GIVEN = 3,
	LEAK_SCAN_TURN_OVER = 4,
};

enum leak_scan_request_kind {
	LEAK_SCAN_MEMORY = 0,
	LEAK_SCAN_PAGEMAP = 1, /* one range: address and number of pages; a word of pagemap each */
};

#define LEAK_SCAN_RANGES 1024u

struct leak_scan_request {
	uint32_t kind; /* enum leak_scan_request_kind */
	uint32_t count;
	struct {
		uint64_t address;
		uint64_t size_bytes;
	} ranges[LEAK_SCAN_RANGES];
};
static_assert(sizeof(struct leak_scan_request) % 8 == 0, "contents follow in words");

#define LEAK_SCAN_REQUEST_WORDS (sizeof(struct leak_scan_request) / 8)
#define LEAK_SCAN_CONTENT_WORDS (RING_WORDS - LEAK_SCAN_REQUEST_WORDS)

/* Registers that may hold a pointer: general ones, then vectors. */
#define LEAK_SCAN_REGISTERS 112u

struct leak_scan_thread {
	uint64_t thread_id;
	uint64_t stack_pointer;  /* what is in use of its stack begins here */
	uint64_t stack_low;      /* its own stack with TLS and struct pthread: [low, high) */
	uint64_t stack_high;     /* 0: not known */
	uint64_t thread_pointer; /* 0: not known */
	uint64_t alternate_low;  /* alternate signal stack, if it has one */
	uint64_t alternate_high;
	uint32_t is_parked; /* else nothing but thread_id is set */
	uint32_t register_count;
	uint64_t registers[LEAK_SCAN_REGISTERS];
};

enum leak_scan_range_kind {
	LEAK_SCAN_OWN = 1,  /* the tracker's memory: no root */
	LEAK_SCAN_ROOT = 2, /* scanned, wherever it lies */
};

struct leak_scan_range {
	uint64_t address;
	uint64_t size_bytes;
	uint64_t kind; /* enum leak_scan_range_kind */
};

enum leak_scan_area_flags {
	LEAK_SCAN_AREA_GLIBC = 1, /* blocks are glibc's malloc's */
	LEAK_SCAN_AREA_STRANGERS =
		2, /* some of the heap is not known: a parent's, or not recorded */
	LEAK_SCAN_AREA_REQUESTED = 4,   /* the program goes on after this scan */
	LEAK_SCAN_AREA_UNREADABLE = 8,  /* the list of threads or of mappings can't be had */
	LEAK_SCAN_AREA_TURNED_OFF = 16, /* the program wants no leak of its own to count */
};

struct leak_scan_area {
	uint64_t image_serial; /* the image's */
	uint64_t maps;         /* text of /proc/self/maps */
	uint64_t maps_bytes;
	uint64_t threads; /* struct leak_scan_thread [thread_count], the scanning one first */
	uint64_t thread_count;
	uint64_t ranges; /* struct leak_scan_range [range_count] */
	uint64_t range_count;
	uint64_t pthread_stack_place; /* word of struct pthread with the stack's base; 0: unknown */
	uint64_t flags;               /* enum leak_scan_area_flags */
	uint64_t suppressions;        /* text that the program has for LeakSanitizer */
	uint64_t suppressions_bytes;  /* 0: none */
};

/*
 * A scan on request, from outside: the number of the request in image_slot.scan_wanted, and signal
 * LEAK_SCAN_SIGNAL with this value. When it was made, or can't be, scan_done has the number.
 */
#define LEAK_SCAN_SIGNAL 33
#define LEAK_SCAN_REQUEST_VALUE ((void *)0x6d744c4b)

/* image_slot.scan_lost when a scan has no verdict; else how many blocks are definitely lost. */
#define LEAK_SCAN_NO_VERDICT UINT32_MAX

/* Limits on what a process may claim. */
#define LEAK_SCAN_MAPS_BYTES_MAX (64u << 20)
#define LEAK_SCAN_THREADS_MAX (1u << 16)
#define LEAK_SCAN_RANGES_MAX (1u << 20)

#endif
