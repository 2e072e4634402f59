/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The windows of a page against the reader's answers about the same times. */
#include "tests/unit/unit.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/codec.h"
#include "reader/finish.h"
#include "reader/log_window.h"
#include "reader/profile.h"
#include "reporters/page_data.h"
#include "tests/support/log_builder.h"

#define PLACES 200u
#define EVENTS 6000u
#define STACKS 12u
#define IMAGES 2u

static uint32_t random_state;

static uint32_t next_random(uint32_t limit)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % limit;
}

static void make_log(struct log_builder *builder, uint32_t seed)
{
	uint32_t stacks[IMAGES][STACKS];
	bool is_live[IMAGES][PLACES] = {{false}};
	uint64_t time_us = 0;
	random_state = seed;
	log_builder_init(builder);
	for (uint32_t i = 0; i < IMAGES; i++) {
		(void)log_builder_image(builder, 100 + i, (int)i - 1);
		for (uint32_t t = 0; t < 2; t++)
			log_builder_thread(builder, i, t, t ? "worker" : "main");
		for (uint64_t s = 0; s < STACKS; s++)
			stacks[i][s] = log_builder_stack(
				builder, i, (const uint64_t[]){0x100, 0x200 + s / 3, 0x300 + s, 0});
	}
	for (uint32_t e = 0; e < EVENTS; e++) {
		/* The child ends before the parent does. */
		uint32_t image = e < EVENTS / 2 ? next_random(IMAGES) : 0;
		uint32_t place = next_random(PLACES);
		time_us += next_random(500);
		log_builder_event(
			builder, image,
			&(struct builder_event){
				.operation = is_live[image][place] ? EVENT_RELEASE : EVENT_ALLOCATE,
				.thread = next_random(2),
				.time_us = time_us,
				.address = 0x10000 + place * 64,
				.size_bytes = 1 + next_random(100),
				.stack = stacks[image][next_random(STACKS)],
			});
		is_live[image][place] = !is_live[image][place];
		if (e % 500 == 499)
			log_builder_commit(builder);
		if (e == EVENTS / 2)
			log_builder_image_end(builder, 1, time_us);
	}
	log_builder_commit(builder);
	log_builder_image_end(builder, 0, time_us);
	log_builder_end(builder, time_us + 10, 0);
	log_builder_close(builder);
}

/* The data of a page, opened. */
struct page {
	cJSON *header;
	uint8_t *bytes; /* [size_bytes] */
	size_t size_bytes;
	struct byte_reader columns;
};

static uint32_t digit_of(uint8_t character)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = strchr(digits, character);
	return found ? (uint32_t)(found - digits) : 0;
}

static void open_page(struct page *page, const struct buffer *text)
{
	uint8_t *packed = malloc(text->size_bytes + 4);
	size_t packed_bytes = 0;
	for (size_t i = 0; i + 4 <= text->size_bytes; i += 4) {
		uint32_t group = 0;
		for (size_t k = 0; k < 4; k++)
			group = group << 6 | digit_of(text->bytes[i + k]);
		packed[packed_bytes++] = (uint8_t)(group >> 16);
		packed[packed_bytes++] = (uint8_t)(group >> 8);
		packed[packed_bytes++] = (uint8_t)group;
	}
	page->bytes = malloc(1u << 22);
	z_stream stream = {.next_in = packed,
			   .avail_in = (uInt)packed_bytes,
			   .next_out = page->bytes,
			   .avail_out = 1u << 22};
	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	page->size_bytes = stream.total_out;
	assert_int_equal(inflateEnd(&stream), Z_OK);
	free(packed);
	uint32_t header_bytes = get_u32(page->bytes);
	page->header = cJSON_ParseWithLength((const char *)page->bytes + 4, header_bytes);
	assert_non_null(page->header);
	page->columns = byte_reader_over(page->bytes + 4 + header_bytes,
					 page->size_bytes - 4 - header_bytes);
}

static void close_page(struct page *page)
{
	cJSON_Delete(page->header);
	free(page->bytes);
}

/* A column of the page. returns its values, to be freed */
static uint64_t *read_column(const struct page *page, const char *name, size_t *ret_count)
{
	struct byte_reader reader = page->columns;
	const cJSON *column;
	uint64_t *values = NULL;
	cJSON_ArrayForEach(column, cJSON_GetObjectItem(page->header, "columns"))
	{
		size_t count = (size_t)cJSON_GetObjectItem(column, "count")->valuedouble;
		bool is_delta = strcmp(cJSON_GetObjectItem(column, "encoding")->valuestring,
				       "delta") == 0;
		bool is_wanted = strcmp(cJSON_GetObjectItem(column, "name")->valuestring, name) ==
				 0;
		uint64_t before = 0;
		if (is_wanted) {
			values = calloc(count + 1, sizeof(*values));
			*ret_count = count;
		}
		for (size_t i = 0; i < count; i++) {
			uint64_t value = is_delta ? before + (uint64_t)byte_reader_zigzag(&reader)
						  : byte_reader_varint(&reader);
			before = value;
			if (is_wanted)
				values[i] = value;
		}
	}
	assert_non_null(values);
	assert_false(reader.failed);
	return values;
}

struct survivor_table {
	uint64_t *row, *born, *died, *blocks, *bytes;
	size_t count;
	uint64_t *node, *thread; /* [row_count] of the page's rows */
	size_t row_count;
};

/* The row of the page that a row of the profile is. */
static size_t page_row(const struct survivor_table *table, const struct profile_row *row)
{
	size_t found = 0;
	/* Each process has two threads of two names. */
	while (found < table->row_count && (table->node[found] != row->node ||
					    table->thread[found] != row->process * 2 + row->thread))
		found++;
	assert_true(found < table->row_count);
	return found;
}

static void compare_window(const struct loaded_log *log, const struct profile *profile,
			   const struct survivor_table *table, uint64_t piece_us, uint64_t first,
			   uint64_t last)
{
	struct window_cost *sums = calloc(profile->row_count + 1, sizeof(*sums));
	/* Of a folded page, all rows together are looked at. */
	bool is_folded = table->row_count != profile->row_count;
	struct window_cost all = {0};
	struct log_window window;
	struct mt_error error;
	for (size_t i = 0; i < table->count; i++) {
		struct window_cost *sum = &sums[is_folded ? 0 : table->row[i]];
		if (table->born[i] > last || table->died[i] <= last)
			continue;
		sum->live_blocks += table->blocks[i];
		sum->live_bytes += table->bytes[i];
		sum->surviving_blocks += table->born[i] >= first ? table->blocks[i] : 0;
		sum->surviving_bytes += table->born[i] >= first ? table->bytes[i] : 0;
	}
	assert_int_equal(
		log_window_read(&window, log, first * piece_us, (last + 1) * piece_us - 1, &error),
		MT_OK);
	for (size_t i = 0; i < profile->row_count; i++) {
		const struct profile_row *row = &profile->rows[i];
		const struct window_cost *cost =
			&window.costs[window.firsts[row->process] + row->cost];
		const struct window_cost *sum = &sums[is_folded ? 0 : page_row(table, row)];
		if (is_folded) {
			all.live_blocks += cost->live_blocks;
			all.live_bytes += cost->live_bytes;
			all.surviving_blocks += cost->surviving_blocks;
			all.surviving_bytes += cost->surviving_bytes;
			continue;
		}
		assert_int_equal(sum->live_blocks, cost->live_blocks);
		assert_int_equal(sum->live_bytes, cost->live_bytes);
		assert_int_equal(sum->surviving_blocks, cost->surviving_blocks);
		assert_int_equal(sum->surviving_bytes, cost->surviving_bytes);
	}
	if (is_folded)
		assert_memory_equal(&all, &sums[0], sizeof(all));
	log_window_release(&window);
	free(sums);
}

static void check_page(const struct loaded_log *log, uint32_t max_nodes)
{
	const struct page_options options = {.max_nodes = max_nodes, .has_no_sources = true};
	struct profile *profile;
	struct buffer text = {0};
	struct mt_error error;
	struct page page;
	struct survivor_table table;
	assert_int_equal(profile_new(log, &profile, &error), MT_OK);
	assert_int_equal(page_data_write(profile, &options, &text, &error), MT_OK);
	open_page(&page, &text);
	const cJSON *windows = cJSON_GetObjectItem(page.header, "windows");
	uint64_t count = (uint64_t)cJSON_GetObjectItem(windows, "count")->valuedouble;
	double end_us = cJSON_GetObjectItem(windows, "end_seconds")->valuedouble * 1e6;
	uint64_t piece_us = (uint64_t)llround(end_us / (double)count);
	table.row = read_column(&page, "survivors.row", &table.count);
	table.born = read_column(&page, "survivors.born", &table.count);
	table.died = read_column(&page, "survivors.died", &table.count);
	table.blocks = read_column(&page, "survivors.blocks", &table.count);
	table.bytes = read_column(&page, "survivors.bytes", &table.count);
	table.node = read_column(&page, "rows.node", &table.row_count);
	table.thread = read_column(&page, "rows.thread", &table.row_count);
	assert_true(count > 100);
	assert_true(table.count > (max_nodes ? 100 : 1000));
	for (uint64_t w = 0; w < count; w += 1 + next_random(5))
		compare_window(log, profile, &table, piece_us, next_random((uint32_t)w + 1), w);
	compare_window(log, profile, &table, piece_us, 0, count - 1);
	free(table.row);
	free(table.born);
	free(table.died);
	free(table.blocks);
	free(table.bytes);
	free(table.node);
	free(table.thread);
	close_page(&page);
	buffer_release(&text);
	profile_free(profile);
}

static void every_window_equals_the_readers(void **state)
{
	static struct log_builder builder;
	struct loaded_log log;
	struct mt_error error;
	const struct finish_options options = {.has_no_symbols = true, .checkpoint_events = 1000};
	struct finish_result result;
	(void)state;
	for (uint32_t seed = 1; seed <= 6; seed++) {
		make_log(&builder, seed);
		if (seed > 3)
			assert_int_equal(finish_log(builder.path, &options, &result, &error),
					 MT_OK);
		assert_int_equal(loaded_log_read(&log, builder.path, NULL, &error), MT_OK);
		check_page(&log, 0);
		check_page(&log, 6);
		loaded_log_release(&log);
		log_builder_remove(&builder);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_window_equals_the_readers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
