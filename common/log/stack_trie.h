/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stack traces of one process image: a trie of frames from the outermost to the leaf.
 *
 * Node 0 is the root, the empty trace. A trace is named by its leaf's node; a node's parent has a
 * smaller number than the node. A frame is (module, offset): the module's index in the image's
 * list, counted from 1, and the address as the module's ELF file has it (run-time address minus
 * load bias); module 0 holds addresses that lie in no module, as they are. RING_FRAME_* flags stay
 * in the top bits of the offset.
 */
#ifndef MEMTRACE_COMMON_LOG_STACK_TRIE_H
#define MEMTRACE_COMMON_LOG_STACK_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STACK_ROOT 0u
#define STACK_NONE UINT32_MAX /* no memory for the node */

struct stack_node {
	uint64_t offset;
	uint32_t parent;
	uint16_t module;
	uint16_t depth; /* frames from the outermost to this one; the root's is 0 */
};

struct stack_trie {
	struct stack_node *nodes; /* [node_count] */
	uint32_t *slots;          /* [slot_mask + 1] hash table of node numbers, 0 = empty ... */
	uint32_t hashed_count;    /* ... with nodes [1, hashed_count): who only reads needs none */
	uint32_t node_count;
	uint32_t node_capacity;
	uint32_t slot_mask;
};

/* returns  false if there is no memory */
bool stack_trie_init(struct stack_trie *trie);
void stack_trie_release(struct stack_trie *trie);

/*
 * Finds the node of a frame below `parent`.
 * returns  its number, STACK_ROOT: there is none, STACK_NONE: no memory
 */
uint32_t stack_trie_find(struct stack_trie *trie, uint32_t parent, uint16_t module,
			 uint64_t offset);

/* Finds or makes the node of a frame below `parent`. returns its number, STACK_NONE: no memory */
uint32_t stack_trie_intern(struct stack_trie *trie, uint32_t parent, uint16_t module,
			   uint64_t offset);

/*
 * Appends a node as a log has it, without a look whether it is there already.
 * returns  its number, STACK_NONE: no memory
 */
uint32_t stack_trie_append(struct stack_trie *trie, uint32_t parent, uint16_t module,
			   uint64_t offset);

/* The node of `node`'s trace that has `depth` frames. */
static inline uint32_t stack_trie_ancestor(const struct stack_trie *trie, uint32_t node,
					   uint32_t depth)
{
	while (trie->nodes[node].depth > depth)
		node = trie->nodes[node].parent;
	return node;
}

#endif
