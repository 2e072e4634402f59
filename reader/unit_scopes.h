/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The functions and inlined calls of one compilation unit, by address.
 *
 * A scope is a piece of debug information that has code: a function, or a call that was inlined.
 * At each address the deepest one is found, and the chain of its parents, up to the function, are
 * the frames. Also kept is which namespaces and classes enclose what, for names.
 */
#ifndef MEMTRACE_READER_UNIT_SCOPES_H
#define MEMTRACE_READER_UNIT_SCOPES_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reader/address_map.h"

#define SCOPE_NONE UINT32_MAX

struct scope {
	Dwarf_Off offset;      /* of its entry */
	uint64_t entry;        /* first address of its first range */
	const char *function;  /* these three are filled in when first needed: is_named */
	const char *call_file; /* of an inlined call: where it was written */
	uint32_t call_line;
	uint32_t parent; /* that it was inlined into; SCOPE_NONE: it is a function */
	bool is_inlined;
	bool is_named;
};

/* A namespace or class. */
struct container {
	Dwarf_Off start;        /* of its entry */
	Dwarf_Off end;          /* of the entry behind it; 0: it ends with its parent */
	uint32_t parent;        /* SCOPE_NONE: none */
	Dwarf_Off function;     /* entry of the function that it is in; 0: none */
	Dwarf_Off function_end; /* of the entry behind that; UINT64_MAX: not known */
};

struct unit_scopes {
	struct scope *scopes; /* [scope_count] in the order of the entries */
	size_t scope_count;
	size_t scope_capacity;
	struct container *containers; /* [container_count] in the order of the entries */
	size_t container_count;
	size_t container_capacity;
	struct address_map map; /* index in `scopes` */
};

/*
 * unit     first entry of the unit
 * base     added to addresses of range lists that name no base: that of a skeleton
 * code     as in elf_symbols.h
 * returns  false: no memory, and nothing to release. Of damaged entries it takes what is readable
 */
bool unit_scopes_build(struct unit_scopes *scopes, Dwarf_Die *unit, Dwarf_Addr base,
		       const struct address_map *code);
void unit_scopes_release(struct unit_scopes *scopes);

/* The innermost container of an entry, or SCOPE_NONE. */
uint32_t unit_scopes_container(const struct unit_scopes *scopes, Dwarf_Off offset);

#endif
