/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Only what the loader itself has used is read: the dynamic section and the tables that it points
 * to. Pages that became read-only after relocation are made writable for the time of the exchange.
 */
#include "libtrack/preload/rebind.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

#include "common/sys.h"

#if defined(__x86_64__)
#define RELOCATION_DATA R_X86_64_64
#define RELOCATION_GOT R_X86_64_GLOB_DAT
#define RELOCATION_PLT R_X86_64_JUMP_SLOT
#else
#define RELOCATION_DATA R_AARCH64_ABS64
#define RELOCATION_GOT R_AARCH64_GLOB_DAT
#define RELOCATION_PLT R_AARCH64_JUMP_SLOT
#endif

struct relocations {
	const ElfW(Rela) * items;
	size_t count;
};

/* What is needed of a loaded module. */
struct module {
	uintptr_t bias;
	uintptr_t start; /* of its mapping */
	uintptr_t end;
	const ElfW(Sym) * symbols;
	const char *names;
	const uint32_t *gnu_hash; /* NULL: it has none */
	const uint32_t *hash;     /* the older kind */
	const ElfW(Half) * versions;
	struct relocations tables[2]; /* of data, of the PLT */
	bool is_symbolic;             /* its own definitions are looked up before others */
	uintptr_t readonly_start;     /* after relocation */
	uintptr_t readonly_end;
};

/* The loader has put addresses in place of the file's offsets, but for the kernel's own object. */
static uintptr_t absolute(const struct link_map *map, ElfW(Addr) address)
{
	return address < map->l_addr ? address + map->l_addr : address;
}

static void read_segments(struct module *module, const ElfW(Phdr) * segments, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (segments[i].p_type != PT_GNU_RELRO)
			continue;
		module->readonly_start = module->bias + segments[i].p_vaddr;
		module->readonly_end = module->readonly_start + segments[i].p_memsz;
	}
}

/*
 * The program as the kernel has mapped it. If it was linked for larger pages than the kernel's,
 * there are gaps between its segments, and _dl_find_object takes each for a module of its own;
 * the other modules are in one piece.
 *
 * returns  false if this is not the program
 */
static bool read_program(const struct link_map *map, struct module *module)
{
	const ElfW(Phdr) *segments = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	size_t count = segments ? getauxval(AT_PHNUM) : 0;
	uintptr_t start = UINTPTR_MAX;
	uintptr_t end = 0;
	bool is_program = false;
	for (size_t i = 0; i < count; i++) {
		uintptr_t at = map->l_addr + segments[i].p_vaddr;
		if (segments[i].p_type == PT_DYNAMIC)
			is_program = at == (uintptr_t)map->l_ld;
		if (segments[i].p_type != PT_LOAD)
			continue;
		start = at < start ? at : start;
		end = at + segments[i].p_memsz > end ? at + segments[i].p_memsz : end;
	}
	if (!is_program)
		return false;
	module->start = start;
	module->end = end;
	read_segments(module, segments, count);
	return true;
}

static void read_library(const struct dl_find_object *object, struct module *module)
{
	const ElfW(Ehdr) *header = object->dlfo_map_start;
	module->start = (uintptr_t)object->dlfo_map_start;
	module->end = (uintptr_t)object->dlfo_map_end;
	if (memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
	    header->e_phentsize == sizeof(ElfW(Phdr)))
		read_segments(module, (const ElfW(Phdr) *)(module->start + header->e_phoff),
			      header->e_phnum);
}

static bool read_module(const struct link_map *map, struct module *module)
{
	struct dl_find_object object;
	*module = (struct module){.bias = map->l_addr};
	/* Without this one it is none that the loader mapped, or is being unloaded. */
	if (!map->l_ld || _dl_find_object((void *)map->l_ld, &object) != 0 ||
	    object.dlfo_link_map != map)
		return false;
	if (!read_program(map, module))
		read_library(&object, module);
	for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
		uintptr_t value = absolute(map, entry->d_un.d_ptr);
		switch (entry->d_tag) {
		case DT_SYMTAB:
			module->symbols = (const ElfW(Sym) *)value;
			break;
		case DT_STRTAB:
			module->names = (const char *)value;
			break;
		case DT_GNU_HASH:
			module->gnu_hash = (const uint32_t *)value;
			break;
		case DT_HASH:
			module->hash = (const uint32_t *)value;
			break;
		case DT_VERSYM:
			module->versions = (const ElfW(Half) *)value;
			break;
		case DT_RELA:
			module->tables[0].items = (const ElfW(Rela) *)value;
			break;
		case DT_RELASZ:
			module->tables[0].count = entry->d_un.d_val / sizeof(ElfW(Rela));
			break;
		case DT_JMPREL:
			module->tables[1].items = (const ElfW(Rela) *)value;
			break;
		case DT_PLTRELSZ:
			module->tables[1].count = entry->d_un.d_val / sizeof(ElfW(Rela));
			break;
		case DT_SYMBOLIC:
			module->is_symbolic = true;
			break;
		case DT_FLAGS:
			module->is_symbolic |= (entry->d_un.d_val & DF_SYMBOLIC) != 0;
			break;
		case DT_PLTREL:
			if (entry->d_un.d_val != DT_RELA)
				return false;
			break;
		}
	}
	return module->symbols && module->names;
}

static const struct binding *find_binding(const struct binding *bindings, size_t count,
					  const char *name)
{
	size_t low = 0;
	while (low < count) {
		size_t middle = low + (count - low) / 2;
		int order = strcmp(name, bindings[middle].name);
		if (order == 0)
			return &bindings[middle];
		if (order < 0)
			count = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

static void write_pointer(const struct module *module, uintptr_t *at, uintptr_t value)
{
	uintptr_t page = (uintptr_t)at & ~(uintptr_t)4095;
	bool is_readonly = (uintptr_t)at >= module->readonly_start &&
			   (uintptr_t)at < module->readonly_end;
	if (is_readonly &&
	    sys_failed(sys_call6(SYS_mprotect, (long)page, 4096, PROT_READ | PROT_WRITE, 0, 0, 0)))
		return;
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
	/* Fails only when the kernel has no memory for one more mapping: it stays writable then. */
	if (is_readonly)
		(void)sys_call6(SYS_mprotect, (long)page, 4096, PROT_READ, 0, 0, 0);
}

static void rebind(const struct module *module, const ElfW(Rela) * relocation,
		   const struct binding *binding, bool takes_unresolved)
{
	uintptr_t *at = (uintptr_t *)(module->bias + relocation->r_offset);
	if ((uintptr_t)at < module->start || (uintptr_t)at + sizeof(*at) > module->end)
		return;
	uintptr_t value = __atomic_load_n(at, __ATOMIC_RELAXED);
	bool is_unresolved = ELF64_R_TYPE(relocation->r_info) == RELOCATION_PLT &&
			     value >= module->start && value < module->end;
	if (value == binding->original || (binding->alias && value == binding->alias) ||
	    (takes_unresolved && is_unresolved))
		write_pointer(module, at, binding->replacement);
}

static bool is_of_function(const ElfW(Rela) * relocation)
{
	unsigned long type = ELF64_R_TYPE(relocation->r_info);
	return ELF64_R_SYM(relocation->r_info) != 0 && relocation->r_addend == 0 &&
	       (type == RELOCATION_DATA || type == RELOCATION_GOT || type == RELOCATION_PLT);
}

void rebind_module(const struct link_map *map, const struct binding *bindings, size_t count,
		   bool takes_unresolved)
{
	struct module module;
	if (!read_module(map, &module))
		return;
	for (size_t t = 0; t < 2; t++) {
		for (size_t i = 0; i < module.tables[t].count; i++) {
			const ElfW(Rela) *relocation = &module.tables[t].items[i];
			if (!is_of_function(relocation))
				continue;
			const ElfW(Sym) *symbol = &module.symbols[ELF64_R_SYM(relocation->r_info)];
			const struct binding *binding = find_binding(
				bindings, count, module.names + symbol->st_name);
			if (!binding || !binding->original)
				continue;
			/* The allocator's own inner calls are its own affair. */
			if (binding->original >= module.start && binding->original < module.end)
				continue;
			/* Its own definition, if it has one, comes first where it is symbolic. */
			bool is_elsewhere = symbol->st_shndx == SHN_UNDEF || !module.is_symbolic;
			rebind(&module, relocation, binding, takes_unresolved && is_elsewhere);
		}
	}
}

bool rebind_is_imported(const struct link_map *map, const char *name)
{
	struct module module;
	if (!read_module(map, &module))
		return false;
	for (size_t t = 0; t < 2; t++) {
		for (size_t i = 0; i < module.tables[t].count; i++) {
			const ElfW(Rela) *relocation = &module.tables[t].items[i];
			const ElfW(Sym) *symbol = &module.symbols[ELF64_R_SYM(relocation->r_info)];
			if (ELF64_R_SYM(relocation->r_info) != 0 && symbol->st_shndx == SHN_UNDEF &&
			    strcmp(module.names + symbol->st_name, name) == 0)
				return true;
		}
	}
	return false;
}

/* Only those that were linked long ago find a symbol of a version that is hidden. */
static bool is_hidden(const struct module *module, uint32_t index)
{
	ElfW(Half) version = module->versions ? module->versions[index] : VER_NDX_GLOBAL;
	return (version & 0x8000) && (version & 0x7fff) > VER_NDX_GLOBAL;
}

static bool is_definition(const struct module *module, uint32_t index, const char *name)
{
	const ElfW(Sym) *symbol = &module->symbols[index];
	return symbol->st_shndx != SHN_UNDEF && !is_hidden(module, index) &&
	       strcmp(module->names + symbol->st_name, name) == 0;
}

/* Number of buckets, first symbol, words and shift of the filter; filter, buckets, hashes. */
static bool is_in_gnu_hash(const struct module *module, const char *name)
{
	const uint32_t *table = module->gnu_hash;
	uint32_t bucket_count = table[0];
	uint32_t first = table[1];
	const uint32_t *buckets = table + 4 + table[2] * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
	const uint32_t *hashes = buckets + bucket_count;
	uint32_t hash = 5381;
	for (const char *at = name; *at; at++)
		hash = hash * 33 + (uint8_t)*at;
	uint32_t index = bucket_count ? buckets[hash % bucket_count] : 0;
	if (index < first)
		return false;
	for (;; index++) {
		uint32_t found = hashes[index - first]; /* its lowest bit ends the chain */
		if ((found | 1) == (hash | 1) && is_definition(module, index, name))
			return true;
		if (found & 1)
			return false;
	}
}

bool rebind_may_define(const struct link_map *map, const char *name)
{
	struct module module;
	if (!read_module(map, &module))
		return false;
	if (module.gnu_hash)
		return is_in_gnu_hash(&module, name);
	if (!module.hash)
		return true;
	for (uint32_t i = 1; i < module.hash[1]; i++)
		if (is_definition(&module, i, name))
			return true;
	return false;
}
