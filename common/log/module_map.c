/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/log/module_map.h"

#include <stdlib.h>
#include <string.h>

#include "common/format.h"

/* Number of modules that begin at or before `address`. */
static size_t count_up_to(const struct module_map *map, uint64_t address)
{
	size_t low = 0;
	size_t high = map->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (map->loaded[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct mapped_module *module_map_find(const struct module_map *map, uint64_t address)
{
	size_t count = count_up_to(map, address);
	if (count == 0 || address >= map->loaded[count - 1].end)
		return NULL;
	return &map->loaded[count - 1];
}

static void remove_at(struct module_map *map, size_t at)
{
	map->count--;
	memmove(&map->loaded[at], &map->loaded[at + 1], (map->count - at) * sizeof(*map->loaded));
}

int module_map_add(struct module_map *map, const struct mapped_module *module)
{
	const struct mapped_module *there = module_map_find(map, module->start);
	if (there && there->start == module->start && there->end == module->end &&
	    there->bias == module->bias && there->tracker_id != module->tracker_id)
		return 0;
	for (size_t i = 0; i < map->count;) {
		if (map->loaded[i].start < module->end && module->start < map->loaded[i].end)
			remove_at(map, i);
		else
			i++;
	}
	if (module->index == 0 && map->last_index >= LIMIT_MODULES)
		return 0;
	if (map->count == map->capacity) {
		size_t capacity = map->capacity ? map->capacity * 2 : 16;
		struct mapped_module *grown = realloc(map->loaded, capacity * sizeof(*grown));
		if (!grown)
			return -1;
		map->loaded = grown;
		map->capacity = capacity;
	}
	size_t at = count_up_to(map, module->start);
	memmove(&map->loaded[at + 1], &map->loaded[at], (map->count - at) * sizeof(*map->loaded));
	map->count++;
	map->loaded[at] = *module;
	if (module->index == 0)
		map->loaded[at].index = ++map->last_index;
	else if (module->index > map->last_index)
		map->last_index = module->index;
	return (int)map->loaded[at].index;
}

uint32_t module_map_remove(struct module_map *map, uint32_t tracker_id)
{
	for (size_t i = 0; i < map->count; i++) {
		if (map->loaded[i].tracker_id != tracker_id)
			continue;
		uint32_t index = map->loaded[i].index;
		remove_at(map, i);
		return index;
	}
	return 0;
}

void module_map_release(struct module_map *map)
{
	free(map->loaded);
	*map = (struct module_map){0};
}
