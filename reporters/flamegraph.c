/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memtrace flamegraph: one HTML file, the page of web/ with the data of a log in it. */
#include <stdlib.h>
#include <string.h>

#include "common/size.h"
#include "reporters/page_data.h"
#include "reporters/page_template.h"
#include "reporters/reporter.h"
#include "reporters/text.h"

#define PLACEHOLDER "<!--memtrace-data-->"
#define OPENING "<script id=\"memtrace-data\" type=\"application/octet-stream;base64\">"
#define CLOSING "</script>"

#define NODES_DEFAULT 1000000u /* what a browser shows at once without delay */

enum option_key { OPTION_DIFF = 256, OPTION_MAX_NODES, OPTION_MAX_SIZE, OPTION_NO_SOURCE };

struct flamegraph_options {
	const char *base_path;
	bool has_max_nodes;
	uint32_t max_nodes;
	uint64_t max_bytes;
	bool has_no_sources;
};

/* Writes the page around `data`, which goes into the place of `placeholder`. */
static enum mt_status write_page(const struct buffer *data, const char *placeholder, FILE *output,
				 struct mt_error *error)
{
	const char *rest = placeholder + strlen(PLACEHOLDER);
	const char *end = page_template + page_template_bytes;
	(void)fwrite(page_template, 1, (size_t)(placeholder - page_template), output);
	(void)fwrite(OPENING, 1, sizeof(OPENING) - 1, output);
	(void)fwrite(data->bytes, 1, data->size_bytes, output);
	(void)fwrite(CLOSING, 1, sizeof(CLOSING) - 1, output);
	(void)fwrite(rest, 1, (size_t)(end - rest), output);
	return check_output(output, error);
}

static enum mt_status render_page(const struct profile *profile, const struct profile *base,
				  const struct flamegraph_options *options, FILE *output,
				  struct mt_error *error)
{
	struct buffer data = {0};
	struct page_options page = {
		.base = base,
		.max_nodes = options->has_max_nodes ? options->max_nodes : NODES_DEFAULT,
		.has_no_sources = options->has_no_sources,
	};
	const char *place = memmem(page_template, page_template_bytes, PLACEHOLDER,
				   strlen(PLACEHOLDER));
	if (!place)
		return mt_error_set(error, MT_ERR_CORRUPT, "memtrace was built with a broken page");
	size_t frame_bytes = page_template_bytes + sizeof(OPENING) + sizeof(CLOSING);
	if (options->max_bytes > 0)
		page.max_bytes = options->max_bytes - frame_bytes;
	if (options->max_bytes > 0 && options->max_bytes <= frame_bytes)
		return mt_error_set(error, MT_ERR_LIMIT, "the page has %zu bytes without any data",
				    frame_bytes);
	enum mt_status status = page_data_write(profile, &page, &data, error);
	if (status == MT_OK)
		status = write_page(&data, place, output, error);
	buffer_release(&data);
	return status;
}

static enum mt_status render(const struct profile *profile, const void *options, FILE *output,
			     struct mt_error *error)
{
	const struct flamegraph_options *flamegraph_options = options;
	struct loaded_log log = {0};
	struct profile *base = NULL;
	if (!flamegraph_options->base_path)
		return render_page(profile, NULL, flamegraph_options, output, error);
	enum mt_status status = loaded_log_read(&log, flamegraph_options->base_path, NULL, error);
	if (status != MT_OK)
		return status;
	status = profile_new(&log, &base, error);
	if (status == MT_OK)
		status = render_page(profile, base, flamegraph_options, output, error);
	profile_free(base);
	loaded_log_release(&log);
	return status;
}

static bool parse(int key, const char *argument, void *options)
{
	struct flamegraph_options *flamegraph_options = options;
	uint64_t number = 0;
	switch (key) {
	case OPTION_DIFF:
		flamegraph_options->base_path = argument;
		return true;
	case OPTION_MAX_NODES:
		flamegraph_options->has_max_nodes = true;
		if (!size_parse(argument, &number) || number == 1 || number > UINT32_MAX)
			return false;
		flamegraph_options->max_nodes = (uint32_t)number;
		return true;
	case OPTION_MAX_SIZE:
		return size_parse(argument, &flamegraph_options->max_bytes) &&
		       flamegraph_options->max_bytes > 0;
	case OPTION_NO_SOURCE:
		flamegraph_options->has_no_sources = true;
		return true;
	}
	return false;
}

static const struct argp_option option_rows[] = {
	{"diff", OPTION_DIFF, "BASE", 0, "Show what has changed since the log BASE", 0},
	{"max-nodes", OPTION_MAX_NODES, "N", 0,
	 "Fold the least important nodes of the tree when there are more (default: 1000000; 0: no "
	 "limit)",
	 0},
	{"max-size", OPTION_MAX_SIZE, "BYTES", 0,
	 "Fold nodes until the file is no larger (K, M and G are understood)", 0},
	{"no-source", OPTION_NO_SOURCE, NULL, 0, "Leave out lines of source files", 0},
	{0},
};

const struct reporter reporter_flamegraph = {
	.name = "flamegraph",
	.summary = "write an HTML page that shows where memory comes from",
	.doc = "The page needs no network and no other file. Lines of source files that can be "
	       "read "
	       "are in it, unless the file was changed after the recording, or has no name of a "
	       "source file. Nodes that are folded stay in all sums, and the page says so.",
	.extension = "html",
	.options = option_rows,
	.options_bytes = sizeof(struct flamegraph_options),
	.parse = parse,
	.render = render,
};
