/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/format.h"
#include "reader/demangle.h"

struct example {
	const char *symbol;
	const char *name;
};

static void assert_names(const struct example *examples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char *name = demangle(examples[i].symbol);
		assert_non_null(name);
		assert_string_equal(name, examples[i].name);
		free(name);
	}
}

static void names_of_cplusplus_have_parameters(void **state)
{
	static const struct example examples[] = {
		{"_Znwm", "operator new(unsigned long)"},
		{"_ZN2ns3fooEiPKc", "ns::foo(int, char const*)"},
		{"_ZNKSt6vectorIiSaIiEE4sizeEv",
		 "std::vector<int, std::allocator<int> >::size() const"},
		{"_ZN12_GLOBAL__N_16Worker3runEi", "(anonymous namespace)::Worker::run(int)"},
		{"_ZZ4mainENKUliE_clEi", "main::{lambda(int)#1}::operator()(int) const"},
		{"_ZTV3Foo", "vtable for Foo"},
		{"_ZL6helperv", "helper()"},
	};
	(void)state;
	assert_names(examples, sizeof(examples) / sizeof(examples[0]));
}

static void clones_say_that_they_are(void **state)
{
	static const struct example examples[] = {
		{"_Z3fooi.cold", "foo(int) [clone .cold]"},
		{"_Z3fooi.constprop.0", "foo(int) [clone .constprop.0]"},
	};
	(void)state;
	assert_names(examples, sizeof(examples) / sizeof(examples[0]));
}

static void names_of_rust_have_no_hash(void **state)
{
	static const struct example examples[] = {
		{"_ZN4core3fmt9Formatter9write_str17h1c8f9b0a7d6e5f43E",
		 "core::fmt::Formatter::write_str"},
		{"_ZN66_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..ops..drop..Drop$GT$"
		 "4drop17h0d1e2f3a4b5c6978E",
		 "<alloc::vec::Vec<T> as core::ops::drop::Drop>::drop"},
		{"_RNvCskwGfYPst2Cb_3foo16example_function", "foo::example_function"},
		{"_RNvMsr_NtCs3ssYzQotkvD_3std4pathNtB5_7PathBuf3newCs15kBYyAo9fc_7mycrate",
		 "<std::path::PathBuf>::new"},
	};
	(void)state;
	assert_names(examples, sizeof(examples) / sizeof(examples[0]));
}

static void names_of_d_are_known(void **state)
{
	static const struct example examples[] = {
		{"_Dmain", "D main"},
		{"_D4test3fooFiZi", "test.foo(int)"},
		{"_D8demangle4testFaZv", "demangle.test(char)"},
	};
	(void)state;
	assert_names(examples, sizeof(examples) / sizeof(examples[0]));
}

static void names_that_are_not_mangled_stay(void **state)
{
	static const struct example examples[] = {
		{"", ""},
		{"main", "main"},
		{"_DYNAMIC", "_DYNAMIC"},
		{"_Z", "_Z"},
		{"_Zfoo", "_Zfoo"},
		{"_R", "_R"},
		{"_Exit", "_Exit"},
		{"_Dx", "_Dx"},
		{"main.main", "main.main"},
		{"_start", "_start"},
		{"i", "i"},
	};
	(void)state;
	assert_names(examples, sizeof(examples) / sizeof(examples[0]));
}

/* f(A<int, int>, A<A<int, int>, A<int, int> >, ...): each parameter twice as long as the last. */
static void a_symbol_that_grows_without_bound_is_left_alone(void **state)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char symbol[512] = "_Z1f1AIiiE";
	(void)state;
	for (size_t i = 0; digits[i]; i++) {
		char parameter[16];
		(void)snprintf(parameter, sizeof(parameter), "S_IS%c_S%c_E", digits[i], digits[i]);
		strcat(symbol, parameter);
	}
	char *name = demangle(symbol);
	assert_non_null(name);
	assert_string_equal(name, symbol);
	free(name);
}

static void long_templates_are_demangled(void **state)
{
	char symbol[4096] = "_Z1f";
	(void)state;
	for (size_t i = 0; i < 300; i++)
		strcat(symbol, "3FooIiE");
	char *name = demangle(symbol);
	assert_non_null(name);
	assert_memory_equal(name, "f(Foo<int>, Foo<int>, ", 22);
	free(name);
}

static void symbols_that_nest_deeply_do_no_harm(void **state)
{
	static const char *const units[] = {"P", "PF", "3FooI", "DpT_", "N1a", "U3foo", "sr", "X"};
	size_t size_bytes = (size_t)1 << 20;
	char *symbol = malloc(size_bytes + 16);
	(void)state;
	assert_non_null(symbol);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		for (size_t limit = 1000; limit < size_bytes; limit *= 2) {
			size_t at = 4;
			memcpy(symbol, "_Z1f", 4);
			for (; at < limit; at += strlen(units[i]))
				memcpy(symbol + at, units[i], strlen(units[i]));
			memcpy(symbol + at, "i", 2);
			char *name = demangle(symbol);
			assert_non_null(name);
			assert_true(strlen(name) < LIMIT_STRING_BYTES || strcmp(name, symbol) == 0);
			free(name);
		}
	}
	free(symbol);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_cplusplus_have_parameters),
		cmocka_unit_test(clones_say_that_they_are),
		cmocka_unit_test(names_of_rust_have_no_hash),
		cmocka_unit_test(names_of_d_are_known),
		cmocka_unit_test(names_that_are_not_mangled_stay),
		cmocka_unit_test(a_symbol_that_grows_without_bound_is_left_alone),
		cmocka_unit_test(long_templates_are_demangled),
		cmocka_unit_test(symbols_that_nest_deeply_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
