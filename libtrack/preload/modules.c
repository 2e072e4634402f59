/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of announced modules is append-only and read without a lock. An entry is claimed by
 * counting up `claimed`, filled, and published by its `state`; two threads that announce the same
 * module at once make two entries, which the collector takes as one. An entry of an unloaded
 * module stays, marked as gone.
 */
#include "libtrack/preload/modules.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>

#include "common/format.h"
#include "common/sys.h"
#include "libtrack/preload/allocators.h"
#include "libtrack/preload/recorder.h"
#include "libtrack/preload/rule_cache.h"
#include "libtrack/preload/tracker.h"

enum entry_state { ENTRY_EMPTY, ENTRY_LOADED, ENTRY_GONE };

struct entry {
	_Atomic uint32_t state; /* enum entry_state */
	uint32_t id;            /* in the image's notes: its index */
	uintptr_t start;
	uintptr_t end;
	const struct link_map *map;
	const void *dynamic; /* tells a module from another one at its address */
};

#define ENTRIES 4096u
static struct entry entries[ENTRIES];
static _Atomic uint32_t claimed;

static uint32_t entry_count(void)
{
	uint32_t count = atomic_load_explicit(&claimed, memory_order_acquire);
	return count < ENTRIES ? count : ENTRIES;
}

static struct entry *find_entry(uintptr_t address)
{
	/* From the newest: few modules are hot, and a gone one may have been at the same place. */
	for (uint32_t i = entry_count(); i-- > 0;) {
		struct entry *entry = &entries[i];
		if (atomic_load_explicit(&entry->state, memory_order_acquire) == ENTRY_LOADED &&
		    address >= entry->start && address < entry->end)
			return entry;
	}
	return NULL;
}

static bool is_same(const struct entry *entry, const struct dl_find_object *object)
{
	return entry->start == (uintptr_t)object->dlfo_map_start &&
	       entry->map == object->dlfo_link_map && entry->dynamic == object->dlfo_link_map->l_ld;
}

/* Finds the build-id in the notes of a mapped object. returns its size, 0 if there is none */
static size_t find_build_id(const struct dl_find_object *object, const uint8_t **ret_bytes)
{
	const ElfW(Ehdr) *header = object->dlfo_map_start;
	uintptr_t bias = object->dlfo_link_map->l_addr;
	if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
	    header->e_phentsize != sizeof(ElfW(Phdr)))
		return 0;
	const ElfW(Phdr) *segment = (const ElfW(Phdr) *)((uintptr_t)header + header->e_phoff);
	for (size_t i = 0; i < header->e_phnum; i++) {
		if (segment[i].p_type != PT_NOTE)
			continue;
		uintptr_t at = bias + segment[i].p_vaddr;
		uintptr_t end = at + segment[i].p_memsz;
		if (at < (uintptr_t)object->dlfo_map_start || end > (uintptr_t)object->dlfo_map_end)
			continue;
		while (end - at >= sizeof(ElfW(Nhdr)) && at < end) {
			const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)at;
			uintptr_t name = at + sizeof(*note);
			uintptr_t content = name + ((note->n_namesz + 3u) & ~3u);
			at = content + ((note->n_descsz + 3u) & ~3u);
			if (at > end)
				break;
			if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
			    memcmp((const void *)name, "GNU", 4) == 0) {
				*ret_bytes = (const uint8_t *)content;
				return note->n_descsz < LIMIT_BUILD_ID_BYTES ? note->n_descsz
									     : LIMIT_BUILD_ID_BYTES;
			}
		}
	}
	return 0;
}

static bool announce(struct thread_block *block, const struct dl_find_object *object)
{
	uint32_t index = atomic_fetch_add_explicit(&claimed, 1, memory_order_relaxed);
	if (index >= ENTRIES) {
		atomic_store_explicit(&claimed, ENTRIES, memory_order_relaxed);
		return false;
	}
	struct entry *entry = &entries[index];
	const struct link_map *map = object->dlfo_link_map;
	entry->id = index;
	entry->start = (uintptr_t)object->dlfo_map_start;
	entry->end = (uintptr_t)object->dlfo_map_end;
	entry->map = map;
	entry->dynamic = map->l_ld;
	struct module_note note = {
		.id = index,
		.start = entry->start,
		.end = entry->end,
		.bias = map->l_addr,
		.path = map->l_name ? map->l_name : "",
	};
	note.build_id_bytes = find_build_id(object, &note.build_id);
	if (!recorder_note_module(block, &note))
		return false;
	allocators_bind_module(map);
	/* Published after its note, so that nobody's trace comes before it. */
	atomic_store_explicit(&entry->state, ENTRY_LOADED, memory_order_release);
	return true;
}

static bool still_there(const struct entry *entry)
{
	struct dl_find_object object;
	return _dl_find_object((void *)entry->start, &object) == 0 && is_same(entry, &object);
}

static bool retire_unloaded(struct thread_block *block)
{
	bool is_any_gone = false;
	uint32_t count = entry_count();
	for (uint32_t i = 0; i < count; i++) {
		uint32_t loaded = ENTRY_LOADED;
		if (atomic_load_explicit(&entries[i].state, memory_order_acquire) != ENTRY_LOADED ||
		    still_there(&entries[i]) ||
		    !atomic_compare_exchange_strong(&entries[i].state, &loaded, ENTRY_GONE))
			continue;
		recorder_note_unload(block, entries[i].id);
		is_any_gone = true;
	}
	if (is_any_gone) {
		rule_cache_clear();
		atomic_fetch_add(&tracker.generation, 1);
	}
	return is_any_gone;
}

bool modules_announce(struct thread_block *block, const uint64_t *frames, size_t frame_count)
{
	for (size_t i = 0; i < frame_count; i++) {
		struct dl_find_object object;
		uintptr_t address = (uintptr_t)RING_FRAME_ADDRESS(frames[i]);
		if (frames[i] == RING_FRAME_TRUNCATED ||
		    _dl_find_object((void *)(address - 1), &object) != 0)
			continue;
		const struct entry *known = find_entry(address - 1);
		if (known && is_same(known, &object))
			continue;
		if (known && retire_unloaded(block))
			return false;
		(void)announce(block, &object);
	}
	return true;
}

void modules_check_unloaded(struct thread_block *block)
{
	(void)retire_unloaded(block);
}

void modules_reset(void)
{
	uint32_t count = entry_count();
	for (uint32_t i = 0; i < count; i++)
		atomic_store_explicit(&entries[i].state, ENTRY_EMPTY, memory_order_relaxed);
	atomic_store_explicit(&claimed, 0, memory_order_relaxed);
}
