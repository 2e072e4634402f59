/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmd/leak_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/command.h"
#include "common/size.h"

enum option_key {
	OPTION_FAIL_ON = 1024,
	OPTION_MAX_LEAKED,
	OPTION_MAX_PEAK,
	OPTION_MAX_ALLOCATIONS,
	OPTION_SUPPRESSIONS,
	OPTION_PRINT_SUPPRESSIONS,
	OPTION_BASELINE,
	OPTION_WRITE_BASELINE,
	OPTION_ERROR_EXITCODE,
	OPTION_FORMAT,
	OPTION_RETAINED_BY,
};

static const struct argp_option rows[] = {
	{NULL, 0, NULL, 0, "Limits:", 1},
	{"fail-on", OPTION_FAIL_ON, "KINDS", 0,
	 "Kinds of leaks that fail, with commas between: definite (the default), indirect, "
	 "possible, reachable; all; none",
	 1},
	{"max-leaked", OPTION_MAX_LEAKED, "SIZE", 0,
	 "Let pass up to SIZE bytes (k, M, G) in leaks of these kinds", 1},
	{"max-peak", OPTION_MAX_PEAK, "SIZE", 0, "Fail if more than SIZE bytes were live at once",
	 1},
	{"max-allocations", OPTION_MAX_ALLOCATIONS, "COUNT", 0,
	 "Fail if there were more than COUNT allocations (k, M, G)", 1},
	{"error-exitcode", OPTION_ERROR_EXITCODE, "N", 0,
	 "Exit status when a limit is passed (default: 23)", 1},
	{NULL, 0, NULL, 0, "Accepted leaks:", 2},
	{"suppressions", OPTION_SUPPRESSIONS, "FILE", 0,
	 "Leave out leaks that FILE names, in LeakSanitizer's or valgrind's syntax; may be "
	 "repeated",
	 2},
	{"print-suppressions", OPTION_PRINT_SUPPRESSIONS, "SYNTAX", 0,
	 "Print ready suppressions for the leaks instead of the report: lsan or valgrind", 2},
	{"baseline", OPTION_BASELINE, "FILE", 0,
	 "Leaks in FILE are known: only new ones and those that have grown fail", 2},
	{"write-baseline", OPTION_WRITE_BASELINE, NULL, 0, "Write the leaks to the baseline's FILE",
	 2},
	{NULL, 0, NULL, 0, "Output:", 3},
	{"format", OPTION_FORMAT, "NAME", 0, "text (the default), json, sarif, junit or github", 3},
	{"json", 'j', NULL, 0, "The same as --format=json", 3},
	{"retained-by", OPTION_RETAINED_BY, NULL, 0,
	 "Show what is still reachable, too, and the pointers that lead to it", 3},
	{0},
};

static void parse_kinds(const char *names, struct leak_options *options,
			const struct argp_state *state)
{
	options->limits.fail_on = 0;
	options->has_limits = true;
	if (strcmp(names, "none") == 0)
		return;
	for (;;) {
		size_t length = strcspn(names, ",");
		enum leak_kind kind = leak_kind_find(names, length);
		if (length == 3 && strncmp(names, "all", 3) == 0)
			options->limits.fail_on |= (1u << LEAK_UNCLASSIFIED) - 1;
		else if (kind < LEAK_UNCLASSIFIED)
			options->limits.fail_on |= 1u << kind;
		else
			argp_error(state,
				   "'%.*s' is not a kind of leak: definite, indirect, possible, "
				   "reachable",
				   (int)length, names);
		names += length;
		if (*names++ == '\0')
			return;
	}
}

static void parse_size(const char *text, bool *ret_is_set, uint64_t *ret_size,
		       struct leak_options *options, const struct argp_state *state)
{
	if (!size_parse(text, ret_size))
		argp_error(state, "'%s' is not a size: a number, with k, M or G", text);
	*ret_is_set = true;
	options->has_limits = true;
}

static void parse_status(const char *text, struct leak_options *options,
			 const struct argp_state *state)
{
	char *end;
	errno = 0;
	long status = strtol(text, &end, 10);
	if (errno || end == text || *end || status < 0 || status > 255)
		argp_error(state, "'%s' is not an exit status: 0 to 255", text);
	options->failed_status = (int)status;
}

static void parse_format(const char *name, struct leak_options *options,
			 const struct argp_state *state)
{
	const struct leak_format *format = leak_formats;
	while (format->name && strcmp(format->name, name) != 0)
		format++;
	if (!format->name)
		argp_error(state, "'%s' is not a format: text, json, sarif, junit or github", name);
	options->format = format;
}

static void parse_syntax(const char *name, struct leak_options *options,
			 const struct argp_state *state)
{
	options->prints_suppressions = true;
	if (strcmp(name, "lsan") == 0)
		options->syntax = SUPPRESSION_LSAN;
	else if (strcmp(name, "valgrind") == 0)
		options->syntax = SUPPRESSION_VALGRIND;
	else
		argp_error(state, "'%s' is not a syntax: lsan or valgrind", name);
}

static void add_suppressions(const char *path, struct leak_options *options,
			     const struct argp_state *state)
{
	const char **grown = realloc(options->suppression_paths,
				     (options->suppression_count + 1) * sizeof(*grown));
	if (!grown) {
		argp_failure(state, argp_err_exit_status, 0, "no memory");
		return;
	}
	options->suppression_paths = grown;
	grown[options->suppression_count++] = path;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct leak_options *options = state->input;
	struct leak_limits *limits = &options->limits;
	switch (key) {
	case ARGP_KEY_INIT:
		*options = (struct leak_options){
			.limits.fail_on = 1u << LEAK_DEFINITE,
			.format = &leak_formats[0],
			.failed_status = EXIT_LIMIT_PASSED,
		};
		return 0;
	case OPTION_FAIL_ON:
		parse_kinds(argument, options, state);
		return 0;
	case OPTION_MAX_LEAKED:
		parse_size(argument, &limits->has_max_leaked, &limits->max_leaked_bytes, options,
			   state);
		return 0;
	case OPTION_MAX_PEAK:
		parse_size(argument, &limits->has_max_peak, &limits->max_peak_bytes, options,
			   state);
		return 0;
	case OPTION_MAX_ALLOCATIONS:
		parse_size(argument, &limits->has_max_allocations, &limits->max_allocations,
			   options, state);
		return 0;
	case OPTION_ERROR_EXITCODE:
		parse_status(argument, options, state);
		return 0;
	case OPTION_SUPPRESSIONS:
		add_suppressions(argument, options, state);
		return 0;
	case OPTION_PRINT_SUPPRESSIONS:
		parse_syntax(argument, options, state);
		return 0;
	case OPTION_BASELINE:
		options->baseline_path = argument;
		return 0;
	case OPTION_WRITE_BASELINE:
		options->writes_baseline = true;
		return 0;
	case OPTION_FORMAT:
		parse_format(argument, options, state);
		return 0;
	case 'j':
		parse_format("json", options, state);
		return 0;
	case OPTION_RETAINED_BY:
		options->shows_holders = true;
		return 0;
	case ARGP_KEY_END:
		if (options->writes_baseline && !options->baseline_path)
			argp_error(state, "--write-baseline goes with --baseline=FILE");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

const struct argp leak_argp = {.options = rows, .parser = parse};

void leak_options_release(struct leak_options *options)
{
	free(options->suppression_paths);
	*options = (struct leak_options){0};
}
