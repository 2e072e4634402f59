/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One compilation unit, read as far as lookups of addresses need it. */
#ifndef MEMTRACE_READER_DEBUG_UNIT_H
#define MEMTRACE_READER_DEBUG_UNIT_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reader/dwarf_file.h"
#include "reader/split_unit.h"
#include "reader/unit_scopes.h"

struct debug_files;

struct debug_unit {
	Dwarf_Die die;           /* first entry; of split DWARF: the skeleton's */
	Dwarf_Die body;          /* the same, or that of the part with the functions */
	Dwarf *body_dwarf;       /* that `body` is in */
	struct split_unit split; /* open: owns `body` */
	struct unit_scopes scopes;
	Dwarf_Lines *lines; /* [line_count] by address; owned by libdw */
	size_t line_count;
	const char *directory; /* that the compiler ran in; owned by libdw; NULL */
	int language;          /* DW_LANG_*, negative: not known */
};

/* A place in a source file. `file` is owned by libdw and as the compiler was told; NULL. */
struct source_line {
	const char *file;
	uint32_t line;
};

/*
 * offset   of the unit's first entry in `file`
 * package  of split units; closed: there is none
 * returns  a unit that must be freed before `file` is restarted or closed; NULL: no memory
 */
struct debug_unit *debug_unit_new(const struct dwarf_file *file, Dwarf_Off offset,
				  const struct dwarf_file *package, const struct debug_files *files,
				  const struct address_map *code);
void debug_unit_free(struct debug_unit *unit);

/* About the memory that it uses up, in itself and in libdw. */
size_t debug_unit_bytes(const struct debug_unit *unit);

/* The line that the instruction at `address` belongs to. */
struct source_line debug_unit_line(const struct debug_unit *unit, uint64_t address);

/* The entry of a scope. returns false if it can't be read (any more) */
bool debug_unit_entry(const struct debug_unit *unit, const struct scope *scope, Dwarf_Die *ret_die);

/* Where the inlined call whose entry is `die` was written. */
struct source_line debug_unit_call(const struct debug_unit *unit, Dwarf_Die *die);

#endif
