/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/leak_roots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/segment.h"
#include "libtrack/collector/arrays.h"

/* glibc's malloc, as far as it can be seen from a block. */
#define ARENA_BYTES (64ull << 20) /* heaps of arenas lie at multiples of this */
#define CHUNK_IS_MMAPPED 2u
#define CHUNK_IS_IN_ARENA 4u

/* struct pthread: the thread pointer points to it, and it has its own address in two places. */
#define PTHREAD_SELF_WORD 2u
#define PTHREAD_SEARCHED_BYTES (16u << 10) /* of a stack's end */
#define PTHREAD_ID_BYTES 0x400u            /* the thread's id is within these */

/*
 * struct ucontext, in words: the alternate stack, and the stack pointer that was interrupted, which
 * the address of the code follows.
 */
#define UCONTEXT_STACK_WORD 2u
#if defined(__x86_64__)
#define UCONTEXT_POINTER_WORD 20u
#define RED_ZONE_BYTES 128u
#else
#define UCONTEXT_POINTER_WORD 54u
#define RED_ZONE_BYTES 0u
#endif

static void spare(struct leak_roots *roots, uint64_t start, uint64_t end)
{
	if (end <= start)
		return;
	if (!array_reserve((void **)&roots->spared, roots->spared_count + 1,
			   &roots->spared_capacity, sizeof(*roots->spared))) {
		roots->is_failed = true;
		return;
	}
	roots->spared[roots->spared_count++] = (struct leak_range){start, end - start};
}

static void add_root(struct leak_roots *roots, const struct leak_root *root, uint64_t start,
		     uint64_t end)
{
	start = (start + 7) & ~7ull;
	end &= ~7ull;
	if (end <= start)
		return;
	if (!array_reserve((void **)&roots->items, roots->count + 1, &roots->capacity,
			   sizeof(*roots->items)) ||
	    roots->count >= LEAK_HOLDER_ROOT - 1) {
		roots->is_failed = true;
		return;
	}
	roots->items[roots->count] = *root;
	roots->items[roots->count++].range = (struct leak_range){start, end - start};
}

/* Reads a table of the process's. returns NULL: no memory, or it can't be read */
static void *copy_table(struct process_memory *memory, uint64_t address, uint64_t count,
			size_t item_bytes, uint64_t limit)
{
	if (count > limit)
		return NULL;
	char *table = malloc(count * item_bytes + 1);
	if (!table || (count && !process_memory_copy(memory, address, count * item_bytes, table))) {
		free(table);
		return NULL;
	}
	table[count * item_bytes] = '\0';
	return table;
}

static bool read_area(struct leak_roots *roots, struct process_memory *memory, uint64_t address)
{
	struct leak_scan_area *area = &roots->area;
	if (!process_memory_copy(memory, address, sizeof(*area), area))
		return false;
	char *maps = copy_table(memory, area->maps, area->maps_bytes, 1, LEAK_SCAN_MAPS_BYTES_MAX);
	roots->threads = copy_table(memory, area->threads, area->thread_count,
				    sizeof(*roots->threads), LEAK_SCAN_THREADS_MAX);
	roots->named = copy_table(memory, area->ranges, area->range_count, sizeof(*roots->named),
				  LEAK_SCAN_RANGES_MAX);
	if (!maps || !roots->threads || !roots->named) {
		free(maps);
		return false;
	}
	roots->thread_count = (size_t)area->thread_count;
	roots->named_count = (size_t)area->range_count;
	for (size_t i = 0; i < roots->thread_count; i++)
		if (roots->threads[i].register_count > LEAK_SCAN_REGISTERS)
			roots->threads[i].register_count = LEAK_SCAN_REGISTERS;
	return leak_maps_parse(&roots->maps, maps);
}

static bool has_suffix(const char *text, const char *suffix)
{
	size_t length = strlen(text);
	size_t end = strlen(suffix);
	return length >= end && strcmp(text + length - end, suffix) == 0;
}

static bool is_segment(const struct leak_mapping *mapping)
{
	return mapping->is_shared && (has_suffix(mapping->path, SEGMENT_SUFFIX) ||
				      has_suffix(mapping->path, SEGMENT_SUFFIX " (deleted)") ||
				      strncmp(mapping->path, "/memfd:memtrace-", 16) == 0);
}

/* Reading these may have effects. */
static bool is_device(const struct leak_mapping *mapping)
{
	return strncmp(mapping->path, "/dev/", 5) == 0 &&
	       strncmp(mapping->path, "/dev/zero", 9) != 0 &&
	       strncmp(mapping->path, "/dev/shm/", 9) != 0;
}

static bool is_anonymous(const struct leak_mapping *mapping)
{
	return (mapping->path[0] == '\0' || strncmp(mapping->path, "[anon:", 6) == 0) &&
	       !mapping->is_shared;
}

static bool is_libc(const struct leak_mapping *mapping)
{
	const char *slash = strrchr(mapping->module, '/');
	return slash && (strncmp(slash, "/libc.so.", 9) == 0 || strncmp(slash, "/libc-2.", 8) == 0);
}

static bool is_in_heap(const struct leak_mapping *mapping)
{
	return mapping && strcmp(mapping->path, "[heap]") == 0;
}

/* The heap's part of an arena's 64 MiB. */
static void spare_arena(struct leak_roots *roots, uint64_t base)
{
	const struct leak_mapping *mapping = leak_maps_find(&roots->maps, base);
	if (mapping)
		spare(roots, base,
		      mapping->end < base + ARENA_BYTES ? mapping->end : base + ARENA_BYTES);
}

/* Size words of glibc's chunks. */
struct chunks {
	struct leak_roots *roots;
	const uint64_t *addresses; /* of the blocks */
	uint64_t arena;            /* the last one that was found */
};

static void look_at_chunk(void *context, size_t range, uint64_t address, const uint64_t *words,
			  size_t word_count)
{
	struct chunks *chunks = context;
	uint64_t block = chunks->addresses[range];
	(void)address;
	if (word_count < 2)
		return;
	uint64_t size_bytes = words[1] & ~7ull;
	const struct leak_mapping *mapping = leak_maps_find(&chunks->roots->maps, block);
	if (words[1] & CHUNK_IS_MMAPPED) {
		uint64_t start = block - 16 - words[0];
		if (mapping && start >= mapping->start && block - 16 + size_bytes <= mapping->end)
			spare(chunks->roots, start, block - 16 + size_bytes);
	} else if (words[1] & CHUNK_IS_IN_ARENA) {
		uint64_t base = block & ~(ARENA_BYTES - 1);
		if (base != chunks->arena)
			spare_arena(chunks->roots, base);
		chunks->arena = base;
	} else if (mapping) {
		spare(chunks->roots, mapping->start, mapping->end);
	}
}

#define CHUNKS_AT_A_TIME 512u

/* Memory of glibc's malloc outside [heap]: told by what stands in front of the blocks there. */
static void spare_glibc_blocks(struct leak_roots *roots, struct process_memory *memory,
			       const struct leak_graph *graph)
{
	uint64_t addresses[CHUNKS_AT_A_TIME];
	struct leak_range ranges[CHUNKS_AT_A_TIME];
	struct chunks chunks = {.roots = roots, .addresses = addresses, .arena = UINT64_MAX};
	const struct leak_mapping *heap = NULL;
	size_t count = 0;
	for (uint32_t i = 0; i < graph->count && !memory->is_failed; i++) {
		uint64_t address = graph->nodes[i].address;
		if ((heap && address >= heap->start && address < heap->end) ||
		    graph->nodes[i].is_of_pool)
			continue;
		const struct leak_mapping *mapping = leak_maps_find(&roots->maps, address);
		if (is_in_heap(mapping)) {
			heap = mapping;
			continue;
		}
		if ((address & ~(ARENA_BYTES - 1)) == chunks.arena)
			continue;
		addresses[count] = address;
		ranges[count++] = (struct leak_range){address - 16, 16};
		if (count == CHUNKS_AT_A_TIME) {
			process_memory_read(memory, ranges, count, look_at_chunk, &chunks);
			count = 0;
		}
	}
	process_memory_read(memory, ranges, count, look_at_chunk, &chunks);
}

/*
 * An arena's heap without live blocks. It begins with the address of the arena, which lies at the
 * front of this or another heap, and with how much of it is in use and writable.
 */
static bool looks_like_arena(struct process_memory *memory, const struct leak_mapping *mapping)
{
	uint64_t words[4];
	if (mapping->start % ARENA_BYTES != 0 || !is_anonymous(mapping) || !mapping->is_writable ||
	    !process_memory_copy(memory, mapping->start, sizeof(words), words))
		return false;
	return words[0] != 0 && words[0] % ARENA_BYTES > 0 && words[0] % ARENA_BYTES <= 0x80 &&
	       words[2] <= words[3] && words[3] == mapping->end - mapping->start;
}

static void spare_block(struct leak_roots *roots, const struct leak_node *node)
{
	spare(roots, node->address & ~7ull, (node->address + node->size_bytes + 7) & ~7ull);
}

/* What a pool has made of memory that the program has mapped is a block, not a root. */
static void spare_pools(struct leak_roots *roots, const struct leak_graph *graph)
{
	for (uint32_t i = 0; i < graph->count; i++)
		if (graph->nodes[i].is_of_pool)
			spare_block(roots, &graph->nodes[i]);
}

static void spare_heaps(struct leak_roots *roots, struct process_memory *memory,
			const struct leak_graph *graph)
{
	bool is_glibc = roots->area.flags & LEAK_SCAN_AREA_GLIBC;
	for (size_t i = 0; i < roots->maps.count; i++) {
		const struct leak_mapping *mapping = &roots->maps.items[i];
		if (is_in_heap(mapping) || (is_glibc && looks_like_arena(memory, mapping)))
			spare(roots, mapping->start, mapping->end);
	}
	spare_pools(roots, graph);
	if (is_glibc) {
		spare_glibc_blocks(roots, memory, graph);
		return;
	}
	/* Another allocator: the mappings that have blocks are its own. */
	const struct leak_mapping *last = NULL;
	for (uint32_t i = 0; i < graph->count; i++) {
		uint64_t address = graph->nodes[i].address;
		if ((last && address < last->end) || graph->nodes[i].is_of_pool)
			continue;
		last = leak_maps_find(&roots->maps, address);
		if (last && is_anonymous(last) && !last->module[0])
			spare(roots, last->start, last->end);
	}
}

/*
 * The heap is a fork's parent's, or has blocks that were not recorded or memory that the program
 * has got from sbrk: all but what is known.
 */
static void spare_own_blocks(struct leak_roots *roots, const struct leak_graph *graph)
{
	for (uint32_t i = 0; i < graph->count; i++)
		spare_block(roots, &graph->nodes[i]);
}

static bool is_thread_pointer(const struct leak_roots *roots, uint64_t address)
{
	for (size_t i = 0; i < roots->thread_count; i++)
		if (roots->threads[i].thread_pointer == address)
			return true;
	return false;
}

/* A thread that did not park is alive all the same. */
static bool is_of_unparked(const struct leak_roots *roots, const uint64_t *words, size_t count)
{
	const uint32_t *ids = (const uint32_t *)(const void *)words;
	count = count < PTHREAD_ID_BYTES / 8 ? count : PTHREAD_ID_BYTES / 8;
	for (size_t i = 0; i < roots->thread_count; i++)
		for (size_t k = 0; !roots->threads[i].is_parked && k < count * 2; k++)
			if (ids[k] == roots->threads[i].thread_id)
				return true;
	return false;
}

/* The table of a thread's TLS blocks, which its struct pthread names by its second entry. */
static void add_tls(struct leak_roots *roots, uint64_t thread_pointer)
{
	struct leak_root root = {.kind = LEAK_ROOT_TLS};
	add_root(roots, &root, thread_pointer + 8, thread_pointer + 16);
}

/*
 * glibc keeps the stacks of threads that have ended. At a stack's end is its struct pthread, which
 * knows its own address and the stack's base and size.
 */
static void spare_if_ended(struct leak_roots *roots, struct process_memory *memory,
			   const struct leak_mapping *mapping)
{
	static const size_t searched = PTHREAD_SEARCHED_BYTES / 8;
	uint64_t words[PTHREAD_SEARCHED_BYTES / 8];
	uint64_t place = roots->area.pthread_stack_place;
	if (place == 0 || place > PTHREAD_ID_BYTES || !is_anonymous(mapping) ||
	    !mapping->is_writable || mapping->end - mapping->start < PTHREAD_SEARCHED_BYTES)
		return;
	uint64_t first = mapping->end - PTHREAD_SEARCHED_BYTES;
	if (!process_memory_copy(memory, first, sizeof(words), words))
		return;
	for (size_t i = 0; i + place + 1 < searched; i += 2) {
		uint64_t address = first + i * 8;
		uint64_t base = words[i + place - 1];
		uint64_t size_bytes = words[i + place];
		if (words[i] != address || words[i + PTHREAD_SELF_WORD] != address ||
		    address < base || address - base >= size_bytes ||
		    size_bytes > mapping->end - base || is_thread_pointer(roots, address) ||
		    is_of_unparked(roots, words + i, searched - i))
			continue;
		add_tls(roots, address);
		spare(roots, base > mapping->start ? base : mapping->start, base + size_bytes);
	}
}

/* The part of a stack [low, high) that is in use from `pointer` on. */
static void add_stack(struct leak_roots *roots, uint32_t thread, uint64_t low, uint64_t high,
		      uint64_t pointer)
{
	struct leak_root root = {.kind = LEAK_ROOT_STACK, .thread = thread};
	spare(roots, low, high);
	if (pointer < low || pointer >= high)
		pointer = low;
	add_root(roots, &root, pointer, high);
}

/*
 * How far below the stack pointer of interrupted code there may be something of use: not where
 * libc is in a system call, or is about to make it again.
 */
static uint64_t red_zone_bytes(const struct leak_roots *roots, struct process_memory *memory,
			       uint64_t code)
{
	static const unsigned char system_call[] = {0x0f, 0x05}; /* x86-64 */
	const struct leak_mapping *mapping = leak_maps_find(&roots->maps, code);
	unsigned char around[16];
	uint64_t first = (code - sizeof(system_call)) & ~7ull;
	if (!mapping || !is_libc(mapping) || first < mapping->start ||
	    mapping->end - first < sizeof(around) ||
	    !process_memory_copy(memory, first, sizeof(around), around))
		return RED_ZONE_BYTES;
	const unsigned char *at = around + (code - first);
	bool is_in_call = memcmp(at, system_call, sizeof(system_call)) == 0 ||
			  memcmp(at - sizeof(system_call), system_call, sizeof(system_call)) == 0;
	return is_in_call ? 0 : RED_ZONE_BYTES;
}

/*
 * A thread on its alternate signal stack: at the end of that is the context of what the signal
 * interrupted. returns where what is in use of the stack there begins, 0: not found
 */
static uint64_t interrupted_pointer(const struct leak_roots *roots,
				    const struct leak_scan_thread *thread,
				    struct process_memory *memory, uint64_t low, uint64_t high)
{
	uint64_t size_bytes = thread->alternate_high - thread->alternate_low;
	uint64_t first = thread->stack_pointer & ~7ull;
	uint64_t found = 0;
	size_t count = (size_t)((thread->alternate_high - first) / 8);
	uint64_t *words = malloc(count * 8 + 8);
	if (words && process_memory_copy(memory, first, count * 8, words)) {
		for (size_t i = 0; i + UCONTEXT_POINTER_WORD + 1 < count && !found; i++)
			if (words[i + UCONTEXT_STACK_WORD] == thread->alternate_low &&
			    words[i + UCONTEXT_STACK_WORD + 2] == size_bytes &&
			    words[i + UCONTEXT_POINTER_WORD] >= low &&
			    words[i + UCONTEXT_POINTER_WORD] < high)
				found = words[i + UCONTEXT_POINTER_WORD] -
					red_zone_bytes(roots, memory,
						       words[i + UCONTEXT_POINTER_WORD + 1]);
	}
	free(words);
	return found;
}

static const struct leak_mapping *find_main_stack(const struct leak_roots *roots)
{
	for (size_t i = 0; i < roots->maps.count; i++)
		if (strcmp(roots->maps.items[i].path, "[stack]") == 0)
			return &roots->maps.items[i];
	return NULL;
}

static void add_thread(struct leak_roots *roots, struct process_memory *memory, uint32_t index,
		       const struct leak_mapping *main_stack)
{
	const struct leak_scan_thread *thread = &roots->threads[index];
	uint64_t low = thread->stack_low;
	uint64_t high = thread->stack_high;
	uint64_t pointer = thread->stack_pointer;
	if (!thread->is_parked)
		return; /* its stack is a mapping like others */
	if (high == 0 && main_stack) {
		low = main_stack->start;
		high = main_stack->end;
	}
	bool is_on_alternate = pointer >= thread->alternate_low && pointer < thread->alternate_high;
	if (thread->alternate_high > thread->alternate_low &&
	    (thread->alternate_low < low || thread->alternate_high > high)) {
		spare(roots, thread->alternate_low, thread->alternate_high);
		if (is_on_alternate) {
			add_stack(roots, index, thread->alternate_low, thread->alternate_high,
				  pointer);
			pointer = interrupted_pointer(roots, thread, memory, low, high);
		}
	}
	if (high > low)
		add_stack(roots, index, low, high, pointer);
	struct leak_root registers = {.kind = LEAK_ROOT_REGISTERS, .thread = index};
	add_root(roots, &registers, 8, 16); /* not memory: see visit_registers */
	if (thread->thread_pointer)
		add_tls(roots, thread->thread_pointer);
}

static int compare_ranges(const void *left, const void *right)
{
	const struct leak_range *a = left;
	const struct leak_range *b = right;
	return a->address < b->address ? -1 : a->address > b->address;
}

/* What is left of a mapping when everything that is spared is taken out. */
static void add_mapping(struct leak_roots *roots, const struct leak_mapping *mapping,
			size_t *next_spared)
{
	bool is_inherited = roots->area.flags & LEAK_SCAN_AREA_STRANGERS && !mapping->module[0];
	struct leak_root root = {
		.kind = is_in_heap(mapping) ? LEAK_ROOT_INHERITED : LEAK_ROOT_MAPPING,
		.may_be_bins = is_libc(mapping) || is_inherited,
	};
	uint64_t at = mapping->start;
	while (*next_spared < roots->spared_count) {
		const struct leak_range *spared = &roots->spared[*next_spared];
		uint64_t end = spared->address + spared->size_bytes;
		if (spared->address >= mapping->end)
			break;
		if (spared->address > at)
			add_root(roots, &root, at, spared->address);
		at = end > at ? end : at;
		if (end > mapping->end)
			break; /* goes on in the next one */
		++*next_spared;
	}
	if (at < mapping->end)
		add_root(roots, &root, at, mapping->end);
}

/* Sorted, and without overlaps. */
static void sort_spared(struct leak_roots *roots)
{
	size_t kept = 0;
	qsort(roots->spared, roots->spared_count, sizeof(*roots->spared), compare_ranges);
	for (size_t i = 0; i < roots->spared_count; i++) {
		struct leak_range *last = kept ? &roots->spared[kept - 1] : NULL;
		const struct leak_range *next = &roots->spared[i];
		uint64_t end = next->address + next->size_bytes;
		if (!last || next->address > last->address + last->size_bytes)
			roots->spared[kept++] = *next;
		else if (end > last->address + last->size_bytes)
			last->size_bytes = end - last->address;
	}
	roots->spared_count = kept;
}

static void add_mappings(struct leak_roots *roots)
{
	size_t next_spared = 0;
	sort_spared(roots);
	for (size_t i = 0; i < roots->maps.count; i++) {
		const struct leak_mapping *mapping = &roots->maps.items[i];
		if (!mapping->is_readable || !mapping->is_writable || is_segment(mapping) ||
		    is_device(mapping))
			continue;
		while (next_spared < roots->spared_count &&
		       roots->spared[next_spared].address + roots->spared[next_spared].size_bytes <=
			       mapping->start)
			next_spared++;
		add_mapping(roots, mapping, &next_spared);
	}
}

static void add_named(struct leak_roots *roots)
{
	for (size_t i = 0; i < roots->named_count; i++) {
		const struct leak_scan_range *range = &roots->named[i];
		uint64_t end = range->address + range->size_bytes;
		struct leak_root tracker = {.kind = LEAK_ROOT_TRACKER};
		if (range->kind == LEAK_SCAN_OWN)
			spare(roots, range->address, end);
		else if (range->kind == LEAK_SCAN_ROOT)
			add_root(roots, &tracker, range->address, end);
	}
}

bool leak_roots_find(struct leak_roots *ret_roots, struct process_memory *memory, uint64_t address,
		     const struct leak_graph *graph)
{
	*ret_roots = (struct leak_roots){0};
	if (!read_area(ret_roots, memory, address))
		return false;
	const struct leak_mapping *main_stack = find_main_stack(ret_roots);
	struct leak_root ignored = {.kind = LEAK_ROOT_IGNORED};
	add_root(ret_roots, &ignored, 8, 16); /* no memory: see visit_ignored */
	add_named(ret_roots);
	for (uint32_t i = 0; i < ret_roots->thread_count; i++)
		add_thread(ret_roots, memory, i, main_stack);
	for (size_t i = 0; i < ret_roots->maps.count && !memory->is_failed; i++)
		spare_if_ended(ret_roots, memory, &ret_roots->maps.items[i]);
	if (ret_roots->area.flags & LEAK_SCAN_AREA_STRANGERS)
		spare_own_blocks(ret_roots, graph);
	else
		spare_heaps(ret_roots, memory, graph);
	add_mappings(ret_roots);
	return !ret_roots->is_failed && !memory->is_failed;
}

void leak_roots_release(struct leak_roots *roots)
{
	free(roots->items);
	free(roots->spared);
	free(roots->threads);
	free(roots->named);
	leak_maps_release(&roots->maps);
	*roots = (struct leak_roots){0};
}

struct visiting {
	struct leak_graph *graph;
	uint32_t root;
};

static void visit_words(void *context, size_t range, uint64_t address, const uint64_t *words,
			size_t word_count)
{
	const struct visiting *visiting = context;
	(void)range;
	leak_graph_visit_root(visiting->graph, visiting->root, address, words, word_count);
}

/* What a stack pointer points into is in use as a stack. */
static void visit_registers(const struct leak_roots *roots, struct leak_graph *graph,
			    const struct visiting *visiting)
{
	const struct leak_scan_thread *thread =
		&roots->threads[roots->items[visiting->root].thread];
	leak_graph_visit_root(graph, visiting->root, 0, thread->registers, thread->register_count);
	uint32_t stack = leak_graph_find(graph, thread->stack_pointer);
	if (stack != UINT32_MAX)
		leak_graph_mark(graph, stack, visiting->root);
}

static void visit_ignored(struct leak_graph *graph, uint32_t root)
{
	for (uint32_t node = 0; node < graph->count; node++)
		if (graph->nodes[node].is_ignored)
			leak_graph_mark(graph, node, root);
}

static void visit_tls(const struct leak_root *root, struct process_memory *memory,
		      struct leak_graph *graph, const struct visiting *visiting)
{
	uint64_t table = 0;
	if (!process_memory_copy(memory, root->range.address, sizeof(table), &table))
		return;
	table -= 16;
	leak_graph_visit_root(graph, visiting->root, root->range.address, &table, 1);
}

bool leak_roots_visit(const struct leak_roots *roots, struct process_memory *memory,
		      struct leak_graph *graph)
{
	for (uint32_t i = 0; i < roots->count && !memory->is_failed; i++) {
		const struct leak_root *root = &roots->items[i];
		struct visiting visiting = {.graph = graph, .root = i};
		graph->skips_bins = root->may_be_bins;
		if (root->kind == LEAK_ROOT_REGISTERS) {
			visit_registers(roots, graph, &visiting);
		} else if (root->kind == LEAK_ROOT_TLS) {
			visit_tls(root, memory, graph, &visiting);
		} else if (root->kind == LEAK_ROOT_IGNORED) {
			visit_ignored(graph, i);
		} else {
			process_memory_read_present(memory, &root->range, visit_words, &visiting);
		}
	}
	graph->skips_bins = false;
	return !memory->is_failed;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

void leak_root_describe(const struct leak_roots *roots, size_t root, uint64_t address, char *text,
			size_t capacity)
{
	const struct leak_root *item = &roots->items[root];
	const struct leak_mapping *mapping = leak_maps_find(&roots->maps, address);
	unsigned long long thread = 0;
	if (item->kind == LEAK_ROOT_STACK || item->kind == LEAK_ROOT_REGISTERS)
		thread = roots->threads[item->thread].thread_id;
	switch (item->kind) {
	case LEAK_ROOT_MAPPING:
		if (mapping && mapping->module[0])
			(void)snprintf(text, capacity, "data of %s+0x%llx",
				       base_name(mapping->module),
				       (unsigned long long)(address - mapping->module_start));
		else
			(void)snprintf(text, capacity, "memory that the program has mapped");
		break;
	case LEAK_ROOT_STACK:
		(void)snprintf(text, capacity, "stack of thread %llu", thread);
		break;
	case LEAK_ROOT_REGISTERS:
		(void)snprintf(text, capacity, "registers of thread %llu", thread);
		break;
	case LEAK_ROOT_TRACKER:
		(void)snprintf(text, capacity, "memory of the C library");
		break;
	case LEAK_ROOT_INHERITED:
		(void)snprintf(text, capacity, "the heap beside the known blocks");
		break;
	case LEAK_ROOT_TLS:
		(void)snprintf(text, capacity, "thread-local storage");
		break;
	case LEAK_ROOT_IGNORED:
		(void)snprintf(text, capacity, "ignored by the program");
		break;
	}
}
