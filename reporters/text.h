/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Figures and frames as people read them. */
#ifndef MEMTRACE_REPORTERS_TEXT_H
#define MEMTRACE_REPORTERS_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "reader/profile.h"

#define TEXT_FIGURE_BYTES 32

/* "512 B", "1.5 KiB", "23.0 MiB". Writes to and returns `text` [TEXT_FIGURE_BYTES]. */
const char *text_of_bytes(uint64_t bytes, char *text);

/* "1,234,567". Writes to and returns `text` [TEXT_FIGURE_BYTES]. */
const char *text_of_count(uint64_t count, char *text);

/* Parts in percent, 0 of nothing is 0. */
double percent_of(uint64_t part, uint64_t whole);

/* Prints "function (file:line)", "function (in module)" or "function", all as in short_text.h. */
void print_frame(const struct profile *profile, const struct profile_frame *frame, FILE *output);

/* The same within `columns` (> 40) characters: of the file its name, of a long function a part. */
void print_frame_within(const struct profile *profile, const struct profile_frame *frame,
			size_t columns, FILE *output);

/* Length of the UTF-8 sequence at `bytes`, 0 if there is none (RFC 3629). */
size_t text_utf8_length(const char *bytes);

/* The file name in a path. */
const char *base_name(const char *path);

/* Reports a stream that could not be written in full. */
enum mt_status check_output(FILE *output, struct mt_error *error) MT_MUST_CHECK;

#endif
