/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The names of the addresses of a log, and their block in it.
 *
 * Modules of several images that are the same file are one object. Each distinct address of an
 * object has one or more frames: the innermost inlined function first, last the function whose
 * code the address is in.
 */
#ifndef MEMTRACE_READER_SYMBOLS_H
#define MEMTRACE_READER_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/codec.h"
#include "common/log/buffer.h"
#include "common/status.h"
#include "reader/string_table.h"

struct symbol_object {
	uint32_t path; /* string */
	uint8_t build_id[64];
	size_t build_id_bytes;
	uint32_t quality; /* enum symbolizer_quality */
};

struct symbol_frame {
	uint32_t function; /* string; 0: not known */
	uint32_t file;     /* string; 0: not known */
	uint32_t line;
	uint32_t is_inlined;
};

struct symbol_entry {
	uint64_t offset; /* address in the file, with the RING_FRAME_* flags of the stack node */
	uint32_t object;
	uint32_t first_frame;
	uint32_t frame_count; /* 0: nothing is known */
};

struct symbols {
	struct string_table strings;
	struct symbol_object *objects; /* [object_count] */
	uint32_t object_count;
	struct symbol_entry *entries; /* [entry_count] */
	uint32_t entry_count;
	uint32_t entry_capacity;
	uint32_t *slots; /* [mask + 1] entry + 1, 0 = empty */
	uint32_t mask;
	struct symbol_frame *frames; /* [frame_count] */
	uint32_t frame_count;
	uint32_t frame_capacity;
	uint32_t filled; /* entry that frames are added to */
};

#define SYMBOL_NONE UINT32_MAX

/* returns  false if there is no memory */
bool symbols_init(struct symbols *symbols);
void symbols_release(struct symbols *symbols);

/* Finds or makes an object. returns its index, SYMBOL_NONE: no memory */
uint32_t symbols_object(struct symbols *symbols, const char *path, const uint8_t *build_id,
			size_t build_id_bytes);

/* NULL if the address was not looked up. */
const struct symbol_entry *symbols_find(const struct symbols *symbols, uint32_t object,
					uint64_t offset);

/* Adds an address with frames to follow. returns false: no memory */
bool symbols_add_entry(struct symbols *symbols, uint32_t object, uint64_t offset);

/* Takes the frames of an address that was looked up away, for others to follow. */
void symbols_renew_entry(struct symbols *symbols, uint32_t object, uint64_t offset);

/* Adds a frame to the entry that was added or renewed last. returns false: no memory */
bool symbols_add_frame(struct symbols *symbols, const struct symbol_frame *frame);

/* The fields of a SYMBOLS block (docs/log_format.md, "Symbols"). Check fields->failed. */
void symbols_encode(const struct symbols *symbols, struct buffer *fields);

/* Reads such a block into empty symbols. returns MT_ERR_CORRUPT, MT_ERR_NO_MEMORY */
enum mt_status symbols_decode(struct symbols *symbols, struct byte_reader *payload,
			      struct mt_error *error) MT_MUST_CHECK;

#endif
