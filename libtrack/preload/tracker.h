/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tracker as a whole: the one process-wide struct, and its life from start to fork or stop.
 *
 *   OFF -> STARTING -> RECORDING -> STOPPED
 *
 * OFF is every process without a session, and every process before the first allocator call or
 * constructor. STOPPED is for good in this process (its children by fork included): the log can't
 * be written, the collector is gone, or memory ran out; the program runs on as if untraced.
 */
#ifndef MEMTRACE_PRELOAD_TRACKER_H
#define MEMTRACE_PRELOAD_TRACKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/segment.h"
#include "libtrack/preload/hidden.h"

enum tracker_state { TRACKER_OFF, TRACKER_STARTING, TRACKER_RECORDING, TRACKER_STOPPED };

struct tracker {
	_Atomic uint32_t state;       /* enum tracker_state */
	_Atomic uint32_t stamping;    /* more than one thread has recorded: records carry stamps */
	_Atomic uint32_t is_filtered; /* system calls may kill: none are made */
	_Atomic uint32_t is_strict;   /* and there must be no stamps */
	_Atomic uint32_t
		shares_tls;      /* threads were made that have another's thread-local storage */
	_Atomic uint32_t scrubs; /* SESSION_SCRUB: blocks are zeroed before they are freed */
	_Atomic uint32_t awaits_threads; /* to take a signal back from glibc then (leak_check.h) */
	_Atomic uint32_t paused;         /* by the program: allocations are not recorded */
	_Atomic uint32_t has_paused;     /* at some time */
	_Atomic uint32_t has_own_break;  /* the program, not its allocator, has grown the heap */
	_Atomic uint32_t generation;     /* counts unloaded modules: older stack names are void */
	uint32_t image_index;            /* our slot in segment->images */
	uint32_t pid;                    /* in our own pid namespace */
	uint64_t pid_namespace;          /* its inode number; 0: not known */
	uint64_t image_serial;
	struct segment_header *segment;
	bool marks_blocks; /* some allocations may not be recorded (recorded_map.h) */
	bool measures_overhead;
	/*
	 * Not 0: the collector is told of blocks that live on only (deferred_blocks.h), if these
	 * bits of their addresses are not set.
	 */
	uintptr_t deferred_low_bits;
	const uint32_t *alive; /* 0 in a fork's child that no fork handler told us of */
	_Atomic(void *) chunks[SEGMENT_CHUNKS]; /* mapped chunks of the segment */
	char session[4096];                     /* value of ENV_SESSION */
	char library[4096];                     /* path of this library, as LD_PRELOAD named it */
};

extern HIDDEN struct tracker tracker;

/* Who we are, for the image's note: gathered at the start. */
struct tracker_identity {
	uint64_t pid;
	uint64_t parent_pid;
	uint64_t start_ticks; /* of the process, since boot: /proc/PID/stat, field 22 */
	char path[4096];
	char command[4096]; /* arguments, each ended by a NUL, as in /proc/PID/cmdline */
	size_t command_bytes;
};

extern HIDDEN struct tracker_identity tracker_identity;

static inline bool tracker_records(void)
{
	return atomic_load_explicit(&tracker.state, memory_order_relaxed) == TRACKER_RECORDING;
}

/*
 * Starts recording if the environment names a session. Called by the first hook and by the
 * constructor, whichever comes first; later calls do nothing.
 */
void tracker_start(void);

/* Ends recording in this process. `loss` is a flag of enum image_flags, or 0. */
void tracker_stop(uint32_t loss);

/* Tells the collector that there is something to look at. */
void tracker_wake_collector(void);

/*
 * Makes this process, a fork's child, an image of its own.
 *
 * pid  of this process; 0 if libc does not know of the fork, then the kernel is asked
 */
void tracker_enter_child(uint32_t pid);

/* The id of the calling thread as libc knows it, without a system call. 0 if it can't be told. */
uint32_t tracker_thread_id(void);

#endif
