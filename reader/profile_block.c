/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/profile_block.h"

#include <stdlib.h>
#include <string.h>

#include "common/log/buffer.h"

#define ITEMS_MAX (1u << 19)

enum profile_part {
	PART_NODES = 1,
	PART_COSTS = 2,
	PART_TOTALS = 3,
	PART_TREE = 4,
	PART_ERRORS = 5
};

static void add_block(struct log_writer *writer, uint32_t image, struct buffer *fields)
{
	struct log_block block = {.kind = LOG_BLOCK_PROFILE, .image = image};
	log_writer_add(writer, &block, fields);
	buffer_clear(fields);
}

static void write_nodes(const struct stack_trie *trie, uint32_t image, struct buffer *fields,
			struct log_writer *writer)
{
	for (uint32_t first = 1; first < trie->node_count; first += ITEMS_MAX) {
		uint32_t left = trie->node_count - first;
		uint32_t count = left < ITEMS_MAX ? left : ITEMS_MAX;
		uint64_t offset = 0;
		buffer_varint(fields, PART_NODES);
		buffer_varint(fields, first);
		buffer_varint(fields, count);
		for (uint32_t node = first; node < first + count; node++) {
			const struct stack_node *entry = &trie->nodes[node];
			buffer_varint(fields, node - 1 - entry->parent);
			buffer_varint(fields, entry->module);
			buffer_zigzag(fields, (int64_t)(entry->offset - offset));
			offset = entry->offset;
		}
		add_block(writer, image, fields);
	}
}

static enum mt_status read_nodes(struct replay_image *image, struct byte_reader *payload,
				 struct mt_error *error)
{
	struct stack_trie *trie = &image->trie;
	uint64_t first = byte_reader_varint(payload);
	uint64_t count = byte_reader_varint(payload);
	uint64_t offset = 0;
	if (payload->failed || first != trie->node_count || count > ITEMS_MAX ||
	    first + count > LIMIT_STACK_NODES)
		return mt_error_set(error, MT_ERR_CORRUPT, "bad stack nodes in a profile");
	for (uint64_t i = 0; i < count; i++) {
		uint64_t back = byte_reader_varint(payload);
		uint64_t module = byte_reader_varint(payload);
		offset += (uint64_t)byte_reader_zigzag(payload);
		if (payload->failed || back >= trie->node_count || module > LIMIT_MODULES)
			return mt_error_set(error, MT_ERR_CORRUPT, "bad stack node in a profile");
		uint32_t parent = trie->node_count - 1 - (uint32_t)back;
		if (trie->nodes[parent].depth > LIMIT_FRAMES)
			return mt_error_set(error, MT_ERR_LIMIT,
					    "a stack trace in a profile is too deep");
		if (stack_trie_append(trie, parent, (uint16_t)module, offset) == STACK_NONE)
			return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for stack traces");
	}
	return MT_OK;
}

/* Fields of a cost, written and read in one order. */
#define COST_FIELDS(X)                                                                             \
	X(stack)                                                                                   \
	X(thread)                                                                                  \
	X(kind)                                                                                    \
	X(allocations)                                                                             \
	X(allocated_bytes) X(live_blocks) X(live_bytes) X(peak_blocks) X(peak_bytes) X(temporary)

static void write_costs(const struct stack_costs *costs, uint32_t image, struct buffer *fields,
			struct log_writer *writer)
{
	for (uint32_t first = 0; first < costs->count; first += ITEMS_MAX) {
		uint32_t left = costs->count - first;
		uint32_t count = left < ITEMS_MAX ? left : ITEMS_MAX;
		buffer_varint(fields, PART_COSTS);
		buffer_varint(fields, count);
		/* Column by column: like next to like packs better. */
#define X(field)                                                                                   \
	for (uint32_t i = first; i < first + count; i++)                                           \
		buffer_varint(fields, costs->items[i].field);
		COST_FIELDS(X)
#undef X
		add_block(writer, image, fields);
	}
}

static bool is_valid_cost(const struct replay_image *image, const struct stack_cost *cost)
{
	return cost->stack < image->trie.node_count && cost->thread < LIMIT_THREADS &&
	       cost->kind < ALLOCATION_KIND_COUNT;
}

static enum mt_status read_costs(struct replay_image *image, struct byte_reader *payload,
				 struct mt_error *error)
{
	uint64_t count = byte_reader_varint(payload);
	if (payload->failed || count > ITEMS_MAX || count > byte_reader_left(payload))
		return mt_error_set(error, MT_ERR_CORRUPT, "bad costs in a profile");
	struct stack_cost *items = calloc(count + 1, sizeof(*items));
	if (!items)
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for a profile");
#define X(field)                                                                                   \
	for (uint64_t i = 0; i < count; i++)                                                       \
		items[i].field = (__typeof__(items[i].field))byte_reader_varint(payload);
	COST_FIELDS(X)
#undef X
	enum mt_status status = MT_OK;
	if (payload->failed || payload->at != payload->end)
		status = mt_error_set(error, MT_ERR_CORRUPT, "bad costs in a profile");
	for (uint64_t i = 0; i < count && status == MT_OK; i++) {
		uint32_t index = STACK_COST_NONE;
		if (is_valid_cost(image, &items[i]))
			index = stack_costs_entry(&image->costs, items[i].stack, items[i].thread,
						  items[i].kind);
		if (index == STACK_COST_NONE)
			status = mt_error_set(error, MT_ERR_CORRUPT, "bad cost in a profile");
		else
			image->costs.items[index] = items[i];
	}
	free(items);
	return status;
}

/* Variances are stored as IEEE 754 numbers of 8 bytes, numbers of samples as varints. */
#define VARIANCE_FIELDS(X)                                                                         \
	X(allocations)                                                                             \
	X(allocated_bytes)                                                                         \
	X(live_blocks) X(live_bytes) X(peak_blocks) X(peak_bytes) X(largest_count)
#define SAMPLE_FIELDS(X) X(samples) X(live_samples) X(peak_samples)
#define ERROR_BYTES_MIN (7 * 8 + 3)

static void write_variance(struct buffer *fields, double variance)
{
	uint64_t bits;
	uint8_t bytes[8];
	memcpy(&bits, &variance, sizeof(bits));
	put_u64(bytes, bits);
	buffer_append(fields, bytes, sizeof(bytes));
}

static double read_variance(struct byte_reader *payload)
{
	const uint8_t *bytes = byte_reader_take(payload, 8);
	uint64_t bits = bytes ? get_u64(bytes) : 0;
	double variance;
	memcpy(&variance, &bits, sizeof(variance));
	payload->failed |= !(variance >= 0 && variance < 1e300);
	return variance;
}

static void write_errors(const struct replay_image *image, uint32_t index, struct buffer *fields,
			 struct log_writer *writer)
{
	uint32_t end = image->costs.count;
	if (end > image->errors.capacity)
		end = (uint32_t)image->errors.capacity;
	for (uint32_t first = 0; first < end; first += ITEMS_MAX) {
		uint32_t count = end - first < ITEMS_MAX ? end - first : ITEMS_MAX;
		buffer_varint(fields, PART_ERRORS);
		buffer_varint(fields, first);
		buffer_varint(fields, count);
		for (uint32_t i = first; i < first + count; i++) {
			const struct stack_error *error = &image->errors.items[i];
#define X(field) write_variance(fields, error->field);
			VARIANCE_FIELDS(X)
#undef X
#define X(field) buffer_varint(fields, error->field);
			SAMPLE_FIELDS(X)
#undef X
		}
		add_block(writer, index, fields);
	}
}

static enum mt_status read_errors(struct replay_image *image, struct byte_reader *payload,
				  struct mt_error *error)
{
	uint64_t first = byte_reader_varint(payload);
	uint64_t count = byte_reader_varint(payload);
	if (payload->failed || first > image->costs.count || count > image->costs.count - first ||
	    count > byte_reader_left(payload) / ERROR_BYTES_MIN)
		return mt_error_set(error, MT_ERR_CORRUPT, "bad errors in a profile");
	for (uint64_t i = first; i < first + count; i++) {
		struct stack_error *item = stack_errors_entry(&image->errors, (uint32_t)i);
		if (!item)
			return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for a profile");
#define X(field) item->field = read_variance(payload);
		VARIANCE_FIELDS(X)
#undef X
#define X(field) item->field = byte_reader_varint(payload);
		SAMPLE_FIELDS(X)
#undef X
	}
	return payload->failed ? mt_error_set(error, MT_ERR_CORRUPT, "bad errors in a profile")
			       : MT_OK;
}

#define TOTAL_FIELDS(X)                                                                            \
	X(allocations)                                                                             \
	X(deallocations)                                                                           \
	X(reallocations)                                                                           \
	X(allocated_bytes)                                                                         \
	X(temporary)                                                                               \
	X(live_blocks)                                                                             \
	X(live_bytes) X(peak_bytes) X(peak_us) X(inherited_frees) X(unmatched_frees) X(overwritten)

static void write_totals(const struct replay_image *image, uint32_t index, struct buffer *fields,
			 struct log_writer *writer)
{
	buffer_varint(fields, PART_TOTALS);
#define X(field) buffer_varint(fields, image->totals.field);
	TOTAL_FIELDS(X)
#undef X
	add_block(writer, index, fields);
}

static enum mt_status read_totals(struct replay_image *image, struct byte_reader *payload,
				  struct mt_error *error)
{
#define X(field) image->totals.field = byte_reader_varint(payload);
	TOTAL_FIELDS(X)
#undef X
	return payload->failed ? mt_error_set(error, MT_ERR_CORRUPT, "bad totals in a profile")
			       : MT_OK;
}

#define TREE_FIELDS(X) X(peak_bytes) X(peak_us) X(event_count) X(largest_interval) X(exact_until_us)

static void write_tree(const struct replay *replay, struct buffer *fields,
		       struct log_writer *writer)
{
	const struct timeline *timeline = &replay->timeline;
	uint64_t time_us = 0;
	buffer_varint(fields, PART_TREE);
#define X(field) buffer_varint(fields, replay->field);
	TREE_FIELDS(X)
#undef X
	buffer_varint(fields, replay->was_exact);
	buffer_varint(fields, timeline->count);
	for (size_t i = 0; i < timeline->count; i++) {
		buffer_varint(fields, timeline->points[i].time_us - time_us);
		time_us = timeline->points[i].time_us;
	}
	for (size_t i = 0; i < timeline->count; i++)
		buffer_varint(fields, timeline->points[i].live_bytes);
	for (size_t i = 0; i < timeline->count; i++)
		buffer_varint(fields, timeline->points[i].max_bytes);
	add_block(writer, LOG_NO_IMAGE, fields);
}

static enum mt_status read_tree(struct replay *replay, struct byte_reader *payload,
				struct mt_error *error)
{
	struct timeline *timeline = &replay->timeline;
	uint64_t time_us = 0;
#define X(field) replay->field = byte_reader_varint(payload);
	TREE_FIELDS(X)
#undef X
	replay->was_exact = byte_reader_varint(payload) != 0;
	uint64_t count = byte_reader_varint(payload);
	if (payload->failed || count > TIMELINE_POINTS)
		return mt_error_set(error, MT_ERR_CORRUPT, "bad sums in a profile");
	for (uint64_t i = 0; i < count; i++) {
		time_us += byte_reader_varint(payload);
		timeline->points[i].time_us = time_us;
	}
	for (uint64_t i = 0; i < count; i++)
		timeline->points[i].live_bytes = byte_reader_varint(payload);
	for (uint64_t i = 0; i < count; i++)
		timeline->points[i].max_bytes = byte_reader_varint(payload);
	timeline->count = (size_t)count;
	return payload->failed ? mt_error_set(error, MT_ERR_CORRUPT, "bad time line in a profile")
			       : MT_OK;
}

void profile_blocks_write(const struct replay *replay, struct log_writer *writer)
{
	struct buffer fields = {0};
	for (uint32_t i = 0; i < replay->image_count; i++) {
		const struct replay_image *image = replay->images[i];
		write_nodes(&image->trie, i, &fields, writer);
		write_costs(&image->costs, i, &fields, writer);
		write_errors(image, i, &fields, writer);
		write_totals(image, i, &fields, writer);
	}
	write_tree(replay, &fields, writer);
	buffer_release(&fields);
}

enum mt_status profile_block_read(struct replay *replay, const struct log_block *block,
				  struct byte_reader *payload, bool *ret_is_last,
				  struct mt_error *error)
{
	enum profile_part part = (enum profile_part)byte_reader_varint(payload);
	*ret_is_last = part == PART_TREE;
	if (part == PART_TREE)
		return read_tree(replay, payload, error);
	if (block->image >= replay->image_count)
		return mt_error_set(error, MT_ERR_CORRUPT, "a profile of an unknown process");
	struct replay_image *image = replay->images[block->image];
	switch (part) {
	case PART_NODES:
		return read_nodes(image, payload, error);
	case PART_COSTS:
		return read_costs(image, payload, error);
	case PART_ERRORS:
		return read_errors(image, payload, error);
	case PART_TOTALS:
		return read_totals(image, payload, error);
	case PART_TREE:
		break;
	}
	return mt_error_set(error, MT_ERR_CORRUPT, "an unknown part of a profile");
}
