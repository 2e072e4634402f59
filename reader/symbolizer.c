/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a symbolizer has, and when it gets it: the files at its birth; where each compilation unit's
 * code is, too; the units themselves, and the symbol tables, when an address needs them.
 *
 * Units are kept until they use UNITS_BYTES_MAX; then all are given up and libdw starts anew, as
 * that is the only way for it to free anything. With ascending addresses this costs nothing: units
 * that were left behind are not needed again. Names are not part of it and stay.
 *
 * Frames are meant to be those of `eu-addr2line -i -f -C`. Where they are not, it is known to err:
 * - It finds units by .debug_aranges, so knows nothing of what clang compiled, and takes code
 * between two ranges of a unit (start-up files without debug information) for the unit's.
 * - It looks up inlined frames at the start of the line's instructions, not at the address.
 * - It gives up inlined frames if they are described in another unit, as by link-time optimisation,
 *   in a namespace, or in a .dwo file.
 * - It shows C++ functions of a file, lambdas among them, without namespace and class; see below.
 * addr2line, which agrees with us in these, has errors of its own (files of DWARF 5).
 */
#include "reader/symbolizer.h"

#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/format.h"
#include "reader/address_map.h"
#include "reader/debug_files.h"
#include "reader/debug_unit.h"
#include "reader/dwarf_file.h"
#include "reader/elf_symbols.h"
#include "reader/scope_names.h"
#include "reader/unit_index.h"

#define UNITS_BYTES_MAX ((size_t)128 << 20)

struct symbolizer {
	enum symbolizer_quality quality;
	struct debug_files files;
	struct dwarf_file object;  /* closed: it was not found, but its debug file may be */
	struct dwarf_file debug;   /* closed: there is none */
	struct dwarf_file package; /* of split units; closed: there is none */
	struct dwarf_file *source; /* the one of the two with debug information; NULL: none */
	struct address_map code;   /* see elf_symbols.h */
	struct elf_symbols symbols;
	struct unit_index index;
	struct debug_unit **units; /* [index.count] NULL: not read yet */
	size_t units_bytes;
	struct scope_names names;
	struct address_set wanted; /* that `symbols` is good for */
	bool knows_wanted;
	bool is_stale; /* the object's file is another build */
	bool is_prepared;
	bool has_more_files; /* units were, or could be, in files of their own */
	bool has_symbols;    /* `symbols` is filled */
	bool tried_symbols;
};

/* A name that can't be kept for want of memory is as one that is not known. */
static const char *keep(struct symbolizer *symbolizer, const char *text)
{
	return text ? scope_names_keep(&symbolizer->names, text, strnlen(text, LIMIT_STRING_BYTES))
		    : NULL;
}

/* ---- opening ---------------------------------------------------------------------------- */

static void open_debug(struct symbolizer *symbolizer)
{
	struct debug_link link = {
		.build_id = symbolizer->files.build_id,
		.build_id_bytes = symbolizer->files.build_id_bytes,
	};
	Elf *object = symbolizer->object.elf;
	if (object) {
		GElf_Word crc = 0;
		const void *build_id;
		ssize_t build_id_bytes = dwelf_elf_gnu_build_id(object, &build_id);
		link.name = dwelf_elf_gnu_debuglink(object, &crc);
		link.crc = crc;
		if (build_id_bytes > 0) {
			link.build_id = build_id;
			link.build_id_bytes = (size_t)build_id_bytes;
		}
	}
	(void)dwarf_file_open(
		&symbolizer->debug, /* it is closed if there is none */
		debug_files_open_debug(&symbolizer->files, symbolizer->object.fd, &link));
}

static const struct elf_symbols *symbols_of(struct symbolizer *symbolizer)
{
	if (!symbolizer->tried_symbols) {
		/* A debug file has the whole symbol table, so it can stand in for its object. */
		bool has_object = symbolizer->object.elf != NULL;
		const struct dwarf_file *object = has_object ? &symbolizer->object
							     : &symbolizer->debug;
		const struct elf_symbol_files files = {
			.object = object->elf,
			.debug = symbolizer->debug.elf,
			.object_fd = object->fd,
			.debug_fd = symbolizer->debug.fd,
		};
		symbolizer->tried_symbols = true;
		symbolizer->has_symbols =
			files.object &&
			elf_symbols_init(&symbolizer->symbols, &files, &symbolizer->code,
					 symbolizer->knows_wanted ? &symbolizer->wanted : NULL);
	}
	return symbolizer->has_symbols ? &symbolizer->symbols : NULL;
}

/* The same, good to be asked for any address. */
static const struct elf_symbols *all_symbols_of(struct symbolizer *symbolizer)
{
	if (symbolizer->has_symbols)
		elf_symbols_release(&symbolizer->symbols);
	symbolizer->knows_wanted = symbolizer->has_symbols = symbolizer->tried_symbols = false;
	return symbols_of(symbolizer);
}

/*
 * Sets up what addresses are resolved: of each the one before it, where a call is, and itself, see
 * trampoline_name. Without memory for that it is any.
 */
static void note_wanted(struct symbolizer *symbolizer, const struct symbolizer_object *object)
{
	size_t count = 0;
	if (object->address_count == 0)
		return;
	uint64_t *addresses = malloc(object->address_count * 2 * sizeof(*addresses));
	for (size_t i = 0; i < object->address_count && addresses; i++) {
		addresses[count++] = object->addresses[i];
		if (object->addresses[i] > 0)
			addresses[count++] = object->addresses[i] - 1;
	}
	symbolizer->knows_wanted = addresses &&
				   address_set_init(&symbolizer->wanted, addresses, count);
	free(addresses);
}

static enum symbolizer_quality quality_of(struct symbolizer *symbolizer)
{
	if (!symbolizer->object.elf && !symbolizer->debug.elf)
		return symbolizer->is_stale ? SYMBOLIZER_MISMATCH : SYMBOLIZER_MISSING;
	if (symbolizer->source)
		return SYMBOLIZER_FULL;
	if (!symbols_of(symbolizer))
		return SYMBOLIZER_NONE;
	if (symbolizer->object.elf && elf_has_all_symbols(symbolizer->object.elf))
		return SYMBOLIZER_SYMBOLS;
	if (symbolizer->debug.elf && elf_has_all_symbols(symbolizer->debug.elf))
		return SYMBOLIZER_SYMBOLS;
	return SYMBOLIZER_EXPORTED;
}

static bool open_units(struct symbolizer *symbolizer)
{
	struct dwarf_file *source = NULL;
	if (dwarf_file_has_units(&symbolizer->object))
		source = &symbolizer->object;
	else if (dwarf_file_has_units(&symbolizer->debug))
		source = &symbolizer->debug;
	if (!source)
		return true;
	dwarf_file_begin(source, &symbolizer->files);
	if (!source->dwarf)
		return true;
	if (!unit_index_build(&symbolizer->index, source->dwarf, &symbolizer->code))
		return false;
	(void)dwarf_file_open(&symbolizer->package, /* it is closed if there is none */
			      debug_files_open_package(&symbolizer->files, source->fd));
	symbolizer->has_more_files = source->alternate || symbolizer->package.elf;
	symbolizer->units = calloc(symbolizer->index.count + 1, sizeof(struct debug_unit *));
	if (symbolizer->units && symbolizer->index.count > 0)
		symbolizer->source = source;
	return symbolizer->units != NULL;
}

/* Opens debug information, and what else is needed for names, when that is first needed. */
static void prepare(struct symbolizer *symbolizer)
{
	if (symbolizer->is_prepared)
		return;
	symbolizer->is_prepared = true;
	(void)open_units(symbolizer); /* without memory for it, symbols have to do */
	symbolizer->quality = quality_of(symbolizer);
}

struct symbolizer *symbolizer_new(const struct symbolizer_object *object,
				  const struct symbolizer_options *options)
{
	struct symbolizer *symbolizer = calloc(1, sizeof(*symbolizer));
	if (!symbolizer)
		return NULL;
	symbolizer->object.fd = symbolizer->object.alternate_fd = -1;
	symbolizer->debug = symbolizer->package = symbolizer->object;
	(void)elf_version(EV_CURRENT); /* known to every libelf */
	note_wanted(symbolizer, object);
	if (!scope_names_init(&symbolizer->names) ||
	    !debug_files_init(&symbolizer->files, object, options))
		goto out;
	(void)dwarf_file_open(
		&symbolizer->object, /* it is closed if there is none */
		debug_files_open_object(&symbolizer->files, object->fd, &symbolizer->is_stale));
	if (!dwarf_file_has_units(&symbolizer->object))
		open_debug(symbolizer);
	Elf *elf = symbolizer->object.elf ? symbolizer->object.elf : symbolizer->debug.elf;
	if (!elf || elf_code_map(elf, &symbolizer->code))
		return symbolizer;
out:
	symbolizer_free(symbolizer);
	return NULL;
}

static void forget_units(struct symbolizer *symbolizer)
{
	for (size_t i = 0; symbolizer->units && i < symbolizer->index.count; i++) {
		debug_unit_free(symbolizer->units[i]);
		symbolizer->units[i] = NULL;
	}
	symbolizer->units_bytes = 0;
}

void symbolizer_free(struct symbolizer *symbolizer)
{
	if (!symbolizer)
		return;
	forget_units(symbolizer);
	free(symbolizer->units);
	unit_index_release(&symbolizer->index);
	if (symbolizer->has_symbols)
		elf_symbols_release(&symbolizer->symbols);
	address_set_release(&symbolizer->wanted);
	address_map_release(&symbolizer->code);
	dwarf_file_close(&symbolizer->package);
	dwarf_file_close(&symbolizer->debug);
	dwarf_file_close(&symbolizer->object);
	scope_names_release(&symbolizer->names);
	debug_files_release(&symbolizer->files);
	free(symbolizer);
}

enum symbolizer_quality symbolizer_quality(struct symbolizer *symbolizer)
{
	prepare(symbolizer);
	return symbolizer->quality;
}

/* FNV-1a. */
static uint64_t mix(uint64_t stamp, uint64_t number)
{
	for (unsigned i = 0; i < sizeof(number); i++)
		stamp = (stamp ^ (number >> i * 8 & 0xff)) * UINT64_C(0x100000001b3);
	return stamp;
}

static uint64_t mix_file(uint64_t stamp, int fd)
{
	struct stat status = {0};
	if (fd >= 0 && fstat(fd, &status) != 0)
		return 0;
	stamp = mix(stamp, (uint64_t)status.st_size);
	stamp = mix(stamp, (uint64_t)status.st_mtim.tv_sec);
	return mix(stamp, (uint64_t)status.st_mtim.tv_nsec);
}

uint64_t symbolizer_stamp(const struct symbolizer *symbolizer)
{
	uint64_t stamp = UINT64_C(0xcbf29ce484222325);
	if (!symbolizer->object.elf && !symbolizer->debug.elf)
		return 0;
	for (const char *at = MEMTRACE_VERSION; *at; at++)
		stamp = mix(stamp, (unsigned char)*at);
	return mix_file(mix_file(stamp, symbolizer->object.fd), symbolizer->debug.fd);
}

bool symbolizer_is_stamped(const struct symbolizer *symbolizer)
{
	return !symbolizer->has_more_files;
}

/* ---- resolving -------------------------------------------------------------------------- */

static const struct elf_symbol *find_symbol(struct symbolizer *symbolizer, uint64_t address)
{
	bool is_known = !symbolizer->knows_wanted || address_set_has(&symbolizer->wanted, address);
	const struct elf_symbols *symbols = is_known ? symbols_of(symbolizer)
						     : all_symbols_of(symbolizer);
	return symbols ? elf_symbols_find(symbols, &symbolizer->code, address) : NULL;
}

/*
 * The name of the symbol at an address. Its version is left out: "name@@VERSION" would be shown for
 * the very function that is "name" where it comes from debug information.
 */
static const char *symbol_name(struct symbolizer *symbolizer, uint64_t address)
{
	const struct elf_symbol *symbol = find_symbol(symbolizer, address);
	if (!symbol)
		return NULL;
	size_t length = strnlen(symbol->name, LIMIT_STRING_BYTES);
	const char *version = memchr(symbol->name, '@', length);
	if (version && version > symbol->name)
		length = (size_t)(version - symbol->name);
	return scope_names_demangle(&symbolizer->names, symbol->name, length);
}

/*
 * Where signal handlers return to is the beginning of a function, as no call went before it: the
 * kernel put the address there. The byte before it is nobody's.
 */
static const char *trampoline_name(struct symbolizer *symbolizer, uint64_t address)
{
	const struct elf_symbol *symbol = find_symbol(symbolizer, address);
	return symbol && symbol->address == address && strcmp(symbol->name, "__restore_rt") == 0
		       ? symbol_name(symbolizer, address)
		       : NULL;
}

static struct debug_unit *find_unit(struct symbolizer *symbolizer, uint64_t address)
{
	uint32_t number = address_map_find(&symbolizer->index.map, address);
	if (number == ADDRESS_MAP_NONE)
		return NULL;
	if (symbolizer->units[number])
		return symbolizer->units[number];
	if (symbolizer->units_bytes > UNITS_BYTES_MAX) {
		forget_units(symbolizer);
		dwarf_file_restart(symbolizer->source);
	}
	if (!symbolizer->source->dwarf)
		return NULL;
	struct debug_unit *unit = debug_unit_new(
		symbolizer->source, symbolizer->index.units[number].offset, &symbolizer->package,
		&symbolizer->files, &symbolizer->code);
	if (unit) {
		symbolizer->units_bytes += debug_unit_bytes(unit);
		symbolizer->has_more_files |= unit->die.addr != unit->body.addr;
	}
	symbolizer->units[number] = unit;
	return unit;
}

static bool is_cplusplus(const struct debug_unit *unit)
{
	switch (unit->language) {
	case DW_LANG_C_plus_plus:
	case DW_LANG_C_plus_plus_03:
	case DW_LANG_C_plus_plus_11:
	case DW_LANG_C_plus_plus_14:
	case DW_LANG_ObjC_plus_plus:
		return true;
	default:
		return false;
	}
}

/*
 * The name of a C++ function that has no linkage name, as gcc gives none to functions of a file or
 * of an unnamed namespace, from the symbol table: "(anonymous namespace)::Worker::run(int)", as gdb
 * and addr2line say too, where eu-addr2line only says "run". The symbol has to be of this function:
 * identical functions may share their code. What gcc added for a copy it made (".constprop.0") is
 * left out, as it is from names with a linkage name.
 */
static const char *name_by_symbol(struct symbolizer *symbolizer, const struct scope *scope,
				  Dwarf_Die *die)
{
	const struct elf_symbol *symbol = find_symbol(symbolizer, scope->entry);
	const char *plain = dwarf_diename(die);
	if (!symbol || !plain || symbol->address != scope->entry ||
	    strncmp(symbol->name, "_Z", 2) != 0)
		return NULL;
	const char *name = scope_names_demangle(&symbolizer->names, symbol->name,
						strcspn(symbol->name, ".@"));
	return name && strstr(name, plain) ? name : NULL;
}

static const char *function_name(struct symbolizer *symbolizer, const struct debug_unit *unit,
				 const struct scope *scope, Dwarf_Die *die)
{
	const char *name = scope_names_linkage(die);
	if (name)
		return scope_names_demangle(&symbolizer->names, name,
					    strnlen(name, LIMIT_STRING_BYTES));
	if (!is_cplusplus(unit))
		return keep(symbolizer, dwarf_diename(die));
	name = scope->is_inlined ? NULL : name_by_symbol(symbolizer, scope, die);
	return name ? name : scope_names_qualify(&symbolizer->names, unit, die);
}

/* Made absolute with the compiler's directory. */
static const char *file_name(struct symbolizer *symbolizer, const struct debug_unit *unit,
			     const char *file)
{
	char path[8192];
	if (!file || file[0] == '/' || !unit->directory)
		return keep(symbolizer, file);
	int length = snprintf(path, sizeof(path), "%s/%s", unit->directory, file);
	return keep(symbolizer, length > 0 && (size_t)length < sizeof(path) ? path : file);
}

static void name_scope(struct symbolizer *symbolizer, const struct debug_unit *unit,
		       struct scope *scope)
{
	Dwarf_Die die;
	if (scope->is_named)
		return;
	scope->is_named = true;
	if (!debug_unit_entry(unit, scope, &die))
		return;
	scope->function = function_name(symbolizer, unit, scope, &die);
	if (scope->is_inlined) {
		struct source_line call = debug_unit_call(unit, &die);
		scope->call_file = file_name(symbolizer, unit, call.file);
		scope->call_line = call.line;
	}
}

/*
 * The frames of `innermost` and what it was inlined into. If they are too many, those before the
 * last, which is the function that all of it is in, are left out.
 */
static size_t resolve_scopes(struct symbolizer *symbolizer, struct debug_unit *unit,
			     uint32_t innermost, struct symbolizer_frame *frames)
{
	size_t count = 0;
	uint32_t next;
	for (uint32_t at = innermost; at != SCOPE_NONE; at = next) {
		struct scope *scope = &unit->scopes.scopes[at];
		next = scope->parent;
		name_scope(symbolizer, unit, scope);
		struct symbolizer_frame *frame = &frames[count];
		frame->function = scope->function;
		frame->is_inlined = next != SCOPE_NONE;
		if (count + 1 < SYMBOLIZER_FRAMES_MAX)
			count++;
		else if (next == SCOPE_NONE)
			return SYMBOLIZER_FRAMES_MAX;
		if (next != SCOPE_NONE) {
			frames[count].file = scope->call_file;
			frames[count].line = scope->call_line;
		}
	}
	return count;
}

size_t symbolizer_resolve(struct symbolizer *symbolizer, uint64_t address, bool is_exact,
			  struct symbolizer_frame *frames)
{
	size_t count = 0;
	if (!is_exact && address-- == 0)
		return 0;
	prepare(symbolizer);
	struct debug_unit *unit = find_unit(symbolizer, address);
	memset(frames, 0, SYMBOLIZER_FRAMES_MAX * sizeof(*frames));
	if (unit) {
		struct source_line line = debug_unit_line(unit, address);
		frames[0].file = file_name(symbolizer, unit, line.file);
		frames[0].line = line.line;
		count = resolve_scopes(symbolizer, unit,
				       address_map_find(&unit->scopes.map, address), frames);
	}
	/* Assembly, or what dwz moved to a file that is not there: code without a named entry. */
	struct symbolizer_frame *outermost = &frames[count ? count - 1 : 0];
	if (!outermost->function)
		outermost->function = symbol_name(symbolizer, address);
	if (count == 0 && !outermost->function && !outermost->file && !is_exact)
		outermost->function = trampoline_name(symbolizer, address + 1);
	if (count == 0 && (outermost->function || outermost->file))
		count = 1;
	return count;
}
