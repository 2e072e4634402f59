/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the notes in a ring say of images, modules and threads, and the blocks of the log that say
 * it to the reader. Field lists: common/ring.h for the notes, docs/log_format.md for the blocks.
 */
#include <stdlib.h>
#include <string.h>

#include "common/deferred.h"
#include "common/log/recording.h"
#include "common/log/recording_state.h"

/* Takes notes apart word by word; `failed` is set when they end too early. */
struct note_reader {
	const uint64_t *at;
	const uint64_t *end;
	bool failed;
};

static uint64_t next_word(struct note_reader *reader)
{
	if (reader->at == reader->end) {
		reader->failed = true;
		return 0;
	}
	return *reader->at++;
}

static const char *next_text(struct note_reader *reader, size_t *ret_bytes)
{
	uint64_t size_bytes = next_word(reader);
	size_t left = (size_t)(reader->end - reader->at);
	*ret_bytes = 0;
	if (reader->failed || size_bytes > LIMIT_STRING_BYTES || (size_bytes + 7) / 8 > left) {
		reader->failed = true;
		return "";
	}
	const char *text = (const char *)reader->at;
	reader->at += (size_bytes + 7) / 8;
	*ret_bytes = (size_t)size_bytes;
	return text;
}

static char *copy_bytes(const char *bytes, size_t size_bytes)
{
	char *copy = malloc(size_bytes + 1);
	if (!copy)
		return NULL;
	memcpy(copy, bytes, size_bytes);
	copy[size_bytes] = '\0';
	return copy;
}

void recording_add_block(struct recording *recording, const struct recorded_image *image,
			 enum log_block_kind kind, uint64_t time_us)
{
	struct log_block block = {
		.kind = (uint16_t)kind,
		.image = image->index,
		.first_us = time_us,
		.last_us = time_us,
	};
	log_writer_add(recording->writer, &block, &recording->scratch);
}

static void write_image(struct recording *recording, struct recorded_image *image)
{
	struct buffer *fields = &recording->scratch;
	const char *path = image->path ? image->path : "";
	image->index = recording->image_count++;
	image->is_announced = true;
	buffer_clear(fields);
	buffer_varint(fields, image->serial);
	buffer_varint(fields, image->pid);
	buffer_varint(fields, image->own_pid);
	buffer_varint(fields, image->parent_pid);
	/* 0: started by exec; else the forked image's index + 1, or only that there was one. */
	buffer_varint(fields, image->parent_serial == 0 ? 0
			      : image->parent_place     ? image->parent_place
							: UINT32_MAX);
	buffer_string(fields, path, strlen(path));
	buffer_string(fields, image->command, image->command_bytes);
	recording_add_block(recording, image, LOG_BLOCK_IMAGE, image->start_us);
}

void recording_take_after(struct recorded_image *image, const struct recorded_image *parent)
{
	image->parent_pid = parent->pid;
	image->parent_place = parent->index + 1;
	if (image->path)
		return;
	image->path = parent->path ? strdup(parent->path) : NULL;
	image->command = parent->command ? copy_bytes(parent->command, parent->command_bytes)
					 : NULL;
	image->command_bytes = image->command ? parent->command_bytes : 0;
}

/* The parent comes first. Parents of parents: as deep as forks without an event are nested. */
static void announce_parents(struct recording *recording, const struct recorded_image *image)
{
	struct recorded_image *line[16];
	size_t count = 0;
	struct recorded_image *parent = recording_find_image(recording, image->parent_serial);
	for (; parent && !parent->is_announced && count < 16; count++) {
		line[count] = parent;
		parent = recording_find_image(recording, parent->parent_serial);
	}
	while (count-- > 0) {
		if (parent)
			recording_take_after(line[count], parent);
		write_image(recording, line[count]);
		parent = line[count];
	}
}

void recording_announce_image(struct recording *recording, struct recorded_image *image)
{
	if (image->is_announced)
		return;
	if (image->parent_serial) {
		announce_parents(recording, image);
		const struct recorded_image *parent = recording_find_image(recording,
									   image->parent_serial);
		if (parent)
			recording_take_after(image, parent);
	}
	write_image(recording, image);
}

void recording_image_forked(struct recorded_image *image, uint64_t parent_serial, uint32_t pid,
			    uint64_t now_us)
{
	image->parent_serial = parent_serial;
	image->pid = pid;
	image->own_pid = pid;
	image->start_us = now_us;
}

static enum mt_status note_image(struct recording *recording, struct recorded_image *image,
				 const struct ring_decoder *decoder, struct note_reader *note)
{
	size_t path_bytes;
	size_t command_bytes;
	(void)next_word(note); /* the serial number: that is how `image` was found */
	image->own_pid = (uint32_t)next_word(note);
	image->parent_pid = (uint32_t)next_word(note);
	(void)next_word(note); /* start time: the collector compares it with /proc */
	const char *path = next_text(note, &path_bytes);
	const char *command = next_text(note, &command_bytes);
	if (note->failed)
		return MT_ERR_CORRUPT;
	if (image->is_announced)
		return MT_OK;
	if (!image->pid)
		image->pid = image->own_pid;
	image->start_us = decoder->time_us;
	image->path = copy_bytes(path, path_bytes);
	image->command = copy_bytes(command, command_bytes);
	image->command_bytes = image->command ? command_bytes : 0;
	recording_announce_image(recording, image);
	return image->path && image->command ? MT_OK : MT_ERR_NO_MEMORY;
}

static uint32_t find_thread(const struct recorded_image *image, uint32_t thread_id)
{
	for (uint32_t i = image->thread_count; i-- > 0;)
		if (image->thread_ids[i] == thread_id)
			return i;
	return UINT32_MAX;
}

static void put_thread(struct recorded_image *image, uint32_t index, uint32_t thread_id,
		       uint64_t time_us, const char *name, size_t name_bytes)
{
	buffer_varint(&image->new_threads, index);
	buffer_varint(&image->new_threads, thread_id);
	buffer_varint(&image->new_threads, time_us);
	buffer_string(&image->new_threads, name, name_bytes);
}

void recording_name_thread(struct recorded_image *image, uint32_t index, const char *name,
			   uint64_t time_us)
{
	if (index < image->thread_count)
		put_thread(image, index, image->thread_ids[index], time_us, name, strlen(name));
}

bool recording_restore_thread(struct recorded_image *image, uint32_t thread_id)
{
	if (image->thread_count == image->thread_capacity) {
		uint32_t capacity = image->thread_capacity ? image->thread_capacity * 2 : 8;
		uint32_t *grown = realloc(image->thread_ids, capacity * sizeof(*grown));
		if (!grown)
			return false;
		image->thread_ids = grown;
		image->thread_capacity = capacity;
	}
	image->thread_ids[image->thread_count++] = thread_id;
	return true;
}

static enum mt_status note_thread(struct recording *recording, struct recorded_image *image,
				  struct ring_decoder *decoder, struct note_reader *note)
{
	(void)next_word(note);
	bool is_side = next_word(note) != 0;
	uint32_t thread_id = (uint32_t)next_word(note);
	if (note->failed)
		return MT_ERR_CORRUPT;
	uint32_t index = is_side ? find_thread(image, thread_id) : UINT32_MAX;
	decoder->thread = index;
	if (index != UINT32_MAX)
		return MT_OK;
	recording_announce_image(recording, image);
	decoder->thread = image->thread_count;
	if (!recording_restore_thread(image, thread_id))
		return MT_ERR_NO_MEMORY;
	put_thread(image, decoder->thread, thread_id, decoder->time_us, "", 0);
	const struct recording_observer *observer = recording->observer;
	if (observer && observer->thread_started)
		observer->thread_started(observer->context, image, decoder->thread, thread_id);
	return MT_OK;
}

static enum mt_status note_module(struct recording *recording, struct recorded_image *image,
				  const struct ring_decoder *decoder, struct note_reader *note)
{
	struct mapped_module module = {.tracker_id = (uint32_t)next_word(note)};
	struct buffer *fields = &recording->scratch;
	size_t path_bytes;
	size_t build_id_bytes;
	module.start = next_word(note);
	module.end = next_word(note);
	module.bias = next_word(note);
	const char *path = next_text(note, &path_bytes);
	const char *build_id = next_text(note, &build_id_bytes);
	if (note->failed || module.end <= module.start || build_id_bytes > LIMIT_BUILD_ID_BYTES)
		return MT_ERR_CORRUPT;
	if (path_bytes == 0 && image->path) {
		path = image->path;
		path_bytes = strlen(path);
	}
	int index = module_map_add(&image->modules, &module);
	if (index <= 0)
		return index == 0 ? MT_OK : MT_ERR_NO_MEMORY;
	module.index = (uint32_t)index;
	buffer_clear(fields);
	buffer_varint(fields, module.index);
	buffer_varint(fields, module.tracker_id);
	buffer_varint(fields, module.start);
	buffer_varint(fields, module.end - module.start);
	buffer_varint(fields, module.bias);
	buffer_string(fields, path, path_bytes);
	buffer_string(fields, build_id, build_id_bytes);
	recording_add_block(recording, image, LOG_BLOCK_MODULE, decoder->time_us);
	const struct recording_observer *observer = recording->observer;
	if (observer && observer->module_loaded) {
		char name[4096];
		size_t kept = path_bytes < sizeof(name) ? path_bytes : sizeof(name) - 1;
		memcpy(name, path, kept);
		name[kept] = '\0';
		struct module_details details = {
			.mapped = &module,
			.path = name,
			.build_id = (const uint8_t *)build_id,
			.build_id_bytes = build_id_bytes,
		};
		observer->module_loaded(observer->context, image, &details);
	}
	return MT_OK;
}

static enum mt_status note_unload(struct recording *recording, struct recorded_image *image,
				  const struct ring_decoder *decoder, struct note_reader *note)
{
	uint32_t tracker_id = (uint32_t)next_word(note);
	if (note->failed)
		return MT_ERR_CORRUPT;
	uint32_t index = module_map_remove(&image->modules, tracker_id);
	if (index == 0)
		return MT_OK;
	buffer_clear(&recording->scratch);
	buffer_varint(&recording->scratch, index);
	recording_add_block(recording, image, LOG_BLOCK_UNLOAD, decoder->time_us);
	return MT_OK;
}

static enum mt_status note_name(struct recorded_image *image, const struct ring_decoder *decoder,
				struct note_reader *note)
{
	size_t name_bytes;
	uint32_t thread_id = (uint32_t)next_word(note);
	const char *name = next_text(note, &name_bytes);
	uint32_t index = find_thread(image, thread_id);
	if (note->failed)
		return MT_ERR_CORRUPT;
	if (index != UINT32_MAX)
		put_thread(image, index, thread_id, decoder->time_us, name, name_bytes);
	return MT_OK;
}

static enum mt_status note_untraced(struct recording *recording, struct recorded_image *image,
				    const struct ring_decoder *decoder, struct note_reader *note)
{
	size_t path_bytes;
	size_t reason_bytes;
	uint32_t pid = (uint32_t)next_word(note);
	const char *path = next_text(note, &path_bytes);
	const char *reason = next_text(note, &reason_bytes);
	if (note->failed)
		return MT_ERR_CORRUPT;
	buffer_clear(&recording->scratch);
	buffer_varint(&recording->scratch, pid);
	buffer_string(&recording->scratch, path, path_bytes);
	buffer_string(&recording->scratch, reason, reason_bytes);
	recording_add_block(recording, image, LOG_BLOCK_UNTRACED, decoder->time_us);
	return MT_OK;
}

/* What a MAP says is in the batch's nodes when it is written: EVENTS blocks come first. */
static enum mt_status note_mapping(struct recorded_image *image, struct ring_decoder *decoder,
				   enum mapping_operation operation, struct note_reader *note)
{
	struct mapping_event event = {
		.operation = operation,
		.thread = decoder->thread,
		.time_us = decoder->time_us,
	};
	if (operation == MAPPING_MAP) {
		uint64_t word = next_word(note);
		event.stack = recording_stack(image, decoder->slots[word % RING_SLOTS]);
		event.source = (enum mapping_source)(word >> 16 & 0xff);
	}
	if (operation != MAPPING_RESTORE) {
		event.address = next_word(note);
		event.size_bytes = next_word(note);
	}
	if (event.stack == STACK_NONE)
		return MT_ERR_NO_MEMORY;
	if (note->failed || event.source >= MAPPING_SOURCE_COUNT)
		return MT_ERR_CORRUPT;
	if (operation != MAPPING_RESTORE &&
	    (event.size_bytes == 0 || event.address >> LIMIT_ADDRESS_BITS ||
	     event.size_bytes > (1ull << LIMIT_ADDRESS_BITS) - event.address))
		return MT_ERR_CORRUPT;
	mapping_batch_add(&image->mappings, &event);
	return image->mappings.payload.failed ? MT_ERR_NO_MEMORY : MT_OK;
}

static enum mt_status note_marker(struct recording *recording, struct recorded_image *image,
				  const struct ring_decoder *decoder, struct note_reader *note)
{
	size_t text_bytes;
	uint64_t kind = next_word(note);
	const char *text = next_text(note, &text_bytes);
	if (note->failed || kind >= RING_MARKER_COUNT || text_bytes > LIMIT_MARKER_BYTES)
		return MT_ERR_CORRUPT;
	recording_announce_image(recording, image);
	buffer_clear(&recording->scratch);
	buffer_varint(&recording->scratch, kind);
	buffer_varint(&recording->scratch, decoder->thread);
	buffer_string(&recording->scratch, text, text_bytes);
	recording_add_block(recording, image, LOG_BLOCK_MARKER, decoder->time_us);
	return MT_OK;
}

static enum mt_status note_ignore(struct recorded_image *image, struct note_reader *note)
{
	uint64_t address = next_word(note);
	if (note->failed)
		return MT_ERR_CORRUPT;
	if (!image->encoder.keeps_births)
		return MT_OK;
	if (image->ignored_count == image->ignored_capacity) {
		size_t capacity = image->ignored_capacity ? image->ignored_capacity * 2 : 64;
		struct ignored_block *grown = realloc(image->ignored, capacity * sizeof(*grown));
		if (!grown)
			return MT_ERR_NO_MEMORY;
		image->ignored = grown;
		image->ignored_capacity = capacity;
	}
	image->ignored[image->ignored_count++] = (struct ignored_block){
		.address = address,
		.event = image->encoder.encoded_events + image->batch.event_count,
	};
	return MT_OK;
}

static enum mt_status note_number(struct recorded_image *image, const struct ring_decoder *decoder,
				  struct note_reader *note)
{
	uint64_t slot = next_word(note);
	uint64_t number = next_word(note);
	if (note->failed || slot >= RING_SLOTS || number > DEFERRED_STACKS_MAX)
		return MT_ERR_CORRUPT;
	if (number >= image->numbered_count) {
		uint32_t count = (uint32_t)number * 2 + 256;
		struct numbered_stack *grown = realloc(image->numbered, count * sizeof(*grown));
		if (!grown)
			return MT_ERR_NO_MEMORY;
		memset(grown + image->numbered_count, 0,
		       (count - image->numbered_count) * sizeof(*grown));
		image->numbered = grown;
		image->numbered_count = count;
	}
	image->numbered[number] = (struct numbered_stack){
		.node = decoder->slots[slot],
		.thread = decoder->thread,
	};
	return MT_OK;
}

enum mt_status recording_note(struct recording *recording, struct recorded_image *image,
			      struct ring_decoder *decoder, enum ring_note note,
			      const uint64_t *words, size_t word_count)
{
	struct note_reader reader = {.at = words, .end = words + word_count};
	switch (note) {
	case RING_NOTE_IMAGE:
		return note_image(recording, image, decoder, &reader);
	case RING_NOTE_THREAD:
		return note_thread(recording, image, decoder, &reader);
	case RING_NOTE_MODULE:
		return note_module(recording, image, decoder, &reader);
	case RING_NOTE_UNLOAD:
		return note_unload(recording, image, decoder, &reader);
	case RING_NOTE_NAME:
		return note_name(image, decoder, &reader);
	case RING_NOTE_UNTRACED:
		return note_untraced(recording, image, decoder, &reader);
	case RING_NOTE_INTERVAL:
		decoder->interval_bytes = next_word(&reader);
		return reader.failed ? MT_ERR_CORRUPT : MT_OK;
	case RING_NOTE_MAP:
		return note_mapping(image, decoder, MAPPING_MAP, &reader);
	case RING_NOTE_UNMAP:
		return note_mapping(image, decoder, MAPPING_UNMAP, &reader);
	case RING_NOTE_RESTORE:
		return note_mapping(image, decoder, MAPPING_RESTORE, &reader);
	case RING_NOTE_MARKER:
		return note_marker(recording, image, decoder, &reader);
	case RING_NOTE_IGNORE:
		return note_ignore(image, &reader);
	case RING_NOTE_NUMBER:
		return note_number(image, decoder, &reader);
	}
	return MT_ERR_CORRUPT;
}
