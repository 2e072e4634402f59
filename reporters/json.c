/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reporters/json.h"

#include <stdlib.h>
#include <string.h>

#include "reporters/text.h"

void json_add_count(cJSON *object, const char *name, uint64_t value)
{
	(void)cJSON_AddNumberToObject(object, name, (double)value);
}

/* Length of the UTF-8 sequence at `text`, 0 if there is none (RFC 3629). */
static size_t sequence_length(const unsigned char *text)
{
	if (text[0] < 0x80)
		return 1;
	size_t length = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	bool is_overlong = (text[0] == 0xe0 && text[1] < 0xa0) ||
			   (text[0] == 0xf0 && text[1] < 0x90);
	bool is_beyond = (text[0] == 0xed && text[1] > 0x9f) || (text[0] == 0xf4 && text[1] > 0x8f);
	return is_overlong || is_beyond ? 0 : length;
}

cJSON *json_string(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t bad = 0;
	while (*at) {
		size_t length = sequence_length(at);
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
		size_t length = sequence_length(at);
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
