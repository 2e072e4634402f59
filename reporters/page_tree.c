/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reporters/page_tree.h"

#include <stdlib.h>
#include <string.h>

#include "reporters/page_columns.h"
#include "reporters/short_text.h"

#define NONE UINT32_MAX

void page_tree_release(struct page_tree *tree)
{
	string_table_release(&tree->strings);
	free(tree->frames);
	free(tree->nodes);
	free(tree->rows);
	free(tree->row_of);
	free(tree->base);
	*tree = (struct page_tree){0};
}

/* ---- rows ------------------------------------------------------------------------------- */

/* A row before those of one node, thread and kind are put together. */
struct loose_row {
	struct page_row row;
	uint32_t number;
};

int page_row_compare(const void *left, const void *right)
{
	const struct page_row *a = left;
	const struct page_row *b = right;
	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return (a->leak > b->leak) - (a->leak < b->leak);
}

static int by_key(const void *left, const void *right)
{
	return page_row_compare(&((const struct loose_row *)left)->row,
				&((const struct loose_row *)right)->row);
}

/* Fills tree->rows from `loose` [count], and `row_of` [count]. */
static void settle_rows(struct page_tree *tree, struct loose_row *loose, size_t count,
			uint32_t *row_of)
{
	qsort(loose, count, sizeof(*loose), by_key);
	tree->row_count = 0;
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && by_key(&loose[i], &loose[i - 1]) == 0)
			profile_costs_add(&tree->rows[tree->row_count - 1].costs,
					  &loose[i].row.costs);
		else
			tree->rows[tree->row_count++] = loose[i].row;
		row_of[loose[i].number] = (uint32_t)(tree->row_count - 1);
	}
}

bool page_tree_set_rows(struct page_tree *tree, const struct page_row *rows, size_t count,
			uint32_t *ret_row_of)
{
	struct loose_row *loose = malloc((count + 1) * sizeof(*loose));
	tree->rows = malloc((count + 1) * sizeof(*tree->rows));
	if (loose && tree->rows) {
		for (size_t i = 0; i < count; i++)
			loose[i] = (struct loose_row){.row = rows[i], .number = (uint32_t)i};
		settle_rows(tree, loose, count, ret_row_of);
	}
	bool has_memory = loose && tree->rows;
	free(loose);
	return has_memory;
}

/* ---- the whole tree --------------------------------------------------------------------- */

static bool copy_strings(struct page_tree *tree, const struct string_table *strings)
{
	if (!string_table_init(&tree->strings))
		return false;
	for (uint32_t i = 1; i < strings->count; i++)
		if (string_table_add(&tree->strings, strings->texts[i],
				     strlen(strings->texts[i])) == STRING_NONE)
			return false;
	return true;
}

static bool copy_rows(struct page_tree *tree, const struct profile *profile,
		      const struct page_threads *threads)
{
	size_t count = profile->row_count;
	struct page_row *rows = malloc((count + 1) * sizeof(*rows));
	tree->row_of = malloc((count + 1) * sizeof(*tree->row_of));
	tree->profile_row_count = count;
	for (size_t i = 0; i < count && rows; i++) {
		const struct profile_row *row = &profile->rows[i];
		rows[i] = (struct page_row){
			.node = row->node,
			.thread = page_threads_entry(threads, row->process, row->thread),
			.kind = row->kind,
			.costs = row->costs,
		};
		if (profile->errors)
			rows[i].costs.temporary = 0; /* not known from samples */
	}
	bool has_memory = rows && tree->row_of &&
			  page_tree_set_rows(tree, rows, count, tree->row_of);
	free(rows);
	return has_memory;
}

bool page_tree_init(struct page_tree *tree, const struct profile *profile,
		    const struct page_threads *threads)
{
	*tree = (struct page_tree){
		.frame_count = profile->frame_count,
		.node_count = profile->node_count,
	};
	tree->frames = malloc(((size_t)profile->frame_count + 1) * sizeof(*tree->frames));
	tree->nodes = malloc(((size_t)profile->node_count + 1) * sizeof(*tree->nodes));
	if (tree->frames && tree->nodes && copy_strings(tree, &profile->strings) &&
	    copy_rows(tree, profile, threads)) {
		if (profile->frame_count)
			memcpy(tree->frames, profile->frames,
			       profile->frame_count * sizeof(*tree->frames));
		memcpy(tree->nodes, profile->nodes, profile->node_count * sizeof(*tree->nodes));
		return true;
	}
	page_tree_release(tree);
	return false;
}

/* ---- paths ------------------------------------------------------------------------------ */

/* Number of a file's path without "." and "..". returns STRING_NONE: no memory */
static uint32_t tidy_file(struct string_table *strings, uint32_t file)
{
	char text[SHORT_TEXT_BYTES];
	const char *path = string_table_text(strings, file);
	size_t length = strlen(path);
	if (length >= sizeof(text) || !strstr(path, "./"))
		return file;
	(void)short_path(path, NULL, text);
	return string_table_add(strings, text, strlen(text));
}

bool page_tree_tidy_files(struct page_tree *tree)
{
	uint32_t count = tree->strings.count;
	uint32_t *tidy = calloc(count, sizeof(*tidy)); /* 0: not known yet */
	bool has_memory = tidy != NULL;
	for (uint32_t i = 0; i < tree->frame_count && has_memory; i++) {
		uint32_t *file = &tree->frames[i].file;
		if (*file && !tidy[*file])
			tidy[*file] = tidy_file(&tree->strings, *file);
		has_memory = tidy[*file] != STRING_NONE;
		if (has_memory)
			*file = tidy[*file];
	}
	free(tidy);
	return has_memory;
}

/* ---- another log's nodes ---------------------------------------------------------------- */

/* Nodes by parent and what does not change from build to build. */
struct node_table {
	struct page_tree *tree;
	uint32_t *names;  /* [string_count] number of a string's last part, as a path */
	uint32_t *chains; /* [mask + 1] node, 0: none */
	uint32_t *next;   /* [node_capacity] node of the same chain */
	uint32_t mask;
	uint32_t node_capacity;
	uint32_t frame_capacity;
};

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : path;
}

static uint32_t chain_of(const struct node_table *table, uint32_t parent,
			 const struct profile_frame *frame)
{
	uint64_t hash = parent;
	hash = (hash ^ frame->function) * 0x9e3779b97f4a7c15u;
	hash = (hash ^ table->names[frame->file]) * 0x9e3779b97f4a7c15u;
	hash = (hash ^ table->names[frame->module]) * 0x9e3779b97f4a7c15u;
	return (uint32_t)(hash >> 32) & table->mask;
}

static bool is_same(const struct node_table *table, const struct profile_frame *a,
		    const struct profile_frame *b)
{
	return a->function == b->function && a->flags == b->flags &&
	       table->names[a->file] == table->names[b->file] &&
	       table->names[a->module] == table->names[b->module];
}

static void link_node(struct node_table *table, uint32_t node)
{
	const struct profile_node *entry = &table->tree->nodes[node];
	uint32_t chain = chain_of(table, entry->parent, &table->tree->frames[entry->frame]);
	table->next[node] = table->chains[chain];
	table->chains[chain] = node;
}

static uint32_t distance(uint32_t a, uint32_t b)
{
	return a < b ? b - a : a - b;
}

/* The node below `parent` that is most like `frame`; NONE: there is none. */
static uint32_t find_node(const struct node_table *table, uint32_t parent,
			  const struct profile_frame *frame)
{
	const struct page_tree *tree = table->tree;
	uint32_t best = NONE;
	uint32_t best_distance = 0;
	for (uint32_t node = table->chains[chain_of(table, parent, frame)]; node;
	     node = table->next[node]) {
		const struct profile_frame *other = &tree->frames[tree->nodes[node].frame];
		uint32_t apart = distance(other->line, frame->line);
		if (tree->nodes[node].parent != parent || !is_same(table, other, frame))
			continue;
		if (best == NONE || apart < best_distance ||
		    (apart == best_distance && node < best)) {
			best = node;
			best_distance = apart;
		}
	}
	return best;
}

/* Strings of both logs, with the last parts of paths. returns false: no memory */
static bool name_strings(struct node_table *table, const struct string_table *base,
			 uint32_t *ret_strings)
{
	struct string_table *strings = &table->tree->strings;
	for (uint32_t i = 0; i < base->count; i++) {
		ret_strings[i] = string_table_add(strings, base->texts[i], strlen(base->texts[i]));
		if (ret_strings[i] == STRING_NONE)
			return false;
	}
	struct string_table parts;
	if (!string_table_init(&parts))
		return false;
	table->names = malloc(strings->count * sizeof(*table->names));
	bool has_memory = table->names != NULL;
	for (uint32_t i = 0; i < strings->count && has_memory; i++) {
		const char *part = last_part(strings->texts[i]);
		const char *version = strstr(part, ".so.");
		table->names[i] = string_table_add(
			&parts, part, version ? (size_t)(version - part) + 3 : strlen(part));
		has_memory = table->names[i] != STRING_NONE;
	}
	string_table_release(&parts);
	return has_memory;
}

static struct profile_frame translate(const struct profile_frame *frame, const uint32_t *strings)
{
	struct profile_frame ours = *frame;
	ours.function = strings[frame->function];
	ours.file = strings[frame->file];
	ours.module = strings[frame->module];
	return ours;
}

/* Finds or adds the nodes of `base`; `ret_nodes` [its node_count] gets ours. */
static void merge_nodes(struct node_table *table, const struct profile *base,
			const uint32_t *strings, uint32_t *frames, uint32_t *ret_nodes)
{
	struct page_tree *tree = table->tree;
	ret_nodes[0] = 0;
	for (uint32_t i = 0; i < base->frame_count; i++)
		frames[i] = NONE;
	for (uint32_t i = 1; i < base->node_count; i++) {
		const struct profile_node *node = &base->nodes[i];
		struct profile_frame frame = translate(&base->frames[node->frame], strings);
		uint32_t parent = ret_nodes[node->parent];
		ret_nodes[i] = find_node(table, parent, &frame);
		if (ret_nodes[i] != NONE)
			continue;
		if (frames[node->frame] == NONE) {
			frames[node->frame] = tree->frame_count;
			tree->frames[tree->frame_count++] = frame;
		}
		ret_nodes[i] = tree->node_count;
		tree->nodes[tree->node_count++] = (struct profile_node){
			.parent = parent,
			.frame = frames[node->frame],
		};
		link_node(table, ret_nodes[i]);
	}
}

/* Makes room for all nodes and frames of `base`. returns false: no memory */
static bool prepare_table(struct node_table *table, const struct profile *base)
{
	struct page_tree *tree = table->tree;
	size_t nodes = (size_t)tree->node_count + base->node_count;
	size_t frames = (size_t)tree->frame_count + base->frame_count;
	uint32_t size = 1024;
	while (size < nodes && size < 1u << 31)
		size *= 2;
	table->mask = size - 1;
	struct profile_node *grown_nodes = realloc(tree->nodes, nodes * sizeof(*tree->nodes));
	if (grown_nodes)
		tree->nodes = grown_nodes;
	struct profile_frame *grown_frames = realloc(tree->frames,
						     (frames + 1) * sizeof(*tree->frames));
	if (grown_frames)
		tree->frames = grown_frames;
	table->chains = calloc(size, sizeof(*table->chains));
	table->next = calloc(nodes, sizeof(*table->next));
	if (!grown_nodes || !grown_frames || !table->chains || !table->next || nodes >= NONE ||
	    frames >= NONE)
		return false;
	for (uint32_t node = 1; node < tree->node_count; node++)
		link_node(table, node);
	return true;
}

static bool add_base_costs(struct page_tree *tree, const struct profile *base,
			   const uint32_t *nodes)
{
	struct profile_costs *sums = calloc(tree->node_count, sizeof(*sums));
	if (!sums)
		return false;
	for (size_t i = 0; i < base->row_count; i++) {
		struct profile_costs costs = base->rows[i].costs;
		if (base->errors)
			costs.temporary = 0; /* not known from samples */
		profile_costs_add(&sums[nodes[base->rows[i].node]], &costs);
	}
	tree->base = malloc((size_t)tree->node_count * sizeof(*tree->base));
	for (uint32_t node = 0; node < tree->node_count && tree->base; node++)
		if (sums[node].allocations || sums[node].allocated_bytes || sums[node].peak_bytes ||
		    sums[node].live_bytes || sums[node].live_blocks || sums[node].peak_blocks)
			tree->base[tree->base_count++] = (struct page_base){node, sums[node]};
	free(sums);
	return tree->base != NULL;
}

/* Number of the path of a log's program among the strings. returns STRING_NONE: no memory */
static uint32_t program_of(struct page_tree *tree, const struct profile *profile)
{
	const struct log_info *info = &profile->log->info;
	const char *path = info->image_count ? info->images[0].path : "";
	return string_table_add(&tree->strings, path, strlen(path));
}

/* The programs of both logs are the same thing, whatever their files are called. */
static void match_programs(struct node_table *table, uint32_t program, uint32_t base_program)
{
	if (program != base_program)
		table->names[base_program] = table->names[program];
}

bool page_tree_add_base(struct page_tree *tree, const struct profile *profile,
			const struct profile *base)
{
	struct node_table table = {.tree = tree};
	uint32_t *strings = malloc(((size_t)base->strings.count + 1) * sizeof(*strings));
	uint32_t *frames = malloc(((size_t)base->frame_count + 1) * sizeof(*frames));
	uint32_t *nodes = malloc((size_t)base->node_count * sizeof(*nodes));
	uint32_t program = program_of(tree, profile);
	uint32_t base_program = program_of(tree, base);
	bool has_memory = strings && frames && nodes && program != STRING_NONE &&
			  base_program != STRING_NONE &&
			  name_strings(&table, &base->strings, strings) &&
			  prepare_table(&table, base);
	if (has_memory) {
		match_programs(&table, program, base_program);
		merge_nodes(&table, base, strings, frames, nodes);
		has_memory = add_base_costs(tree, base, nodes);
	}
	free(table.names);
	free(table.chains);
	free(table.next);
	free(strings);
	free(frames);
	free(nodes);
	return has_memory;
}
