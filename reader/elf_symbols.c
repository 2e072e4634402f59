/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which of several symbols names an address: one whose size covers it. Among those a global or weak
 * one before a local one, then the one that starts last, of a global and a weak one the global
 * one, then the smallest, then the first. That is how libdwfl chooses; but it goes through the
 * whole table for each address, so the choice is made here for all addresses at once.
 *
 * Symbols of no size are labels of hand-written assembly. One names what follows it in its section
 * up to the next symbol or label, and nothing behind a symbol that has a size: who knows what is
 * there; in a stripped object it is a local function, and no name is better than a wrong one.
 */
#include "reader/elf_symbols.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool add_code(struct address_map *code, uint64_t start, uint64_t size_bytes, uint32_t number)
{
	struct address_range range = {
		.start = start,
		.end = size_bytes > UINT64_MAX - start ? UINT64_MAX : start + size_bytes,
		.rank = number,
		.value = number,
	};
	return address_map_add(code, &range);
}

static bool add_code_sections(Elf *elf, struct address_map *code)
{
	for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
		GElf_Shdr header;
		const GElf_Xword wanted = SHF_ALLOC | SHF_EXECINSTR;
		if (gelf_getshdr(section, &header) && (header.sh_flags & wanted) == wanted &&
		    !add_code(code, header.sh_addr, header.sh_size, (uint32_t)elf_ndxscn(section)))
			return false;
	}
	return true;
}

static bool add_code_segments(Elf *elf, struct address_map *code)
{
	size_t count = 0;
	if (elf_getphdrnum(elf, &count) != 0)
		return true;
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr header;
		if (gelf_getphdr(elf, (int)i, &header) && header.p_type == PT_LOAD &&
		    (header.p_flags & PF_X) &&
		    !add_code(code, header.p_vaddr, header.p_memsz, (uint32_t)i))
			return false;
	}
	return true;
}

bool elf_code_map(Elf *elf, struct address_map *ret_code)
{
	*ret_code = (struct address_map){0};
	bool has_memory = add_code_sections(elf, ret_code);
	if (has_memory && ret_code->range_count == 0)
		has_memory = add_code_segments(elf, ret_code);
	return has_memory && address_map_cut(ret_code);
}

bool elf_has_all_symbols(Elf *elf)
{
	size_t names;
	if (elf_getshdrstrndx(elf, &names) != 0)
		return false;
	for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
		GElf_Shdr header;
		if (!gelf_getshdr(section, &header))
			continue;
		const char *name = elf_strptr(elf, names, header.sh_name);
		if (header.sh_type == SHT_SYMTAB || (name && strcmp(name, ".gnu_debugdata") == 0))
			return true;
	}
	return false;
}

/* libdwfl asks for the debug file when the object has no .symtab. */
static int find_debuginfo(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
			  const char *file, const char *link, GElf_Word crc, char **ret_name)
{
	(void)module, (void)name, (void)base, (void)file, (void)link, (void)crc, (void)ret_name;
	const struct elf_symbols *symbols = *userdata;
	return symbols->debug_fd >= 0 ? fcntl(symbols->debug_fd, F_DUPFD_CLOEXEC, 0) : -1;
}

static Dwfl_Module *report(struct elf_symbols *symbols, int object_fd)
{
	symbols->callbacks = (Dwfl_Callbacks){.find_debuginfo = find_debuginfo};
	symbols->dwfl = dwfl_begin(&symbols->callbacks);
	int fd = symbols->dwfl ? fcntl(object_fd, F_DUPFD_CLOEXEC, 0) : -1;
	if (fd < 0)
		return NULL;
	dwfl_report_begin(symbols->dwfl);
	Dwfl_Module *module = dwfl_report_elf(symbols->dwfl, "object", "object", fd, 0, true);
	if (!module)
		(void)close(fd); /* libdwfl takes it only on success */
	if (dwfl_report_end(symbols->dwfl, NULL, NULL) != 0 || !module)
		return NULL;
	void **userdata;
	(void)dwfl_module_info(module, &userdata, NULL, NULL, NULL, NULL, NULL,
			       NULL); /* its name */
	*userdata = symbols;
	return module;
}

/* Marks that assemblers for ARM and RISC-V set where code and data alternate: "$x", "$d.12". */
static bool is_mapping_mark(const char *name)
{
	return name[0] == '$' && name[1] && strchr("adtx", name[1]) &&
	       (name[2] == '\0' || name[2] == '.');
}

static bool is_function(const struct elf_symbol *symbol, const GElf_Sym *entry,
			const struct address_map *code)
{
	unsigned type = GELF_ST_TYPE(entry->st_info);
	if (!symbol->name || symbol->name[0] == '\0' || entry->st_shndx == SHN_UNDEF ||
	    type == STT_SECTION || type == STT_FILE || type == STT_TLS)
		return false;
	if (symbol->size_bytes == 0 &&
	    (entry->st_shndx == SHN_ABS || is_mapping_mark(symbol->name) ||
	     strncmp(symbol->name, ".L", 2) == 0))
		return false;
	return address_map_find(code, symbol->address) != ADDRESS_MAP_NONE;
}

static uint8_t strength_of(const GElf_Sym *entry)
{
	switch (GELF_ST_BIND(entry->st_info)) {
	case STB_GLOBAL:
	case STB_GNU_UNIQUE:
		return 2;
	case STB_WEAK:
		return 1;
	default:
		return 0;
	}
}

static void gather(struct elf_symbols *symbols, Dwfl_Module *module, int count,
		   const struct address_map *code)
{
	for (int i = 1; i < count; i++) {
		GElf_Sym entry;
		GElf_Addr address;
		struct elf_symbol symbol = {.index = (uint32_t)i};
		symbol.name = dwfl_module_getsym_info(module, i, &entry, &address, NULL, NULL,
						      NULL);
		if (!symbol.name)
			continue;
		symbol.address = address;
		symbol.size_bytes = entry.st_size;
		symbol.strength = strength_of(&entry);
		if (!is_function(&symbol, &entry, code))
			continue;
		if (symbol.size_bytes > 0)
			symbols->sized[symbols->sized_count++] = symbol;
		else
			symbols->labels[symbols->label_count++] = symbol;
	}
}

/* The better symbol last. */
static int by_preference(const void *left, const void *right)
{
	const struct elf_symbol *a = left;
	const struct elf_symbol *b = right;
	if ((a->strength > 0) != (b->strength > 0))
		return a->strength > 0 ? 1 : -1;
	if (a->address != b->address)
		return a->address > b->address ? 1 : -1;
	if (a->strength != b->strength)
		return a->strength > b->strength ? 1 : -1;
	if (a->size_bytes != b->size_bytes)
		return a->size_bytes < b->size_bytes ? 1 : -1;
	return (a->index < b->index) - (a->index > b->index);
}

static int by_address(const void *left, const void *right)
{
	const struct elf_symbol *a = left;
	const struct elf_symbol *b = right;
	if (a->address != b->address)
		return a->address > b->address ? 1 : -1;
	if (a->strength != b->strength)
		return a->strength > b->strength ? 1 : -1;
	return (a->index > b->index) - (a->index < b->index);
}

static void *fit(void *array, size_t size_bytes)
{
	void *fitted = realloc(array, size_bytes ? size_bytes : 1);
	return fitted ? fitted : array;
}

static bool arrange(struct elf_symbols *symbols)
{
	symbols->sized = fit(symbols->sized, symbols->sized_count * sizeof(*symbols->sized));
	symbols->labels = fit(symbols->labels, symbols->label_count * sizeof(*symbols->labels));
	qsort(symbols->sized, symbols->sized_count, sizeof(*symbols->sized), by_preference);
	qsort(symbols->labels, symbols->label_count, sizeof(*symbols->labels), by_address);
	for (size_t i = 0; i < symbols->sized_count; i++) {
		uint64_t start = symbols->sized[i].address;
		uint64_t size_bytes = symbols->sized[i].size_bytes;
		struct address_range range = {
			.start = start,
			.end = size_bytes > UINT64_MAX - start ? UINT64_MAX : start + size_bytes,
			.rank = i,
			.value = (uint32_t)i,
		};
		if (!address_map_add(&symbols->map, &range))
			return false;
	}
	return address_map_cut(&symbols->map);
}

bool elf_symbols_init(struct elf_symbols *symbols, int object_fd, int debug_fd,
		      const struct address_map *code)
{
	*symbols = (struct elf_symbols){.debug_fd = debug_fd};
	Dwfl_Module *module = report(symbols, object_fd);
	int count = module ? dwfl_module_getsymtab(module) : -1;
	symbols->debug_fd = -1;
	if (count <= 1)
		goto out;
	symbols->sized = calloc((size_t)count, sizeof(*symbols->sized));
	symbols->labels = calloc((size_t)count, sizeof(*symbols->labels));
	if (!symbols->sized || !symbols->labels)
		goto out;
	gather(symbols, module, count, code);
	if (symbols->sized_count + symbols->label_count > 0 && arrange(symbols))
		return true;
out:
	elf_symbols_release(symbols);
	return false;
}

void elf_symbols_release(struct elf_symbols *symbols)
{
	address_map_release(&symbols->map);
	free(symbols->sized);
	free(symbols->labels);
	dwfl_end(symbols->dwfl);
	*symbols = (struct elf_symbols){.debug_fd = -1};
}

/* The last label at or before an address; NULL. */
static const struct elf_symbol *find_label(const struct elf_symbols *symbols, uint64_t address)
{
	size_t low = 0;
	size_t high = symbols->label_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (symbols->labels[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &symbols->labels[low - 1] : NULL;
}

const struct elf_symbol *elf_symbols_find(const struct elf_symbols *symbols,
					  const struct address_map *code, uint64_t address)
{
	const struct address_piece *piece = address_map_find_piece(&symbols->map, address);
	if (piece && piece->value != ADDRESS_MAP_NONE)
		return &symbols->sized[piece->value];
	const struct elf_symbol *label = find_label(symbols, address);
	if (!label || (piece && label->address < piece->start))
		return NULL;
	uint32_t section = address_map_find(code, address);
	if (section == ADDRESS_MAP_NONE || section != address_map_find(code, label->address))
		return NULL;
	return label;
}
