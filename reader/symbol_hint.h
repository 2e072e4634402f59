/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What would give a log better names: one sentence that names the file and the remedy. */
#ifndef MEMTRACE_READER_SYMBOL_HINT_H
#define MEMTRACE_READER_SYMBOL_HINT_H

#include <stdbool.h>
#include <stddef.h>

#include "reader/loaded_log.h"

/*
 * Writes the hint that matters most: a file that was rebuilt since, the program's own files without
 * debug information, files that are not there, and last the system's.
 *
 * text     [capacity] not ended by a full stop
 * returns  false: there is nothing to say
 */
bool symbol_hint(const struct loaded_log *log, char *text, size_t capacity);

/* The same, of an object whose file turned out to be another build. */
void symbol_hint_stale(const struct loaded_log *log, uint32_t object, char *text, size_t capacity);

#endif
