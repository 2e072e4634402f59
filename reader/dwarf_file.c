/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/dwarf_file.h"

#include <elfutils/libdwelf.h>
#include <string.h>
#include <unistd.h>

#include "reader/debug_files.h"

/*
 * An ELF file whose only content is an empty .debug_frame. It stands in for an alternate file that
 * is not there: otherwise libdw would look for one itself, take any file of the right name, and
 * read names from the wrong places of it.
 */
struct empty_image {
	Elf64_Ehdr header;
	Elf64_Shdr sections[3];
	char names[32];
	uint32_t frame;
};

static const struct empty_image empty_image = {
	.header =
		{
			.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
				    ELFDATA2LSB,
#else
				    ELFDATA2MSB,
#endif
				    EV_CURRENT},
			.e_type = ET_REL,
			.e_version = EV_CURRENT,
			.e_shoff = offsetof(struct empty_image, sections),
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_shentsize = sizeof(Elf64_Shdr),
			.e_shnum = 3,
			.e_shstrndx = 1,
		},
	.sections =
		{
			[1] =
				{
					.sh_name = 1,
					.sh_type = SHT_STRTAB,
					.sh_offset = offsetof(struct empty_image, names),
					.sh_size = sizeof(empty_image.names),
					.sh_addralign = 1,
				},
			[2] =
				{
					.sh_name = 11,
					.sh_type = SHT_PROGBITS,
					.sh_offset = offsetof(struct empty_image, frame),
					.sh_size = sizeof(empty_image.frame),
					.sh_addralign = 1,
				},
		},
	.names = "\0.shstrtab\0.debug_frame",
};

static const struct dwarf_file closed_file = {.fd = -1, .alternate_fd = -1};

bool dwarf_file_open(struct dwarf_file *file, int taken_fd)
{
	*file = closed_file;
	file->fd = taken_fd;
	if (taken_fd < 0)
		return false;
	file->elf = elf_begin(taken_fd, ELF_C_READ_MMAP_PRIVATE, NULL);
	if (file->elf && elf_kind(file->elf) == ELF_K_ELF)
		return true;
	dwarf_file_close(file);
	return false;
}

bool dwarf_file_has_units(const struct dwarf_file *file)
{
	size_t names;
	if (!file->elf || elf_getshdrstrndx(file->elf, &names) != 0)
		return false;
	for (Elf_Scn *section = NULL; (section = elf_nextscn(file->elf, section));) {
		GElf_Shdr header;
		if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS)
			continue;
		const char *name = elf_strptr(file->elf, names, header.sh_name);
		if (name && (strcmp(name, ".debug_info") == 0 || strcmp(name, ".zdebug_info") == 0))
			return true;
	}
	return false;
}

static void begin_alternate(struct dwarf_file *file, const struct debug_files *files)
{
	struct debug_link link = {0};
	const void *build_id;
	ssize_t build_id_bytes = dwelf_dwarf_gnu_debugaltlink(file->dwarf, &link.name, &build_id);
	if (build_id_bytes <= 0)
		return;
	link.build_id = build_id;
	link.build_id_bytes = (size_t)build_id_bytes;
	file->alternate_fd = debug_files_open_alternate(files, file->fd, &link);
	if (file->alternate_fd >= 0)
		file->alternate_elf = elf_begin(file->alternate_fd, ELF_C_READ_MMAP_PRIVATE, NULL);
	else /* libelf does not write to the image of a file that it only reads */
		file->alternate_elf = elf_memory((char *)(uintptr_t)&empty_image,
						 sizeof(empty_image));
	if (file->alternate_fd >= 0 && file->alternate_elf)
		debug_sections_prepare(&file->alternate_sections, file->alternate_elf);
	file->alternate = dwarf_begin_elf(file->alternate_elf, DWARF_C_READ, NULL);
	if (file->alternate)
		dwarf_setalt(file->dwarf, file->alternate);
}

void dwarf_file_begin(struct dwarf_file *file, const struct debug_files *files)
{
	debug_sections_prepare(&file->sections, file->elf);
	file->dwarf = dwarf_begin_elf(file->elf, DWARF_C_READ, NULL);
	if (file->dwarf)
		begin_alternate(file, files);
}

void dwarf_file_restart(struct dwarf_file *file)
{
	(void)dwarf_end(file->dwarf); /* only a double end fails */
	(void)dwarf_end(file->alternate);
	file->alternate = NULL;
	file->dwarf = dwarf_begin_elf(file->elf, DWARF_C_READ, NULL);
	if (!file->dwarf || !file->alternate_elf)
		return;
	file->alternate = dwarf_begin_elf(file->alternate_elf, DWARF_C_READ, NULL);
	if (file->alternate)
		dwarf_setalt(file->dwarf, file->alternate);
}

void dwarf_file_close(struct dwarf_file *file)
{
	(void)dwarf_end(file->dwarf); /* only a double end fails */
	(void)dwarf_end(file->alternate);
	(void)elf_end(file->alternate_elf); /* only counts references */
	(void)elf_end(file->elf);
	debug_sections_release(&file->alternate_sections);
	debug_sections_release(&file->sections);
	if (file->alternate_fd >= 0)
		(void)close(file->alternate_fd); /* nothing was written */
	if (file->fd >= 0)
		(void)close(file->fd);
	*file = closed_file;
}
