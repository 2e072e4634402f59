/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/closure_names.h"

#include <dwarf.h>
#include <stdio.h>
#include <string.h>

#include "reader/debug_unit.h"

#define TYPES_MAX 32u /* pointers, references and the like around one type */
#define GENERIC_MAX 8u
#define CHILDREN_MAX 64u /* of a class or function that are looked at */

/* A text that is written piece by piece. */
struct text {
	char *at;
	size_t left;
	bool is_full;
};

/* The parameters of a generic lambda: "auto:1" and so on. */
struct generic {
	const char *names[GENERIC_MAX];
	Dwarf_Die types[GENERIC_MAX];
	unsigned count;
	unsigned used;
};

static void put(struct text *text, const char *piece)
{
	size_t length = strlen(piece);
	if (length >= text->left) {
		text->is_full = true;
		return;
	}
	memcpy(text->at, piece, length + 1);
	text->at += length;
	text->left -= length;
}

/* Goes to the next child, or the first one. returns false: there is none */
static bool next_child(Dwarf_Die *parent, Dwarf_Die *child, unsigned *count)
{
	if (++*count > CHILDREN_MAX)
		return false;
	return *count == 1 ? dwarf_child(parent, child) == 0 : dwarf_siblingof(child, child) == 0;
}

static bool find_type(Dwarf_Die *die, Dwarf_Die *ret_type)
{
	Dwarf_Attribute attribute;
	return dwarf_attr_integrate(die, DW_AT_type, &attribute) &&
	       dwarf_formref_die(&attribute, ret_type);
}

/* How the demangler spells a type of C. */
static const char *spell(const char *name)
{
	static const char *const spellings[][2] = {
		{"long int", "long"},           {"long unsigned int", "unsigned long"},
		{"short int", "short"},         {"short unsigned int", "unsigned short"},
		{"long long int", "long long"}, {"long long unsigned int", "unsigned long long"},
	};
	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++)
		if (strcmp(name, spellings[i][0]) == 0)
			return spellings[i][1];
	return name;
}

static void put_class(struct text *text, const struct debug_unit *unit, Dwarf_Die *type)
{
	const char *name = dwarf_diename(type);
	uint32_t containers[8];
	unsigned count = 0;
	uint32_t at = unit_scopes_container(&unit->scopes, dwarf_dieoffset(type));
	/* The class may be a container of its own. */
	if (at != SCOPE_NONE && unit->scopes.containers[at].start == dwarf_dieoffset(type))
		at = unit->scopes.containers[at].parent;
	for (; at != SCOPE_NONE && count < 8; at = unit->scopes.containers[at].parent)
		containers[count++] = at;
	while (count > 0) {
		Dwarf_Die die;
		const char *part = NULL;
		if (dwarf_offdie(unit->body_dwarf,
				 unit->scopes.containers[containers[--count]].start, &die))
			part = dwarf_diename(&die);
		put(text, part ? part : "(anonymous namespace)");
		put(text, "::");
	}
	put(text, name ? name : "{unnamed type}");
}

static bool is_generic(struct generic *generic, const Dwarf_Die *type)
{
	return generic->used < generic->count && type->addr == generic->types[generic->used].addr;
}

/* Writes a type: "char const*". What is around it in the debug information comes after it. */
static void put_type(struct text *text, const struct debug_unit *unit, Dwarf_Die *type,
		     struct generic *generic)
{
	const char *marks[TYPES_MAX];
	char number[16];
	unsigned count = 0;
	Dwarf_Die at = *type;
	bool is_known = true;
	while (is_known && count < TYPES_MAX && !is_generic(generic, &at)) {
		const char *mark = NULL;
		switch (dwarf_tag(&at)) {
		case DW_TAG_const_type:
			mark = " const";
			break;
		case DW_TAG_volatile_type:
			mark = " volatile";
			break;
		case DW_TAG_pointer_type:
			mark = "*";
			break;
		case DW_TAG_reference_type:
			mark = "&";
			break;
		case DW_TAG_rvalue_reference_type:
			mark = "&&";
			break;
		case DW_TAG_typedef:
			mark = "";
			break;
		default:
			break;
		}
		if (!mark)
			break;
		marks[count++] = mark;
		is_known = find_type(&at, &at);
	}
	if (!is_known) {
		put(text, "void");
	} else if (is_generic(generic, &at)) {
		(void)snprintf(number, sizeof(number), "auto:%u", ++generic->used);
		put(text, number);
	} else if (dwarf_tag(&at) == DW_TAG_base_type) {
		put(text, dwarf_diename(&at) ? spell(dwarf_diename(&at)) : "?");
	} else {
		put_class(text, unit, &at);
	}
	while (count > 0)
		put(text, marks[--count]);
}

/* The first parameter of a lambda's operator(): the lambda itself. */
static bool is_closure_call(Dwarf_Die *call)
{
	Dwarf_Die child;
	const char *name = dwarf_diename(call);
	if (dwarf_tag(call) != DW_TAG_subprogram || !name || strncmp(name, "operator()", 10) != 0)
		return false;
	for (unsigned count = 0; next_child(call, &child, &count);) {
		const char *parameter = dwarf_diename(&child);
		if (dwarf_tag(&child) == DW_TAG_formal_parameter)
			return parameter && strcmp(parameter, "__closure") == 0;
	}
	return false;
}

/* The operator() of a lambda's class. returns false: it is another one's */
static bool find_call(const struct debug_unit *unit, uint32_t container, Dwarf_Die *ret_call)
{
	Dwarf_Die die;
	if (!dwarf_offdie(unit->body_dwarf, unit->scopes.containers[container].start, &die) ||
	    dwarf_tag(&die) == DW_TAG_namespace || dwarf_diename(&die))
		return false;
	for (unsigned count = 0; next_child(&die, ret_call, &count);)
		if (is_closure_call(ret_call))
			return true;
	return false;
}

static bool is_known_generic(const struct generic *generic, const char *name)
{
	for (unsigned i = 0; i < generic->count; i++)
		if (strcmp(generic->names[i], name) == 0)
			return true;
	return false;
}

/* Their names are numbered through the whole unit, and gcc 12 has each of them twice. */
static void gather_generic(Dwarf_Die *call, struct generic *generic)
{
	Dwarf_Die child;
	for (unsigned count = 0;
	     next_child(call, &child, &count) && generic->count < GENERIC_MAX;) {
		const char *name = dwarf_diename(&child);
		if (dwarf_tag(&child) != DW_TAG_template_type_parameter || !name ||
		    strncmp(name, "auto:", 5) != 0 || is_known_generic(generic, name) ||
		    !find_type(&child, &generic->types[generic->count]))
			continue;
		generic->names[generic->count++] = name;
	}
}

static void put_parameters(struct text *text, const struct debug_unit *unit, Dwarf_Die *call,
			   struct generic *generic)
{
	Dwarf_Die child;
	Dwarf_Die type;
	bool is_first = true;
	put(text, "(");
	for (unsigned count = 0; next_child(call, &child, &count);) {
		if (dwarf_tag(&child) == DW_TAG_unspecified_parameters) {
			put(text, is_first ? "..." : ", ...");
			continue;
		}
		if (dwarf_tag(&child) != DW_TAG_formal_parameter ||
		    dwarf_hasattr(&child, DW_AT_artificial) || !find_type(&child, &type))
			continue;
		put(text, is_first ? "" : ", ");
		put_type(text, unit, &type, generic);
		is_first = false;
	}
	put(text, ")");
}

/* Where in the source a class begins, for an order. */
static uint64_t place_of(const struct debug_unit *unit, uint32_t container)
{
	Dwarf_Die die;
	int line = 0;
	int column = 0;
	if (dwarf_offdie(unit->body_dwarf, unit->scopes.containers[container].start, &die)) {
		(void)dwarf_decl_line(&die, &line); /* not known: 0 */
		(void)dwarf_decl_column(&die, &column);
	}
	return (uint64_t)(unsigned)line << 32 | (unsigned)column;
}

/*
 * How many lambdas of the same function begin before this one, and 1. Entries are in the order of
 * blocks, not of the source, so those before and behind are looked at.
 */
static unsigned number_of(const struct debug_unit *unit, uint32_t container)
{
	const struct container *containers = unit->scopes.containers;
	Dwarf_Off function = containers[container].function;
	uint64_t place = place_of(unit, container);
	unsigned number = 1;
	Dwarf_Die call;
	for (uint32_t i = container; i-- > 0 && containers[i].start > function;)
		number += containers[i].function == function && find_call(unit, i, &call) &&
			  place_of(unit, i) <= place;
	for (size_t i = container + 1;
	     i < unit->scopes.container_count && containers[i].function >= function &&
	     containers[i].start < containers[container].function_end;
	     i++)
		number += containers[i].function == function &&
			  find_call(unit, (uint32_t)i, &call) &&
			  place_of(unit, (uint32_t)i) < place;
	return number;
}

bool closure_name(const struct debug_unit *unit, uint32_t container, char *text, size_t capacity)
{
	Dwarf_Die call;
	struct text out = {.at = text, .left = capacity};
	struct generic generic = {0};
	char number[16];
	if (!find_call(unit, container, &call))
		return false;
	gather_generic(&call, &generic);
	(void)snprintf(number, sizeof(number), "#%u}", number_of(unit, container));
	put(&out, "{lambda");
	put_parameters(&out, unit, &call, &generic);
	put(&out, number);
	return !out.is_full;
}

bool closure_add_parameters(const struct debug_unit *unit, Dwarf_Die *call, char *text,
			    size_t capacity)
{
	Dwarf_Die child;
	Dwarf_Die type;
	size_t length = strlen(text);
	struct text out = {.at = text + length, .left = capacity - length};
	struct generic none = {0};
	put_parameters(&out, unit, call, &none);
	/* The lambda itself: a constant pointer to a class that is constant unless it is mutable.
	 */
	unsigned count = 0;
	bool is_known = next_child(call, &child, &count);
	while (is_known && dwarf_tag(&child) != DW_TAG_formal_parameter)
		is_known = next_child(call, &child, &count);
	is_known = is_known && find_type(&child, &type);
	while (is_known &&
	       (dwarf_tag(&type) == DW_TAG_const_type || dwarf_tag(&type) == DW_TAG_pointer_type)) {
		bool was_pointer = dwarf_tag(&type) == DW_TAG_pointer_type;
		is_known = find_type(&type, &type);
		if (was_pointer && is_known && dwarf_tag(&type) == DW_TAG_const_type) {
			put(&out, " const");
			break;
		}
	}
	return !out.is_full;
}
