/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The nodes are cut into slices of consecutive ones. Each thread reads the next that nobody has
 * begun, and puts the edges down in memory of its own.
 */
#include "libtrack/collector/leak_edges.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/sys.h"
#include "libtrack/collector/arrays.h"
#include "libtrack/collector/helper_thread.h"

#define READ_RANGES 1024u /* that are asked for at a time */
#define GAP_BYTES 256u    /* between nodes that are read together */
#define THREADS_MAX 16u
#define SLICES_MAX 64u
#define SLICES_PER_THREAD 16u /* so that all end at about the same time */
#define SLICE_BYTES_MIN (256u << 10)
#define CHUNK_BYTES ((size_t)256 << 10)
#define EDGE_WORDS 2u /* one can take */
#define END_WORDS 2u  /* there is room for: behind the edges a slice may end, and then the chunk */

struct leak_edge_chunk {
	struct leak_edge_chunk *next;
	uint32_t words[];
};

/* A thread's memory for edges. */
struct room {
	struct leak_edge_chunk *chunks; /* the newest first */
	uint32_t *at;
	uint32_t *end;
};

struct slice {
	const struct leak_index *index;
	const uint32_t **starts; /* of all nodes */
	uint32_t first;          /* nodes [first, end) */
	uint32_t end;
	uint32_t node;          /* the first whose end has not been seen */
	uint32_t started;       /* nodes before it have their edges' start */
	const uint32_t *newest; /* edge of the node that was started last, if it has one */
	struct room *room;      /* of the thread that reads it */
	bool is_failed;
	struct leak_batch batch;
};

struct leak_reading {
	const struct leak_index *index;
	const struct leak_memory *memories; /* [1 + thread_count] the first is the caller's */
	struct room rooms[1 + THREADS_MAX]; /* the same threads' */
	pthread_t threads[THREADS_MAX];
	size_t thread_count;
	_Atomic size_t started; /* threads, which take a memory each */
	struct slice slices[SLICES_MAX];
	size_t slice_count;
	_Atomic size_t next; /* slice that nobody has begun */
	struct leak_edges edges;
};

/* The aligned words of a node. */
static struct leak_range words_of(const struct leak_extent *extent)
{
	uint64_t first = (extent->address + 7) & ~7ull;
	uint64_t end = extent->end & ~7ull;
	return (struct leak_range){first, end > first ? end - first : 0};
}

/*
 * Begins another chunk, of memory that is at hand (leak_ahead.c) as a rule: fresh pages took a
 * seventh of the time that a heap was read in. returns false: no memory
 */
static bool add_chunk(struct room *room, size_t word_count)
{
	size_t size_bytes = sizeof(struct leak_edge_chunk) + word_count * sizeof(uint32_t);
	size_bytes = size_bytes > CHUNK_BYTES ? size_bytes : CHUNK_BYTES;
	struct leak_edge_chunk *chunk = malloc(size_bytes);
	if (!chunk)
		return false;
	if (size_bytes == CHUNK_BYTES)
		(void)sys_populate(chunk, size_bytes); /* else most of it stays empty */
	chunk->next = room->chunks;
	room->chunks = chunk;
	room->at = chunk->words;
	room->end = (uint32_t *)((char *)chunk + size_bytes);
	return true;
}

static inline bool has_room(const struct room *room)
{
	return room->end - room->at >= (ptrdiff_t)(EDGE_WORDS + END_WORDS);
}

/* The edges so far of the node that was started last. */
static inline size_t edge_words(const struct slice *slice)
{
	return (size_t)(slice->room->at - slice->starts[slice->started - 1]);
}

/* Goes on with the node that was started last in another chunk. returns false: no memory */
static bool move_node(struct slice *slice)
{
	struct room *room = slice->room;
	uint32_t node = slice->started - 1;
	size_t words = edge_words(slice);
	uint32_t *from = room->at - words;
	if (!add_chunk(room, 2 * words + EDGE_WORDS + END_WORDS))
		return false;
	memcpy(room->at, from, words * sizeof(*from));
	slice->starts[node] = room->at;
	if (words > 0)
		slice->newest = room->at + (slice->newest - from);
	room->at += words;
	*from = node - 1; /* its own number: the node before has no more */
	return true;
}

static void start_node(struct slice *slice, uint32_t node)
{
	while (slice->started <= node)
		slice->starts[slice->started++] = slice->room->at;
}

/* returns  false: no memory */
static bool add_edge(struct slice *slice, uint32_t to, uint64_t offset)
{
	struct room *room = slice->room;
	uint32_t code = to | (offset ? LEAK_EDGE_IS_INSIDE : 0);
	uint32_t inside = offset < UINT32_MAX ? (uint32_t)offset : UINT32_MAX;
	/* Arrays of one pointer need one edge. */
	if (edge_words(slice) > 0 && slice->newest[0] == code &&
	    (!offset || slice->newest[1] == inside))
		return true;
	if (__builtin_expect(!has_room(room), 0) && !move_node(slice))
		return false;
	slice->newest = room->at;
	*room->at++ = code;
	if (offset)
		*room->at++ = inside;
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
		if (to == LEAK_INDEX_NONE || to == from || slice->is_failed)
			continue;
		if (slice->started <= from)
			start_node(slice, from);
		slice->is_failed = !add_edge(slice, to,
					     batch->words[i] - slice->index->extents[to].address);
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
static void read_slice(struct slice *slice, const struct leak_memory *memory, struct room *room)
{
	struct leak_range ranges[READ_RANGES];
	uint32_t next = slice->first;
	slice->room = room;
	slice->is_failed = !has_room(room) && !add_chunk(room, EDGE_WORDS + END_WORDS);
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
		memory->read(memory->context, ranges, count, take_piece, slice);
	}
	take_batch(slice);
	if (slice->is_failed)
		return;
	while (slice->started < slice->end)
		slice->starts[slice->started++] = room->at;
	/* There is room for it, and for the same at the end of the chunk. */
	*room->at++ = slice->end - 1; /* its own number: the last node has no more */
}

static void read_slices(struct leak_reading *reading, size_t thread)
{
	size_t i;
	while ((i = atomic_fetch_add(&reading->next, 1)) < reading->slice_count)
		read_slice(&reading->slices[i], &reading->memories[thread],
			   &reading->rooms[thread]);
}

static void *work(void *context)
{
	struct leak_reading *reading = context;
	read_slices(reading, atomic_fetch_add(&reading->started, 1) + 1); /* the caller is 0 */
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

static void take_chunks(struct leak_reading *reading)
{
	for (size_t i = 0; i <= THREADS_MAX; i++) {
		struct leak_edge_chunk *chunk;
		while ((chunk = reading->rooms[i].chunks)) {
			reading->rooms[i].chunks = chunk->next;
			chunk->next = reading->edges.chunks;
			reading->edges.chunks = chunk;
		}
	}
}

static void release(struct leak_reading *reading)
{
	take_chunks(reading);
	leak_edges_release(&reading->edges);
	free(reading);
}

struct leak_reading *leak_reading_begin(const struct leak_index *index,
					const struct leak_memory *memories, size_t memory_count)
{
	struct leak_reading *reading = calloc(1, sizeof(*reading));
	if (!reading)
		return NULL;
	size_t helpers = memory_count - 1 < THREADS_MAX ? memory_count - 1 : THREADS_MAX;
	size_t most = helpers ? (helpers + 1) * SLICES_PER_THREAD : 1;
	reading->index = index;
	reading->memories = memories;
	reading->slice_count = cut(index, reading->slices, most < SLICES_MAX ? most : SLICES_MAX);
	reading->edges.starts = large_array((size_t)index->count + 1,
					    sizeof(*reading->edges.starts));
	if (!reading->edges.starts) {
		release(reading);
		return NULL;
	}
	for (size_t i = 0; i < reading->slice_count; i++) {
		struct slice *slice = &reading->slices[i];
		slice->index = index;
		slice->starts = reading->edges.starts;
		slice->node = slice->started = slice->first;
	}
	helpers = helpers < reading->slice_count ? helpers : reading->slice_count;
	/* What little there is is read before a thread has started. */
	while (reading->slice_count > 1 && reading->thread_count < helpers &&
	       helper_thread_start(&reading->threads[reading->thread_count], work, reading))
		reading->thread_count++;
	return reading;
}

static void await_threads(struct leak_reading *reading)
{
	for (size_t i = 0; i < reading->thread_count; i++)
		(void)pthread_join(reading->threads[i], NULL); /* a joinable thread of ours */
}

bool leak_reading_finish(struct leak_reading *reading, struct leak_edges *ret_edges)
{
	bool is_good = true;
	read_slices(reading, 0);
	await_threads(reading);
	for (size_t i = 0; i < reading->slice_count; i++)
		is_good = is_good && !reading->slices[i].is_failed;
	take_chunks(reading);
	*ret_edges = reading->edges;
	ret_edges->starts[reading->index->count] = NULL;
	free(reading);
	return is_good;
}

void leak_reading_abandon(struct leak_reading *reading)
{
	if (!reading)
		return;
	atomic_store(&reading->next, reading->slice_count);
	await_threads(reading);
	release(reading);
}

void leak_edges_release(struct leak_edges *edges)
{
	struct leak_edge_chunk *chunk;
	while ((chunk = edges->chunks)) {
		edges->chunks = chunk->next;
		free(chunk);
	}
	free(edges->starts);
	*edges = (struct leak_edges){0};
}
