/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/leak_wishes.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

#include "common/format.h"
#include "common/lsan_names.h"
#include "common/sys.h"
#include "libtrack/preload/tracker.h"

/* Those of the loader's global scope that are exported. */
extern const char *__lsan_default_suppressions(void) __attribute__((weak));
extern int __lsan_is_turned_off(void) __attribute__((weak));

#define NAMES_BYTES_MAX (1ull << 32)
#define SYMBOLS_BYTES (LSAN_NAMES_BUFFER_BYTES / sizeof(ElfW(Sym)) * sizeof(ElfW(Sym)))

static struct {
	bool has_searched;
	uintptr_t functions[LSAN_NAME_COUNT]; /* of the executable; 0: there is none */
	struct leak_wishes known;
} wishes;

static void find_functions(const struct lsan_names *names, int fd, char *buffer)
{
	uintptr_t bias = getauxval(AT_ENTRY) - names->header.e_entry;
	const ElfW(Shdr) *table = &names->symbols;
	for (uint64_t at = 0; at < table->sh_size; at += SYMBOLS_BYTES) {
		uint64_t left = table->sh_size - at;
		size_t wanted = left < SYMBOLS_BYTES ? (size_t)left : SYMBOLS_BYTES;
		size_t count = sys_pread(fd, buffer, wanted, table->sh_offset + at);
		for (size_t i = 0; i < count / sizeof(ElfW(Sym)); i++) {
			ElfW(Sym) symbol;
			memcpy(&symbol, buffer + i * sizeof(symbol), sizeof(symbol));
			if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC ||
			    symbol.st_shndx == SHN_UNDEF)
				continue;
			for (int name = 0; name < LSAN_NAME_COUNT; name++)
				if (symbol.st_name == names->offsets[name])
					wishes.functions[name] = bias + symbol.st_value;
		}
		if (count < wanted)
			return;
	}
}

static void search_executable(void)
{
	struct lsan_names names;
	int fd = sys_open("/proc/self/exe", O_RDONLY);
	if (fd < 0)
		return;
	char *buffer = sys_pages(LSAN_NAMES_BUFFER_BYTES);
	if (buffer) {
		if (lsan_names_find(&names, fd, buffer, NAMES_BYTES_MAX) == LSAN_NAMES_SOME)
			find_functions(&names, fd, buffer);
		sys_munmap(buffer, LSAN_NAMES_BUFFER_BYTES);
	}
	sys_close(fd);
}

/* The collector may have looked while the program ran. */
static bool may_have_functions(void)
{
	const struct image_slot *own = &tracker.segment->images[tracker.image_index];
	return atomic_load(&own->without_lsan_names) != atomic_load(&own->serial);
}

void leak_wishes_ask(void)
{
	const char *(*get_suppressions)(void) = __lsan_default_suppressions;
	int (*is_turned_off)(void) = __lsan_is_turned_off;
	if (!wishes.has_searched && (!get_suppressions || !is_turned_off) && may_have_functions())
		search_executable();
	wishes.has_searched = true;
	if (!get_suppressions)
		get_suppressions =
			(const char *(*)(void))wishes.functions[LSAN_DEFAULT_SUPPRESSIONS];
	if (!is_turned_off)
		is_turned_off = (int (*)(void))wishes.functions[LSAN_IS_TURNED_OFF];
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
