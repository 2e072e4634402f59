/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Builds the nodes of a profile: each image's trie of addresses becomes a path of named frames in
 * one tree, frames of inlined functions included.
 */
#ifndef MEMTRACE_READER_CALL_TREE_H
#define MEMTRACE_READER_CALL_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "reader/profile.h"

struct call_tree {
	struct profile *profile;
	uint32_t frame_capacity;
	uint32_t node_capacity;
	uint32_t *frame_slots; /* [frame_mask + 1] frame + 1, 0 = empty */
	uint32_t frame_mask;
	uint32_t *node_slots; /* [node_mask + 1] node, 0 = empty */
	uint32_t node_mask;
};

/* returns  false if there is no memory */
bool call_tree_init(struct call_tree *tree, struct profile *profile);
void call_tree_release(struct call_tree *tree);

/*
 * Adds the stack traces of an image.
 *
 * used       [node_count of the image's trie] which of its nodes are wanted
 * ret_nodes  [the same] set for the wanted ones: the profile's node of the innermost frame
 * returns    false if there is no memory
 */
bool call_tree_add_image(struct call_tree *tree, uint32_t image, const bool *used,
			 uint32_t *ret_nodes);

#endif
