/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/symbol_hint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reader/symbolizer.h"

/* What can be wrong with an object, the most important first. */
enum trouble {
	TROUBLE_STALE,
	TROUBLE_NO_DEBUG, /* of the program's own */
	TROUBLE_MISSING,
	TROUBLE_SYSTEM, /* without names, and it came with a package */
	TROUBLE_NONE,
};

struct tally {
	uint32_t addresses;
	uint32_t unnamed;
};

static bool begins_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static bool is_of_system(const char *path)
{
	static const char *const places[] = {"/usr/lib",   "/usr/bin", "/usr/sbin", "/usr/libexec",
					     "/usr/games", "/lib",     "/bin",      "/sbin"};
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (begins_with(path, places[i]))
			return true;
	return false;
}

static const char *file_part(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* Files of the C library, which Debian has one package of debug information for. */
static bool is_of_libc(const char *path)
{
	static const char *const starts[] = {"libc.so",    "libc-",        "libm.so",
					     "libpthread", "libdl.so",     "librt.so",
					     "libresolv",  "libnss_files", "ld-linux"};
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (begins_with(file_part(path), starts[i]))
			return true;
	return false;
}

static enum trouble trouble_of(const struct symbol_object *object, const char *path,
			       const struct tally *tally)
{
	if (tally->addresses == 0 || path[0] != '/') /* the kernel's own object, code of a JIT */
		return TROUBLE_NONE;
	switch ((enum symbolizer_quality)object->quality) {
	case SYMBOLIZER_FULL:
		return TROUBLE_NONE;
	case SYMBOLIZER_MISMATCH:
		return TROUBLE_STALE;
	case SYMBOLIZER_MISSING:
		return TROUBLE_MISSING;
	case SYMBOLIZER_SYMBOLS:
	case SYMBOLIZER_EXPORTED:
	case SYMBOLIZER_NONE:
		break;
	}
	if (!is_of_system(path))
		return TROUBLE_NO_DEBUG;
	return tally->unnamed > 0 ? TROUBLE_SYSTEM : TROUBLE_NONE;
}

static void phrase(enum trouble trouble, const char *path, uint32_t quality, char *text,
		   size_t capacity)
{
	const char *format = "";
	switch (trouble) {
	case TROUBLE_STALE:
		format = "%s is another build than the one that was recorded and was not used: "
			 "give the recorded one with 'memtrace symbolize --sysroot'";
		break;
	case TROUBLE_NO_DEBUG:
		format = quality == SYMBOLIZER_SYMBOLS
				 ? "%s has no debug information: build it with -g to see files and "
				   "lines"
				 : "%s is stripped: give its debug file with 'memtrace symbolize "
				   "--debug-path', or build it with -g";
		break;
	case TROUBLE_MISSING:
		format = "%s is not here: give the directory it is in with 'memtrace symbolize "
			 "--sysroot', or try --debuginfod";
		break;
	case TROUBLE_SYSTEM:
		format = is_of_libc(path)
				 ? "%s has no debug information: install libc6-dbg and run "
				   "'memtrace "
				   "symbolize', or try its --debuginfod"
				 : "%s has no debug information: install its package of debug "
				   "symbols (-dbgsym) and run 'memtrace symbolize', or try its "
				   "--debuginfod";
		break;
	case TROUBLE_NONE:
		break;
	}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* one of those above */
	(void)snprintf(text, capacity, format, path);
#pragma GCC diagnostic pop
}

static void count_addresses(const struct symbols *symbols, struct tally *tallies)
{
	for (uint32_t i = 0; i < symbols->entry_count; i++) {
		const struct symbol_entry *entry = &symbols->entries[i];
		bool is_named =
			entry->frame_count > 0 &&
			symbols->frames[entry->first_frame + entry->frame_count - 1].function;
		tallies[entry->object].addresses++;
		tallies[entry->object].unnamed += !is_named;
	}
}

bool symbol_hint(const struct loaded_log *log, char *text, size_t capacity)
{
	const struct symbols *symbols = &log->symbols;
	struct tally *tallies = calloc((size_t)symbols->object_count + 1, sizeof(*tallies));
	enum trouble worst = TROUBLE_NONE;
	uint32_t which = 0;
	if (!tallies)
		return false;
	count_addresses(symbols, tallies);
	for (uint32_t i = 0; i < symbols->object_count; i++) {
		const char *path = string_table_text(&symbols->strings, symbols->objects[i].path);
		enum trouble trouble = trouble_of(&symbols->objects[i], path, &tallies[i]);
		if (trouble < worst ||
		    (trouble == worst && tallies[i].addresses > tallies[which].addresses)) {
			worst = trouble;
			which = i;
		}
	}
	free(tallies);
	if (worst == TROUBLE_NONE)
		return false;
	phrase(worst, string_table_text(&symbols->strings, symbols->objects[which].path),
	       symbols->objects[which].quality, text, capacity);
	return true;
}

void symbol_hint_stale(const struct loaded_log *log, uint32_t object, char *text, size_t capacity)
{
	const struct symbols *symbols = &log->symbols;
	phrase(TROUBLE_STALE, string_table_text(&symbols->strings, symbols->objects[object].path),
	       SYMBOLIZER_MISMATCH, text, capacity);
}
