/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The nodes are cut into slices of consecutive ones. Each thread reads the next that nobody has
 * begun. */
#include "libtrack/collector/leak_edges.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/sys.h"
#include "libtrack/collector/arrays.h"
#include "libtrack/collector/helper_thread.h"

#define READ_RANGES 1024u /* that are asked for at a time */
#define GAP_BYTES 256u    /* between nodes that are read together */
#define THREADS_MAX 16u
#define SLICES_MAX 64u
#define SLICES_PER_THREAD 16u /* so that all end at about the same time */
#define SLICE_BYTES_MIN (256u << 10)
#define SMALLEST_PART 64u /* of the address space that edges can take */
#define ROOM_STEP_BYTES                                                                            \
	(64u << 10) /* the first, a multiple of all sizes of pages; then twice it                  \
		     */
#define ROOM_STEP_BYTES_MAX (1u << 20)

struct slice {
	const struct leak_index *index;
	size_t *starts; /* of all nodes */
	uint32_t first; /* nodes [first, end) */
	uint32_t end;
	uint32_t node;    /* the first whose end has not been seen */
	uint32_t started; /* nodes before it have their edges' start */
	uint32_t *words;  /* of all nodes; of the slice [at, capacity) can be written to */
	size_t at;
	size_t capacity;
	size_t limit;      /* of the capacity */
	size_t room_bytes; /* that it is to grow by */
	size_t newest;     /* where the last edge begins */
	bool is_failed;
	struct leak_batch batch;
};

struct leak_reading {
	const struct leak_index *index;
	const struct leak_memory *memories; /* [1 + thread_count] the first is the caller's */
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

/* Makes room for `count` words behind the last. returns false: no memory */
static inline bool make_room(struct slice *slice, size_t count)
{
	if (__builtin_expect(slice->at + count <= slice->capacity, 1))
		return true;
	size_t left_bytes = (slice->limit - slice->capacity) * sizeof(*slice->words);
	size_t step_bytes = slice->room_bytes < left_bytes ? slice->room_bytes : left_bytes;
	if (step_bytes == 0 ||
	    mprotect(slice->words + slice->capacity, step_bytes, PROT_READ | PROT_WRITE) != 0)
		return false;
	sys_populate(slice->words + slice->capacity, step_bytes);
	slice->capacity += step_bytes / sizeof(*slice->words);
	if (slice->room_bytes < ROOM_STEP_BYTES_MAX)
		slice->room_bytes *= 2;
	return true;
}

static bool add_edge(struct slice *slice, uint32_t from, uint32_t to, uint64_t offset)
{
	uint32_t code = to | (offset ? LEAK_EDGE_IS_INSIDE : 0);
	uint32_t inside = offset < UINT32_MAX ? (uint32_t)offset : UINT32_MAX;
	size_t last = slice->newest;
	/* Arrays of one pointer need one edge. */
	if (slice->at > slice->starts[from] && slice->words[last] == code &&
	    (!offset || slice->words[last + 1] == inside))
		return true;
	if (!make_room(slice, 2))
		return false;
	slice->newest = slice->at;
	slice->words[slice->at++] = code;
	if (offset)
		slice->words[slice->at++] = inside;
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
			slice->starts[slice->started++] = slice->at;
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
static void read_slice(struct slice *slice, const struct leak_memory *memory)
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
		memory->read(memory->context, ranges, count, take_piece, slice);
	}
	take_batch(slice);
	while (slice->started < slice->end)
		slice->starts[slice->started++] = slice->at;
	if (!make_room(slice, 1))
		slice->is_failed = true;
	else
		slice->words[slice->at] = slice->end - 1; /* the last node's own number */
}

static void read_slices(struct leak_reading *reading, const struct leak_memory *memory)
{
	size_t i;
	while ((i = atomic_fetch_add(&reading->next, 1)) < reading->slice_count)
		read_slice(&reading->slices[i], memory);
}

static void *work(void *context)
{
	struct leak_reading *reading = context;
	size_t memory = atomic_fetch_add(&reading->started, 1) + 1; /* the first is the caller's */
	read_slices(reading, &reading->memories[memory]);
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

/* As many bytes as the edges of a slice can take, or a part of that. */
static size_t room_for(const struct leak_reading *reading, const struct slice *slice, size_t part)
{
	size_t words = 1;
	for (uint32_t node = slice->first; node < slice->end; node++)
		words += words_of(&reading->index->extents[node]).size_bytes / 8 * 2;
	return (words * sizeof(uint32_t) / part / ROOM_STEP_BYTES + 1) * ROOM_STEP_BYTES;
}

/*
 * Each slice has address space for as many edges as it can have, of which the pages are had step by
 * step: so no edge is moved. Where there is not so much of it, less must do: most words are no
 * pointers. returns false: no memory
 */
static bool share_out_room(struct leak_reading *reading)
{
	struct leak_edges *edges = &reading->edges;
	size_t sizes[SLICES_MAX];
	edges->words = MAP_FAILED;
	for (size_t part = 1; part <= SMALLEST_PART && edges->words == MAP_FAILED; part *= 4) {
		edges->words_bytes = 0;
		for (size_t i = 0; i < reading->slice_count; i++) {
			sizes[i] = room_for(reading, &reading->slices[i], part);
			edges->words_bytes += sizes[i];
		}
		edges->words = mmap(NULL, edges->words_bytes, PROT_NONE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	}
	if (edges->words == MAP_FAILED) {
		edges->words = NULL;
		return false;
	}
	size_t at = 0;
	for (size_t i = 0; i < reading->slice_count; i++) {
		struct slice *slice = &reading->slices[i];
		slice->words = edges->words;
		slice->room_bytes = ROOM_STEP_BYTES;
		slice->at = slice->capacity = slice->newest = at;
		at += sizes[i] / sizeof(*edges->words);
		slice->limit = at;
	}
	return true;
}

static void release(struct leak_reading *reading)
{
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
	reading->edges.starts = large_array((size_t)index->count + 1, sizeof(size_t));
	if (!reading->edges.starts || !share_out_room(reading)) {
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
	read_slices(reading, &reading->memories[0]);
	await_threads(reading);
	for (size_t i = 0; i < reading->slice_count; i++)
		is_good = is_good && !reading->slices[i].is_failed;
	*ret_edges = reading->edges;
	ret_edges->starts[reading->index->count] = ret_edges->words_bytes / sizeof(uint32_t);
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
	free(edges->starts);
	if (edges->words)
		(void)munmap(edges->words, edges->words_bytes); /* valid arguments */
	*edges = (struct leak_edges){0};
}
