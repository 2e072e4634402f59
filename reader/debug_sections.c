/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/debug_sections.h"

#include <libdeflate.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define INFLATION_MAX 1032u /* no deflated byte can stand for more */

/* Of the sections that libdw opens, those that no name or line is in. */
static const char *const unneeded[] = {".debug_frame",    ".debug_loc",     ".debug_loclists",
				       ".debug_pubnames", ".debug_macinfo", ".debug_macro"};

static bool is_unneeded(const char *name)
{
	for (size_t i = 0; i < sizeof(unneeded) / sizeof(unneeded[0]); i++)
		if (strcmp(name, unneeded[i]) == 0)
			return true;
	return false;
}

static bool keep_buffer(struct debug_sections *sections, void *buffer)
{
	void **grown = realloc(sections->buffers, (sections->count + 1) * sizeof(*grown));
	if (!grown)
		return false;
	sections->buffers = grown;
	sections->buffers[sections->count++] = buffer;
	return true;
}

/* The content of a section, to be freed. returns NULL if it is not as usual, or damaged */
static void *inflate_section(Elf *elf, Elf_Scn *section, size_t *ret_bytes,
			     struct libdeflate_decompressor *decompressor)
{
	GElf_Chdr header;
	if (!gelf_getchdr(section, &header) || header.ch_type != ELFCOMPRESS_ZLIB)
		return NULL;
	size_t skipped = gelf_getclass(elf) == ELFCLASS32 ? sizeof(Elf32_Chdr) : sizeof(Elf64_Chdr);
	const Elf_Data *stored = elf_rawdata(section, NULL);
	if (!stored || !stored->d_buf || stored->d_size <= skipped || header.ch_size == 0 ||
	    header.ch_size / INFLATION_MAX > stored->d_size)
		return NULL;
	void *buffer = malloc(header.ch_size);
	if (buffer &&
	    libdeflate_zlib_decompress(decompressor, (const char *)stored->d_buf + skipped,
				       stored->d_size - skipped, buffer, header.ch_size,
				       NULL) == LIBDEFLATE_SUCCESS) {
		*ret_bytes = header.ch_size;
		return buffer;
	}
	free(buffer);
	return NULL;
}

/* Has libelf and libdw take `buffer` for what is in the section. returns false if they can't */
static bool replace_content(Elf_Scn *section, GElf_Shdr *header, void *buffer, size_t size_bytes)
{
	header->sh_flags &= ~(GElf_Xword)SHF_COMPRESSED;
	header->sh_size = size_bytes;
	header->sh_addralign = 1;
	Elf_Data *data = gelf_update_shdr(section, header) ? elf_getdata(section, NULL) : NULL;
	if (!data)
		return false;
	data->d_buf = buffer;
	data->d_size = size_bytes;
	data->d_align = 1;
	return true;
}

static void prepare(struct debug_sections *sections, Elf *elf, Elf_Scn *section, GElf_Shdr *header,
		    struct libdeflate_decompressor *decompressor)
{
	size_t size_bytes;
	void *buffer = inflate_section(elf, section, &size_bytes, decompressor);
	if (!buffer)
		return;
	if (!keep_buffer(sections, buffer))
		free(buffer);
	else
		(void)replace_content(section, header, buffer,
				      size_bytes); /* else it is not read */
}

void debug_sections_prepare(struct debug_sections *sections, Elf *elf)
{
	size_t names;
	struct libdeflate_decompressor *decompressor = NULL;
	*sections = (struct debug_sections){0};
	if (elf_getshdrstrndx(elf, &names) != 0)
		return;
	for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
		GElf_Shdr header;
		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_PROGBITS ||
		    (header.sh_flags & SHF_ALLOC))
			continue;
		const char *name = elf_strptr(elf, names, header.sh_name);
		if (!name || strncmp(name, ".debug_", 7) != 0)
			continue;
		if (is_unneeded(name)) {
			header.sh_type = SHT_NOBITS;
			(void)gelf_update_shdr(section, &header); /* else it costs some time */
			continue;
		}
		if (!(header.sh_flags & SHF_COMPRESSED))
			continue;
		if (!decompressor)
			decompressor = libdeflate_alloc_decompressor();
		if (decompressor)
			prepare(sections, elf, section, &header, decompressor);
	}
	libdeflate_free_decompressor(decompressor);
}

void debug_sections_release(struct debug_sections *sections)
{
	for (size_t i = 0; i < sections->count; i++)
		free(sections->buffers[i]);
	free(sections->buffers);
	*sections = (struct debug_sections){0};
}
