/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names of functions as they are shown, each made once and kept.
 *
 * A symbol or linkage name is demangled. A function without one has the name of its debug entry
 * with that of the namespaces and classes around it.
 */
#ifndef MEMTRACE_READER_SCOPE_NAMES_H
#define MEMTRACE_READER_SCOPE_NAMES_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>

#include "reader/string_table.h"

struct debug_unit;

struct scope_names {
	struct string_table symbols; /* mangled */
	struct string_table texts;
	const char **shown; /* [shown_capacity] in `texts`, by number in `symbols`; NULL */
	size_t shown_capacity;
};

/* returns  false: no memory, and nothing to release */
bool scope_names_init(struct scope_names *names);
void scope_names_release(struct scope_names *names);

/* A copy of `text` that lives as long as `names`; NULL: no memory. */
const char *scope_names_keep(struct scope_names *names, const char *text, size_t length);

/* The demangled form of a symbol; lives as long as `names`. NULL: no memory */
const char *scope_names_demangle(struct scope_names *names, const char *symbol, size_t length);

/* The linkage name of a function or inlined call; NULL: it has none. Owned by libdw. */
const char *scope_names_linkage(Dwarf_Die *die);

/* "namespace::class::name" of an entry of `unit`; NULL: it has no name, or no memory. */
const char *scope_names_qualify(struct scope_names *names, const struct debug_unit *unit,
				Dwarf_Die *die);

#endif
