/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Does an executable have the functions by which programs tell LeakSanitizer their wishes? Those
 * that are not exported are in its own tables of symbols only: ELF's .symtab and .strtab.
 *
 * No heap, no stdio, no errno, no cancellation point: the tracker asks this in other people's
 * processes.
 */
#ifndef MEMTRACE_COMMON_LSAN_NAMES_H
#define MEMTRACE_COMMON_LSAN_NAMES_H

#include <link.h>
#include <stddef.h>
#include <stdint.h>

enum lsan_name { LSAN_DEFAULT_SUPPRESSIONS, LSAN_IS_TURNED_OFF, LSAN_NAME_COUNT };

#define LSAN_NAMES_BUFFER_BYTES (256u << 10)

struct lsan_names {
	ElfW(Ehdr) header;
	ElfW(Shdr) symbols;
	uint32_t offsets[LSAN_NAME_COUNT]; /* in the table of names; UINT32_MAX: not there */
};

enum lsan_names_answer {
	LSAN_NAMES_NONE,
	LSAN_NAMES_SOME,    /* `names` is set: there may be functions of these names */
	LSAN_NAMES_UNKNOWN, /* the file could not be read, or has more names than were allowed */
};

/*
 * fd           of the executable
 * buffer       [LSAN_NAMES_BUFFER_BYTES] to read it with
 * limit_bytes  that a table of names may have
 */
enum lsan_names_answer lsan_names_find(struct lsan_names *names, int fd, char *buffer,
				       uint64_t limit_bytes);

#endif
