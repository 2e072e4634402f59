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

static void gather_all(struct elf_symbols *symbols, Dwfl_Module *module, int count,
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

/* ---- reading a table directly ----------------------------------------------------------- */

/* A table of the machine's own form. */
struct symbol_table {
	const Elf64_Sym *entries; /* [count] */
	size_t count;
	const char *names; /* [name_bytes] ends with a 0 */
	size_t name_bytes;
};

static bool read_table(Elf *elf, Elf_Scn *section, struct symbol_table *ret_table)
{
	GElf_Shdr header;
	if (!gelf_getshdr(section, &header) || (header.sh_flags & SHF_COMPRESSED))
		return false;
	const Elf_Data *entries = elf_getdata(section, NULL);
	Elf_Scn *strings = elf_getscn(elf, header.sh_link);
	const Elf_Data *names = strings ? elf_getdata(strings, NULL) : NULL;
	if (!entries || !entries->d_buf || entries->d_type != ELF_T_SYM || !names ||
	    !names->d_buf || names->d_size == 0 ||
	    ((const char *)names->d_buf)[names->d_size - 1] != '\0')
		return false;
	*ret_table = (struct symbol_table){
		.entries = entries->d_buf,
		.count = entries->d_size / sizeof(Elf64_Sym),
		.names = names->d_buf,
		.name_bytes = names->d_size,
	};
	return true;
}

static Elf_Scn *find_table(Elf *elf, GElf_Word type)
{
	for (Elf_Scn *section = NULL; elf && (section = elf_nextscn(elf, section));) {
		GElf_Shdr header;
		if (gelf_getshdr(section, &header) && header.sh_type == type)
			return section;
	}
	return NULL;
}

/*
 * Finds the table that libdwfl would take, where that is simple: no table of .gnu_debugdata to be
 * joined with another, no machine whose symbols are not what they say. returns false if it is not
 */
static bool find_simple_table(const struct elf_symbol_files *files, struct symbol_table *ret_table)
{
	GElf_Ehdr header;
	if (!gelf_getehdr(files->object, &header) || header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_type == ET_REL ||
	    (header.e_machine != EM_X86_64 && header.e_machine != EM_AARCH64))
		return false;
	Elf *elf = files->object;
	Elf_Scn *section = find_table(elf, SHT_SYMTAB);
	if (!section) {
		elf = files->debug;
		section = find_table(elf, SHT_SYMTAB);
	}
	if (!section && !elf_has_all_symbols(files->object)) {
		elf = files->object;
		section = find_table(elf, SHT_DYNSYM);
	}
	return section && read_table(elf, section, ret_table);
}

/* The symbol of an entry. returns false if it is not that of a function */
static bool symbol_of(const struct symbol_table *table, size_t index,
		      const struct address_map *code, struct elf_symbol *ret_symbol)
{
	const Elf64_Sym *stored = &table->entries[index];
	const GElf_Sym entry = {
		.st_name = stored->st_name,
		.st_info = stored->st_info,
		.st_other = stored->st_other,
		.st_shndx = stored->st_shndx,
		.st_value = stored->st_value,
		.st_size = stored->st_size,
	};
	*ret_symbol = (struct elf_symbol){
		.address = entry.st_value,
		.size_bytes = entry.st_size,
		.name = entry.st_name < table->name_bytes ? table->names + entry.st_name : NULL,
		.index = (uint32_t)index,
		.strength = strength_of(&entry),
	};
	return is_function(ret_symbol, &entry, code);
}

static uint64_t end_of(const Elf64_Sym *entry)
{
	return entry->st_size > UINT64_MAX - entry->st_value ? UINT64_MAX
							     : entry->st_value + entry->st_size;
}

/* What is found in a table for the wanted addresses. */
struct choice {
	const struct symbol_table *table;
	const struct address_map *code;
	const struct address_set *wanted;
	uint32_t *next; /* [wanted->count + 1] itself if no symbol covers it, else a later one */
	uint32_t *previous; /* [wanted->count] entry that ends last before an uncovered one; 0 */
	size_t sized_capacity;
	size_t label_capacity;
	bool has_functions;
	bool has_memory;
};

/* The first address at or behind number `at` that no symbol covers. */
static size_t next_uncovered(struct choice *choice, size_t at)
{
	size_t found = at;
	while (choice->next[found] != found)
		found = choice->next[found];
	while (choice->next[at] != found) {
		size_t passed = choice->next[at];
		choice->next[at] = (uint32_t)found;
		at = passed;
	}
	return found;
}

static void choose(struct choice *choice, struct elf_symbol **symbols, size_t *count,
		   size_t *capacity, const struct elf_symbol *symbol)
{
	if (*count == *capacity) {
		size_t wanted = *capacity ? *capacity * 2 : 256;
		struct elf_symbol *grown = realloc(*symbols, wanted * sizeof(*grown));
		if (!grown) {
			choice->has_memory = false;
			return;
		}
		*symbols = grown;
		*capacity = wanted;
	}
	(*symbols)[(*count)++] = *symbol;
}

static void choose_sized(struct elf_symbols *symbols, struct choice *choice,
			 const struct elf_symbol *symbol)
{
	choose(choice, &symbols->sized, &symbols->sized_count, &choice->sized_capacity, symbol);
}

/* Takes what covers a wanted address, and all labels. */
static void choose_covering(struct elf_symbols *symbols, struct choice *choice)
{
	const struct address_set *wanted = choice->wanted;
	struct elf_symbol symbol;
	for (size_t i = 1; i < choice->table->count && choice->has_memory; i++) {
		const Elf64_Sym *entry = &choice->table->entries[i];
		size_t first = address_set_find(wanted, entry->st_value);
		uint64_t end = end_of(entry);
		bool is_covering = first < wanted->count && wanted->addresses[first] < end;
		if (!is_covering && entry->st_size > 0 && choice->has_functions)
			continue;
		if (entry->st_shndx == SHN_UNDEF ||
		    !symbol_of(choice->table, i, choice->code, &symbol))
			continue;
		choice->has_functions = true;
		if (entry->st_size == 0)
			choose(choice, &symbols->labels, &symbols->label_count,
			       &choice->label_capacity, &symbol);
		if (entry->st_size == 0 || !is_covering)
			continue;
		choose_sized(symbols, choice, &symbol);
		for (size_t at = next_uncovered(choice, first);
		     at < wanted->count && wanted->addresses[at] < end;
		     at = next_uncovered(choice, at))
			choice->next[at] = (uint32_t)at + 1;
	}
}

/*
 * A label names what follows it up to the next symbol: for addresses that no symbol covers, the
 * symbols that end before them count too.
 */
static void choose_preceding(struct elf_symbols *symbols, struct choice *choice)
{
	const struct address_set *wanted = choice->wanted;
	const struct symbol_table *table = choice->table;
	struct elf_symbol symbol;
	uint64_t last_end = 0;
	for (size_t i = 1; i < table->count; i++) {
		const Elf64_Sym *entry = &table->entries[i];
		if (entry->st_size == 0 || entry->st_shndx == SHN_UNDEF)
			continue;
		uint64_t end = end_of(entry);
		size_t at = next_uncovered(choice, address_set_find(wanted, end));
		if (at < wanted->count &&
		    (choice->previous[at] == 0 ||
		     end_of(&table->entries[choice->previous[at]]) < end) &&
		    symbol_of(table, i, choice->code, &symbol))
			choice->previous[at] = (uint32_t)i;
	}
	for (size_t at = next_uncovered(choice, 0); at < wanted->count && choice->has_memory;
	     at = next_uncovered(choice, at + 1)) {
		size_t index = choice->previous[at];
		if (index == 0 || end_of(&table->entries[index]) <= last_end)
			continue;
		last_end = end_of(&table->entries[index]);
		if (symbol_of(table, index, choice->code, &symbol))
			choose_sized(symbols, choice, &symbol);
	}
}

/* returns  false: no memory, or there is no function */
static bool gather_wanted(struct elf_symbols *symbols, const struct symbol_table *table,
			  const struct address_map *code, const struct address_set *wanted)
{
	struct choice choice = {
		.table = table,
		.code = code,
		.wanted = wanted,
		.next = malloc((wanted->count + 1) * sizeof(*choice.next)),
		.previous = calloc(wanted->count + 1, sizeof(*choice.previous)),
	};
	choice.has_memory = choice.next && choice.previous;
	for (size_t i = 0; i <= wanted->count && choice.has_memory; i++)
		choice.next[i] = (uint32_t)i;
	if (choice.has_memory)
		choose_covering(symbols, &choice);
	if (choice.has_memory && symbols->label_count > 0 &&
	    next_uncovered(&choice, 0) < wanted->count)
		choose_preceding(symbols, &choice);
	free(choice.next);
	free(choice.previous);
	return choice.has_memory && choice.has_functions;
}

/* returns  false: no memory, or there is no function */
static bool gather(struct elf_symbols *symbols, const struct elf_symbol_files *files,
		   const struct address_map *code, const struct address_set *wanted)
{
	struct symbol_table table;
	if (wanted && find_simple_table(files, &table))
		return gather_wanted(symbols, &table, code, wanted);
	symbols->debug_fd = files->debug_fd;
	Dwfl_Module *module = report(symbols, files->object_fd);
	int count = module ? dwfl_module_getsymtab(module) : -1;
	symbols->debug_fd = -1;
	if (count <= 1)
		return false;
	symbols->sized = calloc((size_t)count, sizeof(*symbols->sized));
	symbols->labels = calloc((size_t)count, sizeof(*symbols->labels));
	if (!symbols->sized || !symbols->labels)
		return false;
	gather_all(symbols, module, count, code);
	return symbols->sized_count + symbols->label_count > 0;
}

bool elf_symbols_init(struct elf_symbols *symbols, const struct elf_symbol_files *files,
		      const struct address_map *code, const struct address_set *wanted)
{
	*symbols = (struct elf_symbols){.debug_fd = -1};
	if (gather(symbols, files, code, wanted) && arrange(symbols))
		return true;
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
