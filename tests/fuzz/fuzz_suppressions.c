/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: a suppression file, and its patterns against a few stack traces.
 */
#include <stdint.h>
#include <stdlib.h>

#include "reader/suppressions.h"
#include "tests/support/leak_sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

static const struct sample_frame plain[] = {
	{"__GI___strdup", "string/strdup.c", 42, "/lib/x86_64-linux-gnu/libc.so.6"},
	{"load", "/src/load.c", 40, NULL},
	{"main", "/src/main.c", 7, NULL},
	{"__libc_start_main_impl", NULL, 0, "/lib/x86_64-linux-gnu/libc.so.6"},
	{0},
};

static const struct sample_frame mangled[] = {
	{"operator new(unsigned long)", NULL, 0, "/usr/lib/libstdc++.so.6"},
	{"ns::maker::make(int, char const*)", "/src/maker.cpp", 3, NULL},
	{"libx.so+0x12", NULL, 0, "/usr/lib/libx.so"},
	{0},
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
	struct leak_sample sample;
	struct leak_list list;
	struct suppressions suppressions = {0};
	struct mt_error error = {0};
	leak_sample_init(&sample);
	leak_sample_mark(&sample, leak_sample_stack(&sample, plain), LEAK_DEFINITE, 10, 1);
	leak_sample_mark(&sample, leak_sample_stack(&sample, mangled), LEAK_POSSIBLE, 20, 1);
	if (leak_list_gather(&list, &sample.profile, &error) != MT_OK)
		abort();
	enum mt_status status = suppressions_parse(&suppressions, (const char *)bytes, size_bytes,
						   "fuzz", &error);
	if (status == MT_OK)
		suppressions_apply(&suppressions, &list);
	else if (error.message[0] == '\0')
		abort();
	if (leak_list_suppressed(&list).bytes + leak_list_total(&list).bytes != 30)
		abort();
	suppressions_release(&suppressions);
	leak_list_release(&list);
	leak_sample_release(&sample);
	return 0;
}
