/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the files of one ELF object are: the object itself, its separate debug file, what dwz moved
 * out of that, and the parts of split DWARF.
 *
 * Places are looked at in order: the sysroot, the descriptor that was kept, the path, the
 * directories of debug files, at last the debuginfod servers (only if asked to). A file is taken if
 * its build-id is the wanted one; so a file that was rebuilt does not hide one that fits.
 */
#ifndef MEMTRACE_READER_DEBUG_FILES_H
#define MEMTRACE_READER_DEBUG_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reader/symbolizer.h"

struct debug_files {
	char *path;         /* of the object, as it was mapped */
	char *sysroot;      /* NULL: none */
	char **directories; /* [directory_count] of debug files */
	size_t directory_count;
	uint8_t *build_id; /* [build_id_bytes] that the object must have; 0 bytes: any */
	size_t build_id_bytes;
	bool uses_debuginfod;
};

/* A name and what the file must be to be the right one. */
struct debug_link {
	const char *name;        /* NULL: there is none */
	uint32_t crc;            /* of the whole file; counts if there is no build-id */
	const uint8_t *build_id; /* [build_id_bytes] */
	size_t build_id_bytes;
};

/* Copies what it needs. returns false: no memory */
bool debug_files_init(struct debug_files *files, const struct symbolizer_object *object,
		      const struct symbolizer_options *options);
void debug_files_release(struct debug_files *files);

/*
 * The object itself.
 *
 * kept_fd        borrowed, -1: none
 * ret_is_stale   set to true if there is such a file, but a wrong one
 * returns        a descriptor of the caller's; -1
 */
int debug_files_open_object(const struct debug_files *files, int kept_fd, bool *ret_is_stale);

/*
 * The separate debug file, by build-id and then by its link's name.
 *
 * object_fd  -1: the object itself was not found
 * returns    a descriptor of the caller's; -1
 */
int debug_files_open_debug(const struct debug_files *files, int object_fd,
			   const struct debug_link *link);

/* The file that holds what dwz found in several debug files. `user_fd` is of the one that refers
 * to it. returns a descriptor of the caller's; -1 */
int debug_files_open_alternate(const struct debug_files *files, int user_fd,
			       const struct debug_link *link);

/* A .dwo file that is not where the compiler left it: in the sysroot, or beside the object. */
int debug_files_open_dwo(const struct debug_files *files, const char *directory, const char *name);

/* The package of all .dwo files, beside the file that `user_fd` is of, or beside the object. */
int debug_files_open_package(const struct debug_files *files, int user_fd);

#endif
