/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Functions by address from the symbol tables of one ELF object: .symtab of the object or of its
 * debug file, else .dynsym together with what .gnu_debugdata holds.
 *
 * A large object has a hundred thousand functions, of which a log needs a few hundred. So the
 * addresses are told beforehand, and what covers none of them is not even sorted.
 */
#ifndef MEMTRACE_READER_ELF_SYMBOLS_H
#define MEMTRACE_READER_ELF_SYMBOLS_H

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reader/address_map.h"
#include "reader/address_set.h"

struct elf_symbol {
	uint64_t address;
	uint64_t size_bytes;
	const char *name; /* as in the table; borrowed from the file */
	uint32_t index;   /* in the tables, as libdwfl counts */
	uint8_t strength; /* of its binding: 0 local, 1 weak, 2 global */
};

struct elf_symbols {
	Dwfl_Callbacks callbacks;
	Dwfl *dwfl;               /* owns the tables, if they are not read directly; NULL */
	int debug_fd;             /* borrowed until elf_symbols_init returns */
	struct elf_symbol *sized; /* [sized_count] the better one for an address last */
	size_t sized_count;
	struct elf_symbol *labels; /* [label_count] of no size, by address */
	size_t label_count;
	struct address_map map; /* index in `sized` */
};

/*
 * The executable sections of an object, or its executable segments if it has no sections: value is
 * an arbitrary number of each. What is outside of them has no function: there, linkers leave
 * what is left of functions that they discarded.
 *
 * returns  false: no memory
 */
bool elf_code_map(Elf *elf, struct address_map *ret_code);

/* Does the file have a table of all its functions, not just of the exported ones? */
bool elf_has_all_symbols(Elf *elf);

/* Where the tables are; all of it is borrowed. A debug file can stand in for its object. */
struct elf_symbol_files {
	Elf *object; /* must outlive the symbols */
	Elf *debug;  /* the same; NULL: none */
	int object_fd;
	int debug_fd; /* -1: none */
};

/*
 * code     of the object, see elf_code_map; borrowed for the call
 * wanted   borrowed for the call; only these addresses may be asked for. NULL: any
 * returns  false if there is no memory, or no table; then it is empty, and good to ask
 */
bool elf_symbols_init(struct elf_symbols *symbols, const struct elf_symbol_files *files,
		      const struct address_map *code, const struct address_set *wanted);
void elf_symbols_release(struct elf_symbols *symbols);

/* The symbol that covers an address; NULL. Borrowed. `code` as for elf_symbols_init. */
const struct elf_symbol *elf_symbols_find(const struct elf_symbols *symbols,
					  const struct address_map *code, uint64_t address);

#endif
