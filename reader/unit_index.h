/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which compilation unit an address belongs to.
 *
 * libdwfl takes this from .debug_aranges, which clang does not write. The units themselves say it
 * too; .debug_aranges is only asked about units that do not. Built once from the first entry of
 * each unit, and independent of libdw afterwards.
 */
#ifndef MEMTRACE_READER_UNIT_INDEX_H
#define MEMTRACE_READER_UNIT_INDEX_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>

#include "reader/address_map.h"

struct unit_place {
	Dwarf_Off offset; /* of the unit's first entry in .debug_info */
	bool has_ranges;  /* the unit itself says where its code is */
};

struct unit_index {
	struct unit_place *units; /* [count] by offset */
	size_t count;
	size_t capacity;
	struct address_map map; /* index in `units` */
};

/* `code` as in elf_symbols.h. returns false: no memory, and nothing to release */
bool unit_index_build(struct unit_index *index, Dwarf *dwarf, const struct address_map *code);
void unit_index_release(struct unit_index *index);

#endif
