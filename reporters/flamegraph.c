/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memtrace flamegraph: one HTML file, the page of web/ with the data of a log in it. */
#include <stdlib.h>
#include <string.h>

#include "reporters/page_data.h"
#include "reporters/page_template.h"
#include "reporters/reporter.h"
#include "reporters/text.h"

#define PLACEHOLDER "<!--memtrace-data-->"

static enum mt_status render(const struct profile *profile, const void *options, FILE *output,
			     struct mt_error *error)
{
	static const char opening[] =
		"<script id=\"memtrace-data\" type=\"application/octet-stream;base64\">";
	static const char closing[] = "</script>";
	struct buffer data = {0};
	const char *end = page_template + page_template_bytes;
	const char *place = memmem(page_template, page_template_bytes, PLACEHOLDER,
				   strlen(PLACEHOLDER));
	(void)options;
	if (!place)
		return mt_error_set(error, MT_ERR_CORRUPT, "memtrace was built with a broken page");
	enum mt_status status = page_data_write(profile, &data, error);
	if (status == MT_OK) {
		(void)fwrite(page_template, 1, (size_t)(place - page_template), output);
		(void)fwrite(opening, 1, sizeof(opening) - 1, output);
		(void)fwrite(data.bytes, 1, data.size_bytes, output);
		(void)fwrite(closing, 1, sizeof(closing) - 1, output);
		place += strlen(PLACEHOLDER);
		(void)fwrite(place, 1, (size_t)(end - place), output);
		status = check_output(output, error);
	}
	buffer_release(&data);
	return status;
}

const struct reporter reporter_flamegraph = {
	.name = "flamegraph",
	.summary = "write an HTML page that shows where memory comes from",
	.extension = "html",
	.render = render,
};
