/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/scope_names.h"

#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/format.h"
#include "reader/closure_names.h"
#include "reader/debug_unit.h"
#include "reader/demangle.h"
#include "reader/unit_scopes.h"

#define CONTAINERS_MAX 32u /* of one name that are shown */
#define DEPTH_MAX 8u       /* of functions in each other whose names are shown */
#define ORIGINS_MAX 16u    /* of an entry that are followed; three occur */

bool scope_names_init(struct scope_names *names)
{
	*names = (struct scope_names){0};
	if (!string_table_init(&names->symbols))
		return false;
	if (string_table_init(&names->texts))
		return true;
	string_table_release(&names->symbols);
	return false;
}

void scope_names_release(struct scope_names *names)
{
	string_table_release(&names->symbols);
	string_table_release(&names->texts);
	free(names->shown);
	*names = (struct scope_names){0};
}

const char *scope_names_keep(struct scope_names *names, const char *text, size_t length)
{
	uint32_t number = string_table_add(&names->texts, text, length);
	return number == STRING_NONE ? NULL : string_table_text(&names->texts, number);
}

static bool has_room(struct scope_names *names, uint32_t number)
{
	if (number < names->shown_capacity)
		return true;
	size_t capacity = names->symbols.capacity;
	const char **grown = realloc(names->shown, capacity * sizeof(*grown));
	if (!grown)
		return false;
	memset(grown + names->shown_capacity, 0,
	       (capacity - names->shown_capacity) * sizeof(*grown));
	names->shown = grown;
	names->shown_capacity = capacity;
	return true;
}

const char *scope_names_demangle(struct scope_names *names, const char *symbol, size_t length)
{
	uint32_t number = string_table_add(&names->symbols, symbol, length);
	if (number == STRING_NONE || !has_room(names, number))
		return NULL;
	if (!names->shown[number]) {
		char *text = demangle(string_table_text(&names->symbols, number));
		if (text)
			names->shown[number] = scope_names_keep(names, text, strlen(text));
		free(text);
	}
	return names->shown[number];
}

const char *scope_names_linkage(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	const char *name = dwarf_formstring(
		dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute));
	if (!name)
		name = dwarf_formstring(
			dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute));
	return name && *name ? name : NULL;
}

/* The entry where a function was declared: that is the one inside its namespace and class. */
static Dwarf_Die declaration_of(const Dwarf_Die *die)
{
	Dwarf_Die at = *die;
	for (unsigned i = 0; i < ORIGINS_MAX; i++) {
		Dwarf_Attribute attribute;
		Dwarf_Die origin;
		if (!dwarf_attr(&at, DW_AT_abstract_origin, &attribute) &&
		    !dwarf_attr(&at, DW_AT_specification, &attribute))
			break;
		if (!dwarf_formref_die(&attribute, &origin))
			break;
		at = origin;
	}
	return at;
}

/* Parts of a qualified name, the innermost first. */
struct parts {
	const char *of[CONTAINERS_MAX + 1];
	unsigned count;
};

static const char *function_name(struct scope_names *names, const struct debug_unit *unit,
				 Dwarf_Die *die, unsigned depth);

static const char *container_name(struct scope_names *names, const struct debug_unit *unit,
				  uint32_t container)
{
	Dwarf_Die die;
	char closure[1024];
	if (!dwarf_offdie(unit->body_dwarf, unit->scopes.containers[container].start, &die))
		return NULL;
	const char *name = dwarf_diename(&die);
	if (name)
		return name;
	if (closure_name(unit, container, closure, sizeof(closure)))
		return scope_names_keep(names, closure, strlen(closure));
	/* As the demangler calls them. */
	return dwarf_tag(&die) == DW_TAG_namespace ? "(anonymous namespace)" : "{unnamed type}";
}

/* The name of the function that a class is in; NULL: it is in none. */
static const char *name_around(struct scope_names *names, const struct debug_unit *unit,
			       uint32_t container, unsigned depth)
{
	Dwarf_Die function;
	Dwarf_Off offset = unit->scopes.containers[container].function;
	if (offset == 0 || depth >= DEPTH_MAX || !dwarf_offdie(unit->body_dwarf, offset, &function))
		return NULL;
	return function_name(names, unit, &function, depth + 1);
}

/* Namespaces, classes and functions around `container` and itself. */
static void gather_parts(struct scope_names *names, const struct debug_unit *unit,
			 uint32_t container, unsigned depth, struct parts *parts)
{
	while (container != SCOPE_NONE && parts->count < CONTAINERS_MAX) {
		const char *part = container_name(names, unit, container);
		if (part)
			parts->of[parts->count++] = part;
		/* A function's name says itself where it is. */
		const char *around = name_around(names, unit, container, depth);
		if (around) {
			parts->of[parts->count++] = around;
			return;
		}
		container = unit->scopes.containers[container].parent;
	}
}

/* Joins parts to a text. returns false: it does not fit */
static bool join(const struct parts *parts, char *text, size_t capacity)
{
	size_t length = 0;
	for (unsigned i = parts->count; i-- > 0;) {
		int added = snprintf(text + length, capacity - length, "%s%s", parts->of[i],
				     i > 0 ? "::" : "");
		if (added < 0 || (size_t)added >= capacity - length)
			return false;
		length += (size_t)added;
	}
	return true;
}

static const char *qualify(struct scope_names *names, const struct debug_unit *unit, Dwarf_Die *die,
			   unsigned depth)
{
	char text[4096];
	struct parts parts = {0};
	const char *name = dwarf_diename(die);
	if (!name)
		return NULL;
	parts.of[parts.count++] = name;
	Dwarf_Die declaration = declaration_of(die);
	uint32_t container = SCOPE_NONE;
	if (declaration.cu == unit->body.cu) /* else it is in a unit that was not read */
		container = unit_scopes_container(&unit->scopes, dwarf_dieoffset(&declaration));
	gather_parts(names, unit, container, depth, &parts);
	bool is_lambda = parts.count > 1 && strncmp(parts.of[1], "{lambda(", 8) == 0 &&
			 strncmp(name, "operator()", 10) == 0;
	if (!join(&parts, text, sizeof(text)) ||
	    (is_lambda && !closure_add_parameters(unit, &declaration, text, sizeof(text))))
		return scope_names_keep(names, name, strnlen(name, LIMIT_STRING_BYTES));
	return scope_names_keep(names, text, strlen(text));
}

static const char *function_name(struct scope_names *names, const struct debug_unit *unit,
				 Dwarf_Die *die, unsigned depth)
{
	const char *linkage = scope_names_linkage(die);
	return linkage ? scope_names_demangle(names, linkage, strnlen(linkage, LIMIT_STRING_BYTES))
		       : qualify(names, unit, die, depth);
}

const char *scope_names_qualify(struct scope_names *names, const struct debug_unit *unit,
				Dwarf_Die *die)
{
	return qualify(names, unit, die, 0);
}
