/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/format.h"
#include "reader/symbols.h"

static uint32_t text(struct symbols *symbols, const char *characters)
{
	return string_table_add(&symbols->strings, characters, strlen(characters));
}

static void fill(struct symbols *symbols)
{
	assert_true(symbols_init(symbols));
	uint32_t first = symbols_object(symbols, "/bin/prog", (const uint8_t *)"\1\2", 2);
	uint32_t second = symbols_object(symbols, "/lib/x.so", NULL, 0);
	symbols->objects[second].quality = 3;
	for (uint64_t i = 0; i < 1000; i++) {
		char name[32];
		(void)snprintf(name, sizeof(name), "function_%u", (unsigned)i % 300);
		struct symbol_frame frame = {.function = text(symbols, name),
					     .file = text(symbols, "x.c"),
					     .line = (uint32_t)i,
					     .is_inlined = i % 2};
		assert_true(symbols_add_entry(symbols, i % 3 ? first : second,
					      0x1000 + i * 5 + (i % 7 ? 0 : 1ull << 63)));
		for (uint64_t f = 0; f < i % 4; f++)
			assert_true(symbols_add_frame(symbols, &frame));
	}
}

static enum mt_status decode(const uint8_t *bytes, size_t size_bytes)
{
	struct symbols symbols;
	struct mt_error error = {0};
	uint8_t *copy = malloc(size_bytes ? size_bytes : 1); /* a byte too far is noticed */
	memcpy(copy, bytes, size_bytes);
	struct byte_reader payload = byte_reader_over(copy, size_bytes);
	assert_true(symbols_init(&symbols));
	enum mt_status status = symbols_decode(&symbols, &payload, &error);
	symbols_release(&symbols);
	free(copy);
	return status;
}

static void names_come_back_as_they_were(void **state)
{
	struct symbols symbols;
	struct symbols read;
	struct buffer fields = {0};
	struct mt_error error;
	(void)state;
	fill(&symbols);
	symbols_encode(&symbols, &fields);
	assert_false(fields.failed);
	struct byte_reader payload = byte_reader_over(fields.bytes, fields.size_bytes);
	assert_true(symbols_init(&read));
	assert_int_equal(symbols_decode(&read, &payload, &error), MT_OK);
	assert_int_equal(read.entry_count, 1000);
	assert_int_equal(read.object_count, 2);
	assert_int_equal(read.objects[1].quality, 3);
	for (uint32_t i = 0; i < symbols.entry_count; i++) {
		const struct symbol_entry *entry = &symbols.entries[i];
		const struct symbol_entry *found = symbols_find(&read, entry->object,
								entry->offset);
		assert_non_null(found);
		assert_int_equal(found->frame_count, entry->frame_count);
		for (uint32_t f = 0; f < entry->frame_count; f++) {
			const struct symbol_frame *frame = &symbols.frames[entry->first_frame + f];
			const struct symbol_frame *twin = &read.frames[found->first_frame + f];
			assert_string_equal(string_table_text(&read.strings, twin->function),
					    string_table_text(&symbols.strings, frame->function));
			assert_int_equal(twin->line, frame->line);
			assert_int_equal(twin->is_inlined, frame->is_inlined);
		}
	}
	assert_null(symbols_find(&read, 0, 0x999999));
	symbols_release(&read);
	symbols_release(&symbols);
	buffer_release(&fields);
}

static void one_file_is_one_object(void **state)
{
	struct symbols symbols;
	(void)state;
	assert_true(symbols_init(&symbols));
	uint32_t object = symbols_object(&symbols, "/a", (const uint8_t *)"\1", 1);
	assert_int_equal(symbols_object(&symbols, "/a", (const uint8_t *)"\1", 1), object);
	assert_int_not_equal(symbols_object(&symbols, "/a", (const uint8_t *)"\2", 1), object);
	assert_int_not_equal(symbols_object(&symbols, "/a", NULL, 0), object);
	assert_int_not_equal(symbols_object(&symbols, "/b", (const uint8_t *)"\1", 1), object);
	uint8_t long_id[LIMIT_BUILD_ID_BYTES + 1] = {0};
	assert_int_equal(symbols_object(&symbols, "/c", long_id, sizeof(long_id)), SYMBOL_NONE);
	symbols_release(&symbols);
}

static void cut_and_changed_names_are_refused_or_read(void **state)
{
	struct symbols symbols;
	struct buffer fields = {0};
	uint32_t seed = 1;
	(void)state;
	fill(&symbols);
	symbols_encode(&symbols, &fields);
	for (size_t cut = 0; cut < fields.size_bytes; cut += cut < 100 ? 1 : 97)
		assert_int_equal(decode(fields.bytes, cut), MT_ERR_CORRUPT);
	for (int i = 0; i < 2000; i++) {
		seed = seed * 1664525u + 1013904223u;
		size_t at = (seed >> 4) % fields.size_bytes;
		uint8_t old = fields.bytes[at];
		fields.bytes[at] = (uint8_t)(seed >> 24);
		(void)decode(fields.bytes, fields.size_bytes);
		fields.bytes[at] = old;
	}
	assert_int_equal(decode(fields.bytes, fields.size_bytes), MT_OK);
	symbols_release(&symbols);
	buffer_release(&fields);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_come_back_as_they_were),
		cmocka_unit_test(one_file_is_one_object),
		cmocka_unit_test(cut_and_changed_names_are_refused_or_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
