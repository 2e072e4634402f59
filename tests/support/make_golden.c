/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes the logs of tests/golden: make_golden DIRECTORY. Run by hand, once a version of the
 * format: readers accept every released one, so what is stored stays as it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/codec.h"
#include "common/log/log_block.h"
#include "reader/finish.h"
#include "reader/symbols.h"
#include "tests/support/log_builder.h"

#define LOG_BYTES_MAX (1u << 20)

static void require(bool condition, const char *what)
{
	if (condition)
		return;
	(void)fprintf(stderr, "make_golden: %s failed\n", what);
	exit(1);
}

static size_t load(const char *path, uint8_t *bytes)
{
	FILE *file = fopen(path, "rb");
	require(file, path);
	size_t count = fread(bytes, 1, LOG_BYTES_MAX, file);
	(void)fclose(file); /* was only read */
	return count;
}

static void store(const char *directory, const char *name, const uint8_t *bytes, size_t count)
{
	char path[4200];
	(void)snprintf(path, sizeof(path), "%s/%s.mtlog", directory, name);
	FILE *file = fopen(path, "wb");
	require(file && fwrite(bytes, 1, count, file) == count && fclose(file) == 0, path);
}

static const struct {
	uint64_t offset;
	const char *function;
	const char *file;
	uint32_t line;
} places[] = {
	{0x1000, "main", "src/main.c", 12},
	{0x1100, "load_table", "src/table.c", 40},
	{0x1200, "parse_row<int, std::string>", "src/row.cpp", 7},
	{0x1300, "xmalloc", "src/util.c", 3},
	{0x1400, "serve", "src/serve.c", 88},
	{0x1500,
	 "\xc3\xbc"
	 "ber_\xe2\x82\xac",
	 "src/odd name.c", 1},
};

/* As finishing would find them, if the module were there. */
static void add_symbols(struct log_builder *builder)
{
	struct symbols symbols;
	require(symbols_init(&symbols), "symbols_init");
	uint32_t object = symbols_object(&symbols, "/bin/prog", (const uint8_t *)"\1\2\3\4", 4);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct string_table *strings = &symbols.strings;
		struct symbol_frame frame = {
			.function = string_table_add(strings, places[i].function,
						     strlen(places[i].function)),
			.file = string_table_add(strings, places[i].file, strlen(places[i].file)),
			.line = places[i].line,
		};
		struct symbol_frame inlined = {
			.function = string_table_add(strings, "inlined_copy", 12),
			.file = frame.file,
			.line = 99,
			.is_inlined = 1,
		};
		require(symbols_add_entry(&symbols, object, places[i].offset) &&
				(places[i].offset != 0x1300 ||
				 symbols_add_frame(&symbols, &inlined)) &&
				symbols_add_frame(&symbols, &frame),
			"symbols_add");
	}
	struct log_block block = {.kind = LOG_BLOCK_SYMBOLS, .image = LOG_NO_IMAGE};
	struct buffer fields = {0};
	symbols_encode(&symbols, &fields);
	log_writer_add(&builder->writer, &block, &fields);
	buffer_release(&fields);
	symbols_release(&symbols);
}

static void add_samples(struct log_builder *builder, uint32_t image_count)
{
	struct log_block block = {
		.kind = LOG_BLOCK_SAMPLES, .image = LOG_NO_IMAGE, .first_us = 0, .last_us = 9000};
	struct buffer fields = {0};
	for (uint64_t i = 0; i < 10; i++) {
		buffer_varint(&fields, i ? 1000 : 0);
		buffer_varint(&fields, image_count);
		for (uint32_t image = 0; image < image_count; image++) {
			buffer_varint(&fields, image);
			buffer_varint(&fields, 2000 + i * (100 + image));
			buffer_varint(&fields, 300);
		}
	}
	log_writer_add(&builder->writer, &block, &fields);
	buffer_release(&fields);
}

static uint32_t random_number(uint32_t *seed, uint32_t sides)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % sides;
}

/* Blocks that come and go at six places, with reallocs, from two threads; some stay. */
static void add_events(struct log_builder *builder, uint32_t image, uint32_t seed,
		       uint64_t interval_bytes)
{
	static const uint64_t paths[][5] = {
		{0x1000, 0x1100, 0x1300, 0},         {0x1000, 0x1100, 0x1200, 0x1300, 0},
		{0x1000, 0x1400, 0x1300, 0},         {0x1000, 0x1400, 0x1500, 0x1300, 0},
		{0x1000, 0x1400, 0x1100, 0x1300, 0}, {0x1000, 0x1999, 0},
	};
	uint64_t live[100] = {0};
	uint64_t next = 0x10000;
	for (uint64_t i = 0; i < 600; i++) {
		uint32_t place = random_number(&seed, 100);
		uint32_t path = random_number(&seed, 6);
		struct builder_event event = {
			.thread = random_number(&seed, 2),
			.time_us = i * 15,
			.address = live[place],
			.size_bytes = 16u << random_number(&seed, 7),
			.kind = path == 2 ? ALLOCATION_CALLOC : ALLOCATION_MALLOC,
			.stack = log_builder_stack(builder, image, paths[path]),
			.interval_bytes = i > 300 ? interval_bytes : 0,
		};
		bool is_move = live[place] && random_number(&seed, 5) == 0;
		if (live[place]) {
			event.operation = is_move ? EVENT_MOVE_BEGIN : EVENT_RELEASE;
			log_builder_event(builder, image, &event);
			live[place] = 0;
			if (!is_move)
				continue;
		}
		live[place] = next += 0x1000;
		event.operation = is_move ? EVENT_MOVE_END : EVENT_ALLOCATE;
		event.kind = is_move ? ALLOCATION_REALLOC : event.kind;
		event.address = live[place];
		log_builder_event(builder, image, &event);
		if (i % 150 == 149)
			log_builder_commit(builder);
	}
}

static uint32_t add_image(struct log_builder *builder, uint32_t pid, int parent)
{
	uint32_t image = log_builder_image(builder, pid, parent);
	log_builder_module(builder, image, "/bin/prog");
	log_builder_thread(builder, image, 0, "prog");
	log_builder_thread(builder, image, 1, "worker");
	return image;
}

static void finish_and_store(struct log_builder *builder, const char *directory, const char *name,
			     bool finishes)
{
	static uint8_t bytes[LOG_BYTES_MAX];
	struct finish_options options = {.has_no_symbols = true};
	struct finish_result result;
	struct mt_error error = {0};
	log_builder_close(builder);
	if (finishes)
		require(finish_log(builder->path, &options, &result, &error) == MT_OK,
			error.message);
	store(directory, name, bytes, load(builder->path, bytes));
	log_builder_remove(builder);
}

static void make_exact(const char *directory, const char *name, uint64_t interval_bytes,
		       bool has_end)
{
	struct log_builder builder;
	log_builder_init(&builder);
	add_symbols(&builder);
	uint32_t image = add_image(&builder, 100, -1);
	add_events(&builder, image, 7, interval_bytes);
	add_samples(&builder, 1);
	log_builder_commit(&builder);
	if (has_end) {
		log_builder_image_end(&builder, image, 9500);
		log_builder_end(&builder, 10000, 3);
	}
	finish_and_store(&builder, directory, name, has_end);
}

static void make_tree(const char *directory)
{
	struct log_builder builder;
	struct buffer fields = {0};
	log_builder_init(&builder);
	add_symbols(&builder);
	uint32_t parent = add_image(&builder, 100, -1);
	(void)add_image(&builder, 101, (int)parent);
	uint32_t started = add_image(&builder, 102, -1);
	for (uint32_t image = parent; image <= started; image++)
		add_events(&builder, image, image + 1, 0);
	struct log_block untraced = {.kind = LOG_BLOCK_UNTRACED, .image = parent, .first_us = 50};
	buffer_varint(&fields, 103);
	buffer_string(&fields, "/bin/static", 11);
	buffer_string(&fields, "statically linked", 17);
	log_writer_add(&builder.writer, &untraced, &fields);
	buffer_clear(&fields);
	/* A kind of the future. */
	struct log_block unknown = {.kind = 999, .image = LOG_NO_IMAGE};
	buffer_string(&fields, "what is this?", 13);
	log_writer_add(&builder.writer, &unknown, &fields);
	buffer_release(&fields);
	add_samples(&builder, 3);
	log_builder_commit(&builder);
	for (uint32_t image = parent; image <= started; image++)
		log_builder_image_end(&builder, image, 9500);
	log_builder_end(&builder, 10000, 0);
	finish_and_store(&builder, directory, "tree", true);
}

/* Copies of the first log, each with something wrong with it. */
static void make_bad(const char *logs, const char *directory)
{
	static uint8_t bytes[LOG_BYTES_MAX];
	char path[4200];
	(void)snprintf(path, sizeof(path), "%s/exact.mtlog", logs);
	size_t count = load(path, bytes);
	uint8_t *header = bytes + LOG_FILE_HEADER_BYTES;
	store(directory, "empty", bytes, 0);
	store(directory, "cut_file_header", bytes, 10);
	store(directory, "cut_before_first_block", bytes, LOG_FILE_HEADER_BYTES);
	store(directory, "cut_block_header", bytes, LOG_FILE_HEADER_BYTES + 20);
	store(directory, "cut_first_block", bytes,
	      LOG_FILE_HEADER_BYTES + LOG_BLOCK_HEADER_BYTES + 8);
	bytes[0] ^= 1;
	store(directory, "wrong_magic", bytes, count);
	bytes[0] ^= 1;
	bytes[LOG_MAGIC_BYTES] = 2;
	store(directory, "version_2", bytes, count);
	bytes[LOG_MAGIC_BYTES] = 1;
	header[24] ^= 1;
	store(directory, "wrong_header_checksum", bytes, 400);
	header[24] ^= 1;
	header[LOG_BLOCK_HEADER_BYTES] ^= 1;
	store(directory, "wrong_payload_checksum", bytes, 400);
	header[LOG_BLOCK_HEADER_BYTES] ^= 1;
	put_u32(header + 8, LIMIT_BLOCK_BYTES + 1);
	put_u32(header + 44, log_payload_crc(header, 44));
	store(directory, "block_over_the_limit", bytes, 400);
	store(directory, "text", (const uint8_t *)"this is no log at all\n", 22);
}

int main(int count, char **arguments)
{
	char logs[4096];
	char bad[4096];
	if (count != 2)
		return 2;
	(void)snprintf(logs, sizeof(logs), "%s/logs", arguments[1]);
	(void)snprintf(bad, sizeof(bad), "%s/bad", arguments[1]);
	make_exact(logs, "exact", 0, true);
	make_exact(logs, "mixed", 512, true);
	make_exact(logs, "unfinished", 0, false);
	make_tree(logs);
	make_bad(logs, bad);
	return 0;
}
