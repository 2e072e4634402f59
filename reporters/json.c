/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reporters/json.h"

#include <stdlib.h>
#include <string.h>

#include "reporters/text.h"

void json_add_count(cJSON *object, const char *name, uint64_t value)
{
	(void)cJSON_AddNumberToObject(object, name, (double)value);
}

cJSON *json_string(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t bad = 0;
	while (*at) {
		size_t length = text_utf8_length((const char *)at);
		bad += length == 0;
		at += length ? length : 1;
	}
	if (bad == 0)
		return cJSON_CreateString(text);
	char *clean = malloc((size_t)(at - (const unsigned char *)text) + bad * 2 + 1);
	if (!clean)
		return NULL;
	char *out = clean;
	for (at = (const unsigned char *)text; *at;) {
		size_t length = text_utf8_length((const char *)at);
		memcpy(out, length ? (const char *)at : "\xef\xbf\xbd", length ? length : 3);
		out += length ? length : 3;
		at += length ? length : 1;
	}
	*out = '\0';
	cJSON *item = cJSON_CreateString(clean);
	free(clean);
	return item;
}

void json_add_string(cJSON *object, const char *name, const char *text)
{
	(void)cJSON_AddItemToObject(object, name, json_string(text));
}

static void add_text(cJSON *object, const char *name, const char *text)
{
	if (*text)
		json_add_string(object, name, text);
	else
		(void)cJSON_AddNullToObject(object, name);
}

void json_add_frame(cJSON *object, const struct profile *profile, const struct profile_frame *frame)
{
	add_text(object, "function", profile_text(profile, frame->function));
	add_text(object, "file", profile_text(profile, frame->file));
	if (frame->line)
		json_add_count(object, "line", frame->line);
	else
		(void)cJSON_AddNullToObject(object, "line");
	add_text(object, "module", profile_text(profile, frame->module));
}

cJSON *json_stack(const struct profile *profile, uint32_t node)
{
	cJSON *stack = cJSON_CreateArray();
	for (; node != 0; node = profile->nodes[node].parent) {
		cJSON *item = cJSON_CreateObject();
		json_add_frame(item, profile, &profile->frames[profile->nodes[node].frame]);
		(void)cJSON_AddItemToArray(stack, item);
	}
	return stack;
}

enum mt_status json_print(cJSON *object, FILE *output, struct mt_error *error)
{
	char *text = cJSON_Print(object);
	cJSON_Delete(object);
	if (!text)
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for the report");
	(void)fprintf(output, "%s\n", text);
	free(text);
	return check_output(output, error);
}
