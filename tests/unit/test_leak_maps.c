/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "libtrack/collector/leak_maps.h"

static const char text[] =
	"00400000-00401000 r-xp 00000000 fe:00 100                /usr/bin/a program\n"
	"00402000-00403000 rw-p 00002000 fe:00 100                /usr/bin/a program\n"
	"00403000-00405000 rw-p 00000000 00:00 0 \n"
	"00405000-00406000 rw-p 00000000 00:00 0                  [heap]\n"
	"7f0000000000-7f0000001000 ---p 00000000 00:00 0 \n"
	"7f0000001000-7f0000003000 rw-p 00000000 00:00 0 \n"
	"nonsense\n"
	"7f0000004000-7f0000005000 rw-s 00000000 00:01 7          /dev/zero (deleted)\n"
	"7f0000005000-7f0000006000 rw-p 00000000 00:00 0 \n"
	"7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0          [stack]";

static void tells_mappings_and_the_files_they_belong_to(void **state)
{
	(void)state;
	struct leak_maps maps;
	assert_true(leak_maps_parse(&maps, strdup(text)));
	assert_int_equal(maps.count, 9);
	const struct leak_mapping *code = leak_maps_find(&maps, 0x400fff);
	assert_true(code->is_readable && code->is_executable && !code->is_writable);
	assert_string_equal(code->path, "/usr/bin/a program");
	assert_null(leak_maps_find(&maps, 0x401000));
	assert_null(leak_maps_find(&maps, 0));
	assert_null(leak_maps_find(&maps, UINT64_MAX));
	const struct leak_mapping *bss = leak_maps_find(&maps, 0x404000);
	assert_string_equal(bss->path, "");
	assert_string_equal(leak_maps_find(&maps, 0x402000)->module, "/usr/bin/a program");
	assert_string_equal(bss->module, "/usr/bin/a program");
	assert_string_equal(leak_maps_find(&maps, 0x405000)->module, "");
	assert_string_equal(leak_maps_find(&maps, 0x7f0000001000)->module, "");
	assert_true(leak_maps_find(&maps, 0x7f0000004000)->is_shared);
	assert_string_equal(leak_maps_find(&maps, 0x7f0000005000)->module, "");
	assert_string_equal(leak_maps_find(&maps, 0x7ffffffde000)->path, "[stack]");
	leak_maps_release(&maps);
}

static void an_empty_text_has_no_mappings(void **state)
{
	(void)state;
	struct leak_maps maps;
	assert_true(leak_maps_parse(&maps, strdup("")));
	assert_int_equal(maps.count, 0);
	assert_null(leak_maps_find(&maps, 1));
	leak_maps_release(&maps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_mappings_and_the_files_they_belong_to),
		cmocka_unit_test(an_empty_text_has_no_mappings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
