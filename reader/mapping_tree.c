/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/mapping_tree.h"

#include <stdlib.h>

void mapping_tree_release(struct mapping_tree *tree)
{
	free(tree->nodes);
	*tree = (struct mapping_tree){0};
}

void mapping_pieces_release(struct mapping_pieces *pieces)
{
	free(pieces->items);
	*pieces = (struct mapping_pieces){0};
}

/* Makes sure that `count` nodes can be taken. */
static bool reserve_nodes(struct mapping_tree *tree, uint32_t count)
{
	uint32_t used = tree->used ? tree->used : 1;
	if (used + count <= tree->capacity)
		return true;
	uint32_t capacity = tree->capacity ? tree->capacity * 2 : 64;
	struct mapping_node *grown = realloc(tree->nodes, capacity * sizeof(*grown));
	if (!grown)
		return false;
	tree->nodes = grown;
	tree->capacity = capacity;
	return true;
}

/* A node, from those reserved. */
static uint32_t take_node(struct mapping_tree *tree, const struct mapping_piece *piece)
{
	uint32_t node = tree->free;
	if (node) {
		tree->free = tree->nodes[node].right;
	} else {
		node = tree->used ? tree->used : 1;
		tree->used = node + 1;
	}
	tree->nodes[node] = (struct mapping_node){.piece = *piece};
	return node;
}

static void give_back(struct mapping_tree *tree, uint32_t node)
{
	tree->nodes[node].right = tree->free;
	tree->free = node;
}

static uint32_t priority(uint32_t node)
{
	uint32_t hash = node * 0x9e3779b1u;
	return (hash ^ hash >> 15) * 0x85ebca6bu;
}

/* Ranges that start before `start` go to the left, the others to the right. */
static void split(struct mapping_tree *tree, uint32_t node, uint64_t start, uint32_t *ret_left,
		  uint32_t *ret_right)
{
	while (node) {
		struct mapping_node *at = &tree->nodes[node];
		if (at->piece.start < start) {
			*ret_left = node;
			ret_left = &at->right;
			node = at->right;
		} else {
			*ret_right = node;
			ret_right = &at->left;
			node = at->left;
		}
	}
	*ret_left = 0;
	*ret_right = 0;
}

/* Everything in `left` starts before everything in `right`. */
static uint32_t merge(struct mapping_tree *tree, uint32_t left, uint32_t right)
{
	uint32_t root = 0;
	uint32_t *at = &root;
	while (left && right) {
		if (priority(left) > priority(right)) {
			*at = left;
			at = &tree->nodes[left].right;
			left = *at;
		} else {
			*at = right;
			at = &tree->nodes[right].left;
			right = *at;
		}
	}
	*at = left ? left : right;
	return root;
}

bool mapping_tree_insert(struct mapping_tree *tree, const struct mapping_piece *piece)
{
	uint32_t left;
	uint32_t right;
	if (!tree->free && !reserve_nodes(tree, 1))
		return false;
	uint32_t node = take_node(tree, piece);
	split(tree, tree->root, piece->start, &left, &right);
	tree->root = merge(tree, merge(tree, left, node), right);
	return true;
}

/* The range that starts last. */
static struct mapping_piece *last_piece(const struct mapping_tree *tree, uint32_t node)
{
	if (!node)
		return NULL;
	while (tree->nodes[node].right)
		node = tree->nodes[node].right;
	return &tree->nodes[node].piece;
}

/* Room for one more piece is made before anything changes. */
static bool reserve_pieces(struct mapping_pieces *pieces, size_t count)
{
	if (pieces->capacity >= count)
		return true;
	size_t capacity = pieces->capacity ? pieces->capacity : 8;
	while (capacity < count)
		capacity *= 2;
	struct mapping_piece *grown = realloc(pieces->items, capacity * sizeof(*grown));
	if (!grown)
		return false;
	pieces->items = grown;
	pieces->capacity = capacity;
	return true;
}

/* Number of ranges in a subtree; it is laid out as a list on the way. */
static size_t straighten(struct mapping_tree *tree, uint32_t *root)
{
	size_t count = 0;
	for (uint32_t *at = root; *at;) {
		struct mapping_node *node = &tree->nodes[*at];
		if (node->left) {
			uint32_t left = node->left;
			node->left = tree->nodes[left].right;
			tree->nodes[left].right = *at;
			*at = left;
		} else {
			at = &node->right;
			count++;
		}
	}
	return count;
}

/* Turns a list back into a treap. */
static uint32_t gather(struct mapping_tree *tree, uint32_t list)
{
	uint32_t root = 0;
	while (list) {
		uint32_t next = tree->nodes[list].right;
		tree->nodes[list].right = 0;
		root = merge(tree, root, list);
		list = next;
	}
	return root;
}

bool mapping_tree_remove(struct mapping_tree *tree, uint64_t start, uint64_t end,
			 struct mapping_pieces *ret_removed)
{
	uint32_t before;
	uint32_t inside;
	uint32_t behind;
	ret_removed->count = 0;
	if (!tree->root)
		return true;
	if (!tree->free && !reserve_nodes(tree, 1))
		return false;
	split(tree, tree->root, start, &before, &inside);
	split(tree, inside, end, &inside, &behind);
	size_t count = straighten(tree, &inside);
	if (!reserve_pieces(ret_removed, count + 1)) {
		tree->root = merge(tree, merge(tree, before, gather(tree, inside)), behind);
		return false;
	}
	struct mapping_piece *first = last_piece(tree, before);
	if (first && first->end > start) {
		struct mapping_piece *removed = &ret_removed->items[ret_removed->count++];
		*removed = *first;
		removed->start = start;
		first->end = start;
	}
	while (inside) {
		uint32_t next = tree->nodes[inside].right;
		ret_removed->items[ret_removed->count++] = tree->nodes[inside].piece;
		give_back(tree, inside);
		inside = next;
	}
	/* Only the last of them can reach beyond the end. */
	if (ret_removed->count > 0 && ret_removed->items[ret_removed->count - 1].end > end) {
		struct mapping_piece *removed = &ret_removed->items[ret_removed->count - 1];
		struct mapping_piece rest = *removed;
		rest.start = end;
		removed->end = end;
		behind = merge(tree, take_node(tree, &rest), behind);
	}
	tree->root = merge(tree, before, behind);
	return true;
}

const struct mapping_piece *mapping_tree_find(const struct mapping_tree *tree, uint64_t address)
{
	uint32_t node = tree->root;
	while (node) {
		const struct mapping_piece *piece = &tree->nodes[node].piece;
		if (address >= piece->start && address < piece->end)
			return piece;
		node = address < piece->start ? tree->nodes[node].left : tree->nodes[node].right;
	}
	return NULL;
}
