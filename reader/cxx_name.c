/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/cxx_name.h"

#include <ctype.h>
#include <string.h>

#define ANONYMOUS "(anonymous namespace)"

/* The bracket behind the one that closes what `at` opens. returns NULL: there is none */
static const char *skip_brackets(const char *at)
{
	static const char opening[] = "(<[{";
	static const char closing[] = ")>]}";
	size_t depth = 0;
	for (; *at; at++) {
		if (at[0] == '-' && at[1] == '>') {
			at++;
			continue;
		}
		depth += strchr(opening, *at) != NULL;
		if (strchr(closing, *at) && --depth == 0)
			return at + 1;
	}
	return NULL;
}

/* "operator<<" and the like have brackets that are none. returns what follows */
static const char *skip_operator(const char *at)
{
	at += strlen("operator");
	if (strncmp(at, "()", 2) == 0 || strncmp(at, "[]", 2) == 0)
		return at + 2;
	if (*at == ' ') /* new, delete, or a type */
		return at + 1 + strcspn(at + 1, "(<");
	return at + strspn(at, "<>=!+-*/%^&|~,");
}

static bool is_operator(const char *at)
{
	return strncmp(at, "operator", 8) == 0 && !isalnum((unsigned char)at[8]) && at[8] != '_';
}

/* What may follow parameters of a function that the name goes on in: "f(int) const::{lambda...". */
static const char *skip_qualifiers(const char *at)
{
	static const char *const words[] = {" const", " volatile", " &&", " &"};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strncmp(at, words[i], strlen(words[i])) == 0)
			at += strlen(words[i]);
	return at;
}

static bool add_part(struct cxx_name *name, const char *start, const char *plain_end,
		     const char *end)
{
	if (end == start || name->part_count == CXX_NAME_PARTS)
		return false;
	name->parts[name->part_count++] = (struct cxx_name_part){
		.text = start,
		.length = (size_t)(end - start),
		.plain = (size_t)((plain_end ? plain_end : end) - start),
	};
	return true;
}

bool cxx_name_split(struct cxx_name *name, const char *function)
{
	const char *start = function;
	const char *plain_end = NULL; /* of the part, if it has template arguments */
	const char *at = function;
	*name = (struct cxx_name){.qualified = function};
	while (*at) {
		if (at == start && strncmp(at, ANONYMOUS, strlen(ANONYMOUS)) == 0) {
			at += strlen(ANONYMOUS);
		} else if (at == start && is_operator(at)) {
			at = skip_operator(at);
		} else if (strncmp(at, "::", 2) == 0) {
			if (at != start && !add_part(name, start, plain_end, at))
				return false;
			at += 2;
			start = at;
			plain_end = NULL;
		} else if (*at == '(') {
			const char *end = at;
			at = skip_brackets(at);
			at = at ? skip_qualifiers(at) : NULL;
			if (!at || strncmp(at, "::", 2) != 0)
				return add_part(name, start, plain_end, end) && at;
			if (!add_part(name, start, plain_end, end))
				return false;
			at += 2;
			start = at;
			plain_end = NULL;
		} else if (*at == '<' || *at == '[' || *at == '{') {
			plain_end = plain_end || *at == '{' ? plain_end : at;
			at = skip_brackets(at);
			if (!at)
				return false;
		} else if (*at == ' ') {
			bool is_operator_template = at[1] == '<'; /* "operator< <int>" */
			if (at[1] == '[')                         /* "[clone .cold]" */
				break;
			plain_end = is_operator_template ? at : NULL;
			at++;
			if (!is_operator_template) { /* what was so far is the return type */
				start = name->qualified = at;
				name->part_count = 0;
			}
		} else {
			at++;
		}
	}
	return add_part(name, start, plain_end, at);
}
