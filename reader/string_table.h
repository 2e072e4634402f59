/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strings, each kept once and known by a number. Number 0 is the empty string. */
#ifndef MEMTRACE_READER_STRING_TABLE_H
#define MEMTRACE_READER_STRING_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct string_table {
	const char **texts; /* [count] each in one of the pages */
	uint32_t *slots;    /* [mask + 1] number, 0 = empty */
	uint32_t count;
	uint32_t capacity;
	uint32_t mask;
	char **pages; /* [page_count] memory of the texts */
	size_t page_count;
	size_t page_used;
	size_t page_bytes; /* of the last page */
};

#define STRING_NONE UINT32_MAX

/* returns  false if there is no memory */
bool string_table_init(struct string_table *table);
void string_table_release(struct string_table *table);

/* The number of a text, added if it is new. returns STRING_NONE: no memory */
uint32_t string_table_add(struct string_table *table, const char *text, size_t length);

/* The text of a number; it lives as long as the table. */
static inline const char *string_table_text(const struct string_table *table, uint32_t number)
{
	return number < table->count ? table->texts[number] : "";
}

#endif
