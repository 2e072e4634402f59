/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/call_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ring.h"
#include "reader/jit_names.h"

#define FIRST_ITEMS 1024u
#define NONE UINT32_MAX

bool call_tree_init(struct call_tree *tree, struct profile *profile)
{
	*tree = (struct call_tree){
		.profile = profile,
		.frame_capacity = FIRST_ITEMS,
		.node_capacity = FIRST_ITEMS,
		.frame_mask = FIRST_ITEMS * 2 - 1,
		.node_mask = FIRST_ITEMS * 2 - 1,
	};
	profile->frames = calloc(FIRST_ITEMS, sizeof(*profile->frames));
	profile->nodes = calloc(FIRST_ITEMS, sizeof(*profile->nodes));
	tree->frame_slots = calloc((size_t)FIRST_ITEMS * 2, sizeof(uint32_t));
	tree->node_slots = calloc((size_t)FIRST_ITEMS * 2, sizeof(uint32_t));
	if (!profile->frames || !profile->nodes || !tree->frame_slots || !tree->node_slots)
		return false;
	profile->node_count = 1;
	return true;
}

void call_tree_release(struct call_tree *tree)
{
	free(tree->frame_slots);
	free(tree->node_slots);
	*tree = (struct call_tree){0};
}

static uint32_t mix(uint64_t a, uint64_t b)
{
	uint64_t hash = (a * 0x9e3779b97f4a7c15u ^ b) * 0xbf58476d1ce4e5b9u;
	return (uint32_t)(hash >> 32);
}

static uint32_t frame_hash(const struct profile_frame *frame)
{
	return mix((uint64_t)frame->function << 32 | frame->file,
		   ((uint64_t)frame->line << 32 | frame->module) ^ (uint64_t)frame->flags << 24);
}

/* Doubles an array and rebuilds its hash table. returns false: no memory */
static bool grow(void **items, uint32_t *capacity, size_t item_bytes, uint32_t **slots,
		 uint32_t *mask)
{
	uint32_t larger = *capacity * 2;
	void *grown = realloc(*items, larger * item_bytes);
	if (!grown || larger < *capacity)
		return false;
	*items = grown;
	uint32_t *fresh = calloc((size_t)larger * 2, sizeof(**slots));
	if (!fresh)
		return false;
	free(*slots);
	*slots = fresh;
	*capacity = larger;
	*mask = larger * 2 - 1;
	return true;
}

static void put(uint32_t *slots, uint32_t mask, uint32_t hash, uint32_t value)
{
	uint32_t slot = hash & mask;
	while (slots[slot])
		slot = (slot + 1) & mask;
	slots[slot] = value;
}

static uint32_t intern_frame(struct call_tree *tree, const struct profile_frame *frame)
{
	struct profile *profile = tree->profile;
	uint32_t hash = frame_hash(frame);
	for (uint32_t slot = hash & tree->frame_mask; tree->frame_slots[slot];
	     slot = (slot + 1) & tree->frame_mask)
		if (memcmp(&profile->frames[tree->frame_slots[slot] - 1], frame, sizeof(*frame)) ==
		    0)
			return tree->frame_slots[slot] - 1;
	if (profile->frame_count == tree->frame_capacity) {
		if (!grow((void **)&profile->frames, &tree->frame_capacity, sizeof(*frame),
			  &tree->frame_slots, &tree->frame_mask))
			return NONE;
		for (uint32_t i = 0; i < profile->frame_count; i++)
			put(tree->frame_slots, tree->frame_mask, frame_hash(&profile->frames[i]),
			    i + 1);
	}
	profile->frames[profile->frame_count] = *frame;
	put(tree->frame_slots, tree->frame_mask, hash, profile->frame_count + 1);
	return profile->frame_count++;
}

static uint32_t intern_node(struct call_tree *tree, uint32_t parent, uint32_t frame)
{
	struct profile *profile = tree->profile;
	uint32_t hash = mix(parent, frame);
	for (uint32_t slot = hash & tree->node_mask; tree->node_slots[slot];
	     slot = (slot + 1) & tree->node_mask) {
		const struct profile_node *node = &profile->nodes[tree->node_slots[slot]];
		if (node->parent == parent && node->frame == frame)
			return tree->node_slots[slot];
	}
	if (profile->node_count == tree->node_capacity) {
		if (!grow((void **)&profile->nodes, &tree->node_capacity, sizeof(*profile->nodes),
			  &tree->node_slots, &tree->node_mask))
			return NONE;
		for (uint32_t i = 1; i < profile->node_count; i++)
			put(tree->node_slots, tree->node_mask,
			    mix(profile->nodes[i].parent, profile->nodes[i].frame), i);
	}
	profile->nodes[profile->node_count] = (struct profile_node){.parent = parent,
								    .frame = frame};
	put(tree->node_slots, tree->node_mask, hash, profile->node_count);
	return profile->node_count++;
}

static uint32_t add_text(struct profile *profile, const char *text)
{
	return string_table_add(&profile->strings, text, strlen(text));
}

/* "libfoo.so+0x1234", or the bare address where there is no module. */
static uint32_t name_address(struct profile *profile, const char *path, uint64_t address)
{
	char name[512];
	const char *slash = path ? strrchr(path, '/') : NULL;
	if (path)
		(void)snprintf(name, sizeof(name), "%s+0x%llx", slash ? slash + 1 : path,
			       (unsigned long long)address);
	else
		(void)snprintf(name, sizeof(name), "0x%llx", (unsigned long long)address);
	return add_text(profile, name);
}

/* An address of an image, and its frames in `frames` of the places. */
struct place {
	uint64_t offset;
	uint16_t module;
	uint32_t first_frame;
	uint32_t frame_count;
};

/* The addresses of an image that have been named: each is in many stack traces. */
struct places {
	struct place *items; /* [count] */
	uint32_t count;
	uint32_t capacity;
	uint32_t *slots; /* [mask + 1] place + 1, 0 = empty */
	uint32_t mask;
	uint32_t *frames; /* [frame_count] of the profile, outermost first */
	uint32_t frame_count;
	uint32_t frame_capacity;
};

static bool places_init(struct places *places)
{
	*places = (struct places){
		.capacity = FIRST_ITEMS,
		.mask = FIRST_ITEMS * 2 - 1,
		.frame_capacity = FIRST_ITEMS,
	};
	places->items = calloc(FIRST_ITEMS, sizeof(*places->items));
	places->slots = calloc((size_t)FIRST_ITEMS * 2, sizeof(*places->slots));
	places->frames = calloc(FIRST_ITEMS, sizeof(*places->frames));
	return places->items && places->slots && places->frames;
}

static void places_release(struct places *places)
{
	free(places->items);
	free(places->slots);
	free(places->frames);
}

static uint32_t place_hash(uint64_t offset, uint16_t module)
{
	return mix(offset, module);
}

static const struct place *find_place(const struct places *places, const struct stack_node *address)
{
	uint32_t slot = place_hash(address->offset, address->module) & places->mask;
	for (; places->slots[slot]; slot = (slot + 1) & places->mask) {
		const struct place *place = &places->items[places->slots[slot] - 1];
		if (place->offset == address->offset && place->module == address->module)
			return place;
	}
	return NULL;
}

/* Begins the next place, which has no frames yet. returns NULL: no memory */
static struct place *add_place(struct places *places, const struct stack_node *address)
{
	if (places->count == places->capacity) {
		if (!grow((void **)&places->items, &places->capacity, sizeof(*places->items),
			  &places->slots, &places->mask))
			return NULL;
		for (uint32_t i = 0; i < places->count; i++)
			put(places->slots, places->mask,
			    place_hash(places->items[i].offset, places->items[i].module), i + 1);
	}
	struct place *place = &places->items[places->count++];
	*place = (struct place){
		.offset = address->offset,
		.module = address->module,
		.first_frame = places->frame_count,
	};
	put(places->slots, places->mask, place_hash(address->offset, address->module),
	    places->count);
	return place;
}

/* returns  false: no memory, or `frame` is none for want of it */
static bool add_frame(struct places *places, struct place *place, uint32_t frame)
{
	if (places->frame_count == places->frame_capacity) {
		uint32_t capacity = places->frame_capacity * 2;
		uint32_t *grown = realloc(places->frames, (size_t)capacity * sizeof(*grown));
		if (!grown || capacity < places->frame_capacity)
			return false;
		places->frames = grown;
		places->frame_capacity = capacity;
	}
	places->frames[places->frame_count++] = frame;
	place->frame_count++;
	return frame != NONE;
}

/* Finds the frames of an address that is new. returns NULL: no memory */
static const struct place *name_place(struct call_tree *tree, struct places *places,
				      const struct stack_node *address,
				      const struct log_module *module, uint32_t object)
{
	struct profile *profile = tree->profile;
	const struct symbols *symbols = &profile->log->symbols;
	const struct symbol_entry *entry = NULL;
	struct profile_frame frame = {0};
	struct place *place = add_place(places, address);
	bool is_good = place != NULL;
	if (is_good && address->offset & RING_FRAME_TRUNCATED) {
		frame.function = add_text(profile, "(deeper than recorded)");
		frame.flags = PROFILE_FRAME_CUT;
		return add_frame(places, place, intern_frame(tree, &frame)) ? place : NULL;
	}
	uint32_t flags = address->offset & RING_FRAME_GUESSED ? PROFILE_FRAME_GUESSED : 0u;
	frame.module = module ? add_text(profile, module->path) : 0;
	if (object != NONE)
		entry = symbols_find(symbols, object, address->offset);
	profile->needs_symbols |= module && !entry;
	if (!module && entry)
		frame.module = add_text(profile, "[jit]");
	uint32_t count = entry ? entry->frame_count : 0;
	for (uint32_t i = count ? count : 1; i-- > 0 && is_good;) {
		const struct symbol_frame *symbol = count ? &symbols->frames[entry->first_frame + i]
							  : NULL;
		frame.flags = flags | (symbol && symbol->is_inlined ? PROFILE_FRAME_INLINED : 0u);
		frame.line = symbol ? symbol->line : 0;
		frame.file = symbol ? add_text(profile,
					       string_table_text(&symbols->strings, symbol->file))
				    : 0;
		frame.function = symbol && symbol->function
					 ? add_text(profile, string_table_text(&symbols->strings,
									       symbol->function))
					 : name_address(profile, module ? module->path : NULL,
							RING_FRAME_ADDRESS(address->offset));
		is_good = add_frame(places, place, intern_frame(tree, &frame));
	}
	return is_good ? place : NULL;
}

/* Adds the frames of a place below `parent`. returns the innermost's node, NONE: no memory */
static uint32_t add_nodes(struct call_tree *tree, uint32_t parent, const struct places *places,
			  const struct place *place)
{
	uint32_t node = parent;
	for (uint32_t i = 0; place && i < place->frame_count && node != NONE; i++)
		node = intern_node(tree, node, places->frames[place->first_frame + i]);
	return place ? node : NONE;
}

/* The symbols' objects of an image's modules, [module_count + 1]; [0] is for addresses in none. */
static uint32_t *find_objects(const struct call_tree *tree, uint32_t index)
{
	const struct log_image *image = &tree->profile->log->info.images[index];
	const struct symbols *symbols = &tree->profile->log->symbols;
	uint32_t *objects = malloc(((size_t)image->module_count + 1) * sizeof(*objects));
	if (!objects)
		return NULL;
	char jit[32];
	const char *jit_name = jit_object_name(index, jit);
	objects[0] = NONE;
	for (uint32_t i = 0; i < symbols->object_count; i++)
		if (strcmp(string_table_text(&symbols->strings, symbols->objects[i].path),
			   jit_name) == 0)
			objects[0] = i;
	for (uint32_t m = 0; m < image->module_count; m++) {
		const struct log_module *module = &image->modules[m];
		objects[m + 1] = NONE;
		for (uint32_t i = 0; i < symbols->object_count; i++) {
			const struct symbol_object *object = &symbols->objects[i];
			if (strcmp(string_table_text(&symbols->strings, object->path),
				   module->path) == 0 &&
			    object->build_id_bytes == module->build_id_bytes &&
			    memcmp(object->build_id, module->build_id, module->build_id_bytes) == 0)
				objects[m + 1] = i;
		}
	}
	return objects;
}

bool call_tree_add_image(struct call_tree *tree, uint32_t image, const bool *used,
			 uint32_t *ret_nodes)
{
	const struct log_image *logged = &tree->profile->log->info.images[image];
	const struct stack_trie *trie = &tree->profile->log->replay.images[image]->trie;
	struct places places;
	uint32_t *objects = find_objects(tree, image);
	bool has_memory = places_init(&places) && objects;
	ret_nodes[STACK_ROOT] = 0;
	for (uint32_t node = 1; node < trie->node_count && has_memory; node++) {
		const struct stack_node *address = &trie->nodes[node];
		if (!used[node])
			continue;
		const struct log_module *module = address->module && address->module <=
									     logged->module_count
							  ? &logged->modules[address->module - 1]
							  : NULL;
		const struct place *place = find_place(&places, address);
		if (!place)
			place = name_place(tree, &places, address, module,
					   module ? objects[address->module] : objects[0]);
		ret_nodes[node] = add_nodes(tree, ret_nodes[address->parent], &places, place);
		has_memory = ret_nodes[node] != NONE;
	}
	places_release(&places);
	free(objects);
	return has_memory;
}
