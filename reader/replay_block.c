/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/replay_block.h"

#include <stdlib.h>

#include "common/format.h"

#define COSTS_MAX (1u << 17)
#define GENERATIONS_MAX (1u << 19)
#define GENERATION_BYTES_MIN 6u

static void add_block(struct log_writer *writer, uint32_t image, struct buffer *fields)
{
	struct log_block block = {.kind = LOG_BLOCK_REPLAY, .image = image};
	log_writer_add(writer, &block, fields);
	buffer_clear(fields);
}

static void put_histogram(const struct lifetime_histogram *histogram, struct buffer *fields)
{
	uint32_t before = 0;
	for (uint32_t b = 1; histogram && b < LIFETIME_BUCKETS; b++) {
		if (histogram->counts[b] == 0)
			continue;
		buffer_varint(fields, b - before);
		buffer_varint(fields, histogram->counts[b]);
		before = b;
	}
	buffer_varint(fields, 0);
}

static void write_lifetimes(const struct replay_image *image, struct buffer *fields,
			    struct log_writer *writer)
{
	for (uint32_t first = 0; first < image->costs.count; first += COSTS_MAX) {
		uint32_t left = image->costs.count - first;
		uint32_t count = left < COSTS_MAX ? left : COSTS_MAX;
		buffer_varint(fields, REPLAY_LIFETIMES);
		buffer_varint(fields, first);
		buffer_varint(fields, count);
		for (uint32_t i = first; i < first + count; i++)
			buffer_varint(fields, image->costs.items[i].short_lived);
		for (uint32_t i = first; i < first + count; i++)
			put_histogram(lifetimes_find(&image->lifetimes, i), fields);
		add_block(writer, image->index, fields);
	}
}

static enum mt_status read_histogram(struct byte_reader *payload, struct replay_image *image,
				     uint32_t cost, struct mt_error *error)
{
	struct lifetime_histogram *histogram = NULL;
	uint64_t bucket = 0;
	for (;;) {
		uint64_t step = byte_reader_varint(payload);
		if (step == 0)
			return MT_OK;
		uint64_t count = byte_reader_varint(payload);
		if (payload->failed || step >= LIFETIME_BUCKETS - bucket)
			return mt_error_set(error, MT_ERR_CORRUPT, "bad lifetimes in the log");
		if (!histogram)
			histogram = lifetimes_entry(&image->lifetimes, cost);
		if (!histogram)
			return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read the log");
		bucket += step;
		histogram->counts[bucket] = count;
	}
}

static enum mt_status read_lifetimes(struct replay_image *image, struct byte_reader *payload,
				     struct mt_error *error)
{
	uint64_t first = byte_reader_varint(payload);
	uint64_t count = byte_reader_varint(payload);
	enum mt_status status = MT_OK;
	if (payload->failed || first > image->costs.count || count > image->costs.count - first)
		return mt_error_set(error, MT_ERR_CORRUPT, "bad lifetimes in the log");
	for (uint64_t i = first; i < first + count; i++)
		image->costs.items[i].short_lived = byte_reader_varint(payload);
	for (uint64_t i = first; i < first + count && status == MT_OK; i++)
		status = read_histogram(payload, image, (uint32_t)i, error);
	if (status == MT_OK && payload->failed)
		status = mt_error_set(error, MT_ERR_CORRUPT, "bad lifetimes in the log");
	return status;
}

static void write_generations(const struct replay *replay, struct buffer *fields,
			      struct log_writer *writer)
{
	const struct generations *generations = &replay->generations;
	uint32_t first = 0;
	do {
		uint32_t left = (uint32_t)generations->count - first;
		uint32_t count = left < GENERATIONS_MAX ? left : GENERATIONS_MAX;
		const struct generation *items = generations->items + first;
		int64_t image = 0;
		int64_t cost = 0;
		buffer_varint(fields, REPLAY_GENERATIONS);
		buffer_varint(fields, replay->last_us);
		buffer_varint(fields, generations->piece_us);
		buffer_varint(fields, generations->piece_count);
		buffer_varint(fields, first);
		buffer_varint(fields, count);
		for (uint32_t i = 0; i < count; i++) {
			buffer_zigzag(fields, (int64_t)items[i].image - image);
			image = items[i].image;
		}
		for (uint32_t i = 0; i < count; i++) {
			buffer_zigzag(fields, (int64_t)items[i].cost - cost);
			cost = items[i].cost;
		}
		for (uint32_t i = 0; i < count; i++)
			buffer_varint(fields, items[i].born);
		for (uint32_t i = 0; i < count; i++)
			buffer_varint(fields, items[i].died == GENERATION_NEVER
						      ? 0
						      : (uint32_t)(items[i].died - items[i].born));
		for (uint32_t i = 0; i < count; i++)
			buffer_varint(fields, items[i].blocks);
		for (uint32_t i = 0; i < count; i++)
			buffer_varint(fields, items[i].bytes);
		add_block(writer, LOG_NO_IMAGE, fields);
		first += count;
	} while (first < generations->count);
}

static bool is_valid(const struct replay *replay, const struct generation *generation,
		     uint64_t lasting)
{
	uint32_t piece_count = replay->generations.piece_count;
	return generation->image < replay->image_count &&
	       generation->cost < replay->images[generation->image]->costs.count &&
	       generation->born < piece_count && lasting < piece_count - generation->born;
}

/* The columns, which are as long as one another. */
static enum mt_status read_items(struct replay *replay, struct byte_reader *payload, uint64_t count,
				 struct mt_error *error)
{
	struct generation *items = calloc(count + 1, sizeof(*items));
	uint64_t *lasting = calloc(count + 1, sizeof(*lasting));
	bool is_good = true;
	bool has_memory = items && lasting;
	int64_t image = 0;
	int64_t cost = 0;
	for (uint64_t i = 0; i < count && has_memory; i++) {
		image += byte_reader_zigzag(payload);
		items[i].image = image >= 0 && image < LIMIT_IMAGES ? (uint32_t)image
								    : LOG_NO_IMAGE;
	}
	for (uint64_t i = 0; i < count && has_memory; i++) {
		cost += byte_reader_zigzag(payload);
		items[i].cost = cost >= 0 && cost < UINT32_MAX ? (uint32_t)cost : UINT32_MAX;
	}
	for (uint64_t i = 0; i < count && has_memory; i++) {
		uint64_t born = byte_reader_varint(payload);
		items[i].born = born < GENERATION_NEVER ? (uint16_t)born : GENERATION_NEVER;
	}
	for (uint64_t i = 0; i < count && has_memory; i++)
		lasting[i] = byte_reader_varint(payload);
	for (uint64_t i = 0; i < count && has_memory; i++)
		items[i].blocks = byte_reader_varint(payload);
	for (uint64_t i = 0; i < count && has_memory; i++)
		items[i].bytes = byte_reader_varint(payload);
	for (uint64_t i = 0; i < count && has_memory && is_good; i++) {
		is_good = !payload->failed && is_valid(replay, &items[i], lasting[i]);
		items[i].died = lasting[i] ? (uint16_t)(items[i].born + lasting[i])
					   : GENERATION_NEVER;
		has_memory = !is_good || generations_append(&replay->generations, &items[i]);
	}
	free(items);
	free(lasting);
	if (!has_memory)
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read the log");
	return is_good ? MT_OK : mt_error_set(error, MT_ERR_CORRUPT, "bad generations in the log");
}

static enum mt_status read_generations(struct replay *replay, struct byte_reader *payload,
				       struct mt_error *error)
{
	struct generations *generations = &replay->generations;
	replay->last_us = byte_reader_varint(payload);
	uint64_t piece_us = byte_reader_varint(payload);
	uint64_t piece_count = byte_reader_varint(payload);
	uint64_t first = byte_reader_varint(payload);
	uint64_t count = byte_reader_varint(payload);
	if (payload->failed || piece_us == 0 || piece_count == 0 ||
	    piece_count > GENERATIONS_PIECES || piece_us > UINT64_MAX / GENERATIONS_PIECES ||
	    first != generations->count || count > GENERATIONS_MAX ||
	    count > byte_reader_left(payload) / GENERATION_BYTES_MIN)
		return mt_error_set(error, MT_ERR_CORRUPT, "bad generations in the log");
	if (generations->piece_us == 0 && !generations_init(generations, 0, 0))
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read the log");
	generations->piece_us = piece_us;
	generations->piece_count = (uint32_t)piece_count;

	replay->has_details = true;
	return read_items(replay, payload, count, error);
}

void replay_blocks_write(const struct replay *replay, struct log_writer *writer)
{
	struct buffer fields = {0};
	for (uint32_t i = 0; i < replay->image_count; i++)
		write_lifetimes(replay->images[i], &fields, writer);
	write_generations(replay, &fields, writer);
	buffer_release(&fields);
}

enum mt_status replay_block_read(struct replay *replay, const struct log_block *block,
				 struct byte_reader *payload, bool *ret_is_classes,
				 struct mt_error *error)
{
	uint64_t part = byte_reader_varint(payload);
	*ret_is_classes = part == REPLAY_CLASSES;
	switch (part) {
	case REPLAY_LIFETIMES:
		if (block->image >= replay->image_count)
			return mt_error_set(error, MT_ERR_CORRUPT, "lifetimes of no process");
		return read_lifetimes(replay->images[block->image], payload, error);
	case REPLAY_GENERATIONS:
		return read_generations(replay, payload, error);
	}
	return MT_OK; /* classes, or of a newer memtrace */
}
