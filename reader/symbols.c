/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/symbols.h"

#include <stdlib.h>
#include <string.h>

#include "common/format.h"

#define FIRST_ENTRIES 256u

bool symbols_init(struct symbols *symbols)
{
	*symbols = (struct symbols){.entry_capacity = FIRST_ENTRIES, .mask = FIRST_ENTRIES * 2 - 1};
	symbols->entries = malloc(FIRST_ENTRIES * sizeof(*symbols->entries));
	symbols->slots = calloc((size_t)FIRST_ENTRIES * 2, sizeof(*symbols->slots));
	if (string_table_init(&symbols->strings) && symbols->entries && symbols->slots)
		return true;
	symbols_release(symbols);
	return false;
}

void symbols_release(struct symbols *symbols)
{
	string_table_release(&symbols->strings);
	free(symbols->objects);
	free(symbols->entries);
	free(symbols->slots);
	free(symbols->frames);
	*symbols = (struct symbols){0};
}

uint32_t symbols_object(struct symbols *symbols, const char *path, const uint8_t *build_id,
			size_t build_id_bytes)
{
	uint32_t name = string_table_add(&symbols->strings, path, strlen(path));
	if (name == STRING_NONE || build_id_bytes > LIMIT_BUILD_ID_BYTES)
		return SYMBOL_NONE;
	for (uint32_t i = 0; i < symbols->object_count; i++) {
		const struct symbol_object *object = &symbols->objects[i];
		if (object->path == name && object->build_id_bytes == build_id_bytes &&
		    (build_id_bytes == 0 ||
		     memcmp(object->build_id, build_id, build_id_bytes) == 0))
			return i;
	}
	if ((symbols->object_count & (symbols->object_count + 1)) == 0) {
		size_t capacity = ((size_t)symbols->object_count + 1) * 2;
		struct symbol_object *grown = realloc(symbols->objects, capacity * sizeof(*grown));
		if (!grown)
			return SYMBOL_NONE;
		symbols->objects = grown;
	}
	struct symbol_object *object = &symbols->objects[symbols->object_count];
	*object = (struct symbol_object){.path = name, .build_id_bytes = build_id_bytes};
	if (build_id_bytes)
		memcpy(object->build_id, build_id, build_id_bytes);
	return symbols->object_count++;
}

static uint32_t hash_of(uint32_t object, uint64_t offset)
{
	return (uint32_t)(((offset ^ (uint64_t)object << 40) * 0x9e3779b97f4a7c15u) >> 32);
}

const struct symbol_entry *symbols_find(const struct symbols *symbols, uint32_t object,
					uint64_t offset)
{
	uint32_t slot = hash_of(object, offset) & symbols->mask;
	for (; symbols->slots[slot]; slot = (slot + 1) & symbols->mask) {
		const struct symbol_entry *entry = &symbols->entries[symbols->slots[slot] - 1];
		if (entry->offset == offset && entry->object == object)
			return entry;
	}
	return NULL;
}

static void put_slot(uint32_t *slots, uint32_t mask, const struct symbol_entry *entry,
		     uint32_t value)
{
	uint32_t slot = hash_of(entry->object, entry->offset) & mask;
	while (slots[slot])
		slot = (slot + 1) & mask;
	slots[slot] = value;
}

static bool grow_entries(struct symbols *symbols)
{
	uint32_t capacity = symbols->entry_capacity * 2;
	uint32_t mask = capacity * 2 - 1;
	struct symbol_entry *entries = realloc(symbols->entries, capacity * sizeof(*entries));
	if (!entries)
		return false;
	symbols->entries = entries;
	uint32_t *slots = calloc((size_t)mask + 1, sizeof(*slots));
	if (!slots)
		return false;
	for (uint32_t i = 0; i < symbols->entry_count; i++)
		put_slot(slots, mask, &entries[i], i + 1);
	free(symbols->slots);
	symbols->slots = slots;
	symbols->mask = mask;
	symbols->entry_capacity = capacity;
	return true;
}

bool symbols_add_entry(struct symbols *symbols, uint32_t object, uint64_t offset)
{
	if (symbols->entry_count == symbols->entry_capacity && !grow_entries(symbols))
		return false;
	struct symbol_entry *entry = &symbols->entries[symbols->entry_count++];
	*entry = (struct symbol_entry){
		.offset = offset, .object = object, .first_frame = symbols->frame_count};
	put_slot(symbols->slots, symbols->mask, entry, symbols->entry_count);
	symbols->filled = symbols->entry_count - 1;
	return true;
}

void symbols_renew_entry(struct symbols *symbols, uint32_t object, uint64_t offset)
{
	const struct symbol_entry *found = symbols_find(symbols, object, offset);
	if (!found)
		return;
	symbols->filled = (uint32_t)(found - symbols->entries);
	symbols->entries[symbols->filled].first_frame = symbols->frame_count;
	symbols->entries[symbols->filled].frame_count = 0;
}

bool symbols_add_frame(struct symbols *symbols, const struct symbol_frame *frame)
{
	if (symbols->frame_count == symbols->frame_capacity) {
		uint32_t capacity = symbols->frame_capacity ? symbols->frame_capacity * 2 : 256;
		struct symbol_frame *grown = realloc(symbols->frames, capacity * sizeof(*grown));
		if (!grown)
			return false;
		symbols->frames = grown;
		symbols->frame_capacity = capacity;
	}
	symbols->frames[symbols->frame_count++] = *frame;
	symbols->entries[symbols->filled].frame_count++;
	return true;
}

void symbols_encode(const struct symbols *symbols, struct buffer *fields)
{
	const struct string_table *strings = &symbols->strings;
	buffer_varint(fields, strings->count);
	for (uint32_t i = 1; i < strings->count; i++)
		buffer_string(fields, strings->texts[i], strlen(strings->texts[i]));
	buffer_varint(fields, symbols->object_count);
	for (uint32_t i = 0; i < symbols->object_count; i++) {
		const struct symbol_object *object = &symbols->objects[i];
		buffer_varint(fields, object->path);
		buffer_string(fields, object->build_id, object->build_id_bytes);
		buffer_varint(fields, object->quality);
	}
	buffer_varint(fields, symbols->entry_count);
	uint64_t previous = 0;
	for (uint32_t i = 0; i < symbols->entry_count; i++) {
		const struct symbol_entry *entry = &symbols->entries[i];
		buffer_varint(fields, entry->object);
		buffer_zigzag(fields, (int64_t)(entry->offset - previous));
		buffer_varint(fields, entry->frame_count);
		for (uint32_t f = 0; f < entry->frame_count; f++) {
			const struct symbol_frame *frame = &symbols->frames[entry->first_frame + f];
			buffer_varint(fields, frame->function);
			buffer_varint(fields, frame->file);
			buffer_varint(fields, (uint64_t)frame->line << 1 | frame->is_inlined);
		}
		previous = entry->offset;
	}
}

static bool decode_strings(struct symbols *symbols, struct byte_reader *payload)
{
	uint64_t count = byte_reader_varint(payload);
	for (uint64_t i = 1; i < count && !payload->failed; i++) {
		size_t length = 0;
		const uint8_t *text = byte_reader_string(payload, LIMIT_STRING_BYTES, &length);
		if (!text || memchr(text, '\0', length) ||
		    string_table_add(&symbols->strings, (const char *)text, length) != i)
			return false;
	}
	return !payload->failed;
}

static bool decode_objects(struct symbols *symbols, struct byte_reader *payload)
{
	uint64_t count = byte_reader_varint(payload);
	for (uint64_t i = 0; i < count && !payload->failed; i++) {
		size_t build_id_bytes = 0;
		uint64_t path = byte_reader_varint(payload);
		const uint8_t *build_id = byte_reader_string(payload, LIMIT_BUILD_ID_BYTES,
							     &build_id_bytes);
		uint64_t quality = byte_reader_varint(payload);
		if (payload->failed || path >= symbols->strings.count || i > LIMIT_MODULES ||
		    symbols_object(symbols, string_table_text(&symbols->strings, (uint32_t)path),
				   build_id, build_id_bytes) != i)
			return false;
		symbols->objects[i].quality = (uint32_t)quality;
	}
	return !payload->failed;
}

static bool decode_frame(struct symbols *symbols, struct byte_reader *payload)
{
	struct symbol_frame frame = {
		.function = (uint32_t)byte_reader_varint(payload),
		.file = (uint32_t)byte_reader_varint(payload),
	};
	uint64_t line = byte_reader_varint(payload);
	frame.line = (uint32_t)(line >> 1);
	frame.is_inlined = line & 1;
	return !payload->failed && frame.function < symbols->strings.count &&
	       frame.file < symbols->strings.count && symbols_add_frame(symbols, &frame);
}

static bool decode_entries(struct symbols *symbols, struct byte_reader *payload)
{
	uint64_t count = byte_reader_varint(payload);
	uint64_t offset = 0;
	for (uint64_t i = 0; i < count && !payload->failed; i++) {
		uint64_t object = byte_reader_varint(payload);
		offset += (uint64_t)byte_reader_zigzag(payload);
		uint64_t frame_count = byte_reader_varint(payload);
		if (payload->failed || object >= symbols->object_count ||
		    frame_count > LIMIT_FRAMES || symbols_find(symbols, (uint32_t)object, offset) ||
		    !symbols_add_entry(symbols, (uint32_t)object, offset))
			return false;
		for (uint64_t f = 0; f < frame_count; f++)
			if (!decode_frame(symbols, payload))
				return false;
	}
	return !payload->failed;
}

enum mt_status symbols_decode(struct symbols *symbols, struct byte_reader *payload,
			      struct mt_error *error)
{
	if (decode_strings(symbols, payload) && decode_objects(symbols, payload) &&
	    decode_entries(symbols, payload) && payload->at == payload->end)
		return MT_OK;
	return mt_error_set(error, MT_ERR_CORRUPT, "the names in the log make no sense");
}
