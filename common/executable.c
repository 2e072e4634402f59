/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/executable.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>

#include "common/sys.h"

#define SCRIPT_DEPTH_MAX 5
#define HEADER_BYTES 256
#define DEFAULT_PATH "/bin:/usr/bin"

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#else
#define OWN_MACHINE EM_AARCH64
#endif

/* A file mapped for reading. */
struct image {
	const uint8_t *bytes;
	size_t size_bytes;
};

/* returns  the bytes at `offset`, NULL if `size_bytes` of them are not there */
static const void *image_at(const struct image *image, uint64_t offset, uint64_t size_bytes)
{
	if (offset > image->size_bytes || size_bytes > image->size_bytes - offset)
		return NULL;
	return image->bytes + offset;
}

static const ElfW(Phdr) * find_segment(const struct image *image, uint32_t type, uint64_t address)
{
	const ElfW(Ehdr) *header = (const void *)image->bytes;
	for (size_t i = 0; i < header->e_phnum; i++) {
		const ElfW(Phdr) *segment = image_at(
			image, header->e_phoff + i * sizeof(ElfW(Phdr)), sizeof(ElfW(Phdr)));
		if (!segment)
			return NULL;
		if (segment->p_type == type &&
		    (type != PT_LOAD || (address >= segment->p_vaddr &&
					 address - segment->p_vaddr < segment->p_filesz)))
			return segment;
	}
	return NULL;
}

static bool has_text(const char *bytes, size_t size_bytes, const char *text)
{
	return memmem(bytes, size_bytes, text, strlen(text)) != NULL;
}

/* What the dynamic section tells, by its tags. */
struct dynamic {
	const ElfW(Dyn) * entries; /* [count] */
	size_t count;
	const char *strings; /* names of needed libraries and of symbols; NULL: not there */
	uint64_t strings_bytes;
};

static uint64_t tag_value(const struct dynamic *dynamic, ElfW(Sxword) tag)
{
	for (size_t i = 0; i < dynamic->count; i++)
		if (dynamic->entries[i].d_tag == tag)
			return dynamic->entries[i].d_un.d_val;
	return 0;
}

/* returns  what is loaded to `address`, NULL if `size_bytes` of it are not in the file */
static const void *image_loaded(const struct image *image, uint64_t address, uint64_t size_bytes)
{
	const ElfW(Phdr) *load = address ? find_segment(image, PT_LOAD, address) : NULL;
	return load ? image_at(image, address - load->p_vaddr + load->p_offset, size_bytes) : NULL;
}

/* Part of a file: a table of which only the beginning is known. */
struct rest {
	const void *bytes; /* NULL: it is not in the file */
	uint64_t size_bytes;
};

/* What is loaded to `address` and on, to the end of the file. */
static struct rest image_rest(const struct image *image, uint64_t address)
{
	const uint8_t *bytes = image_loaded(image, address, 0);
	return (struct rest){
		.bytes = bytes,
		.size_bytes = bytes ? image->size_bytes - (uint64_t)(bytes - image->bytes) : 0,
	};
}

static struct dynamic read_dynamic(const struct image *image)
{
	struct dynamic dynamic = {0};
	const ElfW(Phdr) *segment = find_segment(image, PT_DYNAMIC, 0);
	uint64_t count = segment ? segment->p_filesz / sizeof(*dynamic.entries) : 0;
	if (count > 0)
		dynamic.entries = image_at(image, segment->p_offset,
					   count * sizeof(*dynamic.entries));
	while (dynamic.entries && dynamic.count < count &&
	       dynamic.entries[dynamic.count].d_tag != DT_NULL)
		dynamic.count++;
	dynamic.strings_bytes = tag_value(&dynamic, DT_STRSZ);
	dynamic.strings = image_loaded(image, tag_value(&dynamic, DT_STRTAB),
				       dynamic.strings_bytes);
	/* A look for the end of each string might take long. */
	while (dynamic.strings && dynamic.strings_bytes > 0 &&
	       dynamic.strings[dynamic.strings_bytes - 1])
		dynamic.strings_bytes--;
	return dynamic;
}

/* returns  the string at `offset` of the table, "" if there is none */
static const char *string_at(const struct dynamic *dynamic, uint64_t offset)
{
	return offset < dynamic->strings_bytes ? dynamic->strings + offset : "";
}

static uint32_t gnu_hash(const char *name)
{
	uint32_t hash = 5381;
	for (; *name; name++)
		hash = hash * 33 + (uint8_t)*name;
	return hash;
}

/* The table of exported names by hash (DT_GNU_HASH), as all linkers of today make it. */
struct export_table {
	uint32_t bucket_count;
	uint32_t first_symbol; /* symbols before it are not exported */
	const uint32_t *buckets;
	const uint32_t *chains; /* [chain_count] from the word of `first_symbol` on */
	uint64_t chain_count;
	const ElfW(Sym) * symbols; /* [symbol_count] */
	uint64_t symbol_count;
};

static bool read_exports(const struct image *image, const struct dynamic *dynamic,
			 struct export_table *ret_table)
{
	uint64_t address = tag_value(dynamic, DT_GNU_HASH);
	const uint32_t *header = image_loaded(image, address, 4 * sizeof(*header));
	if (!header)
		return false;
	uint64_t buckets = address + 4 * sizeof(*header) + header[2] * sizeof(ElfW(Addr));
	struct rest chains = image_rest(image, buckets + header[0] * sizeof(uint32_t));
	struct rest symbols = image_rest(image, tag_value(dynamic, DT_SYMTAB));
	*ret_table = (struct export_table){
		.bucket_count = header[0],
		.first_symbol = header[1],
		.buckets = image_loaded(image, buckets, header[0] * sizeof(uint32_t)),
		.chains = chains.bytes,
		.chain_count = chains.size_bytes / sizeof(uint32_t),
		.symbols = symbols.bytes,
		.symbol_count = symbols.size_bytes / sizeof(ElfW(Sym)),
	};
	return ret_table->bucket_count > 0 && ret_table->buckets && ret_table->symbols;
}

static bool exports(const struct dynamic *dynamic, const struct export_table *table,
		    const char *name)
{
	uint32_t hash = gnu_hash(name);
	uint64_t number = table->buckets[hash % table->bucket_count];
	if (number == 0 || number < table->first_symbol)
		return false;
	for (; number < table->symbol_count && number - table->first_symbol < table->chain_count;
	     number++) {
		uint32_t chain = table->chains[number - table->first_symbol];
		const char *symbol = string_at(dynamic, table->symbols[number].st_name);
		if ((chain | 1) == (hash | 1) && strcmp(symbol, name) == 0)
			return true;
		if (chain & 1)
			return false;
	}
	return false;
}

static bool is_sanitizer(const char *library)
{
	static const char *const names[] = {
		"libasan.so",          "libtsan.so",        "liblsan.so",       "libhwasan.so",
		"libclang_rt.asan",    "libclang_rt.tsan",  "libclang_rt.lsan", "libclang_rt.msan",
		"libclang_rt.memprof", "libclang_rt.hwasan"};
	const char *slash = strrchr(library, '/'); /* of a library without a name of its own */
	const char *file = slash ? slash + 1 : library;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(file, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/*
 * gcc's sanitizers are shared libraries; clang's are linked into the program, which exports their
 * entry.
 */
static bool is_sanitized(const struct image *image)
{
	static const char *const entries[] = {"__asan_init", "__tsan_init", "__msan_init",
					      "__hwasan_init", "__lsan_init"};
	struct dynamic dynamic = read_dynamic(image);
	struct export_table table;
	if (!dynamic.strings)
		return false;
	for (size_t i = 0; i < dynamic.count; i++)
		if (dynamic.entries[i].d_tag == DT_NEEDED &&
		    is_sanitizer(string_at(&dynamic, dynamic.entries[i].d_un.d_val)))
			return true;
	bool has_table = read_exports(image, &dynamic, &table);
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		if (has_table ? exports(&dynamic, &table, entries[i])
			      : has_text(dynamic.strings, dynamic.strings_bytes, entries[i]))
			return true;
	return false;
}

static enum executable_kind classify_elf(const struct image *image)
{
	const ElfW(Ehdr) *header = (const void *)image->bytes;
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != OWN_MACHINE)
		return EXECUTABLE_OTHER_ARCHITECTURE;
	const ElfW(Phdr) *loader = find_segment(image, PT_INTERP, 0);
	if (!loader)
		return EXECUTABLE_STATIC;
	const char *name = image_at(image, loader->p_offset, loader->p_filesz);
	if (!name || !has_text(name, loader->p_filesz, "ld-linux"))
		return EXECUTABLE_OTHER_LIBC;
	return is_sanitized(image) ? EXECUTABLE_SANITIZER : EXECUTABLE_TRACEABLE;
}

static uint32_t own_id(long number)
{
	return (uint32_t)sys_call6(number, 0, 0, 0, 0, 0, 0);
}

/* The kernel asks the loader for secure mode when the program's ids or capabilities would change.
 */
static bool gains_privileges(const char *path, const struct stat *status)
{
	if ((status->st_mode & S_ISUID) && status->st_uid != own_id(SYS_getuid))
		return true;
	if ((status->st_mode & S_ISGID) && (status->st_mode & S_IXGRP) &&
	    status->st_gid != own_id(SYS_getgid))
		return true;
	char value[64];
	return own_id(SYS_getuid) != 0 &&
	       sys_call6(SYS_getxattr, (long)path, (long)"security.capability", (long)value,
			 sizeof(value), 0, 0) > 0;
}

/* Copies the interpreter of a script ("#! /bin/sh -e") to `path`. */
static bool read_interpreter(const struct image *image, char *path, size_t capacity)
{
	size_t size_bytes = image->size_bytes < HEADER_BYTES ? image->size_bytes : HEADER_BYTES;
	size_t begin = 2;
	while (begin < size_bytes && (image->bytes[begin] == ' ' || image->bytes[begin] == '\t'))
		begin++;
	size_t end = begin;
	while (end < size_bytes && image->bytes[end] != ' ' && image->bytes[end] != '\t' &&
	       image->bytes[end] != '\n')
		end++;
	if (end == begin || end - begin >= capacity)
		return false;
	memmove(path, image->bytes + begin, end - begin);
	path[end - begin] = '\0';
	return true;
}

/*
 * Looks at one file. returns its kind; EXECUTABLE_UNREADABLE with `script` filled in means that
 * it is a script, and which file to look at next
 */
static enum executable_kind classify_file(const char *path, char *script, size_t capacity)
{
	struct stat status;
	script[0] = '\0';
	int fd = sys_open(path, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return EXECUTABLE_UNREADABLE;
	enum executable_kind kind = EXECUTABLE_UNREADABLE;
	struct image image = {0};
	if (!sys_failed(
		    sys_call6(SYS_newfstatat, fd, (long)"", (long)&status, AT_EMPTY_PATH, 0, 0)) &&
	    S_ISREG(status.st_mode) && status.st_size > 4)
		image.bytes = sys_mmap((size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	sys_close(fd);
	if (!image.bytes)
		return EXECUTABLE_UNREADABLE;
	image.size_bytes = (size_t)status.st_size;
	if (memcmp(image.bytes, "#!", 2) == 0)
		(void)read_interpreter(&image, script, capacity); /* none: exec fails by itself */
	else if (memcmp(image.bytes, ELFMAG, SELFMAG) != 0 || image.size_bytes < sizeof(ElfW(Ehdr)))
		kind = EXECUTABLE_UNREADABLE;
	else if (gains_privileges(path, &status))
		kind = EXECUTABLE_SET_ID;
	else
		kind = classify_elf(&image);
	sys_munmap((void *)image.bytes, image.size_bytes);
	return kind;
}

enum executable_kind executable_classify(const char *path)
{
	char script[HEADER_BYTES];
	enum executable_kind kind = classify_file(path, script, sizeof(script));
	for (int depth = 1; script[0] && depth < SCRIPT_DEPTH_MAX; depth++) {
		char next[HEADER_BYTES];
		memcpy(next, script, sizeof(next));
		kind = classify_file(next, script, sizeof(script));
	}
	return kind;
}

const char *executable_reason(enum executable_kind kind)
{
	switch (kind) {
	case EXECUTABLE_TRACEABLE:
		return "traceable";
	case EXECUTABLE_UNREADABLE:
		return "not readable";
	case EXECUTABLE_STATIC:
		return "statically linked";
	case EXECUTABLE_SET_ID:
		return "set-user-ID, set-group-ID or with capabilities";
	case EXECUTABLE_OTHER_ARCHITECTURE:
		return "built for another architecture";
	case EXECUTABLE_OTHER_LIBC:
		return "not linked with glibc";
	case EXECUTABLE_SANITIZER:
		return "built with a sanitizer";
	}
	return "unknown";
}

/* returns  0, ENOENT or EACCES, as execve of `path` would give */
static int probe(const char *path)
{
	struct stat status;
	if (sys_failed(sys_call6(SYS_newfstatat, AT_FDCWD, (long)path, (long)&status, 0, 0, 0)))
		return ENOENT;
	if (!S_ISREG(status.st_mode) ||
	    sys_failed(sys_call6(SYS_faccessat, AT_FDCWD, (long)path, 1 /* X_OK */, 0, 0, 0)))
		return EACCES;
	return 0;
}

int executable_find(const char *name, const char *search, char *ret_path, size_t capacity)
{
	size_t name_bytes = strlen(name);
	int worst = ENOENT;
	if (name_bytes == 0 || name_bytes >= capacity)
		return ENOENT;
	if (strchr(name, '/')) {
		memcpy(ret_path, name, name_bytes + 1);
		return probe(name);
	}
	for (const char *at = search ? search : DEFAULT_PATH;;) {
		size_t length = strcspn(at, ":");
		/* An empty entry is the current directory. */
		if (length + 1 + name_bytes < capacity) {
			char candidate[4096];
			size_t used = 0;
			if (length + 2 + name_bytes > sizeof(candidate))
				return ENOENT;
			if (length > 0) {
				memcpy(candidate, at, length);
				candidate[length] = '/';
				used = length + 1;
			}
			memcpy(candidate + used, name, name_bytes + 1);
			int failure = probe(candidate);
			if (failure == 0) {
				memcpy(ret_path, candidate, used + name_bytes + 1);
				return 0;
			}
			worst = failure == EACCES ? EACCES : worst;
		}
		if (at[length] == '\0')
			return worst;
		at += length + 1;
	}
}
