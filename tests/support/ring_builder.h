/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Builds the words of a ring's stream (common/ring.h) in memory, as a tracker would write them. */
#ifndef MEMTRACE_TESTS_SUPPORT_RING_BUILDER_H
#define MEMTRACE_TESTS_SUPPORT_RING_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ring.h"

struct ring_builder {
	uint64_t *words; /* [count] owned */
	size_t count;
	size_t capacity;
	uint32_t last_slot; /* of the stack trace that was defined last */
};

void ring_builder_release(struct ring_builder *ring);
void ring_builder_word(struct ring_builder *ring, uint64_t word);

void ring_builder_image(struct ring_builder *ring, uint64_t serial, uint32_t pid, const char *path,
			const char *command);
void ring_builder_thread(struct ring_builder *ring, uint64_t serial, bool is_side, uint32_t id);
void ring_builder_module(struct ring_builder *ring, uint32_t id, uint64_t start, uint64_t end,
			 const char *path);
void ring_builder_unload(struct ring_builder *ring, uint32_t id);
void ring_builder_name(struct ring_builder *ring, uint32_t thread_id, const char *name);
void ring_builder_untraced(struct ring_builder *ring, uint32_t pid, const char *path,
			   const char *reason);
void ring_builder_interval(struct ring_builder *ring, uint64_t bytes);

/* A stack trace: `kept` outermost frames of the last one that was defined, then these, ended by 0.
 */
void ring_builder_stack(struct ring_builder *ring, uint32_t slot, uint32_t kept,
			const uint64_t *frames);
void ring_builder_stamp(struct ring_builder *ring, uint64_t stamp);
void ring_builder_epoch(struct ring_builder *ring, uint64_t time_us);

/* type  RING_ALLOCATE, RING_MOVE_END: with a size; the other events have none */
void ring_builder_event(struct ring_builder *ring, enum ring_record type, uint32_t slot,
			uint64_t address, uint64_t size_bytes);

#endif
