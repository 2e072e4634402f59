/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/jit_names.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/format.h"
#include "common/ring.h"
#include "reader/perf_map.h"

#define FORKS_MAX 64 /* a fork's code is its parent's, and so on */

struct wanted {
	uint64_t offset; /* of the stack node, with its flags */
	uint32_t name;   /* string of the log's symbols; 0: not known */
};

struct lookup {
	struct symbols *symbols;
	struct wanted *wanted; /* [count] by address */
	uint64_t *addresses;   /* [count] of the instruction that was called from */
	size_t count;
	bool has_memory;
};

const char *jit_object_name(uint32_t image, char *text)
{
	(void)snprintf(text, 32, "[jit:%u]", image); /* fits */
	return text;
}

static uint64_t address_of(uint64_t offset)
{
	return RING_FRAME_ADDRESS(offset) - (offset & RING_FRAME_EXACT ? 0 : 1);
}

static int by_address(const void *left, const void *right)
{
	const struct wanted *a = left;
	const struct wanted *b = right;
	uint64_t a_address = address_of(a->offset);
	uint64_t b_address = address_of(b->offset);
	if (a_address != b_address)
		return a_address < b_address ? -1 : 1;
	return (a->offset > b->offset) - (a->offset < b->offset);
}

/* The distinct addresses of an image that are in no module. returns false: no memory */
static bool gather(struct lookup *lookup, const struct stack_trie *trie)
{
	size_t count = 0;
	for (uint32_t node = 1; node < trie->node_count; node++)
		count += trie->nodes[node].module == 0;
	lookup->wanted = malloc((count + 1) * sizeof(*lookup->wanted));
	lookup->addresses = malloc((count + 1) * sizeof(*lookup->addresses));
	if (!lookup->wanted || !lookup->addresses)
		return false;
	for (uint32_t node = 1; node < trie->node_count; node++) {
		const struct stack_node *entry = &trie->nodes[node];
		if (entry->module == 0 && !(entry->offset & RING_FRAME_TRUNCATED) &&
		    RING_FRAME_ADDRESS(entry->offset) != 0)
			lookup->wanted[lookup->count++] = (struct wanted){.offset = entry->offset};
	}
	qsort(lookup->wanted, lookup->count, sizeof(*lookup->wanted), by_address);
	size_t kept = 0;
	for (size_t i = 0; i < lookup->count; i++)
		if (i == 0 || lookup->wanted[i].offset != lookup->wanted[kept - 1].offset)
			lookup->wanted[kept++] = lookup->wanted[i];
	lookup->count = kept;
	for (size_t i = 0; i < kept; i++)
		lookup->addresses[i] = address_of(lookup->wanted[i].offset);
	return true;
}

static void take_name(void *context, size_t index, const char *name)
{
	struct lookup *lookup = context;
	uint32_t string = string_table_add(&lookup->symbols->strings, name,
					   strnlen(name, LIMIT_STRING_BYTES));
	if (string == STRING_NONE)
		lookup->has_memory = false;
	else
		lookup->wanted[index].name = string;
}

/* Names what has none yet, from the map of one image. */
static void read_map(struct lookup *lookup, const struct loaded_log *log, const char *directory,
		     uint32_t index)
{
	const struct log_image *image = &log->info.images[index];
	int64_t start_s = (int64_t)(log->info.run.start_realtime_ns / 1000000000u);
	uint64_t end_us = image->has_ended ? image->end_us : log->info.end_us;
	FILE *map = perf_map_open(directory, image->own_pid,
				  start_s + (int64_t)(image->start_us / 1000000),
				  start_s + (int64_t)(end_us / 1000000) + 1);
	if (!map)
		return;
	perf_map_read(map, lookup->addresses, lookup->count, take_name, lookup);
	(void)fclose(map); /* nothing was written */
}

/* Takes over what was found. returns false: no memory */
static bool add_names(struct lookup *lookup, uint32_t image, uint64_t *ret_changed)
{
	char name[32];
	struct symbols *symbols = lookup->symbols;
	uint32_t object = SYMBOL_NONE;
	for (size_t i = 0; i < lookup->count; i++) {
		const struct wanted *wanted = &lookup->wanted[i];
		if (!wanted->name)
			continue;
		if (object == SYMBOL_NONE)
			object = symbols_object(symbols, jit_object_name(image, name), NULL, 0);
		if (object == SYMBOL_NONE)
			return false;
		if (symbols_find(symbols, object, wanted->offset))
			continue;
		char *text = strdup(string_table_text(&symbols->strings, wanted->name));
		if (!text)
			return false;
		struct perf_name parsed = perf_name_parse(text);
		struct symbol_frame frame = {
			.function = string_table_add(&symbols->strings, parsed.function,
						     strlen(parsed.function)),
			.file = string_table_add(&symbols->strings, parsed.file,
						 strlen(parsed.file)),
			.line = parsed.line,
		};
		free(text);
		if (frame.function == STRING_NONE || frame.file == STRING_NONE ||
		    !symbols_add_entry(symbols, object, wanted->offset) ||
		    !symbols_add_frame(symbols, &frame))
			return false;
		++*ret_changed;
	}
	return true;
}

static bool add_image(struct loaded_log *log, const char *directory, uint32_t index,
		      uint64_t *ret_changed)
{
	struct lookup lookup = {.symbols = &log->symbols, .has_memory = true};
	bool has_memory = gather(&lookup, &log->replay.images[index]->trie);
	uint32_t ancestors[FORKS_MAX];
	size_t count = 0;
	for (uint32_t at = index; lookup.count > 0 && at < log->info.image_count; count++) {
		if (count == FORKS_MAX)
			break;
		ancestors[count] = at;
		at = log->info.images[at].origin == IMAGE_FORK ? log->info.images[at].parent
							       : LOG_NO_IMAGE;
	}
	/* The image's own map is read last: it says what is at an address now. */
	while (has_memory && count > 0)
		read_map(&lookup, log, directory, ancestors[--count]);
	has_memory = has_memory && lookup.has_memory && add_names(&lookup, index, ret_changed);
	free(lookup.wanted);
	free(lookup.addresses);
	return has_memory;
}

/* Another machine's processes have nothing to do with the files of this one. */
static bool is_of_this_host(const struct loaded_log *log)
{
	char host[HOST_NAME_MAX + 1] = "";
	return gethostname(host, sizeof(host) - 1) == 0 && strcmp(host, log->info.run.host) == 0;
}

bool jit_names_add(struct loaded_log *log, const char *directory, uint64_t *ret_changed)
{
	if (!is_of_this_host(log))
		return true;
	for (uint32_t i = 0; i < log->replay.image_count; i++)
		if (!add_image(log, directory, i, ret_changed))
			return false;
	return true;
}
