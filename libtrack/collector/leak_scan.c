/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/leak_scan.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sys.h"
#include "libtrack/collector/leak_graph.h"
#include "libtrack/collector/leak_groups.h"
#include "libtrack/collector/leak_memory.h"
#include "libtrack/collector/leak_roots.h"
#include "libtrack/collector/live_blocks.h"

#define READERS_MAX 8u
#define HOLDERS_SHOWN (LEAK_STEPS_MAX / 2) /* blocks of a path that are named, from either end */

struct leak_scan {
	pthread_t thread;
	_Atomic bool is_cancelled;
	_Atomic bool is_over;
	struct image_slot *slot;
	_Atomic uint32_t *doorbell;
	uint64_t *words;
	struct leak_interest interest;
	struct leak_node *nodes; /* [node_count] until the graph has them */
	uint32_t node_count;
	struct leak_graph graph;
	struct live_blocks blocks; /* their numbers are those of leak_node.slot */
	struct leak_marks marks;
};

static struct leak_step step_of(const struct leak_scan *scan, uint32_t node)
{
	const struct leak_node *item = &scan->graph.nodes[node];
	return (struct leak_step){.bytes = item->size_bytes,
				  .stack = scan->blocks.items[item->slot].stack};
}

/*
 * Where a pointer to a block was found: the root, in words, and the blocks on the way from there,
 * outermost first. The blocks nearest to either end are kept.
 *
 * steps  [LEAK_STEPS_MAX] the mark's from now on
 */
static void describe_holder(const struct leak_scan *scan, const struct leak_roots *roots,
			    uint32_t node, struct leak_mark *mark, struct leak_step *steps,
			    char *text, size_t capacity)
{
	const struct leak_graph *graph = &scan->graph;
	uint32_t outer[HOLDERS_SHOWN]; /* nearest the root, from the last on */
	uint32_t inner[HOLDERS_SHOWN]; /* nearest the block */
	uint32_t count = 0;
	uint64_t held_at = graph->nodes[node].held_at;
	uint32_t holder = graph->nodes[node].holder;
	for (; !(holder & LEAK_HOLDER_ROOT) && count < graph->count; count++) {
		if (count < HOLDERS_SHOWN)
			inner[count] = holder;
		outer[count % HOLDERS_SHOWN] = holder;
		held_at = graph->nodes[holder].held_at;
		holder = graph->nodes[holder].holder;
	}
	text[0] = '\0';
	if (holder & LEAK_HOLDER_ROOT && holder != LEAK_HOLDER_NONE)
		leak_root_describe(roots, holder & ~LEAK_HOLDER_ROOT, held_at, text, capacity);
	bool is_whole = count <= 2 * HOLDERS_SHOWN;
	uint32_t first = is_whole ? count : HOLDERS_SHOWN;
	for (uint32_t i = 0; i < first; i++) {
		uint32_t at = count - 1 - i;
		steps[i] = step_of(scan,
				   at < HOLDERS_SHOWN ? inner[at] : outer[at % HOLDERS_SHOWN]);
	}
	for (uint32_t i = 0; !is_whole && i < HOLDERS_SHOWN; i++)
		steps[first + i] = step_of(scan, inner[HOLDERS_SHOWN - 1 - i]);
	mark->steps = steps;
	mark->step_count = is_whole ? count : 2 * HOLDERS_SHOWN;
	mark->skipped_steps = count - mark->step_count;
}

/* node  of the graph; UINT32_MAX: a chunk that a pool has taken apart */
static bool add_to_group(struct leak_scan *scan, struct leak_groups *groups,
			 const struct leak_mark *mark, const struct leak_roots *roots,
			 uint32_t node)
{
	struct leak_step steps[LEAK_STEPS_MAX];
	char holder[512];
	uint32_t slot;
	if (leak_groups_merge(groups, &scan->marks, mark, &slot))
		return true;
	struct leak_mark described = *mark;
	holder[0] = '\0';
	if (node == UINT32_MAX)
		(void)snprintf(holder, sizeof(holder), "a pool, which has made blocks of it");
	else if (mark->leak_kind == LEAK_POSSIBLE || mark->leak_kind == LEAK_REACHABLE)
		describe_holder(scan, roots, node, &described, steps, holder, sizeof(holder));
	described.holder = holder[0] ? holder : NULL;
	bool is_added = leak_marks_add(&scan->marks, &described);
	if (is_added)
		leak_groups_enter(groups, slot, scan->marks.count - 1);
	return is_added;
}

static struct leak_mark mark_of(const struct live_block *block, enum leak_kind kind)
{
	return (struct leak_mark){
		.stack = block->stack,
		.thread = block->thread,
		.allocation_kind = block->kind,
		.leak_kind = kind,
		.blocks = 1,
		.bytes = block->size_bytes,
		.oldest_us = block->time_us,
		.newest_us = block->time_us,
	};
}

/* returns  false: the block's kind gets marks */
static bool leave_out(struct leak_scan *scan, enum leak_kind kind, const struct live_block *block)
{
	if (!(scan->interest.summed & 1u << kind))
		return false;
	scan->marks.left_out[kind].blocks++;
	scan->marks.left_out[kind].bytes += block->size_bytes;
	return true;
}

static bool add_block(struct leak_scan *scan, const struct leak_roots *roots,
		      struct leak_groups *groups, uint32_t index)
{
	const struct leak_node *node = &scan->graph.nodes[index];
	if (leave_out(scan, node->kind, &scan->blocks.items[node->slot]))
		return true;
	struct leak_mark mark = mark_of(&scan->blocks.items[node->slot], node->kind);
	mark.indirect_bytes = node->kind == LEAK_DEFINITE ? node->indirect_bytes : 0;
	return add_to_group(scan, groups, &mark, roots, index);
}

static bool add_chunk(struct leak_scan *scan, const struct leak_roots *roots,
		      struct leak_groups *groups, uint32_t chunk)
{
	if (leave_out(scan, LEAK_REACHABLE, &scan->blocks.items[chunk]))
		return true;
	struct leak_mark mark = mark_of(&scan->blocks.items[chunk], LEAK_REACHABLE);
	return add_to_group(scan, groups, &mark, roots, UINT32_MAX);
}

/* Where there may be something to report, it is to be told in full. */
static bool is_all_wanted(const struct leak_scan *scan)
{
	bool is_wanted = scan->marks.suppressions != NULL;
	for (uint32_t i = 0; i < scan->graph.count && !is_wanted; i++)
		is_wanted = scan->interest.failed & 1u << scan->graph.nodes[i].kind;
	return is_wanted;
}

static bool make_marks(struct leak_scan *scan, const struct leak_roots *roots)
{
	struct leak_groups groups;
	bool is_good = leak_groups_init(&groups, scan->blocks.count);
	if (is_all_wanted(scan))
		scan->interest.summed = 0;
	if (scan->interest.summed)
		scan->marks.flags |= LEAK_SCAN_HAS_SUMS;
	for (uint32_t i = 0; i < scan->graph.count && is_good; i++)
		is_good = add_block(scan, roots, &groups, i);
	for (uint32_t i = 0; i < scan->blocks.chunk_count && is_good; i++)
		is_good = add_chunk(scan, roots, &groups, scan->blocks.chunks[i]);
	leak_groups_release(&groups);
	return is_good;
}

/* Finds tables of virtual functions: memory of a file that can't be written, which holds addresses
 * of code, or 0. */
struct table_search {
	struct process_memory *memory;
	const struct leak_maps *maps;
	struct leak_range *dead; /* [dead_count] what is below the pointers of alternate stacks */
	size_t dead_count;
	uint64_t known[64]; /* by hash: address | 1 if it is one; 0: not known */
};

#define TABLE_WORDS 20u
#define TABLE_FUNCTIONS 2u /* that make it one */

static bool reads_like_table(struct table_search *search, uint64_t address)
{
	uint64_t words[TABLE_WORDS] = {0};
	uint32_t functions = 0;
	const struct leak_mapping *mapping = leak_maps_find(search->maps, address);
	if (!mapping || !mapping->module[0] || !mapping->is_readable)
		return false;
	uint64_t left = (mapping->end - address) / 8;
	size_t count = left < TABLE_WORDS ? left : TABLE_WORDS;
	if (!process_memory_copy(search->memory, address, count * 8, words))
		return false;
	for (size_t i = 0; i < count && functions < TABLE_FUNCTIONS; i++) {
		if (words[i] == 0)
			continue;
		const struct leak_mapping *code = leak_maps_find(search->maps, words[i]);
		if (!code || !code->is_executable || !code->module[0])
			return false;
		functions++;
	}
	return functions == TABLE_FUNCTIONS;
}

static bool is_vtable(void *context, uint64_t address)
{
	struct table_search *search = context;
	uint64_t *known = &search->known[(address >> 3) * 0x9e3779b1u >> 7 & 63];
	if (address < SEGMENT_PAGE || address % 8 != 0)
		return false;
	if ((*known & ~1ull) != address)
		*known = address | (reads_like_table(search, address) ? 1u : 0u);
	return *known & 1;
}

/* Alternate stacks may lie in blocks. returns false: no memory */
static bool list_dead_stacks(struct table_search *search, const struct leak_roots *roots)
{
	search->dead = malloc((roots->thread_count + 1) * sizeof(*search->dead));
	for (size_t i = 0; search->dead && i < roots->thread_count; i++) {
		const struct leak_scan_thread *thread = &roots->threads[i];
		uint64_t low = (thread->alternate_low + 7) & ~7ull;
		uint64_t pointer = thread->stack_pointer & ~7ull;
		if (thread->is_parked && pointer > low && pointer < thread->alternate_high)
			search->dead[search->dead_count++] = (struct leak_range){low,
										 pointer - low};
	}
	return search->dead != NULL;
}

/* Words on their way to `give`, of which those of dead stacks are cleared. */
struct living_words {
	const struct table_search *search;
	leak_words_function *give;
	void *give_context;
};

static void give_living(void *context, size_t range, uint64_t address, const uint64_t *words,
			size_t word_count)
{
	const struct living_words *living = context;
	uint64_t end = address + word_count * 8;
	uint64_t *cleared = NULL;
	for (size_t i = 0; i < living->search->dead_count; i++) {
		const struct leak_range *dead = &living->search->dead[i];
		uint64_t dead_end = dead->address + dead->size_bytes;
		uint64_t first = dead->address > address ? dead->address : address;
		uint64_t stop = (dead_end < end ? dead_end : end) & ~7ull;
		if (stop <= first)
			continue;
		if (!cleared && (cleared = malloc(word_count * 8)))
			memcpy(cleared, words, word_count * 8);
		if (cleared)
			memset(cleared + (first - address) / 8, 0, stop - first);
	}
	living->give(living->give_context, range, address, cleared ? cleared : words, word_count);
	free(cleared);
}

static void read_words(void *context, const struct leak_range *ranges, size_t count,
		       leak_words_function *give, void *give_context)
{
	struct table_search *search = context;
	struct living_words living = {search, give, give_context};
	if (search->dead_count > 0)
		process_memory_read(search->memory, ranges, count, give_living, &living);
	else
		process_memory_read(search->memory, ranges, count, give, give_context);
}

/* The program has said so of all its blocks. */
static void ignore_all(struct leak_graph *graph)
{
	for (uint32_t node = 0; node < graph->count; node++)
		graph->nodes[node].is_ignored = true;
}

/* returns  false: no memory, or the process is gone */
static bool take_suppressions(struct leak_scan *scan, const struct leak_roots *roots,
			      struct process_memory *memory)
{
	uint64_t size_bytes = roots->area.suppressions_bytes;
	if (size_bytes == 0 || size_bytes > LIMIT_SUPPRESSIONS_BYTES)
		return true;
	char *text = malloc(size_bytes + 1);
	if (!text || !process_memory_copy(memory, roots->area.suppressions, size_bytes, text)) {
		free(text);
		return false;
	}
	text[size_bytes] = '\0';
	scan->marks.suppressions = text;
	return true;
}

/* As many readers as there are processors to read with. */
struct readers {
	struct process_memory memories[READERS_MAX];
	struct table_search searches[READERS_MAX];
	struct leak_memory views[READERS_MAX];
	size_t count;
};

static size_t count_processors(void)
{
	cpu_set_t set;
	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (size_t)CPU_COUNT(&set) : 1;
}

static void readers_init(struct readers *readers, struct process_memory *memory,
			 const struct table_search *search)
{
	size_t wanted = count_processors();
	wanted = wanted < READERS_MAX ? wanted : READERS_MAX;
	readers->count = 0;
	for (size_t i = 0; i < wanted; i++) {
		struct process_memory *own = i == 0 ? memory : &readers->memories[i];
		if (i > 0 && !process_memory_share(memory, own))
			break;
		readers->searches[i] = *search;
		readers->searches[i].memory = own;
		readers->views[i] = (struct leak_memory){
			.context = &readers->searches[i],
			.read = read_words,
			.is_vtable = is_vtable,
		};
		readers->count++;
	}
}

/* returns  false: not everything could be read */
static bool readers_release(struct readers *readers)
{
	bool is_good = true;
	for (size_t i = 1; i < readers->count; i++) {
		is_good = is_good && !readers->memories[i].is_failed;
		process_memory_release(&readers->memories[i]);
	}
	return is_good;
}

/*
 * Visits the roots, reads all blocks and gives them their kinds.
 * returns  false: no memory, or the process is gone
 */
static bool classify(struct leak_scan *scan, const struct leak_roots *roots,
		     struct process_memory *memory)
{
	struct leak_graph *graph = &scan->graph;
	struct table_search search = {.memory = memory, .maps = &roots->maps};
	struct readers readers;
	bool is_good = list_dead_stacks(&search, roots);
	if (is_good) {
		readers_init(&readers, memory, &search);
		is_good = leak_graph_begin_reading(graph, readers.views, readers.count) &&
			  leak_roots_visit(roots, memory, graph) &&
			  leak_graph_classify(graph, readers.views, readers.count);
		leak_graph_end_reading(graph);
		is_good = readers_release(&readers) && is_good && !memory->is_failed;
	}
	free(search.dead);
	return is_good;
}

/* returns  false: no memory */
static bool make_graph(struct leak_scan *scan)
{
	struct leak_node *nodes = scan->nodes;
	scan->nodes = NULL;
	return leak_graph_init(&scan->graph, nodes, scan->node_count);
}

static bool examine(struct leak_scan *scan, struct leak_roots *roots, struct process_memory *memory)
{
	if (!make_graph(scan))
		return false;
	process_memory_read_directly(memory, atomic_load(&scan->slot->scan_area));
	if (!leak_roots_find(roots, memory, atomic_load(&scan->slot->scan_area), &scan->graph))
		return false;
	if (roots->area.flags & LEAK_SCAN_AREA_TURNED_OFF)
		ignore_all(&scan->graph);
	if (!classify(scan, roots, memory) || !take_suppressions(scan, roots, memory))
		return false;
	if (roots->area.flags & LEAK_SCAN_AREA_TURNED_OFF)
		scan->marks.flags |= LEAK_SCAN_TURNED_OFF;
	for (size_t i = 0; i < roots->thread_count; i++)
		if (!roots->threads[i].is_parked)
			scan->marks.flags |= LEAK_SCAN_THREAD_NOT_PARKED;
	if (roots->area.flags & LEAK_SCAN_AREA_REQUESTED)
		scan->marks.flags |= LEAK_SCAN_ON_REQUEST;
	return !(roots->area.flags & LEAK_SCAN_AREA_UNREADABLE) && make_marks(scan, roots);
}

static void *work(void *context)
{
	struct leak_scan *scan = context;
	struct leak_roots roots = {0};
	pthread_mutex_t turns = PTHREAD_MUTEX_INITIALIZER;
	struct process_memory memory = {.slot = scan->slot,
					.words = scan->words,
					.is_ended = &scan->is_cancelled,
					.turns = &turns};
	if (!examine(scan, &roots, &memory)) {
		leak_marks_release(&scan->marks);
		scan->marks.flags = LEAK_SCAN_INCOMPLETE;
		if (roots.area.flags & LEAK_SCAN_AREA_UNREADABLE)
			scan->marks.flags |= LEAK_SCAN_NO_PROC;
	}
	leak_roots_release(&roots);
	process_memory_release(&memory);
	atomic_store(&scan->is_over, true);
	atomic_fetch_add(scan->doorbell, 1);
	sys_futex_wake(scan->doorbell);
	return NULL;
}

static void scan_free(struct leak_scan *scan)
{
	leak_graph_release(&scan->graph);
	live_blocks_release(&scan->blocks);
	free(scan->nodes);
	free(scan);
}

struct leak_scan *leak_scan_start(const struct recorded_image *image,
				  const struct deferred_block *blocks, size_t block_count,
				  struct image_slot *slot, _Atomic uint32_t *doorbell,
				  uint64_t *words, struct leak_interest interest)
{
	struct leak_scan *scan = calloc(1, sizeof(*scan));
	if (!scan)
		return NULL;
	scan->slot = slot;
	scan->doorbell = doorbell;
	scan->words = words;
	scan->interest = interest;
	scan->nodes = live_blocks_list(&scan->blocks, image, blocks, block_count,
				       &scan->node_count);
	if (scan->nodes && pthread_create(&scan->thread, NULL, work, scan) == 0)
		return scan;
	scan_free(scan);
	return NULL;
}

void leak_scan_cancel(struct leak_scan *scan)
{
	atomic_store(&scan->is_cancelled, true);
}

bool leak_scan_is_over(const struct leak_scan *scan)
{
	return atomic_load(&scan->is_over);
}

struct leak_marks leak_scan_finish(struct leak_scan *taken_scan)
{
	(void)pthread_join(taken_scan->thread, NULL); /* a joinable thread of ours */
	struct leak_marks marks = taken_scan->marks;
	scan_free(taken_scan);
	return marks;
}
