/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names as people write them, from C++ (Itanium), Rust (legacy and v0) and D symbols: libiberty. */
#ifndef MEMTRACE_READER_DEMANGLE_H
#define MEMTRACE_READER_DEMANGLE_H

/*
 * symbol   may be of any language, or not mangled at all
 * returns  a new string, the demangled name or a copy of `symbol` (also if the name would be
 *          absurdly long); NULL: no memory
 */
char *demangle(const char *symbol);

#endif
