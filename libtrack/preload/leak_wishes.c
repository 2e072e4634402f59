/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/leak_wishes.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>

#include "common/format.h"
#include "common/sys.h"

/* Those of the loader's global scope that are exported. */
extern const char *__lsan_default_suppressions(void) __attribute__((weak));
extern int __lsan_is_turned_off(void) __attribute__((weak));

enum wish { WISH_SUPPRESSIONS, WISH_TURNED_OFF, WISH_COUNT };

#define WISH_PREFIX "__lsan_"
static const char *const wish_names[WISH_COUNT] = {
	[WISH_SUPPRESSIONS] = "__lsan_default_suppressions",
	[WISH_TURNED_OFF] = "__lsan_is_turned_off",
};

#define READ_BYTES (256u << 10)
#define NAME_BYTES_MAX 64u
#define SECTIONS_MAX (1u << 16)
#define NAMES_BYTES_MAX (1ull << 32)

static struct {
	bool has_searched;
	uintptr_t functions[WISH_COUNT]; /* of the executable; 0: there is none */
	struct leak_wishes known;
} wishes;

/* The executable, read by pieces of a buffer that is not the heap's. */
struct executable {
	int fd;
	char *buffer; /* [READ_BYTES] */
	ElfW(Ehdr) header;
};

static size_t read_at(const struct executable *file, void *bytes, size_t size_bytes,
		      uint64_t offset)
{
	size_t done = 0;
	while (done < size_bytes) {
		long count = sys_call6(SYS_pread64, file->fd, (long)((char *)bytes + done),
				       (long)(size_bytes - done), (long)(offset + done), 0, 0);
		if (sys_failed(count) || count == 0)
			break;
		done += (size_t)count;
	}
	return done;
}

static bool find_section(const struct executable *file, uint32_t wanted_type, uint32_t index,
			 ElfW(Shdr) * ret_section)
{
	const ElfW(Ehdr) *header = &file->header;
	if (header->e_shentsize != sizeof(*ret_section))
		return false;
	/* An executable with more sections than e_shnum can hold has none that are wanted here. */
	for (uint32_t i = index; i < header->e_shnum; i++) {
		uint64_t offset = header->e_shoff + (uint64_t)i * sizeof(*ret_section);
		if (read_at(file, ret_section, sizeof(*ret_section), offset) !=
		    sizeof(*ret_section))
			return false;
		if (ret_section->sh_type == wanted_type)
			return true;
		if (index > 0)
			return false;
	}
	return false;
}

static void note_name(const char *text, size_t size_bytes, uint32_t offset,
		      uint32_t offsets[WISH_COUNT])
{
	for (int wish = 0; wish < WISH_COUNT; wish++) {
		size_t name_bytes = strlen(wish_names[wish]) + 1;
		if (offsets[wish] == UINT32_MAX && size_bytes >= name_bytes &&
		    memcmp(text, wish_names[wish], name_bytes) == 0)
			offsets[wish] = offset;
	}
}

/* Where names begin in a table of names; UINT32_MAX: it does not have that name. */
static void find_names(const struct executable *file, const ElfW(Shdr) * table,
		       uint32_t offsets[WISH_COUNT])
{
	uint64_t end = table->sh_size < NAMES_BYTES_MAX ? table->sh_size : NAMES_BYTES_MAX;
	for (uint64_t at = 0; at < end; at += READ_BYTES - NAME_BYTES_MAX) {
		size_t wanted = end - at < READ_BYTES ? (size_t)(end - at) : READ_BYTES;
		size_t count = read_at(file, file->buffer, wanted, table->sh_offset + at);
		const char *text = file->buffer;
		const char *end_of_text = text + count;
		while ((text = memmem(text, (size_t)(end_of_text - text), WISH_PREFIX,
				      strlen(WISH_PREFIX)))) {
			note_name(text, (size_t)(end_of_text - text),
				  (uint32_t)(at + (uint64_t)(text - file->buffer)), offsets);
			text++;
		}
		if (count < wanted)
			return;
	}
}

static void find_functions(const struct executable *file, const ElfW(Shdr) * table,
			   const uint32_t names[WISH_COUNT])
{
	uintptr_t bias = getauxval(AT_ENTRY) - file->header.e_entry;
	for (uint64_t at = 0; at < table->sh_size; at += READ_BYTES) {
		uint64_t left = table->sh_size - at;
		size_t wanted = left < READ_BYTES ? (size_t)left : READ_BYTES;
		size_t count = read_at(file, file->buffer, wanted, table->sh_offset + at);
		for (size_t i = 0; i < count / sizeof(ElfW(Sym)); i++) {
			ElfW(Sym) symbol;
			memcpy(&symbol, file->buffer + i * sizeof(symbol), sizeof(symbol));
			if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC ||
			    symbol.st_shndx == SHN_UNDEF)
				continue;
			for (int wish = 0; wish < WISH_COUNT; wish++)
				if (symbol.st_name == names[wish])
					wishes.functions[wish] = bias + symbol.st_value;
		}
		if (count < wanted)
			return;
	}
}

static void search_file(struct executable *file)
{
	ElfW(Shdr) symbols;
	ElfW(Shdr) names;
	uint32_t offsets[WISH_COUNT] = {UINT32_MAX, UINT32_MAX};
	if (read_at(file, &file->header, sizeof(file->header), 0) != sizeof(file->header) ||
	    memcmp(file->header.e_ident, ELFMAG, SELFMAG) != 0 ||
	    !find_section(file, SHT_SYMTAB, 0, &symbols) || symbols.sh_link == 0 ||
	    !find_section(file, SHT_STRTAB, symbols.sh_link, &names))
		return;
	find_names(file, &names, offsets);
	if (offsets[WISH_SUPPRESSIONS] != UINT32_MAX || offsets[WISH_TURNED_OFF] != UINT32_MAX)
		find_functions(file, &symbols, offsets);
}

static void search_executable(void)
{
	struct executable file = {.fd = sys_open("/proc/self/exe", O_RDONLY)};
	if (file.fd < 0)
		return;
	file.buffer = sys_pages(READ_BYTES);
	if (file.buffer) {
		search_file(&file);
		sys_munmap(file.buffer, READ_BYTES);
	}
	sys_close(file.fd);
}

void leak_wishes_ask(void)
{
	const char *(*get_suppressions)(void) = __lsan_default_suppressions;
	int (*is_turned_off)(void) = __lsan_is_turned_off;
	if (!wishes.has_searched && (!get_suppressions || !is_turned_off))
		search_executable();
	wishes.has_searched = true;
	if (!get_suppressions)
		get_suppressions = (const char *(*)(void))wishes.functions[WISH_SUPPRESSIONS];
	if (!is_turned_off)
		is_turned_off = (int (*)(void))wishes.functions[WISH_TURNED_OFF];
	wishes.known.is_turned_off = is_turned_off && is_turned_off();
	if (get_suppressions && !wishes.known.suppressions) {
		const char *text = get_suppressions();
		wishes.known.suppressions_bytes = text ? strnlen(text, LIMIT_SUPPRESSIONS_BYTES)
						       : 0;
		wishes.known.suppressions = text;
	}
}

struct leak_wishes leak_wishes_known(void)
{
	return wishes.known;
}
