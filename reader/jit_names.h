/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names of addresses that are in no module: of code that the program made as it ran, if it wrote a
 * map of it for perf (perf_map.h). They belong to one process image, so each image with such
 * addresses has an object of its own among the symbols, "[jit:IMAGE]".
 */
#ifndef MEMTRACE_READER_JIT_NAMES_H
#define MEMTRACE_READER_JIT_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "reader/loaded_log.h"

/* Name of the object of an image. `text` [32] */
const char *jit_object_name(uint32_t image, char *text);

/*
 * Adds the names of all images' addresses to log->symbols, where they are missing.
 *
 * directory    of the maps, "/tmp"
 * ret_changed  counts them up
 * returns      false if there is no memory
 */
bool jit_names_add(struct loaded_log *log, const char *directory, uint64_t *ret_changed);

#endif
