/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * source  DWARF 5, 7.3.5 "DWARF package files", and the GNU layout before it (version 2), of which
 *         gcc.gnu.org/wiki/DebugFissionDWP tells
 */
#include "reader/split_unit.h"

#include <dwarf.h>
#include <endian.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reader/debug_files.h"

#define COLUMNS_MAX 16u /* of a package's index; there are eight kinds of sections */
#define NAMES_BYTES 1024u

/* What a column of the index is about: its number in the GNU layout and in DWARF 5. */
struct part_kind {
	uint32_t gnu_number;
	uint32_t number;
	const char *section;
};

/* The line table, whose files inlined calls are counted in, has the same number in both. */
static const struct part_kind part_kinds[] = {
	{1, 1, ".debug_info.dwo"},        {3, 3, ".debug_abbrev.dwo"},   {4, 4, ".debug_line.dwo"},
	{6, 6, ".debug_str_offsets.dwo"}, {0, 8, ".debug_rnglists.dwo"},
};
#define PART_KINDS (sizeof(part_kinds) / sizeof(part_kinds[0]))

struct bytes {
	const char *start; /* NULL: there are none */
	size_t size_bytes;
};

static uint32_t word_at(struct bytes bytes, uint64_t index)
{
	uint32_t word;
	memcpy(&word, bytes.start + index * sizeof(word), sizeof(word));
	return le32toh(word);
}

static uint64_t long_at(struct bytes bytes, uint64_t index)
{
	uint64_t value;
	memcpy(&value, bytes.start + index * sizeof(value), sizeof(value));
	return le64toh(value);
}

/* What is behind the first `skipped` bytes, and of that at most `size_bytes`. */
static struct bytes part_of(struct bytes whole, uint64_t skipped, uint64_t size_bytes)
{
	struct bytes part = {0};
	if (!whole.start || skipped > whole.size_bytes)
		return part;
	uint64_t left = whole.size_bytes - skipped;
	part.start = whole.start + skipped;
	part.size_bytes = size_bytes < left ? size_bytes : left;
	return part;
}

static struct bytes find_section(Elf *elf, const char *wanted)
{
	struct bytes found = {0};
	size_t names;
	if (elf_getshdrstrndx(elf, &names) != 0)
		return found;
	for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
		GElf_Shdr header;
		const char *name = NULL;
		if (gelf_getshdr(section, &header) && header.sh_type != SHT_NOBITS)
			name = elf_strptr(elf, names, header.sh_name);
		if (!name || strcmp(name, wanted) != 0)
			continue;
		if ((header.sh_flags & SHF_COMPRESSED) && elf_compress(section, 0, 0) < 0)
			break;
		const Elf_Data *data = elf_getdata(section, NULL);
		if (data && data->d_buf)
			found = (struct bytes){.start = data->d_buf, .size_bytes = data->d_size};
		break;
	}
	return found;
}

/* The index of a package: a hash table from unit ids to rows of offsets and sizes. */
struct package_index {
	bool is_gnu;
	uint32_t columns;
	uint32_t rows;
	uint32_t slots;
	struct bytes ids;     /* [slots] of 8 bytes */
	struct bytes numbers; /* [slots] row from 1, 0: the slot is free */
	struct bytes kinds;   /* [columns] */
	struct bytes offsets; /* [rows][columns] */
	struct bytes sizes;   /* [rows][columns] */
};

static bool package_index_read(struct package_index *index, struct bytes section)
{
	if (section.size_bytes < 16)
		return false;
	uint32_t version = word_at(section, 0);
	*index = (struct package_index){
		.is_gnu = version == 2,
		.columns = word_at(section, 1),
		.rows = word_at(section, 2),
		.slots = word_at(section, 3),
	};
	/* Version 5 is two bytes and two of padding. A table has a power of two of slots. */
	if ((version != 2 && (version & 0xffff) != 5) || index->columns == 0 ||
	    index->columns > COLUMNS_MAX || index->slots == 0 ||
	    (index->slots & (index->slots - 1)))
		return false;
	uint64_t ids_bytes = (uint64_t)index->slots * 8;
	uint64_t numbers_bytes = (uint64_t)index->slots * 4;
	uint64_t kinds_bytes = (uint64_t)index->columns * 4;
	uint64_t table_bytes = (uint64_t)index->rows * kinds_bytes;
	uint64_t numbers_at = 16 + ids_bytes;
	uint64_t kinds_at = numbers_at + numbers_bytes;
	uint64_t offsets_at = kinds_at + kinds_bytes;
	if (offsets_at + 2 * table_bytes > section.size_bytes)
		return false;
	index->ids = part_of(section, 16, ids_bytes);
	index->numbers = part_of(section, numbers_at, numbers_bytes);
	index->kinds = part_of(section, kinds_at, kinds_bytes);
	index->offsets = part_of(section, offsets_at, table_bytes);
	index->sizes = part_of(section, offsets_at + table_bytes, table_bytes);
	return true;
}

/* returns  the unit's row from 1; 0: the package does not have it */
static uint32_t package_index_find(const struct package_index *index, uint64_t id)
{
	uint64_t mask = index->slots - 1;
	uint64_t step = ((id >> 32) & mask) | 1;
	uint64_t slot = id & mask;
	for (uint32_t tries = 0; tries < index->slots; tries++) {
		uint32_t row = word_at(index->numbers, slot);
		if (row == 0)
			return 0;
		if (long_at(index->ids, slot) == id)
			return row <= index->rows ? row : 0;
		slot = (slot + step) & mask;
	}
	return 0;
}

/* Where in its section a unit's part is. returns false: it has no such part */
static bool package_index_part(const struct package_index *index, uint32_t row,
			       const struct part_kind *kind, struct bytes *part)
{
	uint32_t wanted = index->is_gnu ? kind->gnu_number : kind->number;
	for (uint32_t column = 0; column < index->columns; column++) {
		uint64_t cell = (uint64_t)(row - 1) * index->columns + column;
		if (wanted == 0 || word_at(index->kinds, column) != wanted)
			continue;
		*part = part_of(*part, word_at(index->offsets, cell), word_at(index->sizes, cell));
		return part->start != NULL;
	}
	return false;
}

static bool image_begin(struct split_unit *unit)
{
	/* libelf wants a descriptor, though nothing will ever be written to it. */
	unit->image_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	unit->section_names = calloc(1, NAMES_BYTES);
	if (unit->image_fd < 0 || !unit->section_names)
		return false;
	unit->image = elf_begin(unit->image_fd, ELF_C_WRITE, NULL);
	return unit->image && gelf_newehdr(unit->image, ELFCLASS64);
}

static Elf_Scn *image_add(struct split_unit *unit, const char *name, struct bytes bytes,
			  uint32_t type)
{
	size_t name_at = 1;
	while (unit->section_names[name_at])
		name_at += strlen(unit->section_names + name_at) + 1;
	if (name_at + strlen(name) + 2 > NAMES_BYTES)
		return NULL;
	memcpy(unit->section_names + name_at, name, strlen(name) + 1);
	Elf_Scn *section = elf_newscn(unit->image);
	Elf_Data *data = section ? elf_newdata(section) : NULL;
	GElf_Shdr header;
	if (!data || !gelf_getshdr(section, &header))
		return NULL;
	data->d_buf = (char *)(uintptr_t)bytes.start; /* only read: the image is never written */
	data->d_size = bytes.size_bytes;
	data->d_type = ELF_T_BYTE;
	data->d_align = 1;
	header.sh_type = type;
	header.sh_name = (GElf_Word)name_at;
	header.sh_size = bytes.size_bytes;
	return gelf_update_shdr(section, &header) ? section : NULL;
}

static bool image_end(struct split_unit *unit)
{
	struct bytes names = {.start = unit->section_names, .size_bytes = NAMES_BYTES};
	Elf_Scn *section = image_add(unit, ".shstrtab", names, SHT_STRTAB);
	GElf_Ehdr header;
	if (!section || !gelf_getehdr(unit->image, &header))
		return false;
	header.e_ident[EI_DATA] = ELFDATA2LSB;
	header.e_type = ET_REL;
	header.e_version = EV_CURRENT;
	header.e_shstrndx = (GElf_Half)elf_ndxscn(section);
	return gelf_update_ehdr(unit->image, &header) != 0;
}

static bool image_add_part(struct split_unit *unit, const char *name, struct bytes bytes)
{
	return bytes.size_bytes == 0 || image_add(unit, name, bytes, SHT_PROGBITS);
}

static uint64_t number_of(Dwarf_Die *die, unsigned name, unsigned gnu_name)
{
	Dwarf_Attribute attribute;
	Dwarf_Word number = 0;
	if (dwarf_attr(die, name, &attribute) || dwarf_attr(die, gnu_name, &attribute))
		(void)dwarf_formudata(&attribute, &number); /* else 0, as without the attribute */
	return number;
}

/*
 * Addresses, and in DWARF 4 range lists, are the executable's. The skeleton tells where the unit's
 * own begin; cut there, they are where libdw looks if it is told nothing.
 */
static bool image_add_skeleton(struct split_unit *unit, Dwarf_Die *skeleton, Elf *elf)
{
	uint64_t addresses = number_of(skeleton, DW_AT_addr_base, DW_AT_GNU_addr_base);
	uint64_t ranges = number_of(skeleton, DW_AT_GNU_ranges_base, DW_AT_GNU_ranges_base);
	return image_add_part(unit, ".debug_addr.dwo",
			      part_of(find_section(elf, ".debug_addr"), addresses, SIZE_MAX)) &&
	       image_add_part(unit, ".debug_ranges.dwo",
			      part_of(find_section(elf, ".debug_ranges"), ranges, SIZE_MAX));
}

/* `row` of the index, or all there is of each section if there is no index. */
static bool image_fill(struct split_unit *unit, Elf *source, const struct package_index *index,
		       uint32_t row)
{
	for (size_t i = 0; i < PART_KINDS; i++) {
		struct bytes part = find_section(source, part_kinds[i].section);
		if (index && !package_index_part(index, row, &part_kinds[i], &part))
			continue;
		if (!image_add_part(unit, part_kinds[i].section, part))
			return false;
	}
	return image_add_part(unit, ".debug_str.dwo", find_section(source, ".debug_str.dwo"));
}

static bool find_unit(struct split_unit *unit, uint64_t id)
{
	Dwarf_CU *cu = NULL;
	uint8_t type;
	while (dwarf_get_units(unit->dwarf, cu, &cu, NULL, &type, &unit->die, NULL) == 0) {
		uint64_t found = 0;
		if (type == DW_UT_split_compile &&
		    dwarf_cu_info(cu, NULL, NULL, NULL, NULL, &found, NULL, NULL) == 0 &&
		    found == id)
			return true;
	}
	return false;
}

static bool build(struct split_unit *unit, Dwarf_Die *skeleton, uint64_t id, Elf *user, Elf *source,
		  const struct package_index *index, uint32_t row)
{
	if (!image_begin(unit) || !image_fill(unit, source, index, row) ||
	    !image_add_skeleton(unit, skeleton, user) || !image_end(unit))
		return false;
	unit->dwarf = dwarf_begin_elf(unit->image, DWARF_C_READ, NULL);
	if (!unit->dwarf || !find_unit(unit, id))
		return false;
	if (dwarf_lowpc(skeleton, &unit->base) != 0)
		unit->base = 0;
	return true;
}

static bool build_from_package(struct split_unit *unit, Dwarf_Die *skeleton, uint64_t id, Elf *user,
			       Elf *package)
{
	struct package_index index;
	if (!package || !package_index_read(&index, find_section(package, ".debug_cu_index")))
		return false;
	uint32_t row = package_index_find(&index, id);
	return row && build(unit, skeleton, id, user, package, &index, row);
}

static const char *text_of(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;
	return dwarf_formstring(dwarf_attr(die, name, &attribute));
}

static bool build_from_dwo(struct split_unit *unit, Dwarf_Die *skeleton, uint64_t id, Elf *user,
			   const struct debug_files *files)
{
	const char *name = text_of(skeleton, DW_AT_dwo_name);
	if (!name)
		name = text_of(skeleton, DW_AT_GNU_dwo_name);
	if (!name)
		return false;
	int fd = debug_files_open_dwo(files, text_of(skeleton, DW_AT_comp_dir), name);
	return dwarf_file_open(&unit->file, fd) &&
	       build(unit, skeleton, id, user, unit->file.elf, NULL, 0);
}

bool split_unit_open(struct split_unit *unit, Dwarf_Die *skeleton, const struct dwarf_file *user,
		     const struct dwarf_file *package, const struct debug_files *files)
{
	uint64_t id;
	*unit = (struct split_unit){.image_fd = -1, .file = {.fd = -1, .alternate_fd = -1}};
	if (dwarf_cu_info(skeleton->cu, NULL, NULL, NULL, NULL, &id, NULL, NULL) != 0)
		return false;
	if (build_from_package(unit, skeleton, id, user->elf, package->elf))
		return true;
	split_unit_close(unit);
	if (build_from_dwo(unit, skeleton, id, user->elf, files))
		return true;
	split_unit_close(unit);
	return false;
}

void split_unit_close(struct split_unit *unit)
{
	(void)dwarf_end(unit->dwarf); /* only a double end fails */
	(void)elf_end(unit->image);   /* only counts references */
	if (unit->image_fd >= 0)
		(void)close(unit->image_fd); /* nothing was written */
	free(unit->section_names);
	dwarf_file_close(&unit->file);
	*unit = (struct split_unit){.image_fd = -1, .file = {.fd = -1, .alternate_fd = -1}};
}
