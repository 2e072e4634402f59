/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The debug sections of an ELF file, as cheap for libdw as they can be.
 *
 * libdw inflates all compressed sections as it opens a file: those that nothing here reads, which
 * are a third of them, too, and with zlib's inflate. So before it sees the file, sections that are
 * not needed are declared to be empty, and the needed ones are inflated by libdeflate, three times
 * as fast. Whatever is unusual about a section is left to libdw.
 */
#ifndef MEMTRACE_READER_DEBUG_SECTIONS_H
#define MEMTRACE_READER_DEBUG_SECTIONS_H

#include <gelf.h>
#include <stddef.h>

struct debug_sections {
	void **buffers; /* [count] that sections of the file were inflated into */
	size_t count;
};

/*
 * Prepares the sections of a file for names, lines and inlined calls; its unwinding tables, places
 * of variables and macros are gone then.
 *
 * elf  opened with ELF_C_READ_MMAP_PRIVATE; must be ended before the sections are released
 */
void debug_sections_prepare(struct debug_sections *sections, Elf *elf);
void debug_sections_release(struct debug_sections *sections);

#endif
