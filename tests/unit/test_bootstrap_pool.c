/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "libtrack/preload/real.h"
#include "libtrack/preload/thread.h"

_Thread_local struct thread_self thread_self __attribute__((tls_model("initial-exec")));

static struct real_functions early; /* as the table starts out */

/*
 * Plays a dlsym that allocates: while the real functions are looked up, the early ones serve from
 * the pool.
 */
void *__wrap_dlsym(void *handle, const char *name);
void *__real_dlsym(void *handle, const char *name);

static bool allocates;

static void check_block(void *block, size_t alignment, size_t size_bytes)
{
	assert_non_null(block);
	assert_true(is_from_bootstrap_pool(block));
	assert_int_equal((uintptr_t)block % alignment, 0);
	assert_int_equal(bootstrap_size(block), size_bytes);
	for (size_t i = 0; i < size_bytes; i++)
		assert_int_equal(((const char *)block)[i], 0);
	memset(block, 0xee, size_bytes); /* whoever overlaps sees it */
}

static void use_the_pool(void)
{
	void *block = NULL;
	check_block(early.malloc(100), 16, 100);
	check_block(early.malloc(0), 16, 0);
	check_block(early.calloc(3, 7), 16, 21);
	assert_null(early.calloc(SIZE_MAX / 2, 3));
	check_block(early.memalign(256, 30), 256, 30);
	check_block(early.aligned_alloc(64, 64), 64, 64);
	assert_int_equal(early.posix_memalign(&block, 128, 10), 0);
	check_block(block, 128, 10);
	char *text = early.malloc(6);
	memcpy(text, "hello", 6);
	text = early.realloc(text, 50);
	assert_true(is_from_bootstrap_pool(text));
	assert_string_equal(text, "hello");
	text = early.realloc(text, 3);
	assert_memory_equal(text, "hel", 3);
	early.free(text);
	early.free(NULL);
	check_block(early.valloc(10), 4096, 10);
	/* More than there is. */
	assert_null(early.malloc(BOOTSTRAP_POOL_BYTES));
	assert_null(early.malloc(SIZE_MAX));
	assert_null(early.memalign(SIZE_MAX / 2 + 1, 8));
	assert_null(early.pvalloc(SIZE_MAX));
	assert_int_not_equal(early.posix_memalign(&block, 16, SIZE_MAX - 20), 0);
	while (early.malloc(1000))
		;
	assert_null(early.malloc(1000));
}

void *__wrap_dlsym(void *handle, const char *name)
{
	if (allocates) {
		allocates = false;
		use_the_pool();
	}
	return __real_dlsym(handle, name);
}

static void the_pool_serves_while_the_real_functions_are_looked_up(void **state)
{
	(void)state;
	early = real;
	allocates = true;
	void *block = early.malloc(10);
	assert_false(allocates);
	assert_non_null(block);
	assert_false(is_from_bootstrap_pool(block));
	real.free(block);
	assert_ptr_not_equal(real.malloc, early.malloc);
	assert_int_equal(thread_self.activity, THREAD_OUTSIDE);
}

static void addresses_beside_the_pool_are_not_its(void **state)
{
	(void)state;
	assert_false(is_from_bootstrap_pool(bootstrap_pool - 1));
	assert_true(is_from_bootstrap_pool(bootstrap_pool));
	assert_true(is_from_bootstrap_pool(bootstrap_pool + BOOTSTRAP_POOL_BYTES - 1));
	assert_false(is_from_bootstrap_pool(bootstrap_pool + BOOTSTRAP_POOL_BYTES));
	assert_false(is_from_bootstrap_pool(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pool_serves_while_the_real_functions_are_looked_up),
		cmocka_unit_test(addresses_beside_the_pool_are_not_its),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
