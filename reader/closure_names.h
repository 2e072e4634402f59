/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names of C++ lambdas, whose classes have none in the debug information that gcc writes:
 * "{lambda(int)#1}", as demanglers call them: with the types of the parameters, and the how-manieth
 * of its function it is.
 */
#ifndef MEMTRACE_READER_CLOSURE_NAMES_H
#define MEMTRACE_READER_CLOSURE_NAMES_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct debug_unit;

/*
 * Writes the name of the class that is a container of `unit`, if it is a lambda's.
 *
 * text     [capacity]
 * returns  false: it is not, or the name does not fit
 */
bool closure_name(const struct debug_unit *unit, uint32_t container, char *text, size_t capacity);

/* Appends "(int) const" to the name of a lambda's operator(), `call`. returns false: no room */
bool closure_add_parameters(const struct debug_unit *unit, Dwarf_Die *call, char *text,
			    size_t capacity);

#endif
