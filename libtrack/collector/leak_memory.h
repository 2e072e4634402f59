/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory of a process that waits for its leak scan: read through the thread that asked for it
 * (common/leak_protocol.h), or directly, where the kernel allows it.
 */
#ifndef MEMTRACE_COLLECTOR_LEAK_MEMORY_H
#define MEMTRACE_COLLECTOR_LEAK_MEMORY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/segment.h"
#include "libtrack/collector/leak_graph.h"

struct process_memory {
	struct image_slot *slot;
	uint64_t *words;              /* [RING_WORDS] of the ring that carries the contents */
	const _Atomic bool *is_ended; /* set by another thread: the process is gone */
	pthread_mutex_t *turns;       /* whoever asks holds it, if there are several readers */
	uint64_t *direct;             /* [LEAK_SCAN_CONTENT_WORDS] what was read directly */
	uint32_t direct_pid;          /* the process, if that may be; 0: it may not */
	bool has_begun;               /* the process has answered */
	bool is_failed;               /* something could not be read: what was given is of no use */
};

/*
 * Reads directly from now on, if that gives what the process itself gives.
 *
 * area  where its struct leak_scan_area is, which names the image
 */
void process_memory_read_directly(struct process_memory *memory, uint64_t area);

/*
 * Makes another reader of the same memory, for another thread.
 * returns  false: no memory, or it can't be read directly
 */
bool process_memory_share(const struct process_memory *memory, struct process_memory *ret_other);

void process_memory_release(struct process_memory *memory);

/* Reads the words of ranges [count]; addresses and sizes are multiples of 8. */
void process_memory_read(struct process_memory *memory, const struct leak_range *ranges,
			 size_t count, leak_words_function *give, void *give_context);

/* Reads one range to `destination`. returns  false: the process is gone, or nothing can be read */
bool process_memory_copy(struct process_memory *memory, uint64_t address, size_t size_bytes,
			 void *destination);

/* Reads what is there of a range: pages that were never touched are left out. */
void process_memory_read_present(struct process_memory *memory, const struct leak_range *range,
				 leak_words_function *give, void *give_context);

#endif
