/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reporters/short_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct shortened {
	char *text; /* [SHORT_TEXT_BYTES] */
	size_t length;
};

static void append(struct shortened *shortened, const char *text, size_t length)
{
	size_t room = SHORT_TEXT_BYTES - 1 - shortened->length;
	length = length < room ? length : room;
	memmove(shortened->text + shortened->length, text, length);
	shortened->length += length;
	shortened->text[shortened->length] = '\0';
}

static bool starts_with(const char *text, const char *beginning)
{
	return strncmp(text, beginning, strlen(beginning)) == 0;
}

/*
 * returns  length of what begins here and has brackets of its own, 0 if nothing does: an operator's
 *          name, "(anonymous namespace)", "{lambda(int)#1}"
 */
static size_t measure_fixed(const char *name)
{
	static const char *const fixed[] = {"operator()", "(anonymous namespace)"};
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (starts_with(name, fixed[i]))
			return strlen(fixed[i]);
	/* The demangler puts a space between an operator and its template arguments. */
	if (starts_with(name, "operator"))
		return strlen("operator") + strspn(name + strlen("operator"), "-+*/%^&|~!=,<>");
	if (name[0] != '{')
		return 0;
	size_t depth = 0;
	for (size_t i = 0; name[i]; i++) {
		depth += name[i] == '{';
		depth -= name[i] == '}';
		if (depth == 0)
			return i + 1;
	}
	return 0;
}

/* returns  length of the bracket that begins here up to its end, 0 if it has none */
static size_t measure_bracket(const char *name)
{
	size_t depth = 0;
	for (size_t i = 0; name[i];) {
		size_t fixed = measure_fixed(name + i);
		if (fixed) {
			i += fixed;
			continue;
		}
		depth += name[i] == '<' || name[i] == '(';
		if ((name[i] == '>' || name[i] == ')') && (i == 0 || name[i - 1] != '-'))
			depth--;
		i++;
		if (depth == 0)
			return i;
	}
	return 0;
}

const char *short_name(const char *name, char *text)
{
	struct shortened shortened = {.text = text};
	text[0] = '\0';
	for (const char *at = name; *at;) {
		size_t fixed = measure_fixed(at);
		/* Rust: "<T as Trait>::method" is about its bracket. */
		bool is_dropped = !fixed && at != name && (*at == '<' || *at == '(');
		size_t bracket = is_dropped ? measure_bracket(at) : 0;
		if (is_dropped && bracket == 0)
			return short_line(name, SHORT_TEXT_BYTES - 1, text);
		if (bracket == 0) {
			append(&shortened, at, fixed ? fixed : 1);
			at += fixed ? fixed : 1;
			continue;
		}
		if (*at == '<')
			append(&shortened, "<...>", strlen("<...>"));
		at += bracket;
		if (strcmp(at, " const") == 0)
			break;
	}
	return text;
}

/* Takes the last part of a path off. returns false if there is none that ".." could take back */
static bool drop_part(struct shortened *path)
{
	size_t end = path->length;
	while (end > 0 && path->text[end - 1] != '/')
		end--;
	if (path->length == 0 || strcmp(path->text + end, "..") == 0)
		return false;
	path->length = end > 1 ? end - 1 : end;
	path->text[path->length] = '\0';
	return true;
}

const char *short_path(const char *path, const char *directory, char *text)
{
	struct shortened shortened = {.text = text};
	size_t directory_length = directory ? strlen(directory) : 0;
	text[0] = '\0';
	if (path[0] == '/')
		append(&shortened, "/", 1);
	while (*path) {
		path += strspn(path, "/");
		size_t length = strcspn(path, "/");
		bool is_up = length == 2 && starts_with(path, "..");
		bool is_here = length == 0 || (length == 1 && path[0] == '.');
		if (!is_here && !(is_up && drop_part(&shortened))) {
			if (shortened.length > 0 && text[shortened.length - 1] != '/')
				append(&shortened, "/", 1);
			append(&shortened, path, length);
		}
		path += length;
	}
	if (directory_length > 1 && starts_with(text, directory) && text[directory_length] == '/')
		memmove(text, text + directory_length + 1, strlen(text + directory_length + 1) + 1);
	return text;
}

/* A character begins at every byte but the continuations of UTF-8. */
static bool is_continuation(char byte)
{
	return ((unsigned char)byte & 0xc0) == 0x80;
}

static size_t count_characters(const char *text)
{
	size_t count = 0;
	for (; *text; text++)
		count += !is_continuation(*text);
	return count;
}

/* returns  bytes of the first `count` characters */
static size_t measure_characters(const char *text, size_t count)
{
	size_t length = 0;
	for (; text[length]; length++)
		if (!is_continuation(text[length]) && count-- == 0)
			break;
	return length;
}

/* Puts `line` in `columns` characters, of them `front` for its beginning. */
static const char *fit(const char *line, size_t columns, size_t front, char *text)
{
	struct shortened shortened = {.text = text};
	size_t characters = count_characters(line);
	size_t back = columns - front - strlen("...");
	text[0] = '\0';
	if (characters <= columns) {
		append(&shortened, line, strlen(line));
	} else {
		append(&shortened, line, measure_characters(line, front));
		append(&shortened, "...", strlen("..."));
		line += measure_characters(line, characters - back);
		append(&shortened, line, strlen(line));
	}
	for (char *at = text; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = ' ';
	return text;
}

const char *short_line(const char *line, size_t columns, char *text)
{
	return fit(line, columns, columns / 2 - 1, text);
}

const char *short_tail(const char *name, size_t columns, char *text)
{
	return fit(name, columns, 0, text);
}
