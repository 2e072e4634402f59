/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/support/log_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			(void)fprintf(stderr, "log_builder: %s failed\n", #condition);             \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static void add_block(struct log_builder *builder, enum log_block_kind kind, uint32_t image,
		      uint64_t time_us)
{
	struct log_block block = {
		.kind = (uint16_t)kind, .image = image, .first_us = time_us, .last_us = time_us};
	log_writer_add(&builder->writer, &block, &builder->fields);
	buffer_clear(&builder->fields);
}

static void put_text(struct log_builder *builder, const char *text)
{
	buffer_string(&builder->fields, text, strlen(text));
}

static uint64_t *take_page(void *context, uint64_t image_serial, uint32_t first_slot)
{
	struct log_builder *builder = context;
	(void)image_serial;
	(void)first_slot;
	REQUIRE(builder->page_count < LOG_BUILDER_PAGES);
	return builder->page_list[builder->page_count++] = calloc(BLOCK_MAP_PAGE_SLOTS, 8);
}

static void begin(struct log_builder *builder, bool only_unfreed)
{
	struct mt_error error;
	*builder = (struct log_builder){.path = "/tmp/memtrace-unit-XXXXXX"};
	builder->pages = (struct block_map_pages){.context = builder, .take = take_page};
	builder->fd = mkstemp(builder->path);
	REQUIRE(builder->fd >= 0);
	REQUIRE(log_writer_init(&builder->writer, builder->fd, &error) == MT_OK);
	buffer_varint(&builder->fields, LOG_BUILDER_START_NS);
	buffer_varint(&builder->fields, 100);
	buffer_varint(&builder->fields, 4096);
	buffer_varint(&builder->fields, 1u << 30);
	buffer_varint(&builder->fields, 1);
	buffer_string(&builder->fields, "prog\0an argument", 17);
	put_text(builder, "host");
	put_text(builder, "/dir");
	put_text(builder, "0");
	if (only_unfreed)
		buffer_varint(&builder->fields, 1);
	add_block(builder, LOG_BLOCK_RUN, LOG_NO_IMAGE, 0);
}

void log_builder_init(struct log_builder *builder)
{
	begin(builder, false);
}

void log_builder_init_unfreed(struct log_builder *builder)
{
	begin(builder, true);
}

void log_builder_close(struct log_builder *builder)
{
	struct mt_error error;
	REQUIRE(log_writer_flush(&builder->writer, &error) == MT_OK);
	REQUIRE(close(builder->fd) == 0);
	builder->fd = -1;
}

void log_builder_remove(struct log_builder *builder)
{
	if (builder->fd >= 0)
		log_builder_close(builder);
	for (uint32_t i = 0; i < builder->image_count; i++) {
		stack_trie_release(&builder->images[i].trie);
		event_batch_release(&builder->images[i].batch);
		event_encoder_release(&builder->images[i].encoder);
	}
	for (uint32_t i = 0; i < builder->page_count; i++)
		free(builder->page_list[i]);
	log_writer_release(&builder->writer);
	buffer_release(&builder->fields);
	REQUIRE(unlink(builder->path) == 0);
}

uint32_t log_builder_image(struct log_builder *builder, uint32_t pid, int parent)
{
	uint32_t index = builder->image_count++;
	REQUIRE(index < LOG_BUILDER_IMAGES);
	REQUIRE(stack_trie_init(&builder->images[index].trie));
	REQUIRE(event_encoder_init(&builder->images[index].encoder, &builder->pages, index + 1));
	builder->images[index].stored_nodes = 1;
	buffer_varint(&builder->fields, index + 1);
	buffer_varint(&builder->fields, pid);
	buffer_varint(&builder->fields, pid);
	buffer_varint(&builder->fields, 1);
	buffer_varint(&builder->fields, (uint64_t)(parent + 1));
	put_text(builder, "/bin/prog");
	buffer_string(&builder->fields, "prog", 5);
	add_block(builder, LOG_BLOCK_IMAGE, index, 0);
	return index;
}

void log_builder_module(struct log_builder *builder, uint32_t image, const char *path)
{
	buffer_varint(&builder->fields, 1);
	buffer_varint(&builder->fields, 0);
	buffer_varint(&builder->fields, 0x400000);
	buffer_varint(&builder->fields, 0x100000);
	buffer_varint(&builder->fields, 0x400000);
	put_text(builder, path);
	buffer_string(&builder->fields, "\1\2\3\4", 4);
	add_block(builder, LOG_BLOCK_MODULE, image, 0);
}

void log_builder_thread(struct log_builder *builder, uint32_t image, uint32_t index,
			const char *name)
{
	buffer_varint(&builder->fields, index);
	buffer_varint(&builder->fields, 1000 + index);
	buffer_varint(&builder->fields, 0);
	put_text(builder, name);
	add_block(builder, LOG_BLOCK_THREAD, image, 0);
}

uint32_t log_builder_stack(struct log_builder *builder, uint32_t image, const uint64_t *offsets)
{
	uint32_t node = STACK_ROOT;
	for (; *offsets; offsets++)
		node = stack_trie_intern(&builder->images[image].trie, node, 1, *offsets);
	return node;
}

void log_builder_event(struct log_builder *builder, uint32_t image,
		       const struct builder_event *event)
{
	struct event_batch *batch = &builder->images[image].batch;
	uint32_t at = batch->event_count;
	if (at == batch->capacity)
		REQUIRE(event_batch_reserve(batch, batch->capacity ? batch->capacity * 2 : 64));
	if (at == 0)
		builder->images[image].first_us = event->time_us;
	builder->images[image].last_us = event->time_us;
	REQUIRE(event_changes_add(&batch->times, at, event->time_us));
	REQUIRE(event_changes_add(&batch->threads, at, event->thread));
	if (event->interval_bytes || batch->intervals.count)
		REQUIRE(event_changes_add(&batch->intervals, at, event->interval_bytes));
	batch->codes[at] = EVENT_CODE(event->operation, event->kind);
	batch->addresses[at] = event->address;
	if (event_makes_block(event->operation)) {
		batch->sizes[batch->block_count] = event->size_bytes;
		batch->stacks[batch->block_count++] = event->stack;
	}
	batch->event_count++;
}

void log_builder_commit(struct log_builder *builder)
{
	for (uint32_t i = 0; i < builder->image_count; i++) {
		struct event_batch *batch = &builder->images[i].batch;
		if (batch->event_count == 0)
			continue;
		uint32_t count = event_encode(
			&builder->images[i].encoder, batch, &builder->images[i].trie,
			builder->images[i].stored_nodes, &builder->fields, NULL);
		builder->images[i].stored_nodes = builder->images[i].trie.node_count;
		struct log_block block = {
			.kind = LOG_BLOCK_EVENTS,
			.image = i,
			.item_count = count,
			.first_us = builder->images[i].first_us,
			.last_us = builder->images[i].last_us,
		};
		log_writer_add(&builder->writer, &block, &builder->fields);
		buffer_clear(&builder->fields);
		event_batch_clear(batch);
	}
	buffer_varint(&builder->fields, ++builder->commit_count);
	add_block(builder, LOG_BLOCK_COMMIT, LOG_NO_IMAGE, 0);
}

void log_builder_leaks(struct log_builder *builder, uint32_t image, uint64_t time_us,
		       uint32_t flags, const struct leak_mark *marks, size_t count)
{
	struct leak_marks all = {.flags = flags};
	for (size_t i = 0; i < count; i++)
		REQUIRE(leak_marks_add(&all, &marks[i]));
	leak_marks_encode(&all, &builder->fields);
	leak_marks_release(&all);
	add_block(builder, LOG_BLOCK_LEAKS, image, time_us);
}

void log_builder_slack(struct log_builder *builder, uint32_t image, uint64_t measured,
		       uint64_t requested_bytes, uint64_t usable_bytes)
{
	buffer_varint(&builder->fields, measured);
	buffer_varint(&builder->fields, requested_bytes);
	buffer_varint(&builder->fields, usable_bytes);
	add_block(builder, LOG_BLOCK_SLACK, image, 0);
}

void log_builder_image_end(struct log_builder *builder, uint32_t image, uint64_t time_us)
{
	buffer_varint(&builder->fields, 0);
	buffer_varint(&builder->fields, 0);
	add_block(builder, LOG_BLOCK_IMAGE_END, image, time_us);
}

void log_builder_end(struct log_builder *builder, uint64_t time_us, int exit_status)
{
	buffer_varint(&builder->fields, 1);
	buffer_varint(&builder->fields, (uint64_t)exit_status);
	for (int i = 0; i < 4; i++)
		buffer_varint(&builder->fields, 0);
	add_block(builder, LOG_BLOCK_END, LOG_NO_IMAGE, time_us);
	log_builder_commit(builder);
}
