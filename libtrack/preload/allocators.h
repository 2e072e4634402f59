/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entry points of jemalloc, mimalloc and tcmalloc beside malloc and free, and operators new and
 * delete that don't reach malloc.
 *
 * They are not interposed: a library that exported mallocx would make every program that asks
 * whether there is a mallocx believe so. Instead, where a process has one, the references of its
 * modules to it (entries of their global offset tables, function pointers in their data) are
 * exchanged for a function of ours; the module that defines it is left as it is. Symbol look-ups,
 * weak references and dlsym find what they would find without us.
 */
#ifndef MEMTRACE_PRELOAD_ALLOCATORS_H
#define MEMTRACE_PRELOAD_ALLOCATORS_H

struct link_map;

/*
 * Looks which of them the process has and exchanges the references of all loaded modules. To be
 * called once, when the loader is done with them.
 */
void allocators_bind(void);

/* The same for a module that was loaded later; a reference that isn't resolved yet is left. */
void allocators_bind_module(const struct link_map *module);

#endif
