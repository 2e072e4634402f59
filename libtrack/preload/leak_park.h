/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stops the other threads of the process for the time of a leak scan, and gathers what their
 * registers and stacks hold.
 *
 * They are stopped by signal 33, which glibc keeps for itself and lets nobody block. A thread that
 * is in the tracker, or in a realloc whose old block is recorded as gone and whose new one is not
 * recorded yet, stops when it is done with that.
 */
#ifndef MEMTRACE_PRELOAD_LEAK_PARK_H
#define MEMTRACE_PRELOAD_LEAK_PARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/leak_protocol.h"

/*
 * In a function that calls __builtin_unwind_init: the registers that it saves are below its frame
 * address on x86-64 (rbx and r12 to r15 are pushed right behind rbp), and above it on aarch64.
 */
#if defined(__x86_64__)
#define LEAK_PARK_SAVED_BYTES (5 * sizeof(uintptr_t))
#else
#define LEAK_PARK_SAVED_BYTES 0u
#endif

struct leak_park {
	struct leak_scan_thread *threads; /* [count] pages of our own, the calling thread first */
	uint32_t count;
	uint32_t capacity;
	size_t mapped_bytes;
	bool is_complete; /* the list of threads could be read */
};

/*
 * Parks all other threads; one that does not park within a second is in the list without more than
 * its id. Signals must be blocked.
 *
 * context        a ucontext_t: of the code that the calling thread will go on with; NULL:
 * stack_pointer  what is in use of its stack begins there
 * returns        false: no memory, nothing is parked
 */
bool leak_park_begin(struct leak_park *park, const void *context, uintptr_t stack_pointer);

/*
 * Lets them go on.
 *
 * is_over  the process is about to end: they stay for up to a second, so that none of them gets to
 *          see that a signal has interrupted what it waited for
 */
void leak_park_end(struct leak_park *park, bool is_over);

/* Parks the calling thread, which was asked to while it could not: thread_self.park_wanted. */
void leak_park_deferred(void);

/* Takes the signal, unless glibc has taken it meanwhile: with its first thread. */
void leak_park_install(void);

/* Forgets, in a fork's child, a scan that went on in the parent. */
void leak_park_reset(void);

#endif
