/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The part of split DWARF that libdw 0.188 does not find: units in packages (.dwp), and .dwo files
 * that were moved.
 *
 * The executable has only a skeleton of such a unit: its addresses, its lines and an id. Functions
 * and inlined frames are in the .dwo file, or in a package of many. libdw reads a .dwo, if it is
 * still where the compiler wrote it. A package it would read as if it were one unit. So for each
 * unit wanted here, an ELF file is put together in memory (sections borrowed, not copied) that
 * looks as a .dwo file would, with the skeleton's addresses added.
 */
#ifndef MEMTRACE_READER_SPLIT_UNIT_H
#define MEMTRACE_READER_SPLIT_UNIT_H

#include <elfutils/libdw.h>
#include <stdbool.h>

#include "reader/dwarf_file.h"

struct debug_files;

struct split_unit {
	Dwarf *dwarf;
	Dwarf_Die die;          /* of the unit */
	Dwarf_Addr base;        /* to add to range lists that do not name a base */
	struct dwarf_file file; /* a .dwo of its own; closed: it is in the package */
	Elf *image;
	int image_fd;
	char *section_names;
};

/*
 * skeleton     die of the skeleton unit, in `user`
 * package      the package, opened but not begun; closed: there is none
 * returns      false if the unit's other part is nowhere; nothing to release then
 */
bool split_unit_open(struct split_unit *unit, Dwarf_Die *skeleton, const struct dwarf_file *user,
		     const struct dwarf_file *package, const struct debug_files *files);
void split_unit_close(struct split_unit *unit);

#endif
