/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reporters/text.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "reporters/short_text.h"

const char *text_of_bytes(uint64_t bytes, char *text)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	if (bytes < 1024) {
		(void)snprintf(text, TEXT_FIGURE_BYTES, "%u B", (unsigned)bytes);
		return text;
	}
	double value = (double)bytes / 1024;
	size_t unit = 0;
	for (; value >= 1023.95 && unit < 5; unit++)
		value /= 1024;
	(void)snprintf(text, TEXT_FIGURE_BYTES, "%.1f %s", value, units[unit]);
	return text;
}

const char *text_of_count(uint64_t count, char *text)
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count);
	size_t used = 0;
	for (int i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			text[used++] = ',';
		text[used++] = digits[i];
	}
	text[used] = '\0';
	return text;
}

double percent_of(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0.0;
}

const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/*
 * Where a frame is, as it stands behind the function: "file:line", "file" or "in module".
 *
 * returns  text [SHORT_TEXT_BYTES], empty if nothing is known or the function's name says it
 */
static const char *describe_place(const struct profile *profile, const struct profile_frame *frame,
				  bool has_directory, char *text)
{
	const char *function = profile_text(profile, frame->function);
	char path[SHORT_TEXT_BYTES];
	text[0] = '\0';
	if (frame->file) {
		const char *file = short_path(profile_text(profile, frame->file),
					      profile->log->info.run.directory, path);
		if (!has_directory)
			file = base_name(file);
		if (frame->line)
			(void)snprintf(text, SHORT_TEXT_BYTES, "%s:%u", file, frame->line);
		else
			(void)snprintf(text, SHORT_TEXT_BYTES, "%s", file);
	} else if (frame->module && !strstr(function, "+0x")) {
		(void)snprintf(text, SHORT_TEXT_BYTES, "in %s",
			       base_name(profile_text(profile, frame->module)));
	}
	return text;
}

size_t text_utf8_length(const char *bytes)
{
	const unsigned char *text = (const unsigned char *)bytes;
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

void print_frame(const struct profile *profile, const struct profile_frame *frame, FILE *output)
{
	char name[SHORT_TEXT_BYTES];
	char place[SHORT_TEXT_BYTES];
	(void)fputs(short_name(profile_text(profile, frame->function), name), output);
	if (*describe_place(profile, frame, true, place))
		(void)fprintf(output, " (%s)", place);
}

/* Of the room for a function and its place, the function gets at least this much. */
#define NAME_COLUMNS 24u

void print_frame_within(const struct profile *profile, const struct profile_frame *frame,
			size_t columns, FILE *output)
{
	char name[SHORT_TEXT_BYTES];
	char whole_place[SHORT_TEXT_BYTES];
	char place[SHORT_TEXT_BYTES];
	char line[SHORT_TEXT_BYTES];
	(void)short_name(profile_text(profile, frame->function), name);
	(void)describe_place(profile, frame, false, whole_place);
	(void)short_line(whole_place, columns - NAME_COLUMNS - strlen(" ()"), place);
	size_t place_columns = *place ? strlen(place) + strlen(" ()") : 0;
	(void)fputs(short_tail(name, columns - place_columns, line), output);
	if (*place)
		(void)fprintf(output, " (%s)", place);
}

enum mt_status check_output(FILE *output, struct mt_error *error)
{
	if (fflush(output) == 0 && !ferror(output))
		return MT_OK;
	return mt_error_set_errno(error, errno ? errno : EIO, "the report cannot be written");
}
