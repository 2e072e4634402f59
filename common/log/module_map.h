/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which module of an image an address lies in, while modules come and go.
 *
 * `index` counts the modules of an image from 1 over its whole life and is what the log uses;
 * `tracker_id` is the number that the traced process gave it. Two threads may announce one module
 * at once under two ids: both then stand for one index.
 */
#ifndef MEMTRACE_COMMON_LOG_MODULE_MAP_H
#define MEMTRACE_COMMON_LOG_MODULE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mapped_module {
	uint64_t start;
	uint64_t end;
	uint64_t bias;
	uint32_t index;
	uint32_t tracker_id;
};

struct module_map {
	struct mapped_module *loaded; /* [count] by ascending start, not overlapping */
	size_t count;
	size_t capacity;
	uint32_t last_index;
};

/* The module that `address` lies in; NULL if there is none. Borrowed until the next change. */
const struct mapped_module *module_map_find(const struct module_map *map, uint64_t address);

/*
 * Adds a module; those that it overlaps are gone, whether or not that was announced.
 *
 * module   start, end, bias and tracker_id are set; its index too if it is not 0 (from a log)
 * returns  the new index; 0: it is there already, or there are LIMIT_MODULES, and its addresses are
 * in no module; -1: no memory
 */
int module_map_add(struct module_map *map, const struct mapped_module *module);

/* Removes a module by its tracker id. returns its index, 0 if it isn't there */
uint32_t module_map_remove(struct module_map *map, uint32_t tracker_id);

void module_map_release(struct module_map *map);

#endif
