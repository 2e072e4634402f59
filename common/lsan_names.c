/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/lsan_names.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>

#include "common/sys.h"

#define PREFIX "__lsan_"
static const char *const texts[LSAN_NAME_COUNT] = {
	[LSAN_DEFAULT_SUPPRESSIONS] = "__lsan_default_suppressions",
	[LSAN_IS_TURNED_OFF] = "__lsan_is_turned_off",
};

#define NAME_BYTES_MAX 64u

/* returns  false: it can't be read */
static bool read_section(const ElfW(Ehdr) * header, int fd, uint32_t index,
			 ElfW(Shdr) * ret_section)
{
	uint64_t offset = header->e_shoff + (uint64_t)index * sizeof(*ret_section);
	return sys_pread(fd, ret_section, sizeof(*ret_section), offset) == sizeof(*ret_section);
}

/* Finds the table of symbols and that of their names. */
static enum lsan_names_answer find_tables(struct lsan_names *names, int fd, ElfW(Shdr) * ret_table)
{
	const ElfW(Ehdr) *header = &names->header;
	if (sys_pread(fd, &names->header, sizeof(*header), 0) != sizeof(*header))
		return LSAN_NAMES_UNKNOWN;
	if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
	    header->e_shentsize != sizeof(names->symbols))
		return LSAN_NAMES_NONE;
	/* An executable with more sections than e_shnum can hold has none that are wanted here. */
	for (uint32_t i = 0; i < header->e_shnum; i++) {
		if (!read_section(header, fd, i, &names->symbols))
			return LSAN_NAMES_UNKNOWN;
		if (names->symbols.sh_type != SHT_SYMTAB)
			continue;
		if (!read_section(header, fd, names->symbols.sh_link, ret_table))
			return LSAN_NAMES_UNKNOWN;
		return ret_table->sh_type == SHT_STRTAB ? LSAN_NAMES_SOME : LSAN_NAMES_NONE;
	}
	return LSAN_NAMES_NONE;
}

static void note_name(struct lsan_names *names, const char *text, size_t size_bytes,
		      uint32_t offset)
{
	for (int name = 0; name < LSAN_NAME_COUNT; name++) {
		size_t name_bytes = strlen(texts[name]) + 1;
		if (names->offsets[name] == UINT32_MAX && size_bytes >= name_bytes &&
		    memcmp(text, texts[name], name_bytes) == 0)
			names->offsets[name] = offset;
	}
}

/* Where names begin in the table of names. returns  false: not all of it could be read */
static bool search(struct lsan_names *names, int fd, const ElfW(Shdr) * table, char *buffer)
{
	for (uint64_t at = 0; at < table->sh_size; at += LSAN_NAMES_BUFFER_BYTES - NAME_BYTES_MAX) {
		uint64_t left = table->sh_size - at;
		size_t wanted = left < LSAN_NAMES_BUFFER_BYTES ? (size_t)left
							       : LSAN_NAMES_BUFFER_BYTES;
		size_t count = sys_pread(fd, buffer, wanted, table->sh_offset + at);
		const char *text = buffer;
		const char *end = buffer + count;
		while ((text = memmem(text, (size_t)(end - text), PREFIX, strlen(PREFIX)))) {
			note_name(names, text, (size_t)(end - text),
				  (uint32_t)(at + (uint64_t)(text - buffer)));
			text++;
		}
		if (count < wanted)
			return false;
	}
	return true;
}

enum lsan_names_answer lsan_names_find(struct lsan_names *names, int fd, char *buffer,
				       uint64_t limit_bytes)
{
	ElfW(Shdr) table;
	*names = (struct lsan_names){.offsets = {UINT32_MAX, UINT32_MAX}};
	enum lsan_names_answer answer = find_tables(names, fd, &table);
	if (answer != LSAN_NAMES_SOME)
		return answer;
	if (table.sh_size > limit_bytes || table.sh_size > UINT32_MAX)
		return LSAN_NAMES_UNKNOWN;
	bool is_whole = search(names, fd, &table, buffer);
	for (int name = 0; name < LSAN_NAME_COUNT; name++)
		if (names->offsets[name] != UINT32_MAX)
			return LSAN_NAMES_SOME;
	return is_whole ? LSAN_NAMES_NONE : LSAN_NAMES_UNKNOWN;
}
