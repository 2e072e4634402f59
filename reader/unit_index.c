/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/unit_index.h"

#include <dwarf.h>
#include <stdlib.h>

/* Of one unit. A damaged list may be as long as its section, for every unit. */
#define RANGES_MAX (1u << 20)

static bool add_unit(struct unit_index *index, Dwarf_Off offset)
{
	if (index->count == index->capacity) {
		size_t capacity = index->capacity ? index->capacity * 2 : 64;
		struct unit_place *grown = realloc(index->units, capacity * sizeof(*grown));
		if (!grown)
			return false;
		index->units = grown;
		index->capacity = capacity;
	}
	index->units[index->count++] = (struct unit_place){.offset = offset};
	return true;
}

/*
 * Where ranges of units overlap, which happens when the linker folds identical functions, the first
 * unit has them, as the first definition has the function.
 */
static bool add_range(struct unit_index *index, size_t unit, Dwarf_Addr start, Dwarf_Addr end,
		      const struct address_map *code)
{
	struct address_range range = {
		.start = start,
		.end = end,
		.rank = UINT32_MAX - (uint32_t)unit,
		.value = (uint32_t)unit,
	};
	if (address_map_find(code, start) == ADDRESS_MAP_NONE)
		return true;
	return address_map_add(&index->map, &range);
}

/* Adds what the unit that was added last says of itself. */
static bool add_own_ranges(struct unit_index *index, Dwarf_Die *die, const struct address_map *code)
{
	Dwarf_Addr base;
	Dwarf_Addr start;
	Dwarf_Addr end;
	ptrdiff_t at = 0;
	for (unsigned i = 0; i < RANGES_MAX; i++) {
		at = dwarf_ranges(die, at, &base, &start, &end);
		if (at <= 0)
			break;
		index->units[index->count - 1].has_ranges = true;
		if (!add_range(index, index->count - 1, start, end, code))
			return false;
	}
	return true;
}

static int by_offset(const void *left, const void *right)
{
	const struct unit_place *a = left;
	const struct unit_place *b = right;
	return (a->offset > b->offset) - (a->offset < b->offset);
}

/* Asks .debug_aranges about the units that say nothing. */
static bool add_aranges(struct unit_index *index, Dwarf *dwarf, const struct address_map *code)
{
	Dwarf_Aranges *aranges;
	size_t count;
	if (dwarf_getaranges(dwarf, &aranges, &count) != 0)
		return true;
	for (size_t i = 0; i < count; i++) {
		Dwarf_Addr start;
		Dwarf_Word size_bytes;
		struct unit_place wanted;
		Dwarf_Arange *arange = dwarf_onearange(aranges, i);
		if (dwarf_getarangeinfo(arange, &start, &size_bytes, &wanted.offset) != 0)
			continue;
		const struct unit_place *unit = bsearch(&wanted, index->units, index->count,
							sizeof(*index->units), by_offset);
		if (unit && !unit->has_ranges &&
		    !add_range(index, (size_t)(unit - index->units), start, start + size_bytes,
			       code))
			return false;
	}
	return true;
}

bool unit_index_build(struct unit_index *index, Dwarf *dwarf, const struct address_map *code)
{
	Dwarf_CU *unit = NULL;
	Dwarf_Die die;
	uint8_t type;
	bool has_bare = false;
	*index = (struct unit_index){0};
	while (dwarf_get_units(dwarf, unit, &unit, NULL, &type, &die, NULL) == 0) {
		if (type != DW_UT_compile && type != DW_UT_skeleton)
			continue;
		if (!add_unit(index, dwarf_dieoffset(&die)) || !add_own_ranges(index, &die, code))
			goto out;
		has_bare |= !index->units[index->count - 1].has_ranges;
	}
	if (has_bare && !add_aranges(index, dwarf, code))
		goto out;
	if (address_map_cut(&index->map))
		return true;
out:
	unit_index_release(index);
	return false;
}

void unit_index_release(struct unit_index *index)
{
	address_map_release(&index->map);
	free(index->units);
	*index = (struct unit_index){0};
}
