/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names, paths and commands as they fit into a terminal. What is left out is what rarely tells one
 * from another: parameters, template arguments, the directory that everything lies in. JSON and the
 * page have all of it.
 */
#ifndef MEMTRACE_REPORTERS_SHORT_TEXT_H
#define MEMTRACE_REPORTERS_SHORT_TEXT_H

#include <stddef.h>

#define SHORT_TEXT_BYTES 4096

/*
 * Writes a function's demangled name without parameters and template arguments:
 * "std::vector<int>::at(unsigned long) const" -> "std::vector<...>::at".
 *
 * returns  text [SHORT_TEXT_BYTES]; the name as it is, cut, if its brackets don't match
 */
const char *short_name(const char *name, char *text);

/*
 * Writes a path without ".", ".." and the directory that it begins with. It is not looked up: a
 * symbolic link before ".." is not followed.
 *
 * directory  absolute, or NULL
 * returns    text [SHORT_TEXT_BYTES]
 */
const char *short_path(const char *path, const char *directory, char *text);

/*
 * Writes a text in one line of at most `columns` characters (> 8): control characters become
 * spaces, and of what is too long the middle becomes "...".
 *
 * returns  text [SHORT_TEXT_BYTES]
 */
const char *short_line(const char *line, size_t columns, char *text);

/* The same of a function's name: what is too long loses its beginning, "...list<...>::insert". */
const char *short_tail(const char *name, size_t columns, char *text);

#endif
