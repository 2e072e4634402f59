/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/log/stack_trie.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_NODES 256u
#define FIRST_SLOTS 1024u

static uint32_t hash_of(uint32_t parent, uint16_t module, uint64_t offset)
{
	uint64_t hash = (offset ^ (uint64_t)module << 48) * 0x9e3779b97f4a7c15u;
	hash = (hash ^ hash >> 29 ^ parent) * 0xbf58476d1ce4e5b9u;
	return (uint32_t)(hash >> 32);
}

bool stack_trie_init(struct stack_trie *trie)
{
	*trie = (struct stack_trie){.node_capacity = FIRST_NODES, .slot_mask = FIRST_SLOTS - 1};
	trie->nodes = calloc(FIRST_NODES, sizeof(*trie->nodes));
	trie->slots = calloc(FIRST_SLOTS, sizeof(*trie->slots));
	if (!trie->nodes || !trie->slots) {
		stack_trie_release(trie);
		return false;
	}
	trie->node_count = 1;
	trie->hashed_count = 1;
	return true;
}

void stack_trie_release(struct stack_trie *trie)
{
	free(trie->nodes);
	free(trie->slots);
	*trie = (struct stack_trie){0};
}

static void put_slot(struct stack_trie *trie, uint32_t node)
{
	const struct stack_node *entry = &trie->nodes[node];
	uint32_t slot = hash_of(entry->parent, entry->module, entry->offset) & trie->slot_mask;
	while (trie->slots[slot])
		slot = (slot + 1) & trie->slot_mask;
	trie->slots[slot] = node;
}

/* Makes room for all nodes, at most half full, so that probes stay short. */
static bool grow_slots(struct stack_trie *trie)
{
	uint32_t mask = trie->slot_mask;
	while (trie->node_count * 2ull > mask)
		mask = mask * 2 + 1;
	uint32_t *slots = calloc((size_t)mask + 1, sizeof(*slots));
	if (!slots)
		return false;
	free(trie->slots);
	trie->slots = slots;
	trie->slot_mask = mask;
	trie->hashed_count = 1;
	return true;
}

/* Enters the nodes that were appended since. */
static bool hash_new(struct stack_trie *trie)
{
	if (trie->node_count * 2ull > trie->slot_mask && !grow_slots(trie))
		return false;
	while (trie->hashed_count < trie->node_count)
		put_slot(trie, trie->hashed_count++);
	return true;
}

static bool grow_nodes(struct stack_trie *trie)
{
	uint32_t capacity = trie->node_capacity * 2;
	if (capacity < trie->node_capacity)
		return false;
	struct stack_node *nodes = realloc(trie->nodes, (size_t)capacity * sizeof(*nodes));
	if (!nodes)
		return false;
	trie->nodes = nodes;
	trie->node_capacity = capacity;
	return true;
}

uint32_t stack_trie_append(struct stack_trie *trie, uint32_t parent, uint16_t module,
			   uint64_t offset)
{
	if (trie->node_count == trie->node_capacity && !grow_nodes(trie))
		return STACK_NONE;
	uint32_t node = trie->node_count++;
	trie->nodes[node] = (struct stack_node){
		.offset = offset,
		.parent = parent,
		.module = module,
		.depth = (uint16_t)(trie->nodes[parent].depth + 1),
	};
	return node;
}

uint32_t stack_trie_find(struct stack_trie *trie, uint32_t parent, uint16_t module, uint64_t offset)
{
	if (trie->hashed_count < trie->node_count && !hash_new(trie))
		return STACK_NONE;
	uint32_t slot = hash_of(parent, module, offset) & trie->slot_mask;
	for (; trie->slots[slot]; slot = (slot + 1) & trie->slot_mask) {
		const struct stack_node *entry = &trie->nodes[trie->slots[slot]];
		if (entry->parent == parent && entry->offset == offset && entry->module == module)
			return trie->slots[slot];
	}
	return STACK_ROOT;
}

uint32_t stack_trie_intern(struct stack_trie *trie, uint32_t parent, uint16_t module,
			   uint64_t offset)
{
	uint32_t node = stack_trie_find(trie, parent, module, offset);
	return node == STACK_ROOT ? stack_trie_append(trie, parent, module, offset) : node;
}
