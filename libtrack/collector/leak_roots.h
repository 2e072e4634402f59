/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a leak scan begins: the memory of a process that is in use whatever points to it.
 *
 *   roots   writable mappings, of threads' stacks what is in use, registers, what the tracker names
 *   not     heaps, stacks of threads that have ended and what lies below stack pointers, alternate
 *           signal stacks that nobody is on, the tracker's own memory
 */
#ifndef MEMTRACE_COLLECTOR_LEAK_ROOTS_H
#define MEMTRACE_COLLECTOR_LEAK_ROOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/leak_protocol.h"
#include "libtrack/collector/leak_graph.h"
#include "libtrack/collector/leak_maps.h"
#include "libtrack/collector/leak_memory.h"

enum leak_root_kind {
	LEAK_ROOT_MAPPING,   /* data of a module, or other memory of the program */
	LEAK_ROOT_STACK,     /* of a thread */
	LEAK_ROOT_REGISTERS, /* of a thread */
	LEAK_ROOT_TLS,       /* of a thread, through the table that ld.so keeps */
	LEAK_ROOT_TRACKER,   /* named by the tracker */
	LEAK_ROOT_INHERITED, /* the heap, where it has blocks that are not known */
	LEAK_ROOT_IGNORED,   /* the program says that the block is no leak */
};

struct leak_root {
	enum leak_root_kind kind;
	struct leak_range range;
	uint32_t thread;  /* index of the thread whose stack or registers it is */
	bool may_be_bins; /* glibc's own data: pointers to free chunks look like pointers to blocks
			   */
};

struct leak_roots {
	struct leak_root *items; /* [count] */
	size_t count;
	size_t capacity;
	struct leak_range *spared; /* [spared_count] no roots, although writable */
	size_t spared_count;
	size_t spared_capacity;
	struct leak_maps maps;
	struct leak_scan_thread *threads; /* [thread_count] */
	size_t thread_count;
	struct leak_scan_range *named; /* [named_count] what the tracker says of ranges */
	size_t named_count;
	struct leak_scan_area area;
	bool is_failed; /* no memory */
};

/*
 * Finds them out.
 *
 * address  of the process's struct leak_scan_area
 * graph    of its live blocks
 * returns  false: no memory, or the process is gone or talks nonsense
 */
bool leak_roots_find(struct leak_roots *ret_roots, struct process_memory *memory, uint64_t address,
		     const struct leak_graph *graph);
void leak_roots_release(struct leak_roots *roots);

/* Gives all that the roots hold to the graph. returns false: no memory, or the process is gone */
bool leak_roots_visit(const struct leak_roots *roots, struct process_memory *memory,
		      struct leak_graph *graph);

/* What a root is called, in words: "data of libfoo.so+0x1234". */
void leak_root_describe(const struct leak_roots *roots, size_t root, uint64_t address, char *text,
			size_t capacity);

#endif
