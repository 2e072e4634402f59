/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The JSON that reports share, built with cJSON.
 *
 * cJSON returns NULL when memory runs out and takes NULL everywhere, so a report builds its whole
 * object and looks once, in json_print, whether it came to be.
 */
#ifndef MEMTRACE_REPORTERS_JSON_H
#define MEMTRACE_REPORTERS_JSON_H

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>

#include "reader/profile.h"

void json_add_count(cJSON *object, const char *name, uint64_t value);

/*
 * A string item; bytes that are no UTF-8 (a name out of a binary, an argument) become U+FFFD, since
 * JSON has no other place for them.
 */
cJSON *json_string(const char *text);
void json_add_string(cJSON *object, const char *name, const char *text);

/* Adds function, file, line and module of a frame; null where they are not known. */
void json_add_frame(cJSON *object, const struct profile *profile,
		    const struct profile_frame *frame);

/* The frames of a stack trace, innermost first. */
cJSON *json_stack(const struct profile *profile, uint32_t node);

/* Prints and deletes `object`. returns MT_ERR_NO_MEMORY, MT_ERR_IO */
enum mt_status json_print(cJSON *object, FILE *output, struct mt_error *error) MT_MUST_CHECK;

#endif
