/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/debug_unit.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

/* libdw keeps about this much for a line, and for entries and abbreviations that were walked. */
#define LINE_BYTES 48u
#define UNIT_BYTES (8u << 10)

/* What libdw calls the file that line tables before DWARF 5 number 0: none. */
#define NO_FILE "???"

static bool is_skeleton(Dwarf_Die *die)
{
	uint8_t type;
	return dwarf_cu_info(die->cu, NULL, &type, NULL, NULL, NULL, NULL, NULL) == 0 &&
	       type == DW_UT_skeleton;
}

/* Finds the part of a skeleton unit that has the functions: libdw in its places, or we in ours. */
static void find_body(struct debug_unit *unit, const struct dwarf_file *file,
		      const struct dwarf_file *package, const struct debug_files *files)
{
	unit->body = unit->die;
	unit->body_dwarf = file->dwarf;
	if (!is_skeleton(&unit->die))
		return;
	Dwarf_Die body = {0};
	if (dwarf_cu_info(unit->die.cu, NULL, NULL, NULL, &body, NULL, NULL, NULL) == 0 &&
	    body.addr) {
		unit->body = body;
	} else if (split_unit_open(&unit->split, &unit->die, file, package, files)) {
		unit->body = unit->split.die;
	}
	unit->body_dwarf = dwarf_cu_getdwarf(unit->body.cu);
}

struct debug_unit *debug_unit_new(const struct dwarf_file *file, Dwarf_Off offset,
				  const struct dwarf_file *package, const struct debug_files *files,
				  const struct address_map *code)
{
	struct debug_unit *unit = calloc(1, sizeof(*unit));
	Dwarf_Attribute attribute;
	if (!unit)
		return NULL;
	unit->split.file.fd = unit->split.file.alternate_fd = unit->split.image_fd = -1;
	unit->language = -1;
	if (!dwarf_offdie(file->dwarf, offset, &unit->die))
		return unit; /* damaged; it was readable when the index was built */
	if (dwarf_getsrclines(&unit->die, &unit->lines, &unit->line_count) != 0)
		unit->line_count = 0;
	find_body(unit, file, package, files);
	unit->directory = dwarf_formstring(dwarf_attr(&unit->die, DW_AT_comp_dir, &attribute));
	unit->language = dwarf_srclang(&unit->body);
	if (unit_scopes_build(&unit->scopes, &unit->body, unit->split.base, code))
		return unit;
	debug_unit_free(unit);
	return NULL;
}

void debug_unit_free(struct debug_unit *unit)
{
	if (!unit)
		return;
	unit_scopes_release(&unit->scopes);
	split_unit_close(&unit->split);
	free(unit);
}

size_t debug_unit_bytes(const struct debug_unit *unit)
{
	return sizeof(*unit) + UNIT_BYTES + unit->line_count * LINE_BYTES +
	       unit->scopes.scope_capacity * sizeof(struct scope) +
	       unit->scopes.container_capacity * sizeof(struct container) +
	       unit->scopes.map.piece_count * sizeof(struct address_piece);
}

/* The last line at or before `address`: of several that begin there, that of the last. */
static Dwarf_Line *find_line(const struct debug_unit *unit, uint64_t address)
{
	size_t low = 0;
	size_t high = unit->line_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		Dwarf_Addr start;
		if (dwarf_lineaddr(dwarf_onesrcline(unit->lines, middle), &start) == 0 &&
		    start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? dwarf_onesrcline(unit->lines, low - 1) : NULL;
}

struct source_line debug_unit_line(const struct debug_unit *unit, uint64_t address)
{
	struct source_line found = {0};
	bool is_end = true;
	int number;
	Dwarf_Line *line = find_line(unit, address);
	if (!line || dwarf_lineendsequence(line, &is_end) != 0 || is_end)
		return found;
	found.file = dwarf_linesrc(line, NULL, NULL);
	if (found.file && strcmp(found.file, NO_FILE) == 0)
		found.file = NULL;
	if (found.file && dwarf_lineno(line, &number) == 0 && number > 0)
		found.line = (uint32_t)number;
	return found;
}

bool debug_unit_entry(const struct debug_unit *unit, const struct scope *scope, Dwarf_Die *ret_die)
{
	return dwarf_offdie(unit->body_dwarf, scope->offset, ret_die) != NULL;
}

static bool number_of(Dwarf_Die *die, unsigned name, Dwarf_Word *ret_number)
{
	Dwarf_Attribute attribute;
	return dwarf_formudata(dwarf_attr(die, name, &attribute), ret_number) == 0;
}

struct source_line debug_unit_call(const struct debug_unit *unit, Dwarf_Die *die)
{
	struct source_line found = {0};
	Dwarf_Files *files;
	Dwarf_Word number;
	Dwarf_Die body = unit->body;
	Dwarf_Die skeleton = unit->die;
	if (!number_of(die, DW_AT_call_file, &number))
		return found;
	/* A .dwo without a table of its own counts in the skeleton's. */
	if (dwarf_getsrcfiles(&body, &files, NULL) != 0 &&
	    dwarf_getsrcfiles(&skeleton, &files, NULL) != 0)
		return found;
	found.file = dwarf_filesrc(files, number, NULL, NULL);
	if (found.file && strcmp(found.file, NO_FILE) == 0)
		found.file = NULL;
	if (found.file && number_of(die, DW_AT_call_line, &number) && number <= UINT32_MAX)
		found.line = (uint32_t)number;
	return found;
}
