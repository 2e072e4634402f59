/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reporters/text.h"

#include <errno.h>
#include <string.h>

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

void print_frame(const struct profile *profile, const struct profile_frame *frame, FILE *output)
{
	(void)fputs(profile_text(profile, frame->function), output);
	if (frame->file && frame->line)
		(void)fprintf(output, " (%s:%u)", profile_text(profile, frame->file), frame->line);
	else if (frame->file)
		(void)fprintf(output, " (%s)", profile_text(profile, frame->file));
	else if (frame->module && !strstr(profile_text(profile, frame->function), "+0x"))
		(void)fprintf(output, " (in %s)", base_name(profile_text(profile, frame->module)));
}

enum mt_status check_output(FILE *output, struct mt_error *error)
{
	if (fflush(output) == 0 && !ferror(output))
		return MT_OK;
	return mt_error_set_errno(error, errno ? errno : EIO, "the report cannot be written");
}
