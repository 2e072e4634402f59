/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/executable.h"

static char directory[64];
static char path[128];

static int make_directory(void **state)
{
	(void)state;
	(void)strcpy(directory, "/tmp/memtrace-unit-XXXXXX"); /* fits */
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/file", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(directory);
}

static void write_file(const void *bytes, size_t size_bytes, mode_t mode)
{
	(void)unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size_bytes), size_bytes);
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
}

/* A small ELF file: header, three segments, an interpreter, and the dynamic section's strings. */
struct program {
	Elf64_Ehdr header;
	Elf64_Phdr segments[3];
	char interpreter[64];
	Elf64_Dyn dynamic[4];
	char strings[64];
};

static struct program make_program(const char *interpreter, const char *strings)
{
	struct program program = {
		.header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			   .e_type = ET_DYN,
#ifdef __x86_64__
			   .e_machine = EM_X86_64,
#else
			   .e_machine = EM_AARCH64,
#endif
			   .e_phoff = offsetof(struct program, segments),
			   .e_phnum = 3,
			   .e_phentsize = sizeof(Elf64_Phdr)},
		.segments = {{.p_type = PT_LOAD, .p_filesz = sizeof(struct program)},
			     {.p_type = PT_DYNAMIC,
			      .p_offset = offsetof(struct program, dynamic),
			      .p_filesz = 4 * sizeof(Elf64_Dyn)},
			     {.p_type = interpreter ? PT_INTERP : PT_NULL,
			      .p_offset = offsetof(struct program, interpreter),
			      .p_filesz = 64}},
		.dynamic = {{.d_tag = DT_STRTAB, .d_un.d_ptr = offsetof(struct program, strings)},
			    {.d_tag = DT_STRSZ, .d_un.d_val = 64},
			    {.d_tag = DT_NEEDED, .d_un.d_val = 0}},
	};
	if (interpreter)
		(void)strcpy(program.interpreter, interpreter); /* shorter than 64 */
	memcpy(program.strings, strings, strlen(strings));
	return program;
}

#define GLIBC "/lib64/ld-linux-x86-64.so.2"

static enum executable_kind classify(const struct program *program)
{
	write_file(program, sizeof(*program), 0755);
	return executable_classify(path);
}

static void what_a_program_is_linked_with_tells_if_it_can_be_traced(void **state)
{
	(void)state;
	struct program program = make_program(GLIBC, "libc.so.6");
	assert_int_equal(classify(&program), EXECUTABLE_TRACEABLE);
	program = make_program(NULL, "");
	assert_int_equal(classify(&program), EXECUTABLE_STATIC);
	program = make_program("/lib/ld-musl-x86_64.so.1", "libc.so");
	assert_int_equal(classify(&program), EXECUTABLE_OTHER_LIBC);
	program = make_program(GLIBC, "libasan.so.8");
	assert_int_equal(classify(&program), EXECUTABLE_SANITIZER);
	program = make_program(GLIBC, "libclang_rt.asan-x86_64.so");
	assert_int_equal(classify(&program), EXECUTABLE_SANITIZER);
	program = make_program(GLIBC, "/opt/lib/libclang_rt.asan.so");
	assert_int_equal(classify(&program), EXECUTABLE_SANITIZER);
	program = make_program(GLIBC,
			       "xx__tsan_init"); /* a symbol's, where there is no hash table */
	assert_int_equal(classify(&program), EXECUTABLE_SANITIZER);
}

/* The same with a table of exports that has one symbol, in the only bucket. */
struct exporter {
	struct program program;
	Elf64_Dyn dynamic[6];
	uint32_t hash[4]; /* one bucket, the first symbol that is exported, no words of a filter */
	uint32_t bucket;
	uint32_t chain;
	Elf64_Sym symbols[2];
};

#define ASAN_INIT_HASH 0x5fd16099 /* of __asan_init */

static struct exporter make_exporter(const char *name, uint32_t hash)
{
	struct exporter exporter = {
		.program = make_program(GLIBC, ""),
		.hash = {1, 1, 0, 0},
		.bucket = 1,
		.chain = hash | 1, /* the last one of its bucket */
		.symbols = {{0}, {.st_name = 1}},
	};
	exporter.program.segments[0].p_filesz = sizeof(exporter);
	exporter.program.segments[1].p_offset = offsetof(struct exporter, dynamic);
	exporter.program.segments[1].p_filesz = sizeof(exporter.dynamic);
	memcpy(exporter.dynamic, exporter.program.dynamic, 2 * sizeof(Elf64_Dyn));
	exporter.dynamic[2] = (Elf64_Dyn){DT_GNU_HASH, {offsetof(struct exporter, hash)}};
	exporter.dynamic[3] = (Elf64_Dyn){DT_SYMTAB, {offsetof(struct exporter, symbols)}};
	(void)strcpy(exporter.program.strings + 1, name); /* shorter than 63 */
	return exporter;
}

static enum executable_kind classify_exporter(const struct exporter *exporter)
{
	write_file(exporter, sizeof(*exporter), 0755);
	return executable_classify(path);
}

static void what_a_program_exports_tells_if_it_has_a_sanitizer(void **state)
{
	(void)state;
	struct exporter exporter = make_exporter("__asan_init", ASAN_INIT_HASH);
	assert_int_equal(classify_exporter(&exporter), EXECUTABLE_SANITIZER);
	exporter = make_exporter("__asan_ini_", ASAN_INIT_HASH);
	assert_int_equal(classify_exporter(&exporter), EXECUTABLE_TRACEABLE);
	exporter = make_exporter("__asan_init", ASAN_INIT_HASH);
	exporter.hash[1] = 2; /* it is imported */
	assert_int_equal(classify_exporter(&exporter), EXECUTABLE_TRACEABLE);
	/* No end of the chain, and numbers beyond the file. */
	exporter = make_exporter("another", 0);
	exporter.chain = 2;
	assert_int_equal(classify_exporter(&exporter), EXECUTABLE_TRACEABLE);
	exporter.bucket = UINT32_MAX;
	assert_int_equal(classify_exporter(&exporter), EXECUTABLE_TRACEABLE);
	exporter.symbols[1].st_name = UINT32_MAX;
	exporter.bucket = 1;
	exporter.chain = ASAN_INIT_HASH;
	assert_int_equal(classify_exporter(&exporter), EXECUTABLE_TRACEABLE);
	exporter.hash[0] = UINT32_MAX;
	assert_int_equal(classify_exporter(&exporter), EXECUTABLE_TRACEABLE);
}

static void other_machines_programs_are_told(void **state)
{
	(void)state;
	struct program program = make_program(GLIBC, "");
	program.header.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(classify(&program), EXECUTABLE_OTHER_ARCHITECTURE);
	program = make_program(GLIBC, "");
	program.header.e_machine = EM_PPC64;
	assert_int_equal(classify(&program), EXECUTABLE_OTHER_ARCHITECTURE);
}

static void a_set_user_id_program_is_told(void **state)
{
	(void)state;
	struct program program = make_program(GLIBC, "");
	write_file(&program, sizeof(program), 0755);
	if (chown(path, getuid() + 1, getgid() + 1) != 0) {
		/* Only root can. This one is root's, and on every Debian. */
		assert_int_equal(executable_classify("/usr/bin/passwd"), EXECUTABLE_SET_ID);
		return;
	}
	assert_int_equal(chmod(path, 04755), 0);
	assert_int_equal(executable_classify(path), EXECUTABLE_SET_ID);
	assert_int_equal(chmod(path, 02755), 0);
	assert_int_equal(executable_classify(path), EXECUTABLE_SET_ID);
	/* Set-group-ID without the right to run it as the group is a lock's mark. */
	assert_int_equal(chmod(path, 02745), 0);
	assert_int_equal(executable_classify(path), EXECUTABLE_TRACEABLE);
}

static void a_scripts_interpreter_counts(void **state)
{
	char script[256];
	char shell[160];
	(void)state;
	struct program program = make_program(GLIBC, "libc.so.6");
	write_file(&program, sizeof(program), 0755);
	(void)snprintf(shell, sizeof(shell), "%s/shell", directory);
	assert_int_equal(rename(path, shell), 0);
	(void)snprintf(script, sizeof(script), "#! %s -e\necho\n", shell);
	write_file(script, strlen(script), 0755);
	assert_int_equal(executable_classify(path), EXECUTABLE_TRACEABLE);
	assert_int_equal(unlink(shell), 0);
	(void)snprintf(script, sizeof(script), "#!/nonexistent/interpreter\n");
	write_file(script, strlen(script), 0755);
	assert_int_equal(executable_classify(path), EXECUTABLE_UNREADABLE);
	(void)snprintf(script, sizeof(script), "#!%s\n", path); /* itself, for ever */
	write_file(script, strlen(script), 0755);
	assert_int_equal(executable_classify(path), EXECUTABLE_UNREADABLE);
	write_file("#!\n\n\n", 5, 0755);
	assert_int_equal(executable_classify(path), EXECUTABLE_UNREADABLE);
}

static void what_is_no_program_is_not_readable(void **state)
{
	(void)state;
	write_file("", 0, 0755);
	assert_int_equal(executable_classify(path), EXECUTABLE_UNREADABLE);
	write_file("\177ELF", 4, 0755);
	assert_int_equal(executable_classify(path), EXECUTABLE_UNREADABLE);
	write_file("\177ELF\2\1\1", 7, 0755);
	assert_int_equal(executable_classify(path), EXECUTABLE_UNREADABLE);
	assert_int_equal(executable_classify(directory), EXECUTABLE_UNREADABLE);
	assert_int_equal(executable_classify("/nonexistent"), EXECUTABLE_UNREADABLE);
}

/* Offsets and counts that point anywhere: any answer will do, and no crash. */
static void damaged_programs_do_no_harm(void **state)
{
	uint32_t seed = 1;
	(void)state;
	for (int i = 0; i < 3000; i++) {
		struct program program = make_program(GLIBC, "libc.so.6");
		uint8_t *bytes = (uint8_t *)&program;
		for (int k = 0; k < 4; k++) {
			seed = seed * 1664525u + 1013904223u;
			bytes[4 + (seed >> 8) % (sizeof(program) - 4)] = (uint8_t)(seed >> 24);
		}
		write_file(bytes, i % 4 ? sizeof(program) : sizeof(Elf64_Ehdr) + (seed >> 9) % 300,
			   0755);
		(void)executable_classify(path);
	}
	/* An address table that runs over the end of the file. */
	struct program program = make_program(GLIBC, "libc.so.6");
	program.dynamic[1].d_un.d_val = UINT64_MAX;
	assert_int_equal(classify(&program), EXECUTABLE_TRACEABLE);
	program = make_program(GLIBC, "libc.so.6");
	program.header.e_phoff = UINT64_MAX - 8;
	assert_int_equal(classify(&program), EXECUTABLE_STATIC);
}

static void programs_are_found_as_execvp_finds_them(void **state)
{
	char found[4096];
	char search[256];
	(void)state;
	write_file("#!/bin/sh\n", 10, 0755);
	(void)snprintf(search, sizeof(search), "/nonexistent:%s", directory);
	assert_int_equal(executable_find("file", search, found, sizeof(found)), 0);
	assert_string_equal(found, path);
	assert_int_equal(executable_find(path, NULL, found, sizeof(found)), 0);
	assert_int_equal(executable_find("sh", NULL, found, sizeof(found)), 0);
	assert_int_equal(executable_find("file", "/nonexistent", found, sizeof(found)), ENOENT);
	assert_int_equal(executable_find("", search, found, sizeof(found)), ENOENT);
	assert_int_equal(executable_find("file", search, found, 4), ENOENT);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(executable_find("file", search, found, sizeof(found)), EACCES);
	/* A directory is no program. */
	assert_int_equal(executable_find(directory, NULL, found, sizeof(found)), EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_program_is_linked_with_tells_if_it_can_be_traced),
		cmocka_unit_test(what_a_program_exports_tells_if_it_has_a_sanitizer),
		cmocka_unit_test(other_machines_programs_are_told),
		cmocka_unit_test(a_set_user_id_program_is_told),
		cmocka_unit_test(a_scripts_interpreter_counts),
		cmocka_unit_test(what_is_no_program_is_not_readable),
		cmocka_unit_test(damaged_programs_do_no_harm),
		cmocka_unit_test(programs_are_found_as_execvp_finds_them),
	};
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
