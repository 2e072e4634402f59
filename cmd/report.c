/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs the reporters: reads a log, renders it, and looks after the output file. */
#include "cmd/report.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/log_argument.h"
#include "cmd/output_file.h"
#include "reader/loaded_log.h"
#include "reader/profile.h"

struct report_options {
	const struct reporter *reporter;
	struct log_argument log;
	const char *output_path; /* NULL: derived from the log's, or standard output */
	bool overwrites;
	void *reporter_options;
};

static const struct argp_option file_options[] = {
	{"output", 'o', "FILE", 0, "Write to FILE (default: the log's name with another ending)",
	 0},
	{"force", 'f', NULL, 0, "Overwrite an existing file", 0},
	{0},
};

static error_t parse_own(int key, char *argument, struct argp_state *state)
{
	struct report_options *options = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = options;
		state->child_inputs[1] = &options->log;
		return 0;
	case 'o':
		options->output_path = argument;
		return 0;
	case 'f':
		options->overwrites = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* The keys of argp itself, as against those of options. */
#define IS_ARGP_KEY(key) ((key) == ARGP_KEY_ARG || ((key)&0x1000000))

static error_t parse_reporters(int key, char *argument, struct argp_state *state)
{
	struct report_options *options = state->input;
	if (IS_ARGP_KEY(key) || !options->reporter->parse)
		return ARGP_ERR_UNKNOWN;
	if (!options->reporter->parse(key, argument, options->reporter_options))
		argp_error(state, "'%s' makes no sense here", argument);
	return 0;
}

/* The output of a reporter that writes files: "a.mtlog" -> "a.html". */
static char *derive_path(const char *log_path, const char *extension)
{
	static const char suffix[] = ".mtlog";
	size_t length = strlen(log_path);
	char *path;
	if (length > sizeof(suffix) - 1 &&
	    strcmp(log_path + length - (sizeof(suffix) - 1), suffix) == 0)
		length -= sizeof(suffix) - 1;
	return asprintf(&path, "%.*s.%s", (int)length, log_path, extension) < 0 ? NULL : path;
}

static enum mt_status render_to_file(const struct report_options *options,
				     const struct profile *profile, const char *path,
				     struct mt_error *error)
{
	struct output_file file;
	enum mt_status status = output_file_open(&file, path, options->overwrites, error);
	if (status != MT_OK)
		return status;
	status = options->reporter->render(profile, options->reporter_options, file.stream, error);
	return output_file_close(&file, status, error);
}

static enum mt_status render(const struct report_options *options, const struct profile *profile,
			     struct mt_error *error)
{
	const struct reporter *reporter = options->reporter;
	if (!reporter->extension)
		return reporter->render(profile, options->reporter_options, stdout, error);
	char *path = options->output_path ? strdup(options->output_path)
					  : derive_path(options->log.path, reporter->extension);
	if (!path)
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory");
	enum mt_status status = strcmp(path, "-") == 0
					? reporter->render(profile, options->reporter_options,
							   stdout, error)
					: render_to_file(options, profile, path, error);
	if (status == MT_OK && strcmp(path, "-") != 0)
		(void)fprintf(stderr, "memtrace: wrote %s\n", path);
	free(path);
	return status;
}

static int report(const struct report_options *options)
{
	struct loaded_log log;
	struct profile *profile = NULL;
	struct mt_error error = {0};
	struct loaded_log_options load = {.pid = options->log.pid};
	if (options->reporter->prepare)
		options->reporter->prepare(options->reporter_options, &load);
	enum mt_status status = loaded_log_read(&log, options->log.path, &load, &error);
	if (status != MT_OK) {
		print_error("%s", error.message);
		return status == MT_ERR_USAGE ? EXIT_USAGE : EXIT_FILE;
	}
	const char *reason = loaded_log_incomplete_reason(&log);
	if (reason)
		print_error("%s: the report is incomplete: %s", options->log.path, reason);
	status = profile_new(&log, &profile, &error);
	if (status == MT_OK)
		status = render(options, profile, &error);
	if (status != MT_OK)
		print_error("%s", error.message);
	profile_free(profile);
	loaded_log_release(&log);
	return status == MT_OK ? EXIT_SUCCESS : EXIT_FILE;
}

int report_run(const struct reporter *reporter, int argument_count, char **arguments)
{
	struct report_options options = {.reporter = reporter};
	options.reporter_options = calloc(1, reporter->options_bytes + 1);
	if (!options.reporter_options) {
		print_error("no memory");
		return EXIT_FILE;
	}
	const struct argp of_reporter = {.options = reporter->options, .parser = parse_reporters};
	const struct argp_child children[] = {
		{&of_reporter, 0, NULL, 0}, {&log_process_argp, 0, NULL, 0}, {0}};
	char doc[512];
	(void)snprintf(doc, sizeof(doc), "%c%s.%s%s", reporter->summary[0] - 'a' + 'A',
		       reporter->summary + 1, reporter->doc ? "\v" : "",
		       reporter->doc ? reporter->doc : "");
	const struct argp parser = {
		.options = reporter->extension ? file_options : NULL,
		.parser = parse_own,
		.args_doc = "LOG",
		.doc = doc,
		.children = children,
	};
	argp_err_exit_status = EXIT_USAGE;
	(void)argp_parse(&parser, argument_count, arguments, 0, NULL, &options);
	int status = report(&options);
	free(options.reporter_options);
	return status;
}
