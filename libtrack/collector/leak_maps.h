/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The mappings of a process, from the text of its /proc/PID/maps. */
#ifndef MEMTRACE_COLLECTOR_LEAK_MAPS_H
#define MEMTRACE_COLLECTOR_LEAK_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct leak_mapping {
	uint64_t start;
	uint64_t end;
	uint64_t module_start; /* of the first mapping of the file that this one belongs to; 0: none
				*/
	const char *path;      /* "" if it has none; of the mapping's file, or "[heap]" */
	const char *module; /* path of the file that it belongs to, its .bss included; "" if none */
	bool is_readable;
	bool is_writable;
	bool is_executable;
	bool is_shared;
};

struct leak_maps {
	struct leak_mapping *items; /* [count] by ascending address */
	size_t count;
	char *text; /* the paths are in it */
};

/*
 * taken_text  of malloc, ends with a NUL, is changed
 * returns     false: no memory
 */
bool leak_maps_parse(struct leak_maps *ret_maps, char *taken_text);
void leak_maps_release(struct leak_maps *maps);

/* The mapping that an address lies in; NULL: none. */
const struct leak_mapping *leak_maps_find(const struct leak_maps *maps, uint64_t address);

#endif
