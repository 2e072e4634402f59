/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small logs for tests, event by event. A call that fails aborts the test. */
#ifndef MEMTRACE_TESTS_SUPPORT_LOG_BUILDER_H
#define MEMTRACE_TESTS_SUPPORT_LOG_BUILDER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/log/event_coder.h"
#include "common/log/leak_marks.h"
#include "common/log/log_writer.h"
#include "common/log/stack_trie.h"

#define LOG_BUILDER_IMAGES 8
#define LOG_BUILDER_START_NS 1700000000000000000u
#define LOG_BUILDER_PAGES (1u << 18)

struct log_builder {
	char path[64];
	int fd;
	struct log_writer writer;
	struct buffer fields;
	uint32_t image_count;
	uint64_t commit_count;
	struct block_map_pages pages;
	void *page_list[LOG_BUILDER_PAGES]; /* [page_count] */
	uint32_t page_count;
	struct {
		struct stack_trie trie;
		uint32_t stored_nodes;
		struct event_batch batch;
		struct event_encoder encoder;
		uint64_t first_us;
		uint64_t last_us;
	} images[LOG_BUILDER_IMAGES];
};

/* Makes a log in a temporary file, with its RUN block. */
void log_builder_init(struct log_builder *builder);

/* The same, for a recording of what is not freed. */
void log_builder_init_unfreed(struct log_builder *builder);

/* Writes what is pending, closes the log and leaves the file. */
void log_builder_close(struct log_builder *builder);

/* Closes the log if that was not done, and removes the file. */
void log_builder_remove(struct log_builder *builder);

/* returns  the image's index; `parent` is the index of the forked image, or -1 */
uint32_t log_builder_image(struct log_builder *builder, uint32_t pid, int parent);
void log_builder_module(struct log_builder *builder, uint32_t image, const char *path);
void log_builder_thread(struct log_builder *builder, uint32_t image, uint32_t index,
			const char *name);

/* The stack trace with these offsets in module 1, outermost first, ended by 0. */
uint32_t log_builder_stack(struct log_builder *builder, uint32_t image, const uint64_t *offsets);

struct builder_event {
	enum event_operation operation;
	enum allocation_kind kind;
	uint32_t thread;
	uint64_t time_us;
	uint64_t address;
	uint64_t size_bytes; /* of events that make a block */
	uint32_t stack;
	uint64_t interval_bytes;
};

void log_builder_event(struct log_builder *builder, uint32_t image,
		       const struct builder_event *event);

/* Writes the events so far and a COMMIT. */
void log_builder_commit(struct log_builder *builder);
/* A LEAKS block. */
void log_builder_leaks(struct log_builder *builder, uint32_t image, uint64_t time_us,
		       uint32_t flags, const struct leak_mark *marks, size_t count);
void log_builder_slack(struct log_builder *builder, uint32_t image, uint64_t measured,
		       uint64_t requested_bytes, uint64_t usable_bytes);
void log_builder_image_end(struct log_builder *builder, uint32_t image, uint64_t time_us);
void log_builder_end(struct log_builder *builder, uint64_t time_us, int exit_status);

#endif
