/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names that were looked up before, in a file for each object: the next run of a program, or of
 * another one with the same libraries, opens no debug information.
 *
 * An object is known by its build-id, and the files its names came from by a stamp. A file that is
 * of another stamp or version, damaged, or not the user's own is as if it were not there; whatever
 * fails, names are looked up. Files are replaced at once, so runs may overlap. When there are too
 * many, or they are too large, the ones that were not used for longest are removed.
 */
#ifndef MEMTRACE_READER_NAME_CACHE_H
#define MEMTRACE_READER_NAME_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reader/symbols.h"

/* Set to a directory to use that; empty, to keep no names. */
#define ENV_NAME_CACHE "MEMTRACE_NAME_CACHE"

struct name_cache {
	int directory_fd;
	char file_name[160];
	uint64_t stamp;
	struct symbols symbols; /* one object: its names and their quality */
	bool is_changed;        /* names were added */
};

/*
 * Finds the directory, which is made if need be: that of ENV_NAME_CACHE, else memtrace in
 * XDG_CACHE_HOME, else in .cache of HOME. Only one that is the user's own, and that nobody else can
 * write to, is good.
 *
 * returns  a descriptor; -1: there is none, and no names are kept
 */
int name_cache_open_directory(void);

/*
 * Reads what there is of an object.
 *
 * directory_fd  borrowed; must stay open until the release
 * stamp         see symbolizer_stamp
 * returns       false: nothing can be kept of this object; there is nothing to release
 */
bool name_cache_open(struct name_cache *cache, int directory_fd, const uint8_t *build_id,
		     size_t build_id_bytes, uint64_t stamp);
void name_cache_release(struct name_cache *cache);

/* Writes `symbols` for the next run, as far as that is possible. */
void name_cache_save(struct name_cache *cache);

#endif
