/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The object looked at is this test itself: its own return addresses, and its symbols. What needs
 * files of other kinds is in tests/e2e/test_symbols.py.
 */
#include "tests/unit/unit.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reader/symbolizer.h"

struct place {
	uintptr_t address;
	uint32_t line;
};

static const struct symbolizer_options no_options = {0};

static struct symbolizer *open_path(const char *path)
{
	struct symbolizer_object object = {.path = path, .fd = -1};
	struct symbolizer *symbolizer = symbolizer_new(&object, &no_options);
	assert_non_null(symbolizer);
	return symbolizer;
}

static struct symbolizer *open_self(void)
{
	return open_path("/proc/self/exe");
}

static int note_bias(struct dl_phdr_info *info, size_t size_bytes, void *context)
{
	(void)size_bytes;
	*(uintptr_t *)context = info->dlpi_addr;
	return 1; /* the first one is the executable */
}

static uint64_t in_file(uintptr_t address)
{
	uintptr_t bias = 0;
	(void)dl_iterate_phdr(note_bias, &bias);
	return address - bias;
}

__attribute__((noinline)) static struct place caller(void)
{
	struct place place = {.address = (uintptr_t)__builtin_return_address(0)};
	__asm__ volatile("" ::: "memory"); /* no tail call, no constant result */
	return place;
}

__attribute__((noinline)) static struct place outer_function(void)
{
	const uint32_t line = __LINE__ + 1;
	struct place place = caller();
	place.line = line;
	__asm__ volatile("" ::"r"(&place) : "memory");
	return place;
}

__attribute__((always_inline)) static inline struct place inlined_function(void)
{
	const uint32_t line = __LINE__ + 1;
	struct place place = caller();
	place.line = line;
	__asm__ volatile("" ::"r"(&place) : "memory");
	return place;
}

__attribute__((noinline)) static struct place function_that_inlines(uint32_t *ret_line)
{
	const uint32_t line = __LINE__ + 1;
	struct place place = inlined_function();
	*ret_line = line;
	__asm__ volatile("" ::"r"(&place) : "memory");
	return place;
}

static void a_return_address_is_of_the_line_of_the_call(void **state)
{
	struct symbolizer_frame frames[SYMBOLIZER_FRAMES_MAX];
	struct symbolizer *symbolizer = open_self();
	struct place place = outer_function();
	(void)state;
	size_t count = symbolizer_resolve(symbolizer, in_file(place.address), false, frames);
	assert_int_equal(count, 1);
	assert_string_equal(frames[0].function, "outer_function");
	assert_false(frames[0].is_inlined);
	if (symbolizer_quality(symbolizer) == SYMBOLIZER_FULL) {
		assert_int_equal(frames[0].line, place.line);
		assert_int_equal(frames[0].file[0], '/');
		assert_non_null(strstr(frames[0].file, "test_symbolizer.c"));
	}
	symbolizer_free(symbolizer);
}

static void an_inlined_call_is_a_frame(void **state)
{
	struct symbolizer_frame frames[SYMBOLIZER_FRAMES_MAX];
	struct symbolizer *symbolizer = open_self();
	uint32_t call_line;
	struct place place = function_that_inlines(&call_line);
	(void)state;
	if (symbolizer_quality(symbolizer) != SYMBOLIZER_FULL) {
		symbolizer_free(symbolizer);
		return; /* not skip(): meson takes cmocka's line for a failure */
	}
	size_t count = symbolizer_resolve(symbolizer, in_file(place.address), false, frames);
	assert_int_equal(count, 2);
	assert_string_equal(frames[0].function, "inlined_function");
	assert_true(frames[0].is_inlined);
	assert_int_equal(frames[0].line, place.line);
	assert_string_equal(frames[1].function, "function_that_inlines");
	assert_false(frames[1].is_inlined);
	assert_int_equal(frames[1].line, call_line);
	symbolizer_free(symbolizer);
}

static void an_exact_address_is_looked_up_itself(void **state)
{
	struct symbolizer_frame frames[SYMBOLIZER_FRAMES_MAX];
	struct symbolizer *symbolizer = open_self();
	uint64_t entry = in_file((uintptr_t)outer_function);
	(void)state;
	assert_int_equal(symbolizer_resolve(symbolizer, entry, true, frames), 1);
	assert_string_equal(frames[0].function, "outer_function");
	if (symbolizer_resolve(symbolizer, entry, false, frames) > 0 && frames[0].function)
		assert_string_not_equal(frames[0].function, "outer_function");
	symbolizer_free(symbolizer);
}

static void names_stay_while_others_are_looked_up(void **state)
{
	struct symbolizer_frame first[SYMBOLIZER_FRAMES_MAX];
	struct symbolizer_frame frames[SYMBOLIZER_FRAMES_MAX];
	struct symbolizer *symbolizer = open_self();
	uint64_t address = in_file(outer_function().address);
	(void)state;
	assert_int_equal(symbolizer_resolve(symbolizer, address, false, first), 1);
	for (uint64_t at = 0; at < 20000; at++)
		(void)symbolizer_resolve(symbolizer, at * 16, false,
					 frames); /* only for its names */
	assert_int_equal(symbolizer_resolve(symbolizer, address, false, frames), 1);
	assert_ptr_equal(frames[0].function, first[0].function);
	assert_ptr_equal(frames[0].file, first[0].file);
	symbolizer_free(symbolizer);
}

static void addresses_outside_of_code_have_no_name(void **state)
{
	static const uint64_t addresses[] = {0, 1, 2, 64, UINT64_MAX, UINT64_MAX - 1, 1ull << 47};
	struct symbolizer_frame frames[SYMBOLIZER_FRAMES_MAX];
	struct symbolizer *symbolizer = open_self();
	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
		for (int is_exact = 0; is_exact < 2; is_exact++)
			assert_int_equal(
				symbolizer_resolve(symbolizer, addresses[i], is_exact, frames), 0);
	symbolizer_free(symbolizer);
}

static void a_missing_file_is_reported(void **state)
{
	struct symbolizer_frame frames[SYMBOLIZER_FRAMES_MAX];
	struct symbolizer *symbolizer = open_path("/nowhere/at/all.so");
	(void)state;
	assert_int_equal(symbolizer_quality(symbolizer), SYMBOLIZER_MISSING);
	assert_int_equal(symbolizer_resolve(symbolizer, 0x1234, false, frames), 0);
	symbolizer_free(symbolizer);
}

static void a_file_with_another_build_id_is_not_used(void **state)
{
	static const uint8_t build_id[20] = {1, 2, 3};
	struct symbolizer_frame frames[SYMBOLIZER_FRAMES_MAX];
	struct symbolizer_object object = {
		.path = "/proc/self/exe",
		.build_id = build_id,
		.build_id_bytes = sizeof(build_id),
		.fd = -1,
	};
	(void)state;
	for (int has_fd = 0; has_fd < 2; has_fd++) {
		object.fd = has_fd ? open("/proc/self/exe", O_RDONLY | O_CLOEXEC) : -1;
		struct symbolizer *symbolizer = symbolizer_new(&object, &no_options);
		assert_non_null(symbolizer);
		assert_int_equal(symbolizer_quality(symbolizer), SYMBOLIZER_MISMATCH);
		uint64_t address = in_file(outer_function().address);
		assert_int_equal(symbolizer_resolve(symbolizer, address, false, frames), 0);
		symbolizer_free(symbolizer);
		if (has_fd)
			assert_int_equal(close(object.fd), 0); /* it was only borrowed */
	}
}

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void assert_same_frames(struct symbolizer *one, struct symbolizer *other, uint64_t address)
{
	struct symbolizer_frame frames[SYMBOLIZER_FRAMES_MAX];
	struct symbolizer_frame others[SYMBOLIZER_FRAMES_MAX];
	size_t count = symbolizer_resolve(one, address, false, frames);
	assert_int_equal(symbolizer_resolve(other, address, false, others), count);
	for (size_t i = 0; i < count; i++) {
		assert_true(is_same_text(frames[i].function, others[i].function));
		assert_true(is_same_text(frames[i].file, others[i].file));
		assert_int_equal(frames[i].line, others[i].line);
	}
}

/* Few addresses of many, so that most functions cover none; and then one of the others. */
static void addresses_told_beforehand_have_the_same_names(void **state)
{
	static const struct symbolizer_options no_debug = {.debug_path = "/nowhere"};
	static const uint64_t steps[] = {7, 97, 4099, 65537};
	uint64_t addresses[1000];
	Dl_info libc;
	(void)state;
	assert_true(dladdr((void *)(uintptr_t)&strtoul, &libc) != 0);
	const char *const paths[] = {"/proc/self/exe", libc.dli_fname};
	for (size_t at = 0; at < 8; at++) {
		struct symbolizer_object object = {.path = paths[at % 2], .fd = -1};
		struct symbolizer *any = symbolizer_new(&object, &no_debug);
		for (size_t i = 0; i < 1000; i++)
			addresses[i] = i * steps[at / 2] + i % 3;
		object.addresses = addresses;
		object.address_count = 1000;
		struct symbolizer *told = symbolizer_new(&object, &no_debug);
		assert_non_null(any);
		assert_non_null(told);
		assert_int_equal(symbolizer_quality(any), symbolizer_quality(told));
		for (size_t i = 0; i < 1000; i++)
			assert_same_frames(any, told, addresses[i]);
		for (uint64_t address = 0; address < 1 << 20; address += 12347)
			assert_same_frames(any, told, address);
		symbolizer_free(any);
		symbolizer_free(told);
	}
}

static void a_kept_descriptor_stands_in_for_a_file_that_is_gone(void **state)
{
	struct symbolizer_frame frames[SYMBOLIZER_FRAMES_MAX];
	struct symbolizer_object object = {.path = "/nowhere/test (deleted)"};
	object.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	(void)state;
	assert_true(object.fd >= 0);
	struct symbolizer *symbolizer = symbolizer_new(&object, &no_options);
	assert_non_null(symbolizer);
	uint64_t address = in_file(outer_function().address);
	assert_int_equal(symbolizer_resolve(symbolizer, address, false, frames), 1);
	assert_string_equal(frames[0].function, "outer_function");
	symbolizer_free(symbolizer);
	assert_int_equal(close(object.fd), 0);
}

static void what_is_no_elf_file_is_a_missing_or_wrong_one(void **state)
{
	static const char *const paths[] = {"/etc/passwd", "/dev/zero", "/dev/null", "/", "", "\1"};
	struct symbolizer_frame frames[SYMBOLIZER_FRAMES_MAX];
	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct symbolizer *symbolizer = open_path(paths[i]);
		assert_true(symbolizer_quality(symbolizer) >= SYMBOLIZER_MISMATCH);
		assert_int_equal(symbolizer_resolve(symbolizer, 0x1000, false, frames), 0);
		symbolizer_free(symbolizer);
	}
}

static void a_pipe_is_not_waited_for(void **state)
{
	char path[] = "/tmp/test_symbolizer_XXXXXX";
	(void)state;
	assert_non_null(mkdtemp(path));
	char pipe_path[64];
	(void)snprintf(pipe_path, sizeof(pipe_path), "%s/pipe", path); /* fits */
	assert_int_equal(mkfifo(pipe_path, 0600), 0);
	struct symbolizer *symbolizer = open_path(pipe_path);
	assert_int_equal(symbolizer_quality(symbolizer), SYMBOLIZER_MISSING);
	symbolizer_free(symbolizer);
	assert_int_equal(unlink(pipe_path), 0);
	assert_int_equal(rmdir(path), 0);
}

static void the_vdso_has_names(void **state)
{
	struct symbolizer_frame frames[SYMBOLIZER_FRAMES_MAX];
	struct symbolizer *symbolizer = open_path("linux-vdso.so.1");
	bool has_clock = false;
	(void)state;
	if (symbolizer_quality(symbolizer) == SYMBOLIZER_MISSING) {
		/* Switched off with the kernel's vdso=0. Not skip(): meson takes it for a failure.
		 */
		symbolizer_free(symbolizer);
		return;
	}
	for (uint64_t address = 0; address < 16384; address++)
		if (symbolizer_resolve(symbolizer, address, true, frames) > 0)
			has_clock |= strstr(frames[0].function, "clock_gettime") != NULL;
	assert_true(has_clock);
	symbolizer_free(symbolizer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_return_address_is_of_the_line_of_the_call),
		cmocka_unit_test(an_inlined_call_is_a_frame),
		cmocka_unit_test(an_exact_address_is_looked_up_itself),
		cmocka_unit_test(names_stay_while_others_are_looked_up),
		cmocka_unit_test(addresses_outside_of_code_have_no_name),
		cmocka_unit_test(a_missing_file_is_reported),
		cmocka_unit_test(a_file_with_another_build_id_is_not_used),
		cmocka_unit_test(addresses_told_beforehand_have_the_same_names),
		cmocka_unit_test(a_kept_descriptor_stands_in_for_a_file_that_is_gone),
		cmocka_unit_test(what_is_no_elf_file_is_a_missing_or_wrong_one),
		cmocka_unit_test(a_pipe_is_not_waited_for),
		cmocka_unit_test(the_vdso_has_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
