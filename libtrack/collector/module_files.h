/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Open descriptors of the traced programs' modules, kept from the moment that they are recorded:
 * when names are looked up, a file may be gone, replaced, or in another mount namespace.
 */
#ifndef MEMTRACE_COLLECTOR_MODULE_FILES_H
#define MEMTRACE_COLLECTOR_MODULE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct module_files;

/* returns  NULL if there is no memory */
struct module_files *module_files_new(void);

/* Opens a module of process `pid`, once; it is no failure if that can't be done. */
void module_files_keep(struct module_files *files, uint32_t pid, const char *path,
		       const uint8_t *build_id, size_t build_id_bytes);

/* Whether all of them are still found by their paths, as whoever has no descriptors would. */
bool module_files_are_in_place(const struct module_files *files);

/* The descriptor of a module, borrowed; -1 if there is none. `context` is a struct module_files. */
int find_module_file(void *context, const char *path, const uint8_t *build_id,
		     size_t build_id_bytes);

#endif
