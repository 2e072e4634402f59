/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/lsan_names.h"

#define NAMES_BYTES (3 * LSAN_NAMES_BUFFER_BYTES)

/* An executable with nothing but the tables that are looked at. */
struct program {
	Elf64_Ehdr header;
	Elf64_Shdr sections[3];
	char names[NAMES_BYTES];
};

static char *buffer;
static struct program *program;
static FILE *file;

static int set_up(void **state)
{
	(void)state;
	buffer = malloc(LSAN_NAMES_BUFFER_BYTES);
	program = calloc(1, sizeof(*program));
	file = tmpfile();
	assert_true(buffer && program && file);
	program->header = (Elf64_Ehdr){
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_shoff = sizeof(Elf64_Ehdr),
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 3,
	};
	program->sections[1] = (Elf64_Shdr){.sh_type = SHT_SYMTAB, .sh_link = 2, .sh_offset = 99};
	program->sections[2] = (Elf64_Shdr){.sh_type = SHT_STRTAB,
					    .sh_offset = offsetof(struct program, names),
					    .sh_size = NAMES_BYTES};
	memset(program->names, 'x', NAMES_BYTES);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(buffer);
	free(program);
	return fclose(file);
}

/* The names found in as much of the program as `size_bytes`. */
static enum lsan_names_answer look(struct lsan_names *names, size_t size_bytes)
{
	rewind(file);
	assert_int_equal(ftruncate(fileno(file), 0), 0);
	assert_int_equal(fwrite(program, 1, size_bytes, file), size_bytes);
	assert_int_equal(fflush(file), 0);
	return lsan_names_find(names, fileno(file), buffer, NAMES_BYTES);
}

/* Small where one buffer ends and the next begins. */
static size_t step_from(size_t at)
{
	size_t into = at % LSAN_NAMES_BUFFER_BYTES;
	size_t seam = LSAN_NAMES_BUFFER_BYTES - 300;
	if (into < 100 || into >= seam)
		return 7;
	return seam - into < 9973 ? seam - into : 9973;
}

static void test_names_are_found_wherever_they_are(void **state)
{
	(void)state;
	struct lsan_names names;
	static const char text[] = "__lsan_is_turned_off";
	assert_int_equal(look(&names, sizeof(*program)), LSAN_NAMES_NONE);
	for (size_t at = 0; at + sizeof(text) <= NAMES_BYTES; at += step_from(at)) {
		memcpy(program->names + at, text, sizeof(text));
		assert_int_equal(look(&names, sizeof(*program)), LSAN_NAMES_SOME);
		assert_int_equal(names.offsets[LSAN_IS_TURNED_OFF], at);
		assert_int_equal(names.offsets[LSAN_DEFAULT_SUPPRESSIONS], UINT32_MAX);
		assert_int_equal(names.symbols.sh_offset, 99);
		memset(program->names + at, 'x', sizeof(text));
	}
}

static void test_only_whole_names_count(void **state)
{
	(void)state;
	struct lsan_names names;
	(void)strcpy(program->names + 10, "__lsan_default_suppressions_of_others"); /* fits */
	(void)strcpy(program->names + 100, "__lsan_do_leak_check");                 /* fits */
	assert_int_equal(look(&names, sizeof(*program)), LSAN_NAMES_NONE);
	(void)strcpy(program->names + 200, "our__lsan_default_suppressions"); /* fits */
	assert_int_equal(look(&names, sizeof(*program)), LSAN_NAMES_SOME);
	/* The end of another name: a symbol may begin there. */
	assert_int_equal(names.offsets[LSAN_DEFAULT_SUPPRESSIONS], 203);
}

static void test_what_cannot_be_read_is_not_known(void **state)
{
	(void)state;
	struct lsan_names names;
	size_t sizes[] = {0, 10, sizeof(Elf64_Ehdr), sizeof(Elf64_Ehdr) + 100,
			  sizeof(*program) - 1};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_int_equal(look(&names, sizes[i]), LSAN_NAMES_UNKNOWN);
	assert_int_equal(lsan_names_find(&names, -1, buffer, NAMES_BYTES), LSAN_NAMES_UNKNOWN);
	(void)look(&names, sizeof(*program));
	assert_int_equal(lsan_names_find(&names, fileno(file), buffer, NAMES_BYTES - 1),
			 LSAN_NAMES_UNKNOWN);
}

static void test_what_has_no_tables_has_no_names(void **state)
{
	(void)state;
	struct lsan_names names;
	(void)strcpy(program->names, "__lsan_is_turned_off"); /* fits */
	assert_int_equal(look(&names, sizeof(*program)), LSAN_NAMES_SOME);
	program->sections[2].sh_type = SHT_PROGBITS;
	assert_int_equal(look(&names, sizeof(*program)), LSAN_NAMES_NONE);
	program->sections[1].sh_type = SHT_DYNSYM;
	assert_int_equal(look(&names, sizeof(*program)), LSAN_NAMES_NONE);
	program->header.e_shnum = 0;
	assert_int_equal(look(&names, sizeof(*program)), LSAN_NAMES_NONE);
	program->header.e_ident[0] = '#';
	assert_int_equal(look(&names, sizeof(*program)), LSAN_NAMES_NONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names_are_found_wherever_they_are),
		TEST(test_only_whole_names_count),
		TEST(test_what_cannot_be_read_is_not_known),
		TEST(test_what_has_no_tables_has_no_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
