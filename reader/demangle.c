/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libiberty does the work, behind two guards. A symbol of 300 bytes can spell a name of gigabytes
 * (each substitution doubles the one before), so its output is taken piece by piece and abandoned
 * at a limit. And libiberty gives up on C++ symbols beyond some 1000 bytes unless told not to
 * mind its stack: real templates are longer, so it is told so, up to a length that was measured
 * to fit in 2 MiB of stack at any nesting.
 */
#include "reader/demangle.h"

#include <ctype.h>
#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/format.h"

#define SYMBOL_BYTES_MAX (8u << 10)

struct output {
	char *text; /* [capacity] */
	size_t length;
	size_t capacity;
	jmp_buf abandon;
};

typedef int (*demangle_function)(const char *symbol, int options, demangle_callbackref callback,
				 void *context);

static void take_piece(const char *piece, size_t length, void *context)
{
	struct output *output = context;
	if (length >= LIMIT_STRING_BYTES - output->length)
		longjmp(output->abandon, 1);
	size_t needed = output->length + length + 1;
	if (needed > output->capacity) {
		size_t capacity = output->capacity ? output->capacity * 2 : 128;
		capacity = capacity < needed ? needed : capacity;
		char *grown = realloc(output->text, capacity);
		if (!grown)
			longjmp(output->abandon, 1);
		output->text = grown;
		output->capacity = capacity;
	}
	memcpy(output->text + output->length, piece, length);
	output->length += length;
	output->text[output->length] = '\0';
}

/*
 * The callback's longjmp is the only way to stop libiberty half way. It skips no cleanup: these
 * two demanglers keep all they have on the stack.
 */
static bool run_demangler(struct output *output, demangle_function demangler, const char *symbol,
			  int options)
{
	if (setjmp(output->abandon) != 0)
		return false;
	return demangler(symbol, options, take_piece, output) && output->length > 0;
}

static char *try_demangler(demangle_function demangler, const char *symbol, int options)
{
	struct output output = {0};
	if (run_demangler(&output, demangler, symbol, options))
		return output.text;
	free(output.text);
	return NULL;
}

static char *demangle_itanium(const char *symbol)
{
	/* Rust's legacy symbols are C++ symbols that end in a hash: they have to be tried first. */
	char *name = try_demangler(rust_demangle_callback, symbol, DMGL_PARAMS | DMGL_ANSI);
	if (name)
		return name;
	return try_demangler(cplus_demangle_v3_callback, symbol,
			     DMGL_PARAMS | DMGL_ANSI | DMGL_NO_RECURSE_LIMIT);
}

static bool is_d_symbol(const char *symbol)
{
	return strncmp(symbol, "_D", 2) == 0 &&
	       (isdigit((unsigned char)symbol[2]) || strcmp(symbol, "_Dmain") == 0);
}

char *demangle(const char *symbol)
{
	char *name = NULL;
	if (strnlen(symbol, SYMBOL_BYTES_MAX + 1) <= SYMBOL_BYTES_MAX) {
		if (strncmp(symbol, "_Z", 2) == 0)
			name = demangle_itanium(symbol);
		else if (strncmp(symbol, "_R", 2) == 0)
			name = try_demangler(rust_demangle_callback, symbol, DMGL_PARAMS);
		else if (is_d_symbol(symbol))
			name = dlang_demangle(symbol, DMGL_PARAMS);
	}
	return name ? name : strdup(symbol);
}
