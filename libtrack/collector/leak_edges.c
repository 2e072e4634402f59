/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The nodes are cut into slices of consecutive ones, each read by a thread of its own. */
#include "libtrack/collector/leak_edges.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "libtrack/collector/arrays.h"

#define READ_RANGES 1024u /* that are asked for at a time */
#define GAP_BYTES 256u    /* between nodes that are read together */
#define SLICES_MAX 16u
#define SLICE_BYTES_MIN (2u << 20)

struct slice {
	const struct leak_index *index;
	const struct leak_memory *memory;
	size_t *starts; /* of all nodes; these count from the slice's first edge */
	uint32_t first; /* nodes [first, end) */
	uint32_t end;
	uint32_t node;    /* the first whose end has not been seen */
	uint32_t started; /* nodes before it have their edges' start */
	uint32_t *words;  /* [count] */
	size_t count;
	size_t capacity;
	size_t newest; /* where the last edge begins */
	bool is_failed;
	pthread_t thread;
	bool has_thread;
	struct leak_batch batch;
};

/* The aligned words of a node. */
static struct leak_range words_of(const struct leak_extent *extent)
{
	uint64_t first = (extent->address + 7) & ~7ull;
	uint64_t end = extent->end & ~7ull;
	return (struct leak_range){first, end > first ? end - first : 0};
}

static bool add_edge(struct slice *slice, uint32_t from, uint32_t to, uint64_t offset)
{
	uint32_t code = to | (offset ? LEAK_EDGE_IS_INSIDE : 0);
	uint32_t inside = offset < UINT32_MAX ? (uint32_t)offset : UINT32_MAX;
	size_t last = slice->newest;
	/* Arrays of one pointer need one edge. */
	if (slice->count > slice->starts[from] && slice->words[last] == code &&
	    (!offset || slice->words[last + 1] == inside))
		return true;
	if (!array_reserve((void **)&slice->words, slice->count + 2, &slice->capacity,
			   sizeof(*slice->words)))
		return false;
	slice->newest = slice->count;
	slice->words[slice->count++] = code;
	if (offset)
		slice->words[slice->count++] = inside;
	return true;
}

/* Adds the edges of a batch: its words are in the order of the nodes that they are in. */
static void take_batch(struct slice *slice)
{
	struct leak_batch *batch = &slice->batch;
	leak_index_find_batch(slice->index, batch);
	for (uint32_t i = 0; i < batch->count; i++) {
		uint32_t from = (uint32_t)batch->places[i];
		uint32_t to = batch->nodes[i];
		while (slice->started <= from)
			slice->starts[slice->started++] = slice->count;
		if (to == LEAK_INDEX_NONE || to == from)
			continue;
		uint64_t offset = batch->words[i] - slice->index->extents[to].address;
		if (!add_edge(slice, from, to, offset))
			slice->is_failed = true;
	}
	batch->count = 0;
}

static void take_node(struct slice *slice, const uint64_t *words, size_t word_count)
{
	struct leak_extent own = slice->index->extents[slice->node];
	for (size_t done = 0; done < word_count;) {
		done += leak_index_sift(slice->index, &slice->batch, words + done,
					word_count - done, own, slice->node, 0);
		if (leak_batch_is_full(&slice->batch))
			take_batch(slice);
	}
}

/* A piece may begin and end within nodes, and span several with what is between them. */
static void take_piece(void *context, size_t range, uint64_t address, const uint64_t *words,
		       size_t word_count)
{
	struct slice *slice = context;
	uint64_t end = address + word_count * 8;
	(void)range;
	while (slice->node < slice->end) {
		struct leak_range node = words_of(&slice->index->extents[slice->node]);
		uint64_t last = node.address + node.size_bytes;
		if (node.address >= end)
			return;
		uint64_t first = node.address < address ? address : node.address;
		uint64_t stop = last < end ? last : end;
		if (stop > first)
			take_node(slice, words + (first - address) / 8, (stop - first) / 8);
		if (last > end)
			return;
		slice->node++;
	}
}

/* Nodes that are close to each other are read in one piece. */
static void read_slice(struct slice *slice)
{
	struct leak_range ranges[READ_RANGES];
	uint32_t next = slice->first;
	while (next < slice->end && !slice->is_failed) {
		size_t count = 0;
		for (; next < slice->end; next++) {
			struct leak_range node = words_of(&slice->index->extents[next]);
			if (node.size_bytes == 0)
				continue;
			struct leak_range *last = count ? &ranges[count - 1] : NULL;
			if (last &&
			    node.address - (last->address + last->size_bytes) <= GAP_BYTES) {
				last->size_bytes = node.address + node.size_bytes - last->address;
				continue;
			}
			if (count == READ_RANGES)
				break;
			ranges[count++] = node;
		}
		slice->memory->read(slice->memory->context, ranges, count, take_piece, slice);
	}
	take_batch(slice);
	while (slice->started < slice->end)
		slice->starts[slice->started++] = slice->count;
}

static void *work(void *context)
{
	read_slice(context);
	return NULL;
}

/* Cuts the nodes into slices of about as many bytes each. returns how many */
static size_t cut(const struct leak_index *index, struct slice *slices, size_t slices_max)
{
	uint64_t total = 0;
	for (uint32_t i = 0; i < index->count; i++)
		total += words_of(&index->extents[i]).size_bytes;
	size_t wanted = total / SLICE_BYTES_MIN;
	wanted = wanted < 1 ? 1 : wanted;
	wanted = wanted < slices_max ? wanted : slices_max;
	size_t count = 0;
	uint64_t bytes = 0;
	slices[0].first = 0;
	for (uint32_t i = 0; i < index->count && count + 1 < wanted; i++) {
		bytes += words_of(&index->extents[i]).size_bytes;
		if (bytes < total / wanted * (count + 1))
			continue;
		slices[count++].end = i + 1;
		slices[count].first = i + 1;
	}
	slices[count++].end = index->count;
	return count;
}

/* Puts the edges of all slices one behind the other. returns false: no memory */
static bool join(struct leak_edges *edges, struct slice *slices, size_t slice_count)
{
	size_t total = 0;
	for (size_t i = 0; i < slice_count; i++)
		total += slices[i].count;
	uint32_t *words = slices[0].words;
	if (slice_count > 1 && !(words = realloc(words, (total + 1) * sizeof(*words))))
		return false;
	slices[0].words = NULL;
	edges->words = words;
	edges->word_count = slices[0].count;
	for (size_t i = 1; i < slice_count; i++) {
		for (uint32_t node = slices[i].first; node < slices[i].end; node++)
			edges->starts[node] += edges->word_count;
		if (slices[i].count > 0)
			memcpy(words + edges->word_count, slices[i].words,
			       slices[i].count * sizeof(*words));
		edges->word_count += slices[i].count;
	}
	return true;
}

bool leak_edges_read(struct leak_edges *ret_edges, const struct leak_index *index,
		     const struct leak_memory *memories, size_t memory_count)
{
	size_t most = memory_count < SLICES_MAX ? memory_count : SLICES_MAX;
	struct slice *slices = calloc(most, sizeof(*slices));
	*ret_edges = (struct leak_edges){
		.starts = large_array((size_t)index->count + 1, sizeof(*ret_edges->starts))};
	bool is_good = slices && ret_edges->starts;
	size_t count = is_good ? cut(index, slices, most) : 0;
	for (size_t i = count; i-- > 0;) {
		struct slice *slice = &slices[i];
		slice->index = index;
		slice->memory = &memories[i];
		slice->starts = ret_edges->starts;
		slice->node = slice->started = slice->first;
		slice->has_thread = i > 0 && pthread_create(&slice->thread, NULL, work, slice) == 0;
		if (!slice->has_thread)
			read_slice(slice);
	}
	for (size_t i = 0; i < count; i++) {
		if (slices[i].has_thread)
			(void)pthread_join(slices[i].thread, NULL); /* a joinable thread of ours */
		is_good = is_good && !slices[i].is_failed;
	}
	is_good = is_good && join(ret_edges, slices, count);
	if (is_good)
		ret_edges->starts[index->count] = ret_edges->word_count;
	for (size_t i = 0; i < count; i++)
		free(slices[i].words);
	free(slices);
	return is_good;
}

void leak_edges_release(struct leak_edges *edges)
{
	free(edges->starts);
	free(edges->words);
	*edges = (struct leak_edges){0};
}
