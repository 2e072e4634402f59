/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/string_table.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_BYTES (64u << 10)
#define FIRST_STRINGS 256u

static inline uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

/* Eight bytes at a time: names of C++ have hundreds. */
static uint32_t hash_of(const char *text, size_t length)
{
	uint64_t hash = length;
	uint64_t word = 0;
	if (length < sizeof(word)) {
		for (size_t i = 0; i < length; i++)
			word = word << 8 | (uint8_t)text[i];
		return (uint32_t)mix(hash, word);
	}
	for (size_t at = 0; at < length - sizeof(word); at += sizeof(word)) {
		memcpy(&word, text + at, sizeof(word));
		hash = mix(hash, word);
	}
	memcpy(&word, text + length - sizeof(word), sizeof(word));
	return (uint32_t)mix(hash, word);
}

bool string_table_init(struct string_table *table)
{
	*table = (struct string_table){.capacity = FIRST_STRINGS, .mask = FIRST_STRINGS * 2 - 1};
	table->texts = calloc(FIRST_STRINGS, sizeof(*table->texts));
	table->slots = calloc((size_t)FIRST_STRINGS * 2, sizeof(*table->slots));
	if (!table->texts || !table->slots) {
		string_table_release(table);
		return false;
	}
	table->texts[0] = "";
	table->count = 1;
	return true;
}

void string_table_release(struct string_table *table)
{
	for (size_t i = 0; i < table->page_count; i++)
		free(table->pages[i]);
	free(table->pages);
	free(table->texts);
	free(table->slots);
	*table = (struct string_table){0};
}

static char *page_take(struct string_table *table, size_t size_bytes)
{
	if (table->page_bytes - table->page_used < size_bytes) {
		size_t page_bytes = size_bytes > PAGE_BYTES ? size_bytes : PAGE_BYTES;
		char **grown = realloc(table->pages, (table->page_count + 1) * sizeof(char *));
		if (!grown)
			return NULL;
		table->pages = grown;
		char *page = malloc(page_bytes);
		if (!page)
			return NULL;
		table->pages[table->page_count++] = page;
		table->page_bytes = page_bytes;
		table->page_used = 0;
	}
	char *taken = table->pages[table->page_count - 1] + table->page_used;
	table->page_used += size_bytes;
	return taken;
}

static bool grow(struct string_table *table)
{
	uint32_t capacity = table->capacity * 2;
	uint32_t mask = capacity * 2 - 1;
	const char **texts = realloc(table->texts, capacity * sizeof(*texts));
	if (!texts)
		return false;
	table->texts = texts;
	uint32_t *slots = calloc((size_t)mask + 1, sizeof(*slots));
	if (!slots)
		return false;
	for (uint32_t i = 1; i < table->count; i++) {
		uint32_t slot = hash_of(texts[i], strlen(texts[i])) & mask;
		while (slots[slot])
			slot = (slot + 1) & mask;
		slots[slot] = i;
	}
	free(table->slots);
	table->slots = slots;
	table->capacity = capacity;
	table->mask = mask;
	return true;
}

uint32_t string_table_add(struct string_table *table, const char *text, size_t length)
{
	if (length == 0)
		return 0;
	uint32_t slot = hash_of(text, length) & table->mask;
	for (; table->slots[slot]; slot = (slot + 1) & table->mask) {
		const char *other = table->texts[table->slots[slot]];
		if (strncmp(other, text, length) == 0 && other[length] == '\0')
			return table->slots[slot];
	}
	if (table->count == table->capacity) {
		if (table->capacity > UINT32_MAX / 8 || !grow(table))
			return STRING_NONE;
		return string_table_add(table, text, length);
	}
	char *copy = page_take(table, length + 1);
	if (!copy)
		return STRING_NONE;
	memcpy(copy, text, length);
	copy[length] = '\0';
	table->texts[table->count] = copy;
	table->slots[slot] = table->count;
	return table->count++;
}
