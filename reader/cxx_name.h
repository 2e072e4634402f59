/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of a demangled C++ (or Rust) name: what it is in, and what it is called there. */
#ifndef MEMTRACE_READER_CXX_NAME_H
#define MEMTRACE_READER_CXX_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define CXX_NAME_PARTS 32

/* "K<double>" of "ns::K<double>::leak(double)" */
struct cxx_name_part {
	const char *text; /* [length] in the name */
	size_t length;    /* with template arguments, without parameters */
	size_t plain;     /* without template arguments */
};

struct cxx_name {
	struct cxx_name_part parts[CXX_NAME_PARTS]; /* [part_count] outermost first */
	size_t part_count;
	const char *qualified; /* the name behind its return type */
};

/* returns  false: it is not understood, or has too many parts */
bool cxx_name_split(struct cxx_name *name, const char *function);

#endif
