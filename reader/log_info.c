/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/log_info.h"

#include <stdlib.h>
#include <string.h>

#include "common/format.h"
#include "common/ring.h"

static int corrupt(struct mt_error *error, const char *what)
{
	return mt_error_set(error, MT_ERR_CORRUPT, "a %s block makes no sense", what);
}

static int no_memory(struct mt_error *error)
{
	return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read the log");
}

/* A copy of a string field with a NUL behind it. returns NULL if it is malformed or too long */
static char *take_text(struct byte_reader *payload)
{
	size_t size_bytes = 0;
	const uint8_t *bytes = byte_reader_string(payload, LIMIT_STRING_BYTES, &size_bytes);
	char *text = malloc(size_bytes + 1);
	if (!text) {
		payload->failed = true;
		return NULL;
	}
	if (bytes)
		memcpy(text, bytes, size_bytes);
	text[bytes ? size_bytes : 0] = '\0';
	return text;
}

static bool needs_quotes(const char *argument, size_t length)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				    "-_./=:,+@%^";
	return length == 0 || strspn(argument, plain) < length;
}

/* Joins NUL-ended arguments so that a shell would take them apart again. returns NULL: no memory */
static char *join_command(const uint8_t *bytes, size_t size_bytes)
{
	char *text = malloc(size_bytes * 4 + 3 * size_bytes + 1);
	size_t used = 0;
	if (!text)
		return NULL;
	for (size_t at = 0; at < size_bytes;) {
		const char *argument = (const char *)bytes + at;
		size_t length = strnlen(argument, size_bytes - at);
		bool is_quoted = needs_quotes(argument, length);
		if (at > 0)
			text[used++] = ' ';
		if (is_quoted)
			text[used++] = '\'';
		for (size_t i = 0; i < length; i++) {
			if (argument[i] == '\'') {
				memcpy(text + used, "'\\'", 3);
				used += 3;
			}
			text[used++] = argument[i];
		}
		if (is_quoted)
			text[used++] = '\'';
		at += length + 1;
	}
	text[used] = '\0';
	return text;
}

static char *take_command(struct byte_reader *payload)
{
	size_t size_bytes = 0;
	const uint8_t *bytes = byte_reader_string(payload, LIMIT_STRING_BYTES, &size_bytes);
	char *text = join_command(bytes, bytes ? size_bytes : 0);
	payload->failed |= !text;
	return text;
}

static int add_run(struct log_info *info, struct byte_reader *payload, struct mt_error *error)
{
	if (info->has_run)
		return corrupt(error, "second RUN");
	struct log_run *run = &info->run;
	info->has_run = true;
	run->start_realtime_ns = byte_reader_varint(payload);
	run->program_pid = (uint32_t)byte_reader_varint(payload);
	run->page_bytes = byte_reader_varint(payload);
	run->memory_bytes = byte_reader_varint(payload);
	run->unwinder = (uint32_t)byte_reader_varint(payload);
	run->command = take_command(payload);
	run->host = take_text(payload);
	run->directory = take_text(payload);
	run->version = take_text(payload);
	run->only_unfreed = byte_reader_left(payload) > 0 && byte_reader_varint(payload) == 1;
	return payload->failed ? corrupt(error, "RUN") : 1;
}

/* Makes room for one more item of an array that doubles. returns false: no memory */
static bool grow(void **items, size_t count, size_t *capacity, size_t item_bytes)
{
	if (count < *capacity)
		return true;
	size_t larger = *capacity ? *capacity * 2 : 16;
	void *grown = realloc(*items, larger * item_bytes);
	if (!grown)
		return false;
	*items = grown;
	*capacity = larger;
	return true;
}

static int add_image(struct log_info *info, const struct log_block *block,
		     struct byte_reader *payload, struct mt_error *error)
{
	size_t capacity = info->image_capacity;
	if (block->image != info->image_count || info->image_count >= LIMIT_IMAGES)
		return corrupt(error, "IMAGE");
	if (!grow((void **)&info->images, info->image_count, &capacity, sizeof(*info->images)))
		return no_memory(error);
	info->image_capacity = (uint32_t)capacity;
	struct log_image *image = &info->images[info->image_count++];
	*image = (struct log_image){.start_us = block->first_us, .end_us = block->first_us};
	image->serial = byte_reader_varint(payload);
	image->pid = (uint32_t)byte_reader_varint(payload);
	image->own_pid = (uint32_t)byte_reader_varint(payload);
	image->parent_pid = (uint32_t)byte_reader_varint(payload);
	uint64_t parent = byte_reader_varint(payload);
	image->origin = parent ? IMAGE_FORK : IMAGE_EXEC;
	image->parent = parent && parent <= block->image ? (uint32_t)parent - 1 : LOG_NO_IMAGE;
	image->path = take_text(payload);
	struct byte_reader again = *payload;
	image->command = take_command(payload);
	const uint8_t *arguments = byte_reader_string(&again, LIMIT_STRING_BYTES,
						      &image->arguments_bytes);
	image->arguments = malloc(image->arguments_bytes + 1);
	if (!image->arguments)
		return no_memory(error);
	if (arguments)
		memcpy(image->arguments, arguments, image->arguments_bytes);
	return payload->failed ? corrupt(error, "IMAGE") : 1;
}

static struct log_image *image_of(const struct log_info *info, const struct log_block *block)
{
	return block->image < info->image_count ? &info->images[block->image] : NULL;
}

static int add_module(struct log_info *info, const struct log_block *block,
		      struct byte_reader *payload, struct mt_error *error)
{
	struct log_image *image = image_of(info, block);
	struct log_module module = {.index = (uint32_t)byte_reader_varint(payload)};
	if (!image || module.index != image->module_count + 1 || module.index > LIMIT_MODULES)
		return corrupt(error, "MODULE");
	if ((image->module_count & (image->module_count + 1)) == 0) {
		size_t capacity = ((size_t)image->module_count + 1) * 2;
		struct log_module *grown = realloc(image->modules, capacity * sizeof(*grown));
		if (!grown)
			return no_memory(error);
		image->modules = grown;
	}
	module.tracker_id = (uint32_t)byte_reader_varint(payload);
	module.start = byte_reader_varint(payload);
	module.end = module.start + byte_reader_varint(payload);
	module.bias = byte_reader_varint(payload);
	module.path = take_text(payload);
	const uint8_t *build_id = byte_reader_string(payload, LIMIT_BUILD_ID_BYTES,
						     &module.build_id_bytes);
	module.build_id = malloc(module.build_id_bytes + 1);
	if (build_id && module.build_id)
		memcpy(module.build_id, build_id, module.build_id_bytes);
	image->modules[image->module_count++] = module;
	return payload->failed || !module.build_id ? corrupt(error, "MODULE") : 1;
}

static int add_unload(struct log_info *info, const struct log_block *block,
		      struct byte_reader *payload, struct mt_error *error)
{
	struct log_image *image = image_of(info, block);
	uint64_t index = byte_reader_varint(payload);
	if (!image || payload->failed || index == 0 || index > image->module_count)
		return corrupt(error, "UNLOAD");
	image->modules[index - 1].is_unloaded = true;
	return 1;
}

static int add_threads(struct log_info *info, const struct log_block *block,
		       struct byte_reader *payload, struct mt_error *error)
{
	struct log_image *image = image_of(info, block);
	while (image && payload->at < payload->end) {
		size_t name_bytes = 0;
		uint64_t index = byte_reader_varint(payload);
		uint32_t id = (uint32_t)byte_reader_varint(payload);
		uint64_t start_us = byte_reader_varint(payload);
		const uint8_t *name = byte_reader_string(
			payload, sizeof(((struct log_thread *)0)->name) - 1, &name_bytes);
		if (payload->failed || index > image->thread_count || index >= LIMIT_THREADS)
			return corrupt(error, "THREAD");
		if (index == image->thread_count) {
			size_t capacity = image->thread_capacity;
			if (!grow((void **)&image->threads, image->thread_count, &capacity,
				  sizeof(*image->threads)))
				return no_memory(error);
			image->thread_capacity = (uint32_t)capacity;
			image->threads[image->thread_count++] = (struct log_thread){
				.id = id, .start_us = start_us};
		}
		if (name_bytes > 0) {
			struct log_thread *thread = &image->threads[index];
			memset(thread->name, 0, sizeof(thread->name));
			memcpy(thread->name, name, name_bytes);
		}
	}
	return image ? 1 : corrupt(error, "THREAD");
}

static int add_image_end(struct log_info *info, const struct log_block *block,
			 struct byte_reader *payload, struct mt_error *error)
{
	struct log_image *image = image_of(info, block);
	if (!image)
		return corrupt(error, "IMAGE_END");
	image->has_ended = true;
	image->end_us = block->last_us;
	image->loss = (uint32_t)byte_reader_varint(payload);
	image->skipped_events = (uint32_t)byte_reader_varint(payload);
	if (!payload->failed && byte_reader_left(payload) > 0) {
		image->has_stack_checks = true;
		image->checked_stacks = byte_reader_varint(payload);
		image->differing_stacks = byte_reader_varint(payload);
		image->guessed_stacks = byte_reader_varint(payload);
	}
	return payload->failed ? corrupt(error, "IMAGE_END") : 1;
}

static int add_slack(struct log_info *info, const struct log_block *block,
		     struct byte_reader *payload, struct mt_error *error)
{
	struct log_image *image = image_of(info, block);
	if (!image)
		return corrupt(error, "SLACK");
	image->slack_measured = byte_reader_varint(payload);
	image->slack_requested_bytes = byte_reader_varint(payload);
	image->slack_usable_bytes = byte_reader_varint(payload);
	return payload->failed ? corrupt(error, "SLACK") : 1;
}

static int add_leaks(struct log_info *info, const struct log_block *block,
		     struct byte_reader *payload, struct mt_error *error)
{
	struct log_image *image = image_of(info, block);
	struct leak_marks marks = {.time_us = block->last_us};
	if (!image || !leak_marks_decode(&marks, payload)) {
		leak_marks_release(&marks);
		return corrupt(error, "LEAKS");
	}
	leak_marks_release(&image->leak_marks);
	image->leak_marks = marks;
	image->has_leak_marks = true;
	return 1;
}

static int add_untraced(struct log_info *info, const struct log_block *block,
			struct byte_reader *payload, struct mt_error *error)
{
	if (!image_of(info, block) || info->untraced_count >= LIMIT_IMAGES)
		return corrupt(error, "UNTRACED");
	struct log_untraced *grown = realloc(info->untraced,
					     (info->untraced_count + 1) * sizeof(*info->untraced));
	if (!grown)
		return no_memory(error);
	info->untraced = grown;
	struct log_untraced *untraced = &info->untraced[info->untraced_count++];
	*untraced = (struct log_untraced){.image = block->image, .time_us = block->first_us};
	untraced->pid = (uint32_t)byte_reader_varint(payload);
	untraced->path = take_text(payload);
	untraced->reason = take_text(payload);
	return payload->failed ? corrupt(error, "UNTRACED") : 1;
}

static int add_marker(struct log_info *info, const struct log_block *block,
		      struct byte_reader *payload, struct mt_error *error)
{
	size_t text_bytes = 0;
	struct log_image *image = image_of(info, block);
	uint64_t kind = byte_reader_varint(payload);
	uint64_t thread = byte_reader_varint(payload);
	const uint8_t *text = byte_reader_string(payload, LIMIT_MARKER_BYTES, &text_bytes);
	if (!image || payload->failed || kind >= RING_MARKER_COUNT || thread >= LIMIT_THREADS)
		return corrupt(error, "MARKER");
	image->was_paused |= kind == RING_MARKER_PAUSE;
	if (info->marker_count == LIMIT_MARKERS)
		return 1;
	if (info->marker_count == info->marker_capacity) {
		size_t capacity = info->marker_capacity ? info->marker_capacity * 2 : 16;
		struct log_marker *grown = realloc(info->markers, capacity * sizeof(*grown));
		if (!grown)
			return no_memory(error);
		info->markers = grown;
		info->marker_capacity = capacity;
	}
	char *copy = strndup((const char *)text, text_bytes);
	if (!copy)
		return no_memory(error);
	info->markers[info->marker_count++] = (struct log_marker){
		.image = block->image,
		.thread = (uint32_t)thread,
		.kind = (uint32_t)kind,
		.time_us = block->first_us,
		.text = copy,
	};
	return 1;
}

static int add_samples(struct log_info *info, const struct log_block *block,
		       struct byte_reader *payload, struct mt_error *error)
{
	uint64_t time_us = block->first_us;
	while (payload->at < payload->end) {
		struct log_sample sample = {0};
		time_us += byte_reader_varint(payload);
		uint64_t count = byte_reader_varint(payload);
		if (count > LIMIT_IMAGES)
			return corrupt(error, "SAMPLES");
		for (uint64_t i = 0; i < count; i++) {
			(void)byte_reader_varint(
				payload); /* which image: the tree is what is shown */
			sample.rss_bytes += byte_reader_varint(payload) * 1024;
			sample.tracker_bytes += byte_reader_varint(payload) * 1024;
		}
		if (payload->failed)
			return corrupt(error, "SAMPLES");
		sample.time_us = time_us;
		if (!grow((void **)&info->samples, info->sample_count, &info->sample_capacity,
			  sizeof(*info->samples)))
			return no_memory(error);
		info->samples[info->sample_count++] = sample;
		if (sample.rss_bytes > info->peak_rss_bytes)
			info->peak_rss_bytes = sample.rss_bytes;
	}
	return 1;
}

static int add_end(struct log_info *info, const struct log_block *block,
		   struct byte_reader *payload, struct mt_error *error)
{
	info->has_end = true;
	info->has_status = byte_reader_varint(payload) != 0;
	info->exit_status = (int)(byte_reader_varint(payload) & 0xff);
	info->exit_signal = (int)(byte_reader_varint(payload) & 0x7f);
	info->loss |= (uint32_t)byte_reader_varint(payload);
	uint64_t sampled = byte_reader_varint(payload);
	info->program_max_rss_bytes = byte_reader_varint(payload);
	info->peak_rss_bytes = sampled > info->peak_rss_bytes ? sampled : info->peak_rss_bytes;
	info->end_us = block->last_us;
	return payload->failed ? corrupt(error, "END") : 1;
}

int log_info_add(struct log_info *info, const struct log_block *block, struct byte_reader *payload,
		 struct mt_error *error)
{
	if (!info->has_end && block->last_us > info->end_us)
		info->end_us = block->last_us;
	switch (block->kind) {
	case LOG_BLOCK_RUN:
		return add_run(info, payload, error);
	case LOG_BLOCK_IMAGE:
		return add_image(info, block, payload, error);
	case LOG_BLOCK_MODULE:
		return add_module(info, block, payload, error);
	case LOG_BLOCK_UNLOAD:
		return add_unload(info, block, payload, error);
	case LOG_BLOCK_THREAD:
		return add_threads(info, block, payload, error);
	case LOG_BLOCK_SAMPLES:
		return add_samples(info, block, payload, error);
	case LOG_BLOCK_IMAGE_END:
		return add_image_end(info, block, payload, error);
	case LOG_BLOCK_SLACK:
		return add_slack(info, block, payload, error);
	case LOG_BLOCK_UNTRACED:
		return add_untraced(info, block, payload, error);
	case LOG_BLOCK_LEAKS:
		return add_leaks(info, block, payload, error);
	case LOG_BLOCK_MARKER:
		return add_marker(info, block, payload, error);
	case LOG_BLOCK_END:
		return add_end(info, block, payload, error);
	case LOG_BLOCK_COMMIT:
		info->commit_count = byte_reader_varint(payload);
		return payload->failed ? corrupt(error, "COMMIT") : 1;
	}
	return 0;
}

static void release_image(struct log_image *image)
{
	for (uint32_t i = 0; i < image->module_count; i++) {
		free(image->modules[i].path);
		free(image->modules[i].build_id);
	}
	free(image->modules);
	free(image->threads);
	leak_marks_release(&image->leak_marks);
	free(image->path);
	free(image->command);
	free(image->arguments);
}

void log_info_release(struct log_info *info)
{
	for (uint32_t i = 0; i < info->image_count; i++)
		release_image(&info->images[i]);
	for (size_t i = 0; i < info->untraced_count; i++) {
		free(info->untraced[i].path);
		free(info->untraced[i].reason);
	}
	for (size_t i = 0; i < info->marker_count; i++)
		free(info->markers[i].text);
	free(info->images);
	free(info->markers);
	free(info->untraced);
	free(info->samples);
	free(info->run.command);
	free(info->run.host);
	free(info->run.directory);
	free(info->run.version);
	*info = (struct log_info){0};
}
