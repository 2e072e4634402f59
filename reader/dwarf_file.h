/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One ELF file, opened for its debug information and together with the file dwz moved parts to. */
#ifndef MEMTRACE_READER_DWARF_FILE_H
#define MEMTRACE_READER_DWARF_FILE_H

#include <elfutils/libdw.h>
#include <stdbool.h>

#include "reader/debug_sections.h"

struct debug_files;

struct dwarf_file {
	int fd; /* -1: nothing is open */
	Elf *elf;
	Dwarf *dwarf;     /* NULL: the file has no debug information */
	int alternate_fd; /* -1: it needs none, or there is none */
	Elf *alternate_elf;
	Dwarf *alternate;
	struct debug_sections sections; /* of `elf` */
	struct debug_sections alternate_sections;
};

/*
 * taken_fd  closed with the file, and if this fails; -1: opens nothing
 * returns   false if it is no ELF file, or there is no descriptor; then nothing is open
 */
bool dwarf_file_open(struct dwarf_file *file, int taken_fd);

/* Does the file have names of functions, as opposed to line tables or unwinding tables only? */
bool dwarf_file_has_units(const struct dwarf_file *file);

/* Starts to read debug information; file->dwarf stays NULL if there is none. */
void dwarf_file_begin(struct dwarf_file *file, const struct debug_files *files);

/*
 * Starts anew, which gives back all memory that libdw has used up so far: it frees nothing of what
 * it read before its end. What was borrowed from file->dwarf is gone.
 */
void dwarf_file_restart(struct dwarf_file *file);

void dwarf_file_close(struct dwarf_file *file);

#endif
