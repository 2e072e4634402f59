/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/leak_maps.h"

#include <stdlib.h>
#include <string.h>

static bool is_file(const char *path)
{
	return path[0] == '/';
}

/* One line: "start-end perms offset dev inode   path". returns false: it isn't one */
static bool parse_line(char *line, struct leak_mapping *mapping)
{
	char *at;
	*mapping = (struct leak_mapping){.path = "", .module = ""};
	mapping->start = strtoull(line, &at, 16);
	if (*at++ != '-')
		return false;
	mapping->end = strtoull(at, &at, 16);
	if (*at++ != ' ' || strlen(at) < 4 || mapping->end <= mapping->start)
		return false;
	mapping->is_readable = at[0] == 'r';
	mapping->is_writable = at[1] == 'w';
	mapping->is_executable = at[2] == 'x';
	mapping->is_shared = at[3] == 's';
	at += 4;
	for (int field = 0; field < 3; field++) {
		at += strspn(at, " ");
		at += strcspn(at, " ");
	}
	mapping->path = at + strspn(at, " ");
	return true;
}

/* A file's mappings follow each other; what is anonymous right behind the last one is its .bss. */
static void find_module(const struct leak_maps *maps, struct leak_mapping *mapping)
{
	const struct leak_mapping *before = maps->count ? &maps->items[maps->count - 1] : NULL;
	if (is_file(mapping->path)) {
		mapping->module = mapping->path;
		mapping->module_start = before && strcmp(before->module, mapping->path) == 0
						? before->module_start
						: mapping->start;
	} else if (mapping->path[0] == '\0' && mapping->is_writable && !mapping->is_shared &&
		   before && before->module[0] && before->is_writable && !before->is_shared &&
		   before->end == mapping->start && is_file(before->path)) {
		mapping->module = before->module;
		mapping->module_start = before->module_start;
	}
}

bool leak_maps_parse(struct leak_maps *ret_maps, char *taken_text)
{
	size_t lines = 1;
	for (const char *at = taken_text; (at = strchr(at, '\n')); at++)
		lines++;
	*ret_maps = (struct leak_maps){.text = taken_text};
	ret_maps->items = malloc(lines * sizeof(*ret_maps->items));
	if (!ret_maps->items) {
		leak_maps_release(ret_maps);
		return false;
	}
	for (char *line = taken_text; line && *line;) {
		char *end = strchr(line, '\n');
		struct leak_mapping *mapping = &ret_maps->items[ret_maps->count];
		if (end)
			*end = '\0';
		if (parse_line(line, mapping)) {
			find_module(ret_maps, mapping);
			ret_maps->count++;
		}
		line = end ? end + 1 : NULL;
	}
	return true;
}

void leak_maps_release(struct leak_maps *maps)
{
	free(maps->items);
	free(maps->text);
	*maps = (struct leak_maps){0};
}

const struct leak_mapping *leak_maps_find(const struct leak_maps *maps, uint64_t address)
{
	size_t first = 0;
	size_t end = maps->count;
	while (first < end) {
		size_t middle = first + (end - first) / 2;
		if (maps->items[middle].end <= address)
			first = middle + 1;
		else
			end = middle;
	}
	if (first == maps->count || address < maps->items[first].start)
		return NULL;
	return &maps->items[first];
}
