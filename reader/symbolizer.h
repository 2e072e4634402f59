/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names for addresses of one ELF object, through elfutils' libdw.
 *
 * Addresses are those of the file (run-time address minus load bias). A file is opened by path, or
 * by a descriptor that somebody kept, and only believed if its build-id is the recorded one. Its
 * debug information may be in other files; reader/debug_files.h says where they are looked for.
 *
 * No threads: libdw has none in mind. Ascending addresses are fastest and need least memory: about
 * 150 MiB at most, the largest compilation unit and what its file has compressed apart.
 */
#ifndef MEMTRACE_READER_SYMBOLIZER_H
#define MEMTRACE_READER_SYMBOLIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

struct symbolizer_options {
	const char *sysroot;    /* looked into first for modules and debug files; NULL: none */
	const char *debug_path; /* colon-separated directories as gdb's debug-file-directory; NULL:
				   the usual */
	bool uses_debuginfod;   /* ask the servers of DEBUGINFOD_URLS */
};

struct symbolizer_object {
	const char *path;        /* as it was mapped in the process */
	const uint8_t *build_id; /* [build_id_bytes]; 0 bytes: it had none, the file is believed */
	size_t build_id_bytes;
	int fd; /* of the file, borrowed; -1: open it by path */
	/* Addresses that are going to be resolved, borrowed for symbolizer_new; 0: not known.
	 * Others may be asked for, but that takes longer. */
	const uint64_t *addresses;
	size_t address_count;
};

/*
 * What is known of an object, worst last; a report shows a hint for the ones that matter. Of a
 * file that is missing or stale the debug file may be there: then it is FULL all the same.
 */
enum symbolizer_quality {
	SYMBOLIZER_FULL,     /* files and lines */
	SYMBOLIZER_SYMBOLS,  /* function names only: no debug information was found */
	SYMBOLIZER_EXPORTED, /* names of exported functions only: the object is stripped */
	SYMBOLIZER_NONE,     /* no names at all */
	SYMBOLIZER_MISMATCH, /* there is a file, but with another build-id: not used */
	SYMBOLIZER_MISSING,  /* there is no such file */
};

#define SYMBOLIZER_FRAMES_MAX 64

struct symbolizer_frame {
	const char *function; /* demangled; NULL: not known. Lives until the symbolizer is freed */
	const char *file;     /* as the compiler was told, made absolute with its directory; NULL */
	uint32_t line;        /* 0: not known */
	bool is_inlined;      /* into the frame that follows */
};

struct symbolizer;

/*
 * Never fails for want of a file: then the quality says so and every address is unnamed.
 * returns  NULL if there is no memory
 */
struct symbolizer *symbolizer_new(const struct symbolizer_object *object,
				  const struct symbolizer_options *options);
void symbolizer_free(struct symbolizer *symbolizer);

/* Opens what has names, as the first address that is resolved does: that is what takes long. */
enum symbolizer_quality symbolizer_quality(struct symbolizer *symbolizer);

/*
 * A number for the files that names come from: what was found for the same object and number before
 * is still right. Opens nothing.
 *
 * returns  0: there are no files, or more of them than it could be told for
 */
uint64_t symbolizer_stamp(const struct symbolizer *symbolizer);

/* Whether all names came from the files that the stamp is for. */
bool symbolizer_is_stamped(const struct symbolizer *symbolizer);

/*
 * Resolves one address.
 *
 * address   in the file; a return address is looked up one byte before, where the call is
 * is_exact  the address is of an instruction itself (interrupted by a signal), not of a return
 * frames    [SYMBOLIZER_FRAMES_MAX] filled innermost first
 * returns   number of frames; 0: nothing is known
 */
size_t symbolizer_resolve(struct symbolizer *symbolizer, uint64_t address, bool is_exact,
			  struct symbolizer_frame *frames);

#endif
