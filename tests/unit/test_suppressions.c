/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading suppressions, and what they match: LeakSanitizer's and valgrind's rules. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reader/cxx_name.h"
#include "reader/suppression_match.h"
#include "reader/suppressions.h"
#include "tests/support/leak_sample.h"

static const struct sample_frame c_frames[] = {
	{"make_buffer", "/src/lib/buffer.c", 12, "/usr/lib/libbuffer.so.1"},
	{"load", "/src/load.c", 40, NULL},
	{"main", "/src/main.c", 7, NULL},
	{"__libc_start_main_impl", NULL, 0, "/lib/libc.so.6"},
	{0},
};

static const struct sample_frame cxx_frames[] = {
	{"operator new(unsigned long)", NULL, 0, "/usr/lib/libstdc++.so.6"},
	{"ns::maker::make(int, char const*)", "/src/maker.cpp", 3, NULL},
	{"main", "/src/main.cpp", 9, NULL},
	{0},
};

static const struct sample_frame dup_frames[] = {
	{"__GI___strdup", "./string/strdup.c", 42, "/lib/libc.so.6"},
	{"main", "/src/main.c", 7, NULL},
	{0},
};

struct fixture {
	struct leak_sample sample;
	struct leak leak;
};

static void begin(struct fixture *fixture, const struct sample_frame *frames)
{
	leak_sample_init(&fixture->sample);
	fixture->leak = (struct leak){.node = leak_sample_stack(&fixture->sample, frames),
				      .kind = LEAK_DEFINITE};
}

/* Whether the only entry of `text` matches. */
static bool matches(const struct fixture *fixture, const char *text)
{
	struct suppressions suppressions = {0};
	struct mt_error error = {0};
	enum mt_status status = suppressions_parse(&suppressions, text, strlen(text), "file",
						   &error);
	if (status != MT_OK)
		print_message("%s\n", error.message);
	assert_int_equal(status, MT_OK);
	assert_int_equal(suppressions.count, 1);
	bool result = suppression_matches(suppressions.items[0], &fixture->sample.profile,
					  &fixture->leak);
	suppressions_release(&suppressions);
	return result;
}

static void lsan_patterns_are_found_as_it_documents(void **state)
{
	(void)state;
	assert_true(suppression_finds("foo", "a_foo_b"));
	assert_false(suppression_finds("foo", "a_fo_o_b"));
	assert_true(suppression_finds("^foo", "foobar"));
	assert_false(suppression_finds("^foo", "a_foo"));
	assert_true(suppression_finds("foo$", "a_foo"));
	assert_false(suppression_finds("foo$", "foo_b"));
	assert_true(suppression_finds("^foo$", "foo"));
	assert_false(suppression_finds("^foo$", "foofoo"));
	assert_true(suppression_finds("foo$", "foofoo"));
	assert_true(suppression_finds("a*b", "xxa123bxx"));
	assert_false(suppression_finds("a*b", "xxb123axx"));
	assert_true(suppression_finds("^a*b$", "ab"));
	assert_false(suppression_finds("^a*b$", "aba"));
	assert_true(suppression_finds("^*b", "aab"));
	assert_true(suppression_finds("a*$", "xa123"));
	assert_true(suppression_finds("*", "x"));
	assert_false(suppression_finds("*", ""));
	assert_false(suppression_finds("ab", "a"));
	assert_false(suppression_finds("aba$", "ba"));
	assert_true(suppression_finds("^a*a$", "aa"));
	assert_false(suppression_finds("^a*a$", "a"));
}

static void globs_match_whole_texts(void **state)
{
	(void)state;
	assert_true(suppression_globs("foo", "foo"));
	assert_false(suppression_globs("foo", "foobar"));
	assert_true(suppression_globs("foo*", "foobar"));
	assert_true(suppression_globs("*", ""));
	assert_true(suppression_globs("f?o", "fxo"));
	assert_false(suppression_globs("f?o", "fo"));
	assert_true(suppression_globs("*lib*.so*", "/usr/lib/libx.so.1"));
	assert_true(suppression_globs("a*b*c", "a1b2b3c"));
	assert_false(suppression_globs("a*b*c", "a1b2b3"));
	assert_false(suppression_globs("", "a"));
}

static void lsan_patterns_look_at_function_file_and_module_of_every_frame(void **state)
{
	struct fixture fixture;
	(void)state;
	begin(&fixture, c_frames);
	assert_true(matches(&fixture, "leak:make_buffer"));
	assert_true(matches(&fixture, "leak:^main$\n"));
	assert_true(matches(&fixture, "leak:libbuffer"));
	assert_true(matches(&fixture, "leak:/src/lib/"));
	assert_true(matches(&fixture, "leak:malloc"));
	assert_true(matches(&fixture, "# mine\n\n  leak:load \t\r\n"));
	assert_false(matches(&fixture, "leak:calloc"));
	assert_false(matches(&fixture, "leak:^buffer"));
	leak_sample_release(&fixture.sample);
}

#define ENTRY(lines) "{\n name\n Memcheck:Leak\n" lines "}\n"

static void valgrind_frames_match_from_the_innermost_on(void **state)
{
	struct fixture fixture;
	(void)state;
	begin(&fixture, c_frames);
	assert_true(matches(&fixture, ENTRY("fun:malloc\n")));
	assert_true(matches(&fixture, ENTRY("fun:malloc\nfun:make_buffer\nfun:load\n")));
	assert_true(matches(&fixture, ENTRY("fun:*alloc\nobj:*/libbuffer.so*\n")));
	assert_true(matches(&fixture, ENTRY("fun:malloc\nsrc:buffer.c:12\n")));
	assert_true(matches(&fixture, ENTRY("fun:malloc\nsrc:buffer.c\nsrc:*load.c\n")));
	assert_true(matches(&fixture, ENTRY("...\nfun:main\n")));
	assert_true(matches(&fixture, ENTRY("fun:malloc\n...\nfun:main\nfun:(below main)\n")));
	assert_true(matches(&fixture, ENTRY("...\nfun:load\n...\n")));
	assert_true(matches(&fixture, ENTRY("fun:m?ke*\n...\n")) == false);
	assert_false(matches(&fixture, ENTRY("fun:make_buffer\n")));
	assert_false(matches(&fixture, ENTRY("fun:malloc\nfun:load\n")));
	assert_false(matches(&fixture, ENTRY("fun:malloc\nsrc:buffer.c:13\n")));
	assert_false(matches(&fixture, ENTRY("fun:malloc\nfun:make\n")));
	assert_false(matches(&fixture, ENTRY("...\nfun:main\nfun:load\n")));
	assert_false(matches(&fixture, ENTRY("...\nfun:*\nfun:*\nfun:*\nfun:*\nfun:*\nfun:*\n")));
	leak_sample_release(&fixture.sample);
}

static void valgrind_frames_of_operator_new_are_one(void **state)
{
	struct fixture fixture;
	(void)state;
	begin(&fixture, cxx_frames);
	assert_true(matches(&fixture, ENTRY("fun:_Znwm\nfun:_ZN2ns5maker4makeEiPKc\n")));
	assert_true(matches(&fixture, ENTRY("fun:_Zn*\nfun:_ZN2ns5maker*\n")));
	assert_true(matches(&fixture, ENTRY("fun:_Znam\nfun:_ZN*2ns5maker4make*\nfun:main\n")));
	assert_true(matches(&fixture,
			    ENTRY("fun:operator new(unsigned long)\nfun:ns::maker::make*\n")));
	assert_false(matches(&fixture, ENTRY("fun:malloc\n...\nfun:main\n")));
	assert_false(matches(&fixture, ENTRY("fun:_Znwm\nfun:_ZN2ns5other*\n")));
	leak_sample_release(&fixture.sample);
}

static void mangled_patterns_mean_the_names_they_have_in_order(void **state)
{
	static const struct sample_frame frames[] = {
		{"void ns::K<std::vector<int> >::leak<int>(int)", "/src/k.cpp", 3, NULL},
		{"std::vector<int, std::allocator<int> >::push_back(int&&)", NULL, 0, NULL},
		{"main", "/src/main.cpp", 9, NULL},
		{0},
	};
	struct fixture fixture;
	(void)state;
	begin(&fixture, frames);
	assert_true(matches(&fixture, ENTRY("fun:malloc\nfun:_Z*2ns*1K*4leak*\n")));
	assert_true(matches(&fixture, ENTRY("fun:malloc\nfun:_ZN2ns1K*\n")));
	assert_true(matches(&fixture, ENTRY("...\nfun:_ZNSt6vectorI*9push_back*\nfun:main\n")));
	assert_false(matches(&fixture, ENTRY("fun:malloc\nfun:_Z*1K*2ns*\n")));
	assert_false(matches(&fixture, ENTRY("fun:malloc\nfun:_Z*2ns*5other*\n")));
	assert_false(matches(&fixture, ENTRY("fun:malloc\nfun:_ZN1K*\n")));
	leak_sample_release(&fixture.sample);
}

static void inlined_functions_match_by_their_own_names(void **state)
{
	static const struct sample_frame frames[] = {
		{"operator new(unsigned long)", NULL, 0, "/usr/lib/libstdc++.so.6"},
		{"std::allocator<Cyc>::allocate(unsigned long)", "/src/a.h", 3, NULL},
		{"std::shared_ptr<Cyc> std::make_shared<Cyc>(int&&)", "/src/a.h", 4, NULL},
		{"ns::map<int>::operator[](int const&)", "/src/a.h", 5, NULL},
		{"main", "/src/main.cpp", 9, NULL},
		{0},
	};
	static const char entry[] = ENTRY(
		"fun:_Znwm\nfun:allocate\nfun:make_shared<Cyc>\nfun:operator[]\nfun:main\n");
	struct fixture fixture;
	(void)state;
	begin(&fixture, frames);
	assert_false(matches(&fixture, entry));
	for (uint32_t i = 0; i < LEAK_SAMPLE_NODES; i++)
		fixture.sample.frames[i].flags = PROFILE_FRAME_INLINED;
	assert_true(matches(&fixture, entry));
	assert_true(matches(&fixture, ENTRY("fun:_Znwm\nfun:allocate\nfun:make_shared\n")));
	/* Default template arguments are left out in debug information. */
	assert_true(matches(&fixture, ENTRY("fun:_Znwm\nfun:allocate\nfun:make_shared<>\n")));
	assert_false(matches(&fixture, ENTRY("fun:_Znwm\nfun:alloc\n")));
	assert_false(matches(&fixture, ENTRY("fun:_Znwm\nfun:alloc<>\n")));
	leak_sample_release(&fixture.sample);
}

static void names_are_split_where_their_parts_end(void **state)
{
	static const struct {
		const char *name;
		const char *parts; /* joined by |; NULL: not understood */
	} cases[] = {
		{"f", "f"},
		{"ns::K<a::b<c> >::leak(double)", "ns|K<a::b<c> >|leak"},
		{"void ns::f<int>(int) [clone .cold]", "ns|f<int>"},
		{"std::pair<int, char> const& g<1>()", "g<1>"},
		{"(anonymous namespace)::W::run(int)", "(anonymous namespace)|W|run"},
		{"f(int) const::{lambda(int)#1}::operator()(int) const",
		 "f|{lambda(int)#1}|operator()"},
		{"A::operator<<(int)", "A|operator<<"},
		{"A::operator->() const", "A|operator->"},
		{"A::operator bool() const", "A|operator bool"},
		{"std::ostream& operator<< <char>(int)", "operator<< <char>"},
		{"operator new[](unsigned long)", "operator new[]"},
		{"std::__cxx11::f[abi:cxx11](int)", "std|__cxx11|f[abi:cxx11]"},
		{"f [clone .part.0]", "f"},
		{"<T as core::Trait>::call", "<T as core::Trait>|call"},
		{"f<a(", NULL},
		{"a::", NULL},
		{"::", NULL},
		{"", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cxx_name name;
		char text[256] = "";
		bool is_split = cxx_name_split(&name, cases[i].name);
		for (size_t part = 0; part < name.part_count; part++) {
			strcat(text, part ? "|" : "");
			strncat(text, name.parts[part].text, name.parts[part].length);
		}
		if (is_split != (cases[i].parts != NULL) ||
		    (is_split && strcmp(text, cases[i].parts) != 0))
			fail_msg("%s: %s", cases[i].name, text);
	}
}

static void inner_names_of_glibc_match_by_their_public_ones(void **state)
{
	struct fixture fixture;
	(void)state;
	begin(&fixture, dup_frames);
	assert_true(matches(&fixture, ENTRY("fun:malloc\nfun:strdup\nfun:main\n")));
	assert_true(matches(&fixture, "leak:^strdup$"));
	assert_false(matches(&fixture, "leak:^dup$"));
	leak_sample_release(&fixture.sample);
}

static void kinds_narrow_an_entry_down(void **state)
{
	struct fixture fixture;
	(void)state;
	begin(&fixture, c_frames);
	assert_true(matches(&fixture, ENTRY("match-leak-kinds: definite,possible\nfun:malloc\n")));
	assert_false(matches(&fixture, ENTRY("match-leak-kinds: reachable\nfun:malloc\n")));
	assert_true(matches(&fixture, ENTRY("match-leak-kinds:all\nfun:malloc\n")));
	assert_false(matches(&fixture, ENTRY("match-leak-kinds: none\nfun:malloc\n")));
	fixture.leak.kind = LEAK_UNCLASSIFIED;
	assert_true(matches(&fixture, ENTRY("fun:malloc\n")));
	assert_false(matches(&fixture, ENTRY("match-leak-kinds: definite\nfun:malloc\n")));
	leak_sample_release(&fixture.sample);
}

static void entries_for_other_errors_are_read_over(void **state)
{
	static const char text[] = "{\n a\n Memcheck:Param\n write(buf)\n obj:x\n}\n"
				   "{\n b\n Helgrind:Race\n fun:x\n}\n"
				   "leak:foo\n"
				   "{\n c\n Addrcheck,Memcheck:Leak\n fun:x\n}\n";
	struct suppressions suppressions = {0};
	struct mt_error error;
	(void)state;
	assert_int_equal(suppressions_parse(&suppressions, text, sizeof(text) - 1, "file", &error),
			 MT_OK);
	assert_int_equal(suppressions.count, 2);
	assert_string_equal(suppressions.items[0]->source, "file:12");
	assert_string_equal(suppressions.items[1]->name, "c");
	suppressions_release(&suppressions);
}

static void mistakes_are_refused_with_file_and_line(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} cases[] = {
		{"leak:a\nrace:b\n", "file:2: expected"},
		{"leak:\n", "file:1: an empty pattern"},
		{"leak:^\n", "file:1: an empty pattern"},
		{"{\n name\n Memcheck:Leak\n fun:x\n", "file:4: the entry is not closed"},
		{"{\n name\n Memcheck:Leak\n}\n", "file:4: the entry would suppress every"},
		{"{\n name\n Memcheck:Leak\n...\n}\n", "file:5: the entry would suppress every"},
		{"{\n name\n Leak\n fun:x\n}\n", "file:3: expected TOOL:KIND"},
		{"{\n name\n Memcheck:Leak\n call:x\n}\n", "file:4: expected fun:"},
		{"{\n name\n Memcheck:Leak\n fun:\n}\n", "file:4: the pattern is missing"},
		{"{\n name\n Memcheck:Leak\n match-leak-kinds: lost\n fun:x\n}\n",
		 "file:4: match-leak-kinds"},
		{"{\n}\n", "file:2: an entry begins with its name"},
		{"{", "file:1: an entry begins"},
		{"{\n a\n Helgrind:Race\n fun:x\n", "not closed"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct suppressions suppressions = {0};
		struct mt_error error = {0};
		enum mt_status status = suppressions_parse(&suppressions, cases[i].text,
							   strlen(cases[i].text), "file", &error);
		assert_int_equal(status, MT_ERR_USAGE);
		if (!strstr(error.message, cases[i].says))
			fail_msg("case %zu: %s", i, error.message);
		suppressions_release(&suppressions);
	}
}

static void a_text_without_an_end_is_read_to_its_last_byte_only(void **state)
{
	static const char *const texts[] = {"leak:^", "{\na\nMemcheck:Leak\nsrc:a:1", "leak:x", "{",
					    "{\na\nMemcheck:Leak\nmatch-leak-kinds:"};
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		/* Beyond the copy's end valgrind and the sanitizers see every read. */
		size_t length = strlen(texts[i]);
		char *copy = malloc(length);
		struct suppressions suppressions = {0};
		struct mt_error error = {0};
		assert_non_null(copy);
		memcpy(copy, texts[i], length);
		(void)!suppressions_parse(&suppressions, copy, length, "file", &error);
		suppressions_release(&suppressions);
		free(copy);
	}
}

static void what_is_suppressed_is_summed_up_and_unused_entries_stay_zero(void **state)
{
	static const char text[] = "leak:make_buffer\nleak:nowhere\n";
	struct leak_sample sample;
	struct leak_list list;
	struct suppressions suppressions = {0};
	struct mt_error error;
	(void)state;
	leak_sample_init(&sample);
	uint32_t stack = leak_sample_stack(&sample, c_frames);
	uint32_t other = leak_sample_stack(&sample, cxx_frames);
	leak_sample_mark(&sample, stack, LEAK_DEFINITE, 100, 2);
	leak_sample_mark(&sample, other, LEAK_INDIRECT, 30, 1);
	leak_sample_mark(&sample, other, LEAK_POSSIBLE, 20, 1);
	assert_int_equal(leak_list_gather(&list, &sample.profile, &error), MT_OK);
	assert_int_equal(suppressions_parse(&suppressions, text, sizeof(text) - 1, "file", &error),
			 MT_OK);
	suppressions_apply(&suppressions, &list);
	/* What was lost only through the suppressed leak goes with it; a possible leak does not. */
	assert_int_equal(leak_list_suppressed(&list).bytes, 130);
	assert_int_equal(suppressions.items[0]->sum.blocks, 3);
	assert_int_equal(suppressions.items[1]->sum.groups, 0);
	assert_int_equal(leak_list_total(&list).bytes, 20);
	leak_list_release(&list);
	suppressions_release(&suppressions);
	leak_sample_release(&sample);
}

static void builtin_ones_leave_unclassified_blocks_alone(void **state)
{
	static const struct sample_frame loader[] = {
		{"_dl_new_object", NULL, 0, "/lib64/ld-linux-x86-64.so.2"},
		{"main", NULL, 0, NULL},
		{0}};
	struct fixture fixture;
	struct suppressions suppressions = {0};
	struct mt_error error;
	(void)state;
	begin(&fixture, loader);
	assert_int_equal(suppressions_add_builtin(&suppressions, &error), MT_OK);
	assert_true(suppressions.count > 0);
	const struct suppression *first = suppressions.items[0];
	assert_true(first->is_builtin);
	assert_true(suppression_matches(first, &fixture.sample.profile, &fixture.leak));
	fixture.leak.kind = LEAK_UNCLASSIFIED;
	for (size_t i = 0; i < suppressions.count; i++)
		assert_false(suppression_matches(suppressions.items[i], &fixture.sample.profile,
						 &fixture.leak));
	suppressions_release(&suppressions);
	leak_sample_release(&fixture.sample);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lsan_patterns_are_found_as_it_documents),
		cmocka_unit_test(globs_match_whole_texts),
		cmocka_unit_test(lsan_patterns_look_at_function_file_and_module_of_every_frame),
		cmocka_unit_test(valgrind_frames_match_from_the_innermost_on),
		cmocka_unit_test(valgrind_frames_of_operator_new_are_one),
		cmocka_unit_test(mangled_patterns_mean_the_names_they_have_in_order),
		cmocka_unit_test(inlined_functions_match_by_their_own_names),
		cmocka_unit_test(names_are_split_where_their_parts_end),
		cmocka_unit_test(inner_names_of_glibc_match_by_their_public_ones),
		cmocka_unit_test(kinds_narrow_an_entry_down),
		cmocka_unit_test(entries_for_other_errors_are_read_over),
		cmocka_unit_test(mistakes_are_refused_with_file_and_line),
		cmocka_unit_test(a_text_without_an_end_is_read_to_its_last_byte_only),
		cmocka_unit_test(what_is_suppressed_is_summed_up_and_unused_entries_stay_zero),
		cmocka_unit_test(builtin_ones_leave_unclassified_blocks_alone),
	};
	return cmocka_run_group_tests_name("suppressions", tests, NULL, NULL);
}
