/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reader/call_tree.h"
#include "reader/leaked_stacks.h"
#include "reader/symbol_hint.h"

void profile_costs_add(struct profile_costs *sum, const struct profile_costs *costs)
{
	sum->allocations += costs->allocations;
	sum->allocated_bytes += costs->allocated_bytes;
	sum->peak_blocks += costs->peak_blocks;
	sum->peak_bytes += costs->peak_bytes;
	sum->live_blocks += costs->live_blocks;
	sum->live_bytes += costs->live_bytes;
	sum->temporary += costs->temporary;
}

static int larger_first(uint64_t a, uint64_t b)
{
	return (a < b) - (a > b);
}

int profile_costs_compare(const struct profile_costs *a, const struct profile_costs *b)
{
	int order = larger_first(a->peak_bytes, b->peak_bytes);
	order = order ? order : larger_first(a->live_bytes, b->live_bytes);
	return order ? order : larger_first(a->allocated_bytes, b->allocated_bytes);
}

/* Marks the nodes that stack traces with costs run through. */
static void mark_used(const struct replay_image *image, const struct stack_costs *costs, bool *used)
{
	for (uint32_t i = 0; i < costs->count; i++)
		for (uint32_t node = costs->items[i].stack; node != STACK_ROOT && !used[node];
		     node = image->trie.nodes[node].parent)
			used[node] = true;
	used[STACK_ROOT] = true;
}

bool profile_is_scanned(const struct profile *profile, uint32_t process)
{
	return leaked_stacks_are_scanned(profile->log, process);
}

static struct profile_row row_of(const struct stack_cost *cost, uint32_t index,
				 const uint32_t *nodes)
{
	return (struct profile_row){
		.node = nodes[cost->stack],
		.process = index,
		.thread = cost->thread,
		.kind = cost->kind,
		.costs =
			{
				.allocations = cost->allocations,
				.allocated_bytes = cost->allocated_bytes,
				.peak_blocks = cost->peak_blocks,
				.peak_bytes = cost->peak_bytes,
				.live_blocks = cost->live_blocks,
				.live_bytes = cost->live_bytes,
				.temporary = cost->temporary,
			},
	};
}

static void add_rows(struct profile *profile, uint32_t index, const uint32_t *nodes)
{
	const struct replay_image *image = profile->log->replay.images[index];
	for (uint32_t i = 0; i < image->costs.count; i++) {
		const struct stack_cost *cost = &image->costs.items[i];
		if (cost->kind == ALLOCATION_POOL) {
			profile->pools[profile->pool_count++] = row_of(cost, index, nodes);
			continue;
		}
		if (profile->errors && i < image->errors.capacity) {
			profile->errors[profile->row_count] = image->errors.items[i];
			stack_error_sum(&profile->error, &image->errors.items[i]);
		}
		profile->rows[profile->row_count] = row_of(cost, index, nodes);
		profile->rows[profile->row_count++].cost = i;
	}
}

/* returns  where the steps of a mark begin in the profile's */
static const struct profile_step *add_steps(struct profile *profile, const struct leak_mark *mark,
					    uint32_t node_count, const uint32_t *nodes)
{
	struct profile_step *steps = &profile->steps[profile->step_count];
	for (uint32_t i = 0; i < mark->step_count; i++) {
		const struct leak_step *step = &mark->steps[i];
		steps[i] = (struct profile_step){
			.node = step->stack < node_count ? nodes[step->stack] : 0,
			.bytes = step->bytes,
		};
	}
	profile->step_count += mark->step_count;
	return steps;
}

static void add_scanned_marks(struct profile *profile, uint32_t index, const uint32_t *nodes)
{
	const uint32_t node_count = profile->log->replay.images[index]->trie.node_count;
	const struct leak_marks *marks = &profile->log->info.images[index].leak_marks;
	for (size_t i = 0; i < marks->count; i++) {
		const struct leak_mark *mark = &marks->items[i];
		profile->marks[profile->mark_count++] = (struct profile_mark){
			.node = nodes[mark->stack],
			.process = index,
			.thread = mark->thread,
			.allocation_kind = mark->allocation_kind,
			.leak_kind = mark->leak_kind,
			.blocks = mark->blocks,
			.bytes = mark->bytes,
			.indirect_bytes = mark->indirect_bytes,
			.oldest_us = mark->oldest_us,
			.newest_us = mark->newest_us,
			.scan_us = marks->time_us,
			.holder = mark->holder,
			.steps = add_steps(profile, mark, node_count, nodes),
			.step_count = mark->step_count,
			.skipped_steps = mark->skipped_steps,
		};
	}
}

static void add_unscanned_marks(struct profile *profile, uint32_t index, const uint32_t *nodes)
{
	const struct stack_costs *costs = &profile->log->replay.images[index]->costs;
	for (uint32_t i = 0; i < costs->count; i++) {
		const struct stack_cost *cost = &costs->items[i];
		if (cost->live_blocks == 0 || cost->kind == ALLOCATION_POOL)
			continue;
		profile->marks[profile->mark_count++] = (struct profile_mark){
			.node = nodes[cost->stack],
			.process = index,
			.thread = cost->thread,
			.allocation_kind = cost->kind,
			.leak_kind = LEAK_UNCLASSIFIED,
			.blocks = cost->live_blocks,
			.bytes = cost->live_bytes,
		};
	}
}

static void add_marks(struct profile *profile, uint32_t index, const uint32_t *nodes)
{
	if (profile_is_scanned(profile, index))
		add_scanned_marks(profile, index, nodes);
	else
		add_unscanned_marks(profile, index, nodes);
}

static void add_mappings(struct profile *profile, uint32_t index, const uint32_t *nodes)
{
	const struct mapping_image *image = mapping_replay_image(&profile->log->mappings, index);
	for (uint32_t i = 0; image && i < image->costs.count; i++)
		profile->mappings[profile->mapping_count++] = row_of(&image->costs.items[i], index,
								     nodes);
}

static bool add_image(struct profile *profile, struct call_tree *tree, uint32_t index)
{
	const struct replay_image *image = profile->log->replay.images[index];
	const struct mapping_image *mappings = mapping_replay_image(&profile->log->mappings, index);
	bool *used = calloc(image->trie.node_count, sizeof(*used));
	uint32_t *nodes = malloc((size_t)image->trie.node_count * sizeof(*nodes));
	bool has_memory = used && nodes;
	if (has_memory) {
		mark_used(image, &image->costs, used);
		if (mappings)
			mark_used(image, &mappings->costs, used);
		leaked_stacks_mark(profile->log, index, LEAKED_STACKS_ALL, used);
		has_memory = call_tree_add_image(tree, index, used, nodes);
	}
	if (has_memory) {
		add_rows(profile, index, nodes);
		add_mappings(profile, index, nodes);
		add_marks(profile, index, nodes);
	}
	free(used);
	free(nodes);
	return has_memory;
}

static void add_totals(struct profile *profile, uint32_t index)
{
	const struct replay_totals *of_image = &profile->log->replay.images[index]->totals;
	struct replay_totals *totals = &profile->totals;
	totals->allocations += of_image->allocations;
	totals->deallocations += of_image->deallocations;
	totals->reallocations += of_image->reallocations;
	totals->allocated_bytes += of_image->allocated_bytes;
	totals->temporary += of_image->temporary;
	totals->live_blocks += of_image->live_blocks;
	totals->live_bytes += of_image->live_bytes;
	totals->inherited_frees += of_image->inherited_frees;
	totals->unmatched_frees += of_image->unmatched_frees;
	totals->overwritten += of_image->overwritten;
	/* Blocks that were made while the program paused the recording are freed too. */
	if (!profile->log->info.images[index].was_paused)
		profile->anomalies += of_image->unmatched_frees;
	profile->anomalies += of_image->overwritten;
	profile->thread_count += profile->log->info.images[index].thread_count;
}

static void add_mapping_totals(struct profile *profile, uint32_t index)
{
	const struct mapping_image *image = mapping_replay_image(&profile->log->mappings, index);
	struct mapping_totals *totals = &profile->mapping_totals;
	if (!image)
		return;
	totals->mapped += image->totals.mapped;
	totals->mapped_bytes += image->totals.mapped_bytes;
	totals->unmapped += image->totals.unmapped;
	totals->live_ranges += image->totals.live_ranges;
	totals->live_bytes += image->totals.live_bytes;
}

static bool is_selected(const struct profile *profile, uint32_t index)
{
	return profile->log->pid == 0 || profile->log->info.images[index].pid == profile->log->pid;
}

static enum mt_status build(struct profile *profile, struct call_tree *tree, struct mt_error *error)
{
	const struct replay *replay = &profile->log->replay;
	const struct mapping_replay *mappings = &profile->log->mappings;
	size_t row_count = 0;
	size_t mark_count = 0;
	size_t step_count = 0;
	size_t pool_count = 0;
	size_t mapping_count = 0;
	for (uint32_t i = 0; i < replay->image_count; i++) {
		const struct mapping_image *mapped = mapping_replay_image(mappings, i);
		row_count += replay->images[i]->costs.count;
		const struct leak_marks *marks = &profile->log->info.images[i].leak_marks;
		mark_count += marks->count;
		for (size_t m = 0; m < marks->count; m++)
			step_count += marks->items[m].step_count;
		mapping_count += mapped ? mapped->costs.count : 0;
		for (uint32_t c = 0; c < replay->images[i]->costs.count; c++)
			pool_count += replay->images[i]->costs.items[c].kind == ALLOCATION_POOL;
	}
	mark_count += row_count;
	profile->rows = malloc((row_count + 1) * sizeof(*profile->rows));
	profile->marks = malloc((mark_count + 1) * sizeof(*profile->marks));
	profile->steps = malloc((step_count + 1) * sizeof(*profile->steps));
	profile->pools = malloc((pool_count + 1) * sizeof(*profile->pools));
	profile->mappings = malloc((mapping_count + 1) * sizeof(*profile->mappings));
	if (replay->largest_interval) {
		profile->errors = calloc(row_count + 1, sizeof(*profile->errors));
		if (!profile->errors)
			return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for the report");
	}
	if (!profile->rows || !profile->marks || !profile->steps || !profile->pools ||
	    !profile->mappings || !string_table_init(&profile->strings) ||
	    !call_tree_init(tree, profile))
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for the report");
	for (uint32_t i = 0; i < replay->image_count; i++) {
		if (!is_selected(profile, i))
			continue;
		add_totals(profile, i);
		add_mapping_totals(profile, i);
		if (!add_image(profile, tree, i))
			return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for the report");
	}
	/* Over several images the peak is the tree's: the largest sum at one time. */
	profile->totals.peak_bytes = replay->peak_bytes;
	profile->totals.peak_us = replay->peak_us;
	profile->mapping_totals.peak_bytes = mappings->peak_bytes;
	profile->mapping_totals.peak_us = mappings->peak_us;
	return MT_OK;
}

enum mt_status profile_new(const struct loaded_log *log, struct profile **ret_profile,
			   struct mt_error *error)
{
	struct call_tree tree = {0};
	struct profile *profile = calloc(1, sizeof(*profile));
	if (!profile)
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for the report");
	profile->log = log;
	enum mt_status status = build(profile, &tree, error);
	call_tree_release(&tree);
	if (status == MT_OK)
		*ret_profile = profile;
	else
		profile_free(profile);
	return status;
}

void profile_free(struct profile *profile)
{
	if (!profile)
		return;
	string_table_release(&profile->strings);
	free(profile->frames);
	free(profile->nodes);
	free(profile->rows);
	free(profile->errors);
	free(profile->marks);
	free(profile->steps);
	free(profile->pools);
	free(profile->mappings);
	free(profile);
}

uint32_t profile_site(const struct profile *profile, uint32_t node)
{
	uint32_t site = node;
	while (site != 0) {
		const struct profile_frame *frame = &profile->frames[profile->nodes[site].frame];
		const char *function = profile_text(profile, frame->function);
		/* The second: what the public header puts into the program's own allocator. */
		if (strncmp(function, "operator new", 12) != 0 &&
		    strncmp(function, "memtrace_pool_", 14) != 0)
			return site;
		site = profile->nodes[site].parent;
	}
	return node;
}

bool profile_hint(const struct profile *profile, char *text, size_t capacity)
{
	if (profile->needs_symbols) {
		(void)snprintf(text, capacity,
			       "names are missing: run 'memtrace symbolize' on the log");
		return true;
	}
	return symbol_hint(profile->log, text, capacity);
}

void profile_add_lifetimes(const struct profile *profile, const struct profile_row *row,
			   uint64_t *counts)
{
	const struct replay_image *image = profile->log->replay.images[row->process];
	const struct lifetime_histogram *histogram = lifetimes_find(&image->lifetimes, row->cost);
	counts[0] += image->costs.items[row->cost].short_lived;
	for (uint32_t b = 1; histogram && b < LIFETIME_BUCKETS; b++)
		counts[b] += histogram->counts[b];
}

const char *profile_mode(const struct profile *profile)
{
	const struct replay *replay = &profile->log->replay;
	if (replay->largest_interval == 0)
		return "exact";
	return replay->was_exact ? "mixed" : "sampled";
}
