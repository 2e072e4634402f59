/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which nodes of a page stay: a node's weight is the largest share that it and all below it have in
 * any of the costs, of the log that is compared with too. A parent weighs as much as its children
 * at least, so the heaviest nodes are a tree. What is left out below a node goes into one node.
 */
#include <stdlib.h>
#include <string.h>

#include "reporters/page_columns.h"
#include "reporters/page_tree.h"

#define NONE UINT32_MAX

struct fold {
	const struct page_tree *tree;
	double *weights;  /* [node_count] */
	uint32_t *order;  /* [node_count] nodes, the heaviest first */
	uint32_t *rank;   /* [node_count] place of a node in `order` */
	uint32_t *left;   /* [node_count] children that are left out */
	uint32_t *nodes;  /* [node_count] number in the folded tree */
	uint32_t *others; /* [node_count] of the node that has what was left out below a node */
	bool *is_kept;    /* [node_count] */
};

static const size_t cost_offsets[] = {
	offsetof(struct profile_costs, allocations),     offsetof(struct profile_costs, peak_bytes),
	offsetof(struct profile_costs, live_bytes),      offsetof(struct profile_costs, temporary),
	offsetof(struct profile_costs, allocated_bytes),
};

static uint64_t cost_at(const struct profile_costs *costs, size_t offset)
{
	uint64_t value;
	memcpy(&value, (const char *)costs + offset, sizeof(value));
	return value;
}

/* Raises the weights to the shares of `sums` [node_count], which begins with what each node has. */
static void weigh(struct fold *fold, uint64_t *sums)
{
	const struct page_tree *tree = fold->tree;
	for (uint32_t node = tree->node_count; node-- > 1;)
		sums[tree->nodes[node].parent] += sums[node];
	for (uint32_t node = 0; node < tree->node_count && sums[0] > 0; node++) {
		double share = (double)sums[node] / (double)sums[0];
		if (share > fold->weights[node])
			fold->weights[node] = share;
	}
}

static bool weigh_nodes(struct fold *fold)
{
	const struct page_tree *tree = fold->tree;
	uint64_t *sums = malloc(tree->node_count * sizeof(*sums));
	if (!sums)
		return false;
	for (size_t c = 0; c < sizeof(cost_offsets) / sizeof(cost_offsets[0]); c++) {
		memset(sums, 0, tree->node_count * sizeof(*sums));
		for (size_t i = 0; i < tree->row_count; i++)
			sums[tree->rows[i].node] += cost_at(&tree->rows[i].costs, cost_offsets[c]);
		weigh(fold, sums);
		if (tree->base_count == 0)
			continue;
		memset(sums, 0, tree->node_count * sizeof(*sums));
		for (size_t i = 0; i < tree->base_count; i++)
			sums[tree->base[i].node] += cost_at(&tree->base[i].costs, cost_offsets[c]);
		weigh(fold, sums);
	}
	free(sums);
	return true;
}

static int by_weight(const void *left, const void *right, void *context)
{
	const double *weights = context;
	uint32_t a = *(const uint32_t *)left;
	uint32_t b = *(const uint32_t *)right;
	if (weights[a] != weights[b])
		return weights[a] > weights[b] ? -1 : 1;
	return (a > b) - (a < b); /* a parent comes before its children */
}

static void order_nodes(struct fold *fold)
{
	uint32_t count = fold->tree->node_count;
	for (uint32_t node = 0; node < count; node++)
		fold->order[node] = node;
	qsort_r(fold->order, count, sizeof(*fold->order), by_weight, fold->weights);
	for (uint32_t i = 0; i < count; i++)
		fold->rank[fold->order[i]] = i;
}

/* How many nodes the tree has if the `kept` heaviest stay: with one more beside those left out. */
static uint32_t nodes_with(struct fold *fold, uint32_t kept)
{
	const struct page_tree *tree = fold->tree;
	uint32_t others = 0;
	memset(fold->left, 0, tree->node_count * sizeof(*fold->left));
	for (uint32_t i = kept; i < tree->node_count; i++) {
		uint32_t parent = tree->nodes[fold->order[i]].parent;
		if (fold->rank[parent] < kept && fold->left[parent]++ == 0)
			others++;
	}
	return kept + others;
}

/* Marks the nodes that stay. The number of nodes grows with that of those kept. */
static void choose(struct fold *fold, uint32_t max_nodes)
{
	const struct page_tree *tree = fold->tree;
	uint32_t low = 1;
	uint32_t high = tree->node_count;
	while (low < high) {
		uint32_t middle = low + (high - low + 1) / 2;
		if (nodes_with(fold, middle) <= max_nodes)
			low = middle;
		else
			high = middle - 1;
	}
	(void)nodes_with(fold, low); /* for the children that are left out */
	for (uint32_t node = 0; node < tree->node_count; node++)
		fold->is_kept[node] = fold->rank[node] < low;
}

/* A node that would stand for one without children says less than that one. */
static void keep_only_children(struct fold *fold)
{
	const struct page_tree *tree = fold->tree;
	bool *has_children = fold->is_kept + tree->node_count;
	for (uint32_t node = 1; node < tree->node_count; node++)
		has_children[tree->nodes[node].parent] = true;
	for (uint32_t node = 1; node < tree->node_count; node++) {
		uint32_t parent = tree->nodes[node].parent;
		if (!fold->is_kept[node] && !has_children[node] && fold->left[parent] == 1 &&
		    fold->is_kept[parent])
			fold->is_kept[node] = true;
	}
}

static bool prepare(struct fold *fold, const struct page_tree *tree)
{
	size_t count = (size_t)tree->node_count + 1;
	*fold = (struct fold){
		.tree = tree,
		.weights = calloc(count, sizeof(*fold->weights)),
		.order = malloc(count * sizeof(*fold->order)),
		.rank = malloc(count * sizeof(*fold->rank)),
		.left = malloc(count * sizeof(*fold->left)),
		.nodes = malloc(count * sizeof(*fold->nodes)),
		.others = malloc(count * sizeof(*fold->others)),
		.is_kept = calloc(count * 2, sizeof(*fold->is_kept)),
	};
	return fold->weights && fold->order && fold->rank && fold->left && fold->nodes &&
	       fold->others && fold->is_kept;
}

static void release(struct fold *fold)
{
	free(fold->weights);
	free(fold->order);
	free(fold->rank);
	free(fold->left);
	free(fold->nodes);
	free(fold->others);
	free(fold->is_kept);
}

/* The frame that stands for what is folded away. returns its number, NONE: no memory */
static uint32_t add_other_frame(struct page_tree *folded)
{
	static const char text[] = "(folded away)";
	uint32_t name = string_table_add(&folded->strings, text, sizeof(text) - 1);
	if (name == STRING_NONE)
		return NONE;
	folded->frames[folded->frame_count] = (struct profile_frame){
		.function = name,
		.flags = PROFILE_FRAME_FOLDED,
	};
	return folded->frame_count++;
}

static bool add_string(struct page_tree *folded, const struct page_tree *tree, uint32_t *number)
{
	const char *text = string_table_text(&tree->strings, *number);
	*number = string_table_add(&folded->strings, text, strlen(text));
	return *number != STRING_NONE;
}

/* Copies the frames of the nodes that stay, and their strings. `frames` [frame_count] */
static bool copy_node(struct page_tree *folded, const struct fold *fold, uint32_t node,
		      uint32_t *frames)
{
	const struct page_tree *tree = fold->tree;
	uint32_t number = tree->nodes[node].frame;
	if (node != 0 && frames[number] == NONE) {
		struct profile_frame frame = tree->frames[number];
		if (!add_string(folded, tree, &frame.function) ||
		    !add_string(folded, tree, &frame.file) ||
		    !add_string(folded, tree, &frame.module))
			return false;
		frames[number] = folded->frame_count;
		folded->frames[folded->frame_count++] = frame;
	}
	fold->nodes[node] = folded->node_count;
	folded->nodes[folded->node_count++] = (struct profile_node){
		.parent = fold->nodes[tree->nodes[node].parent],
		.frame = node != 0 ? frames[number] : 0,
	};
	return true;
}

/* Puts a node that does not stay into the one beside its kept siblings. */
static void fold_node(struct page_tree *folded, const struct fold *fold, uint32_t node,
		      uint32_t other_frame)
{
	uint32_t parent = fold->tree->nodes[node].parent;
	folded->folded_nodes++;
	if (!fold->is_kept[parent]) {
		fold->nodes[node] = fold->nodes[parent];
		return;
	}
	if (fold->others[parent] == NONE) {
		fold->others[parent] = folded->node_count;
		folded->nodes[folded->node_count++] = (struct profile_node){
			.parent = fold->nodes[parent],
			.frame = other_frame,
		};
	}
	fold->nodes[node] = fold->others[parent];
}

static bool copy_nodes(struct page_tree *folded, const struct fold *fold)
{
	const struct page_tree *tree = fold->tree;
	uint32_t *frames = malloc(((size_t)tree->frame_count + 1) * sizeof(*frames));
	folded->frames = malloc(((size_t)tree->frame_count + 1) * sizeof(*folded->frames));
	folded->nodes = malloc(((size_t)tree->node_count + 1) * sizeof(*folded->nodes));
	bool has_memory = frames && folded->frames && folded->nodes &&
			  string_table_init(&folded->strings);
	uint32_t other_frame = has_memory ? add_other_frame(folded) : NONE;
	has_memory = other_frame != NONE;
	for (uint32_t i = 0; i < tree->frame_count && has_memory; i++)
		frames[i] = NONE;
	for (uint32_t node = 0; node < tree->node_count && has_memory; node++) {
		fold->others[node] = NONE;
		if (fold->is_kept[node])
			has_memory = copy_node(folded, fold, node, frames);
		else
			fold_node(folded, fold, node, other_frame);
	}
	free(frames);
	return has_memory;
}

static bool move_rows(struct page_tree *folded, const struct fold *fold)
{
	const struct page_tree *tree = fold->tree;
	uint32_t *row_of = malloc((tree->row_count + 1) * sizeof(*row_of));
	struct page_row *rows = malloc((tree->row_count + 1) * sizeof(*rows));
	folded->row_of = malloc((tree->profile_row_count + 1) * sizeof(*folded->row_of));
	folded->profile_row_count = tree->profile_row_count;
	folded->is_classified = tree->is_classified;
	bool has_memory = row_of && rows && folded->row_of;
	for (size_t i = 0; i < tree->row_count && has_memory; i++) {
		rows[i] = tree->rows[i];
		rows[i].node = fold->nodes[tree->rows[i].node];
		if (!fold->is_kept[tree->rows[i].node])
			folded->folded_peak_bytes += rows[i].costs.peak_bytes;
	}
	has_memory = has_memory && page_tree_set_rows(folded, rows, tree->row_count, row_of);
	for (size_t i = 0; i < tree->profile_row_count && has_memory; i++)
		folded->row_of[i] = row_of[tree->row_of[i]];
	free(row_of);
	free(rows);
	return has_memory;
}

static bool move_base(struct page_tree *folded, const struct fold *fold)
{
	const struct page_tree *tree = fold->tree;
	if (tree->base_count == 0)
		return true;
	struct profile_costs *sums = calloc(folded->node_count, sizeof(*sums));
	bool *has_costs = calloc(folded->node_count, sizeof(*has_costs));
	folded->base = malloc(folded->node_count * sizeof(*folded->base));
	bool has_memory = sums && has_costs && folded->base;
	for (size_t i = 0; i < tree->base_count && has_memory; i++) {
		uint32_t node = fold->nodes[tree->base[i].node];
		profile_costs_add(&sums[node], &tree->base[i].costs);
		has_costs[node] = true;
	}
	for (uint32_t node = 0; node < folded->node_count && has_memory; node++)
		if (has_costs[node])
			folded->base[folded->base_count++] = (struct page_base){node, sums[node]};
	free(sums);
	free(has_costs);
	return has_memory;
}

bool page_tree_fold(const struct page_tree *tree, uint32_t max_nodes, struct page_tree *ret_folded)
{
	struct fold fold;
	*ret_folded = (struct page_tree){0};
	bool has_memory = prepare(&fold, tree) && weigh_nodes(&fold);
	if (has_memory) {
		order_nodes(&fold);
		choose(&fold, max_nodes);
		keep_only_children(&fold);
		has_memory = copy_nodes(ret_folded, &fold) && move_rows(ret_folded, &fold) &&
			     move_base(ret_folded, &fold);
	}
	release(&fold);
	if (!has_memory)
		page_tree_release(ret_folded);
	return has_memory;
}
