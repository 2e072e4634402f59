/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One walk over the entries of a unit, with a stack of its own: how deep entries nest, and where
 * they say that their siblings are, is the file's word. Entries are counted against the size of the
 * unit, so that siblings which point into children do not multiply them.
 */
#include "reader/unit_scopes.h"

#include <dwarf.h>
#include <stdlib.h>

#define DEPTH_MAX 160u        /* entries below are left out */
#define RANGES_MAX (1u << 24) /* of all scopes of a unit */
#define SPANS_MAX 64u         /* of a scope that are told apart to check what is inside it */

struct span {
	uint64_t start;
	uint64_t end;
};

struct level {
	Dwarf_Die die;
	uint32_t scope;     /* that `die` is in */
	uint32_t depth;     /* of scopes around it */
	uint32_t container; /* that `die` is in */
	Dwarf_Off function; /* that `die` is in, 0 */
	Dwarf_Off function_end;
	uint32_t opened;     /* the container that `die` is, SCOPE_NONE */
	uint32_t first_span; /* spans [first_span, first_span + span_count) of the scope */
	uint32_t span_count;
};

struct walk {
	struct unit_scopes *scopes;
	const struct address_map *code;
	Dwarf_Addr base;
	uint64_t entries_left;
	uint64_t ranges_left;
	bool has_memory;
	struct span *spans; /* [DEPTH_MAX * SPANS_MAX] of the scopes on the way to the entry */
	struct level levels[DEPTH_MAX];
};

static void *grow(void *array, size_t *capacity, size_t item_bytes)
{
	size_t wanted = *capacity ? *capacity * 2 : 64;
	void *grown = realloc(array, wanted * item_bytes);
	if (grown)
		*capacity = wanted;
	return grown;
}

static uint32_t add_scope(struct walk *walk, const struct level *level, bool is_inlined)
{
	struct unit_scopes *scopes = walk->scopes;
	if (scopes->scope_count == scopes->scope_capacity) {
		struct scope *grown = grow(scopes->scopes, &scopes->scope_capacity, sizeof(*grown));
		if (!grown) {
			walk->has_memory = false;
			return SCOPE_NONE;
		}
		scopes->scopes = grown;
	}
	Dwarf_Die die = level->die;
	scopes->scopes[scopes->scope_count] = (struct scope){
		.offset = dwarf_dieoffset(&die),
		.parent = is_inlined ? level->scope : SCOPE_NONE,
		.is_inlined = is_inlined,
	};
	return (uint32_t)scopes->scope_count++;
}

static uint32_t add_container(struct walk *walk, const struct level *level)
{
	struct unit_scopes *scopes = walk->scopes;
	if (scopes->container_count == scopes->container_capacity) {
		struct container *grown = grow(scopes->containers, &scopes->container_capacity,
					       sizeof(*grown));
		if (!grown) {
			walk->has_memory = false;
			return SCOPE_NONE;
		}
		scopes->containers = grown;
	}
	Dwarf_Die die = level->die;
	scopes->containers[scopes->container_count] = (struct container){
		.start = dwarf_dieoffset(&die),
		.parent = level->container,
		.function = level->function,
		.function_end = level->function_end,
	};
	return (uint32_t)scopes->container_count++;
}

static void add_piece(struct walk *walk, uint32_t scope, uint32_t depth, struct span span)
{
	/* Deeper scopes win; of two of the same depth, which should not overlap, the first does. */
	struct address_range range = {
		.start = span.start,
		.end = span.end,
		.rank = (uint64_t)depth << 32 | (UINT32_MAX - scope),
		.value = scope,
	};
	if (!address_map_add(&walk->scopes->map, &range))
		walk->has_memory = false;
}

/* Adds the part of `span` that is in the scope around it: what is outside can't be reached. */
static void add_clipped(struct walk *walk, const struct level *around, uint32_t scope,
			struct span span)
{
	for (uint32_t i = 0; i < around->span_count; i++) {
		struct span outer = walk->spans[around->first_span + i];
		struct span both = {
			.start = span.start > outer.start ? span.start : outer.start,
			.end = span.end < outer.end ? span.end : outer.end,
		};
		add_piece(walk, scope, around->depth, both);
	}
}

/* Notes a span of the level's scope; those in excess only widen the last one. */
static void note_span(struct walk *walk, struct level *level, struct span span)
{
	if (level->span_count < SPANS_MAX) {
		walk->spans[level->first_span + level->span_count++] = span;
		return;
	}
	struct span *last = &walk->spans[level->first_span + SPANS_MAX - 1];
	last->start = span.start < last->start ? span.start : last->start;
	last->end = span.end > last->end ? span.end : last->end;
}

/*
 * Makes a scope of the entry of `level` if it has code, and sets up `inner` for what is in it.
 * A function inside a function (Fortran, Ada, D, GNU C) is one of its own, wherever its code is.
 */
static void enter_scope(struct walk *walk, struct level *level, struct level *inner,
			bool is_inlined)
{
	Dwarf_Addr base;
	struct span span;
	ptrdiff_t at = 0;
	uint32_t scope = SCOPE_NONE;
	struct level own = {.first_span = level->first_span + level->span_count};
	while (walk->ranges_left > 0 && walk->has_memory) {
		walk->ranges_left--;
		at = dwarf_ranges(&level->die, at, &base, &span.start, &span.end);
		if (at <= 0)
			break;
		/* 1 is what libdw says for a range that is no list, so has no base. */
		if (at > 1 && base == 0) {
			span.start += walk->base;
			span.end += walk->base;
		}
		if (span.start >= span.end ||
		    address_map_find(walk->code, span.start) == ADDRESS_MAP_NONE)
			continue;
		if (scope == SCOPE_NONE) {
			scope = add_scope(walk, level, is_inlined);
			if (scope == SCOPE_NONE)
				return;
			walk->scopes->scopes[scope].entry = span.start;
		}
		note_span(walk, &own, span);
		if (is_inlined && level->scope != SCOPE_NONE)
			add_clipped(walk, level, scope, span);
		else
			add_piece(walk, scope, level->depth, span);
	}
	if (scope == SCOPE_NONE)
		return;
	inner->scope = scope;
	inner->depth = level->depth + 1;
	inner->first_span = own.first_span;
	inner->span_count = own.span_count;
}

/* Notes the function that the children of `level` are in, for the names of their classes. */
static void note_function(struct level *level, struct level *inner)
{
	Dwarf_Die next;
	inner->function = dwarf_dieoffset(&level->die);
	inner->function_end = dwarf_siblingof(&level->die, &next) == 0 ? dwarf_dieoffset(&next)
								       : UINT64_MAX;
}

/* Prepares `inner` for the children of the entry of `level`. returns false: they don't matter */
static bool enter(struct walk *walk, struct level *level, struct level *inner)
{
	*inner = *level;
	inner->opened = SCOPE_NONE;
	level->opened = SCOPE_NONE;
	switch (dwarf_tag(&level->die)) {
	case DW_TAG_inlined_subroutine:
		enter_scope(walk, level, inner, true);
		return true;
	case DW_TAG_subprogram:
	case DW_TAG_entry_point:
		enter_scope(walk, level, inner, false);
		note_function(level, inner);
		return inner->scope != level->scope ||
		       !dwarf_hasattr(&level->die, DW_AT_declaration);
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
	case DW_TAG_with_stmt:
		return true;
	case DW_TAG_namespace:
	case DW_TAG_module:
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_interface_type:
		if (!dwarf_haschildren(&level->die))
			return false;
		level->opened = inner->container = add_container(walk, level);
		return true;
	default:
		return false;
	}
}

/* Goes to the next entry of a level. returns false if there is none */
static bool advance(struct walk *walk, struct level *level)
{
	Dwarf_Die next;
	if (dwarf_siblingof(&level->die, &next) != 0)
		return false;
	level->die = next;
	if (level->opened != SCOPE_NONE)
		walk->scopes->containers[level->opened].end = dwarf_dieoffset(&next);
	return true;
}

static void walk_unit(struct walk *walk, Dwarf_Die *unit)
{
	struct level *levels = walk->levels;
	unsigned depth = 1;
	levels[0] = (struct level){
		.scope = SCOPE_NONE,
		.container = SCOPE_NONE,
		.opened = SCOPE_NONE,
	};
	if (dwarf_child(unit, &levels[0].die) != 0)
		return;
	for (; depth > 0 && walk->entries_left > 0 && walk->has_memory; walk->entries_left--) {
		struct level inner;
		struct level *level = &levels[depth - 1];
		if (enter(walk, level, &inner) && depth < DEPTH_MAX &&
		    dwarf_child(&level->die, &inner.die) == 0) {
			levels[depth++] = inner;
			continue;
		}
		while (depth > 0 && !advance(walk, &levels[depth - 1]))
			depth--;
	}
}

static uint64_t unit_bytes(Dwarf_Die *unit)
{
	Dwarf_Off start = dwarf_dieoffset(unit) - dwarf_cuoffset(unit);
	Dwarf_Off next;
	size_t header_bytes;
	if (dwarf_nextcu(dwarf_cu_getdwarf(unit->cu), start, &next, &header_bytes, NULL, NULL,
			 NULL) != 0)
		return 0;
	return next - start;
}

bool unit_scopes_build(struct unit_scopes *scopes, Dwarf_Die *unit, Dwarf_Addr base,
		       const struct address_map *code)
{
	*scopes = (struct unit_scopes){0};
	struct walk *walk = calloc(1, sizeof(*walk));
	if (!walk)
		return false;
	*walk = (struct walk){
		.scopes = scopes,
		.code = code,
		.base = base,
		.entries_left = unit_bytes(unit),
		.ranges_left = RANGES_MAX,
		.spans = malloc((size_t)(DEPTH_MAX + 1) * SPANS_MAX * sizeof(struct span)),
	};
	walk->has_memory = walk->spans != NULL;
	if (walk->has_memory)
		walk_unit(walk, unit);
	bool has_memory = walk->has_memory && address_map_cut(&scopes->map);
	free(walk->spans);
	free(walk);
	if (!has_memory)
		unit_scopes_release(scopes);
	return has_memory;
}

void unit_scopes_release(struct unit_scopes *scopes)
{
	address_map_release(&scopes->map);
	free(scopes->scopes);
	free(scopes->containers);
	*scopes = (struct unit_scopes){0};
}

static bool is_inside(const struct unit_scopes *scopes, uint32_t container, Dwarf_Off offset)
{
	for (; container != SCOPE_NONE; container = scopes->containers[container].parent) {
		const struct container *at = &scopes->containers[container];
		if (at->end != 0)
			return offset < at->end;
		/* A class that is the last thing in a function ends with the function. */
		if (at->function != 0 && at->function_end != UINT64_MAX)
			return offset < at->function_end;
	}
	return true;
}

uint32_t unit_scopes_container(const struct unit_scopes *scopes, Dwarf_Off offset)
{
	size_t low = 0;
	size_t high = scopes->container_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (scopes->containers[middle].start < offset)
			low = middle + 1;
		else
			high = middle;
	}
	uint32_t container = low ? (uint32_t)(low - 1) : SCOPE_NONE;
	while (container != SCOPE_NONE && !is_inside(scopes, container, offset))
		container = scopes->containers[container].parent;
	return container;
}
