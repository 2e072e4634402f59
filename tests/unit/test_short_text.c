/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <string.h>

#include "reporters/short_text.h"

struct example {
	const char *full;
	const char *is_short;
};

static void names_lose_parameters_and_template_arguments(void **state)
{
	static const struct example examples[] = {
		{"main", "main"},
		{"", ""},
		{"operator new(unsigned long)", "operator new"},
		{"std::vector<int, std::allocator<int> >::at(unsigned long) const",
		 "std::vector<...>::at"},
		{"(anonymous namespace)::shop::cancel(int)", "(anonymous namespace)::shop::cancel"},
		{"std::operator<< <char>(std::ostream&, char)", "std::operator<< <...>"},
		{"a::operator()(int (*)(char))", "a::operator()"},
		{"a::operator->() const", "a::operator->"},
		{"a::operator bool() const", "a::operator bool"},
		{"main::{lambda(int)#1}::operator()(int) const",
		 "main::{lambda(int)#1}::operator()"},
		{"f<&(a::operator<)>(int)", "f<...>"},
		{"f<a->b>(int)", "f<...>"},
		{"f(int) [clone .constprop.0]", "f [clone .constprop.0]"},
		{"<T as core::Trait<u8>>::method", "<T as core::Trait<...>>::method"},
		{"broken<int(", "broken<int("},
		{"{unclosed", "{unclosed"},
	};
	char text[SHORT_TEXT_BYTES];
	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
		assert_string_equal(short_name(examples[i].full, text), examples[i].is_short);
}

static void paths_lose_dots_and_the_directory(void **state)
{
	static const struct example examples[] = {
		{"/home/me/build/../src/./a.c", "src/a.c"},
		{"/home/me/a.c", "a.c"},
		{"/home/mean/a.c", "/home/mean/a.c"},
		{"/usr//include/x.h", "/usr/include/x.h"},
		{"./csu/../sysdeps/x.h", "sysdeps/x.h"},
		{"../../x.c", "../../x.c"},
		{"a/../../x.c", "../x.c"},
		{"/../x.c", "/x.c"},
		{"/", "/"},
		{"", ""},
	};
	char text[SHORT_TEXT_BYTES];
	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
		assert_string_equal(short_path(examples[i].full, "/home/me", text),
				    examples[i].is_short);
	assert_string_equal(short_path("/a/./b", NULL, text), "/a/b");
	assert_string_equal(short_path("/a/b", "/", text), "/a/b");
}

static void lines_are_cut_in_the_middle(void **state)
{
	char text[SHORT_TEXT_BYTES];
	(void)state;
	assert_string_equal(short_line("0123456789", 10, text), "0123456789");
	assert_string_equal(short_line("0123456789a", 10, text), "0123...89a");
	assert_string_equal(short_tail("0123456789", 10, text), "0123456789");
	assert_string_equal(short_tail("0123456789a", 10, text), "...456789a");
	assert_string_equal(short_line("a\nb\tc", 10, text), "a b c");
	/* Characters, not bytes. */
	assert_string_equal(short_line("\xc3\xa4"
				       "123456789",
				       10, text),
			    "\xc3\xa4"
			    "123456789");
	assert_string_equal(short_line("\xc3\xa4"
				       "12345678\xc3\xa4"
				       "b",
				       10, text),
			    "\xc3\xa4"
			    "123...8\xc3\xa4"
			    "b");
}

static void texts_of_any_length_fit(void **state)
{
	static char name[SHORT_TEXT_BYTES * 2];
	char text[SHORT_TEXT_BYTES];
	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	assert_int_equal(strlen(short_name(name, text)), SHORT_TEXT_BYTES - 1);
	assert_int_equal(strlen(short_path(name, NULL, text)), SHORT_TEXT_BYTES - 1);
	memset(name, '(', sizeof(name) - 1);
	assert_true(strlen(short_name(name, text)) < SHORT_TEXT_BYTES);
	memset(name, '/', sizeof(name) - 1);
	assert_string_equal(short_path(name, NULL, text), "/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_lose_parameters_and_template_arguments),
		cmocka_unit_test(paths_lose_dots_and_the_directory),
		cmocka_unit_test(lines_are_cut_in_the_middle),
		cmocka_unit_test(texts_of_any_length_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
