/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memtrace run: records a program. */
#include <argp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/death.h"
#include "cmd/record_program.h"
#include "common/size.h"

#define MAX_LOG_BYTES_DEFAULT (1ull << 30)
#define MAX_LOG_BYTES_MIN (1ull << 20)
#define INTERVAL_BYTES_MAX (1ull << 40)

#if defined(__x86_64__)
#define UNWINDER_NAMES "fast (the default), fp (frame pointers) or libunwind"
#else
#define UNWINDER_NAMES "fp (frame pointers, the default) or libunwind"
#endif

enum option_key {
	OPTION_EXACT = 256,
	OPTION_LEAK_CHECK,
	OPTION_MAX_LOG_SIZE,
	OPTION_MAX_OVERHEAD,
	OPTION_NO_CHILDREN,
	OPTION_NO_SCRUB,
	OPTION_ONLY_UNFREED,
	OPTION_NO_SYMBOLS,
	OPTION_SAMPLE,
	OPTION_UNWINDER,
};

struct run_options {
	struct launch_options launch;
	bool is_exact;
	bool is_sampled;  /* --sample was given ... */
	bool has_max_log; /* ... --max-log-size ... */
	bool has_max_overhead;
};

static const struct argp_option option_rows[] = {
	{"output", 'o', "LOG", 0, "Write the log to LOG (default: memtrace.PROGRAM.PID.mtlog)", 0},
	{"force", 'f', NULL, 0, "Overwrite an existing log", 0},
	{"quiet", 'q', NULL, 0, "Print nothing at the end", 0},
	{"exact", OPTION_EXACT, NULL, 0, "Record every allocation, however large the log becomes",
	 0},
	{"sample", OPTION_SAMPLE, "BYTES|auto", 0,
	 "Record one allocation in BYTES allocated bytes on average (512k is usual); auto (the "
	 "default): record all until a limit is reached",
	 0},
	{"max-log-size", OPTION_MAX_LOG_SIZE, "SIZE", 0,
	 "Sample as sparsely as it takes to keep the log below SIZE (default: 1G)", 0},
	{"max-overhead", OPTION_MAX_OVERHEAD, "PERCENT", 0,
	 "Sample as sparsely as it takes to slow the program down by PERCENT at most", 0},
	{"leak-check", OPTION_LEAK_CHECK, NULL, 0,
	 "Find out at the end of each process which blocks can't be reached any more (implies "
	 "--exact)",
	 0},
	{"only-unfreed", OPTION_ONLY_UNFREED, NULL, 0,
	 "With --leak-check: record what is not freed, little of the rest; costs less", 0},
	{"no-scrub", OPTION_NO_SCRUB, NULL, 0,
	 "With --leak-check: don't zero blocks before they are freed; stale pointers may hide "
	 "leaks",
	 0},
	{"no-children", OPTION_NO_CHILDREN, NULL, 0, "Record the program only, not what it starts",
	 0},
	{"unwinder", OPTION_UNWINDER, "NAME", 0, "How stacks are captured: " UNWINDER_NAMES, 0},
	{"no-symbols", OPTION_NO_SYMBOLS, NULL, 0, "Don't look up names at the end", 0},
	{0},
};

static error_t parse_unwinder(const char *name, struct launch_options *launch_options,
			      const struct argp_state *state)
{
	if (strcmp(name, "fast") == 0 && UNWINDER_DEFAULT == UNWINDER_FAST)
		launch_options->unwinder = UNWINDER_FAST;
	else if (strcmp(name, "fp") == 0)
		launch_options->unwinder = UNWINDER_FRAME_POINTER;
	else if (strcmp(name, "libunwind") == 0)
		launch_options->unwinder = UNWINDER_LIBUNWIND;
	else
		argp_error(state, "'%s' is not an unwinder: " UNWINDER_NAMES, name);
	return 0;
}

static void parse_sample(const char *text, struct run_options *options,
			 const struct argp_state *state)
{
	options->is_sampled = true;
	if (strcmp(text, "auto") == 0) {
		options->launch.sampling.interval_bytes = 0;
		return;
	}
	if (!size_parse(text, &options->launch.sampling.interval_bytes) ||
	    options->launch.sampling.interval_bytes == 0 ||
	    options->launch.sampling.interval_bytes > INTERVAL_BYTES_MAX)
		argp_error(state, "'%s' is not a sampling interval: auto, or a size such as 512k",
			   text);
}

static void parse_max_log(const char *text, struct run_options *options,
			  const struct argp_state *state)
{
	options->has_max_log = true;
	if (!size_parse(text, &options->launch.sampling.max_log_bytes) ||
	    options->launch.sampling.max_log_bytes < MAX_LOG_BYTES_MIN)
		argp_error(state, "'%s' is not a size of at least 1M for the log", text);
}

static void parse_max_overhead(const char *text, struct run_options *options,
			       const struct argp_state *state)
{
	char *end;
	double percent = strtod(text, &end);
	options->has_max_overhead = true;
	if (*end == '%')
		end++;
	if (end == text || *end || !(percent > 0 && percent <= 1000))
		argp_error(state, "'%s' is not a percentage", text);
	options->launch.sampling.max_overhead = percent / 100;
}

static void check_leak_check(struct run_options *options, const struct argp_state *state)
{
	if (!options->launch.leak_check && options->launch.no_scrub)
		argp_error(state, "--no-scrub goes with --leak-check");
	if (!options->launch.leak_check && options->launch.only_unfreed)
		argp_error(state, "--only-unfreed goes with --leak-check");
	if (!options->launch.leak_check)
		return;
	if (options->is_sampled || options->has_max_log || options->has_max_overhead)
		argp_error(state, "--leak-check needs every allocation: it does not go with "
				  "--sample, --max-log-size and --max-overhead");
	options->is_exact = true;
}

static void check_sampling(struct run_options *options, const struct argp_state *state)
{
	if (options->is_exact && options->is_sampled)
		argp_error(state, "--exact and --sample contradict each other");
	if (options->is_exact && options->has_max_log)
		argp_error(state, "--exact and --max-log-size contradict each other");
	if (options->is_exact && options->has_max_overhead)
		argp_error(state, "--exact and --max-overhead contradict each other");
	options->launch.sampling.is_exact = options->is_exact;
	if (!options->has_max_log)
		options->launch.sampling.max_log_bytes = MAX_LOG_BYTES_DEFAULT;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct run_options *options = state->input;
	struct launch_options *launch_options = &options->launch;
	switch (key) {
	case 'o':
		launch_options->log_path = argument;
		return 0;
	case 'f':
		launch_options->overwrites = true;
		return 0;
	case 'q':
		launch_options->is_quiet = true;
		return 0;
	case OPTION_EXACT:
		options->is_exact = true;
		return 0;
	case OPTION_SAMPLE:
		parse_sample(argument, options, state);
		return 0;
	case OPTION_MAX_LOG_SIZE:
		parse_max_log(argument, options, state);
		return 0;
	case OPTION_MAX_OVERHEAD:
		parse_max_overhead(argument, options, state);
		return 0;
	case OPTION_LEAK_CHECK:
		launch_options->leak_check = true;
		return 0;
	case OPTION_ONLY_UNFREED:
		launch_options->only_unfreed = true;
		return 0;
	case OPTION_NO_SCRUB:
		launch_options->no_scrub = true;
		return 0;
	case OPTION_NO_CHILDREN:
		launch_options->no_children = true;
		return 0;
	case OPTION_UNWINDER:
		return parse_unwinder(argument, launch_options, state);
	case OPTION_NO_SYMBOLS:
		launch_options->no_symbols = true;
		return 0;
	case ARGP_KEY_ARG:
		/* The rest is the program's. */
		launch_options->arguments = state->argv + state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_END:
		if (!launch_options->arguments)
			argp_error(state, "a program to run is missing");
		check_leak_check(options, state);
		check_sampling(options, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp parser = {
	.options = option_rows,
	.parser = parse,
	.args_doc = "PROGRAM [ARGUMENT...]",
	.doc = "Run PROGRAM and record where its memory comes from.\v"
	       "The exit status is the program's (128 + N if signal N ended it); 125 if memtrace "
	       "failed, "
	       "126 if the program can't be executed or traced, 127 if it is not found.",
};

static int run(int argument_count, char **arguments)
{
	char path[PATH_MAX];
	struct memory_limit limit;
	struct run_options options = {
		.launch.unwinder = UNWINDER_DEFAULT,
	};
	struct launch_options *launch_options = &options.launch;
	struct launch_result result;
	char closing[512];
	argp_err_exit_status = EXIT_TRACER_FAILED;
	(void)argp_parse(&parser, argument_count, arguments, ARGP_IN_ORDER, NULL, &options);
	int failure = record_find_program(launch_options->arguments[0], path, sizeof(path));
	if (failure)
		return failure;
	launch_options->program_path = path;
	launch_options->limit = launch_options->is_quiet ? NULL : &limit; /* for death_explain */
	record_program(launch_options, &result, closing, sizeof(closing));
	if (result.was_recorded && !launch_options->is_quiet) {
		print_error("%s", closing);
		if (result.news.event != RECORDING_GOES_ON)
			death_explain(&result, &limit);
	}
	return result.exit_status;
}

const struct command command_run = {
	.name = "run",
	.summary = "run a program and record its memory",
	.run = run,
};
