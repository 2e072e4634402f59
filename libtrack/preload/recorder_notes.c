/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Notes: what is no event of a block, and mappings, which are few. */
#include <string.h>

#include "libtrack/preload/deferred_blocks.h"
#include "libtrack/preload/recorder.h"
#include "libtrack/preload/recorder_groups.h"
#include "libtrack/preload/stack_capture.h"

static bool note_begin(struct thread_block *block, enum ring_note note, uint32_t word_count)
{
	if (!thread_reserve(block, GROUP_OVERHEAD_WORDS + 1u + word_count))
		return false;
	group_begin_note(block);
	thread_put(block, ring_note_word(note, word_count));
	return true;
}

/* What the tracker's own code maps (libunwind, for example) is not the program's. */
static struct thread_block *enter_for_mapping(void)
{
	return thread_self.activity == THREAD_OUTSIDE ? thread_enter() : NULL;
}

void recorder_mapped(enum mapping_source source, const void *address, size_t size_bytes,
		     const struct unwind_start *start)
{
	struct thread_block *block = is_paused() ? NULL : enter_for_mapping();
	if (!block)
		return;
	struct stack_name name = stack_capture(block, start);
	if (thread_reserve(block, GROUP_OVERHEAD_WORDS + stack_words(block, name) + 4)) {
		group_begin_note(block);
		if (name.is_new)
			put_stack(block, name);
		thread_put(block, ring_note_word(RING_NOTE_MAP, 3));
		thread_put(block, (uint64_t)name.slot | (uint64_t)source << 16);
		thread_put(block, (uint64_t)address);
		thread_put(block, size_bytes);
		group_end(block);
	}
	thread_leave(block);
}

static void note_words(enum ring_note note, const uint64_t *words, uint32_t count)
{
	struct thread_block *block = enter_for_mapping();
	if (!block)
		return;
	if (note_begin(block, note, count)) {
		for (uint32_t i = 0; i < count; i++)
			thread_put(block, words[i]);
		group_end(block);
	}
	thread_leave(block);
}

void recorder_unmapped(const void *address, size_t size_bytes)
{
	uint64_t words[] = {(uint64_t)address, size_bytes};
	note_words(RING_NOTE_UNMAP, words, 2);
}

void recorder_unmap_failed(void)
{
	note_words(RING_NOTE_RESTORE, NULL, 0);
}

static uint32_t text_words(size_t size_bytes)
{
	return 1u + (uint32_t)((size_bytes + 7) / 8);
}

/* A byte string as words: its length, then its bytes, the last word filled up with zeros. */
static void put_text(struct thread_block *block, const void *bytes, size_t size_bytes)
{
	thread_put(block, size_bytes);
	for (size_t i = 0; i < size_bytes; i += 8) {
		uint64_t word = 0;
		memcpy(&word, (const char *)bytes + i, size_bytes - i < 8 ? size_bytes - i : 8);
		thread_put(block, word);
	}
}

bool recorder_note_image(struct thread_block *block)
{
	const struct tracker_identity *identity = &tracker_identity;
	size_t path_bytes = strlen(identity->path);
	uint32_t words = 4 + text_words(path_bytes) + text_words(identity->command_bytes);
	if (!note_begin(block, RING_NOTE_IMAGE, words))
		return false;
	thread_put(block, tracker.image_serial);
	thread_put(block, identity->pid);
	thread_put(block, identity->parent_pid);
	thread_put(block, identity->start_ticks);
	put_text(block, identity->path, path_bytes);
	put_text(block, identity->command, identity->command_bytes);
	group_end(block);
	return true;
}

bool recorder_note_thread(struct thread_block *block, uint32_t thread_id)
{
	if (!note_begin(block, RING_NOTE_THREAD, 3))
		return false;
	thread_put(block, tracker.image_serial);
	thread_put(block, block->is_side);
	thread_put(block, thread_id);
	group_end(block);
	return true;
}

bool recorder_note_module(struct thread_block *block, const struct module_note *note)
{
	size_t path_bytes = strlen(note->path);
	if (path_bytes > LIMIT_STRING_BYTES / 16)
		path_bytes = LIMIT_STRING_BYTES / 16;
	uint32_t words = 4 + text_words(path_bytes) + text_words(note->build_id_bytes);
	if (!note_begin(block, RING_NOTE_MODULE, words))
		return false;
	thread_put(block, note->id);
	thread_put(block, note->start);
	thread_put(block, note->end);
	thread_put(block, note->bias);
	put_text(block, note->path, path_bytes);
	put_text(block, note->build_id, note->build_id_bytes);
	group_end(block);
	return true;
}

void recorder_note_ignore(struct thread_block *block, const void *address)
{
	uint64_t deferred = deferred_blocks_take(address);
	if (deferred && thread_reserve(block, GROUP_OVERHEAD_WORDS + 2)) {
		group_begin_note(block);
		thread_put(block, ring_word(RING_DEFERRED, 0, 0, (uint64_t)address));
		thread_put(block, deferred);
		group_end(block);
	}
	if (!note_begin(block, RING_NOTE_IGNORE, 1))
		return;
	thread_put(block, (uint64_t)address);
	group_end(block);
}

void recorder_note_unload(struct thread_block *block, uint32_t id)
{
	if (!note_begin(block, RING_NOTE_UNLOAD, 1))
		return;
	thread_put(block, id);
	group_end(block);
}

void recorder_note_name(struct thread_block *block, uint32_t thread_id, const char *name)
{
	size_t name_bytes = strnlen(name, 15);
	if (!note_begin(block, RING_NOTE_NAME, 1 + text_words(name_bytes)))
		return;
	thread_put(block, thread_id);
	put_text(block, name, name_bytes);
	group_end(block);
}

void recorder_name_thread(uint32_t thread_id, const char *name)
{
	struct thread_block *block = tracker_records() ? thread_enter() : NULL;
	if (!block)
		return;
	recorder_note_name(block, thread_id, name);
	thread_leave(block);
}

void recorder_note_untraced(struct thread_block *block, uint32_t pid, const char *path,
			    const char *reason)
{
	size_t path_bytes = strnlen(path, LIMIT_STRING_BYTES / 16);
	size_t reason_bytes = strlen(reason);
	if (!note_begin(block, RING_NOTE_UNTRACED,
			1 + text_words(path_bytes) + text_words(reason_bytes)))
		return;
	thread_put(block, pid);
	put_text(block, path, path_bytes);
	put_text(block, reason, reason_bytes);
	group_end(block);
}

void recorder_note_marker(struct thread_block *block, enum ring_marker kind, const char *text)
{
	size_t text_bytes = strnlen(text, LIMIT_MARKER_BYTES);
	if (!note_begin(block, RING_NOTE_MARKER, 1 + text_words(text_bytes)))
		return;
	thread_put(block, kind);
	put_text(block, text, text_bytes);
	group_end(block);
}
