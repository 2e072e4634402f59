/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/leak_graph.h"

#include <stdlib.h>
#include <string.h>

#include "libtrack/collector/arrays.h"

#define OFFERS_PER_NODE 64u
#define OFFERS_AT_A_TIME 512u
#define FLOOD_AHEAD 16u /* nodes whose edges are fetched ahead */

static int compare_nodes(const void *left, const void *right)
{
	const struct leak_node *a = left;
	const struct leak_node *b = right;
	return a->address < b->address ? -1 : a->address > b->address;
}

static bool are_sorted(const struct leak_node *nodes, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++)
		if (nodes[i - 1].address > nodes[i].address)
			return false;
	return true;
}

static uint64_t end_of(const struct leak_node *node)
{
	return node->address + (node->size_bytes ? node->size_bytes : 1);
}

/* returns  false: no memory */
static bool build_index(struct leak_graph *graph)
{
	struct leak_extent *extents = large_array((size_t)graph->count + 1, sizeof(*extents));
	graph->queue = large_array((size_t)graph->count + 1, sizeof(*graph->queue));
	graph->reached = calloc((size_t)graph->count / 64 + 1, sizeof(*graph->reached));
	if (!extents || !graph->queue || !graph->reached) {
		free(extents);
		return false;
	}
	for (uint32_t i = 0; i < graph->count; i++)
		extents[i] = (struct leak_extent){graph->nodes[i].address,
						  end_of(&graph->nodes[i])};
	return leak_index_build(&graph->index, extents, graph->count);
}

bool leak_graph_init(struct leak_graph *graph, struct leak_node *taken_nodes, uint32_t count)
{
	*graph = (struct leak_graph){
		.nodes = taken_nodes, .count = count, .reaching = LEAK_REACHABLE};
	if (!are_sorted(taken_nodes, count))
		qsort(taken_nodes, count, sizeof(*taken_nodes), compare_nodes);
	for (uint32_t i = 0; i < count; i++) {
		taken_nodes[i].kind = LEAK_DEFINITE;
		taken_nodes[i].holder = LEAK_HOLDER_NONE;
	}
	if (build_index(graph))
		return true;
	leak_graph_release(graph);
	return false;
}

void leak_graph_release(struct leak_graph *graph)
{
	leak_graph_end_reading(graph);
	leak_index_release(&graph->index);
	leak_edges_release(&graph->edges);
	free(graph->nodes);
	free(graph->reached);
	free(graph->queue);
	free(graph->offers);
	*graph = (struct leak_graph){0};
}

uint32_t leak_graph_find(const struct leak_graph *graph, uint64_t address)
{
	return leak_index_find(&graph->index, address);
}

static void reach(struct leak_graph *graph, uint32_t index, uint32_t holder, uint64_t held_at)
{
	struct leak_node *node = &graph->nodes[index];
	graph->reached[index / 64] |= 1ull << index % 64;
	node->kind = graph->reaching;
	node->holder = holder;
	node->held_at = held_at;
	graph->queue[graph->queued++] = index;
}

/* A pointer into a block, which heuristics may explain when all else is known. */
static void offer(struct leak_graph *graph, uint32_t index, uint64_t offset, uint32_t holder,
		  uint64_t held_at)
{
	struct leak_node *node = &graph->nodes[index];
	if (node->offered == OFFERS_PER_NODE)
		return;
	for (size_t i = graph->offer_count; i > 0 && graph->offer_count - i < 4; i--)
		if (graph->offers[i - 1].node == index && graph->offers[i - 1].offset == offset)
			return;
	if (!array_reserve((void **)&graph->offers, graph->offer_count + 1, &graph->offer_capacity,
			   sizeof(*graph->offers))) {
		graph->is_failed = true;
		return;
	}
	node->offered++;
	graph->offers[graph->offer_count++] = (struct leak_offer){
		.node = index, .offset = offset, .held_at = held_at, .holder = holder};
}

/*
 * glibc's arenas name free chunks by the address 8 bytes before the end of the usable part of the
 * block in front of them, which lies in the block if all of that was asked for.
 */
static bool looks_like_bin(const struct leak_node *node, uint64_t offset)
{
	uint64_t chunk_bytes = (node->size_bytes + 8 + 15) & ~15ull;
	chunk_bytes = chunk_bytes < 32 ? 32 : chunk_bytes;
	return offset == chunk_bytes - 16 || offset == chunk_bytes;
}

/* A pointer to `offset` bytes behind a node's beginning was found in something reached. */
static inline void follow(struct leak_graph *graph, uint32_t to, uint64_t offset, uint32_t holder,
			  uint64_t held_at)
{
	if (graph->reached[to / 64] >> to % 64 & 1)
		return;
	if (offset == 0 || (graph->reaching == LEAK_POSSIBLE &&
			    !leak_is_empty_array(graph->nodes[to].size_bytes, offset)))
		reach(graph, to, holder, held_at);
	else if (graph->reaching != LEAK_POSSIBLE)
		offer(graph, to, offset, holder, held_at);
}

static void visit_batch(struct leak_graph *graph, uint32_t root, struct leak_batch *batch)
{
	leak_index_find_batch(&graph->index, batch);
	for (uint32_t i = 0; i < batch->count; i++) {
		uint32_t to = batch->nodes[i];
		if (to == LEAK_INDEX_NONE)
			continue;
		uint64_t offset = batch->words[i] - graph->index.extents[to].address;
		if (graph->skips_bins && offset && looks_like_bin(&graph->nodes[to], offset))
			continue;
		follow(graph, to, offset, LEAK_HOLDER_ROOT | root, batch->places[i]);
	}
	batch->count = 0;
}

void leak_graph_visit_root(struct leak_graph *graph, uint32_t root, uint64_t address,
			   const uint64_t *words, size_t word_count)
{
	struct leak_batch batch;
	struct leak_extent nowhere = {0, 0};
	batch.count = 0;
	for (size_t done = 0; done < word_count;) {
		done += leak_index_sift(&graph->index, &batch, words + done, word_count - done,
					nowhere, address + done * 8, 8);
		if (leak_batch_is_full(&batch))
			visit_batch(graph, root, &batch);
	}
	visit_batch(graph, root, &batch);
}

void leak_graph_mark(struct leak_graph *graph, uint32_t node, uint32_t root)
{
	if (graph->nodes[node].kind == LEAK_DEFINITE)
		reach(graph, node, LEAK_HOLDER_ROOT | root, 0);
}

typedef void edge_function(struct leak_graph *graph, uint32_t from, uint32_t to, uint64_t offset);

static inline void each_edge(struct leak_graph *graph, uint32_t from, edge_function *visit)
{
	const uint32_t *edge = graph->edges.starts[from];
	for (; edge != graph->edges.starts[from + 1]; edge++) {
		uint32_t code = *edge;
		if (code == from)
			return;
		uint64_t offset = code & LEAK_EDGE_IS_INSIDE ? *++edge : 0;
		visit(graph, from, code & ~LEAK_EDGE_IS_INSIDE, offset);
	}
}

static void follow_edge(struct leak_graph *graph, uint32_t from, uint32_t to, uint64_t offset)
{
	follow(graph, to, offset, from, 0);
}

/* Follows what was reached until nothing new is. */
static void flood(struct leak_graph *graph)
{
	while (graph->taken < graph->queued) {
		if (graph->taken + FLOOD_AHEAD < graph->queued)
			__builtin_prefetch(
				&graph->edges.starts[graph->queue[graph->taken + FLOOD_AHEAD]]);
		if (graph->taken + FLOOD_AHEAD / 2 < graph->queued)
			__builtin_prefetch(
				graph->edges.starts[graph->queue[graph->taken + FLOOD_AHEAD / 2]]);
		each_edge(graph, graph->queue[graph->taken++], follow_edge);
	}
}

/*
 * Heuristics, memcheck's: what a pointer into a block may be that keeps all of it in use.
 */
struct offer_words {
	uint64_t front[2]; /* the first words of the block */
	uint64_t inner;    /* the word that the pointer points to */
};

static void take_words(void *context, size_t range, uint64_t address, const uint64_t *words,
		       size_t word_count)
{
	struct offer_words *taken = context;
	(void)address;
	uint64_t *destination = range % 2 ? &taken[range / 2].inner : taken[range / 2].front;
	memcpy(destination, words, word_count * sizeof(*words));
}

/* libstdc++'s shared strings: length, capacity and count in front of the characters. */
static bool is_shared_string(const struct offer_words *words, uint64_t offset, uint64_t size_bytes)
{
	return offset == 24 && size_bytes >= 24 && 24 + words->front[1] + 1 == size_bytes &&
	       words->front[0] <= words->front[1];
}

/* A block that begins with the size of the rest. */
static bool has_length(const struct offer_words *words, uint64_t offset, uint64_t size_bytes)
{
	return offset == 8 && words->front[0] > 0 && size_bytes - 8 == words->front[0];
}

/* new[] of objects with destructors: their number comes first. */
static bool is_new_array(const struct offer_words *words, uint64_t offset, uint64_t size_bytes)
{
	if (offset != 8)
		return false;
	if (size_bytes == 8)
		return words->front[0] == 0;
	return words->front[0] > 0 && (size_bytes - 8) % words->front[0] == 0;
}

/* A pointer to a base class that is not the first: it and the object begin with tables. */
static bool is_base_class(const struct offer_words *words, uint64_t offset,
			  const struct leak_memory *memory)
{
	return offset % 8 == 0 && memory->is_vtable && words->inner && words->front[0] &&
	       memory->is_vtable(memory->context, words->inner) &&
	       memory->is_vtable(memory->context, words->front[0]);
}

static bool explains(const struct leak_graph *graph, const struct leak_offer *offer,
		     const struct offer_words *words, const struct leak_memory *memory)
{
	uint64_t size_bytes = graph->nodes[offer->node].size_bytes;
	return is_shared_string(words, offer->offset, size_bytes) ||
	       has_length(words, offer->offset, size_bytes) ||
	       is_new_array(words, offer->offset, size_bytes) ||
	       is_base_class(words, offer->offset, memory);
}

static void judge_offers(struct leak_graph *graph, const struct leak_memory *memory,
			 const size_t *offers, size_t count)
{
	struct leak_range ranges[2 * OFFERS_AT_A_TIME];
	struct offer_words words[OFFERS_AT_A_TIME];
	memset(words, 0, sizeof(words));
	for (size_t i = 0; i < count; i++) {
		const struct leak_offer *offer = &graph->offers[offers[i]];
		const struct leak_node *node = &graph->nodes[offer->node];
		bool has_inner = offer->offset % 8 == 0 && node->address % 8 == 0 &&
				 offer->offset + 8 <= node->size_bytes;
		uint64_t front = node->size_bytes / 8 * 8;
		ranges[2 * i] = (struct leak_range){node->address, front < 16 ? front : 16};
		ranges[2 * i + 1] = (struct leak_range){node->address + offer->offset,
							has_inner ? 8 : 0};
	}
	memory->read(memory->context, ranges, 2 * count, take_words, words);
	for (size_t i = 0; i < count; i++) {
		const struct leak_offer *offer = &graph->offers[offers[i]];
		if (graph->nodes[offer->node].kind == LEAK_DEFINITE &&
		    explains(graph, offer, &words[i], memory))
			reach(graph, offer->node, offer->holder, offer->held_at);
	}
}

/* What heuristics explain is reachable, and what that leads to; which may bring new offers. */
static void use_heuristics(struct leak_graph *graph, const struct leak_memory *memory)
{
	size_t chosen[OFFERS_AT_A_TIME];
	size_t next = 0;
	while (next < graph->offer_count) {
		size_t count = 0;
		for (; next < graph->offer_count && count < OFFERS_AT_A_TIME; next++)
			if (graph->nodes[graph->offers[next].node].kind == LEAK_DEFINITE)
				chosen[count++] = next;
		if (count > 0)
			judge_offers(graph, memory, chosen, count);
		flood(graph);
	}
}

static void flood_possible(struct leak_graph *graph)
{
	graph->reaching = LEAK_POSSIBLE;
	for (size_t i = 0; i < graph->offer_count; i++) {
		const struct leak_offer *offer = &graph->offers[i];
		const struct leak_node *node = &graph->nodes[offer->node];
		if (node->kind == LEAK_DEFINITE &&
		    !leak_is_empty_array(node->size_bytes, offer->offset))
			reach(graph, offer->node, offer->holder, offer->held_at);
	}
	flood(graph);
}

/* All that `leader` leads to becomes indirect, earlier leaders and what they led to included. */
static void gather_edge(struct leak_graph *graph, uint32_t from, uint32_t to, uint64_t offset)
{
	struct leak_node *lost = &graph->nodes[to];
	struct leak_node *leader = &graph->nodes[graph->leader];
	(void)offset;
	if (to == graph->leader || lost->kind != LEAK_DEFINITE)
		return;
	lost->kind = LEAK_INDIRECT;
	lost->holder = from;
	leader->indirect_bytes += lost->size_bytes + lost->indirect_bytes;
	lost->indirect_bytes = 0;
	graph->queue[graph->queued++] = to;
}

static void choose_leaders(struct leak_graph *graph)
{
	for (uint32_t node = 0; node < graph->count; node++) {
		if (graph->nodes[node].kind != LEAK_DEFINITE)
			continue;
		graph->leader = node;
		graph->queued = 0;
		graph->queue[graph->queued++] = node;
		while (graph->queued > 0)
			each_edge(graph, graph->queue[--graph->queued], gather_edge);
	}
}

bool leak_graph_begin_reading(struct leak_graph *graph, const struct leak_memory *memories,
			      size_t memory_count)
{
	graph->reading = leak_reading_begin(&graph->index, memories, memory_count);
	return graph->reading != NULL;
}

void leak_graph_end_reading(struct leak_graph *graph)
{
	leak_reading_abandon(graph->reading);
	graph->reading = NULL;
}

/* returns  false: no memory */
static bool finish_reading(struct leak_graph *graph)
{
	struct leak_reading *reading = graph->reading;
	graph->reading = NULL;
	return leak_reading_finish(reading, &graph->edges);
}

bool leak_graph_classify(struct leak_graph *graph, const struct leak_memory *memories,
			 size_t memory_count)
{
	graph->skips_bins = false;
	if (graph->is_failed ||
	    (!graph->reading && !leak_graph_begin_reading(graph, memories, memory_count)) ||
	    !finish_reading(graph))
		return false;
	flood(graph);
	use_heuristics(graph, &memories[0]);
	flood_possible(graph);
	if (graph->is_failed)
		return false;
	choose_leaders(graph);
	return true;
}
