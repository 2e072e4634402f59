/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Exchanges a loaded module's references to functions: what its dynamic relocations have written.
 */
#ifndef MEMTRACE_PRELOAD_REBIND_H
#define MEMTRACE_PRELOAD_REBIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link_map;

/* A function and what is to be called in its place. */
struct binding {
	const char *name;
	uintptr_t original; /* 0: the process has none */
	uintptr_t alias;    /* another address that stands for it: an executable's own stub; or 0 */
	uintptr_t replacement;
};

/*
 * bindings          [count] by ascending name
 * takes_unresolved  exchange references too that are to be resolved at their first use
 */
void rebind_module(const struct link_map *module, const struct binding *bindings, size_t count,
		   bool takes_unresolved);

/* dlsym would find the symbol in the module, without asking for a version; also said where the
 * module's tables don't tell. */
bool rebind_may_define(const struct link_map *module, const char *name);

/* The module refers to a function that it does not define itself. */
bool rebind_is_imported(const struct link_map *module, const char *name);

#endif
