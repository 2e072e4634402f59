/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memtrace check: runs a program with a leak check and judges it.
 *
 * The program's stdout and stdin stay its own. The report goes to stderr when the program has
 * ended, or to a file. A log that nobody asked for is removed again, unless there is something in
 * it to look at.
 */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/leak_judge.h"
#include "cmd/output_file.h"
#include "cmd/record_program.h"
#include "reader/leaked_stacks.h"
#include "reader/name_cache.h"
#include "reader/symbol_update.h"
#include "reporters/text.h"

enum option_key { OPTION_NO_CHILDREN = 512, OPTION_NO_SCRUB, OPTION_REPORT, OPTION_WAIT };

/* Processes that the program leaves behind have this long to end. */
#define DEFAULT_WAIT_S 10
#define LONGEST_WAIT_S 86400

/* Of what nobody has classified the report shows the most; the log has the rest. */
#define UNCLASSIFIED_LISTED 10

struct check_options {
	struct leak_options shared;
	struct launch_options launch;
	const char *report_path; /* NULL: stderr; "-": stdout */
	bool has_own_log;        /* that is only there for the check */
};

static const struct argp_option rows[] = {
	{"output", 'o', "LOG", 0, "Keep the log, as LOG", 0},
	{"force", 'f', NULL, 0, "Overwrite an existing log or report", 0},
	{"quiet", 'q', NULL, 0, "Print nothing when all limits are kept", 0},
	{"no-children", OPTION_NO_CHILDREN, NULL, 0, "Check the program only, not what it starts",
	 0},
	{"no-scrub", OPTION_NO_SCRUB, NULL, 0,
	 "Don't zero blocks before they are freed; stale pointers may hide leaks", 0},
	{"wait", OPTION_WAIT, "SECONDS", 0,
	 "How long to wait for processes that the program leaves behind (default: 10)", 0},
	{"report", OPTION_REPORT, "FILE", 0,
	 "Write the report to FILE, - for standard output (default: standard error)", 3},
	{0},
};

static unsigned parse_wait(const char *text, const struct argp_state *state)
{
	char *end;
	errno = 0;
	long seconds = strtol(text, &end, 10);
	if (errno || end == text || *end || seconds < 0 || seconds > LONGEST_WAIT_S)
		argp_error(state, "'%s' is not a number of seconds up to %d", text, LONGEST_WAIT_S);
	return (unsigned)seconds;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct check_options *options = state->input;
	struct launch_options *launch = &options->launch;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->shared;
		return 0;
	case 'o':
		launch->log_path = argument;
		return 0;
	case 'f':
		launch->overwrites = true;
		return 0;
	case 'q':
		launch->is_quiet = true;
		return 0;
	case OPTION_NO_CHILDREN:
		launch->no_children = true;
		return 0;
	case OPTION_NO_SCRUB:
		launch->no_scrub = true;
		return 0;
	case OPTION_WAIT:
		launch->tree_wait_s = parse_wait(argument, state);
		return 0;
	case OPTION_REPORT:
		options->report_path = argument;
		return 0;
	case ARGP_KEY_ARG:
		/* The rest is the program's. */
		launch->arguments = state->argv + state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_END:
		if (!launch->arguments)
			argp_error(state, "a program to run is missing");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = {{&leak_argp, 0, NULL, 0}, {0}};

static const struct argp parser = {
	.options = rows,
	.parser = parse,
	.args_doc = "PROGRAM [ARGUMENT...]",
	.doc = "Run PROGRAM, find out what it leaks, and fail if that passes a limit.\v"
	       "The exit status is the program's if that is not 0 (128 + N if signal N ended it); "
	       "else 23 if a limit is passed, 3 if no verdict is possible, 0 if all limits are "
	       "kept. 125 if memtrace failed, 126 if the program can't be executed or traced, 127 "
	       "if it is not found.",
	.children = children,
};

/* Where the log goes that nobody has asked for. returns false: there are no random numbers */
static bool choose_log_path(struct check_options *options, char *log_path, size_t capacity)
{
	const char *parent = getenv("TMPDIR");
	const char *slash = strrchr(options->launch.program_path, '/');
	uint64_t number;
	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number)) {
		print_error("cannot name the log: %s", strerror(errno));
		return false;
	}
	int length = snprintf(log_path, capacity, "%s/memtrace-check.%.200s.%010llx.mtlog",
			      parent && *parent ? parent : "/tmp",
			      slash ? slash + 1 : options->launch.program_path,
			      (unsigned long long)(number >> 24));
	if (length >= PATH_MAX) {
		print_error("the name of the directory in TMPDIR is too long");
		return false;
	}
	options->has_own_log = true;
	options->launch.log_path = log_path;
	return true;
}

static void remove_log(const struct check_options *options)
{
	if (options->has_own_log)
		(void)unlink(options->launch.log_path); /* it may not have come to be */
}

/* A report is put together first: it must not be lost with its place, and is written at once. */
struct report_output {
	const struct check_options *options;
	FILE *draft; /* NULL: there is none */
	char *text;  /* [size_bytes] */
	size_t size_bytes;
};

static FILE *open_report(void *context, enum leak_outcome outcome)
{
	struct report_output *output = context;
	const struct check_options *options = output->options;
	if (!options->report_path && options->launch.is_quiet && outcome == LEAKS_PASSED)
		return NULL;
	output->draft = open_memstream(&output->text, &output->size_bytes);
	return output->draft ? output->draft : stderr;
}

static enum mt_status write_report(const struct report_output *output, FILE *stream,
				   struct mt_error *error)
{
	(void)fwrite(output->text, 1, output->size_bytes, stream); /* check_output sees errors */
	return check_output(stream, error);
}

static enum mt_status deliver_report(const struct report_output *output, struct mt_error *error)
{
	struct output_file file;
	const struct check_options *options = output->options;
	if (!options->report_path)
		return write_report(output, stderr, error);
	if (strcmp(options->report_path, "-") == 0)
		return write_report(output, stdout, error);
	enum mt_status status = output_file_open(&file, options->report_path,
						 options->launch.overwrites, error);
	if (status != MT_OK)
		return status;
	status = write_report(output, file.stream, error);
	return output_file_close(&file, status, error);
}

static enum mt_status judge_log(struct leak_judge *judge, const struct check_options *options,
				const char *log_path, enum leak_outcome *ret_outcome,
				struct mt_error *error)
{
	struct report_output output = {.options = options};
	struct mt_error unused;
	enum mt_status status = leak_judge_log(judge, log_path, 0, open_report, &output,
					       ret_outcome, error);
	if (!output.draft)
		return status;
	if (fclose(output.draft) != 0 && status == MT_OK)
		status = mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for the report");
	if (status == MT_OK) {
		status = deliver_report(&output, error);
		if (status != MT_OK && options->report_path)
			(void)!write_report(&output, stderr, &unused); /* the last resort */
	}
	free(output.text);
	return status;
}

static int status_of(const struct check_options *options, enum leak_outcome outcome)
{
	switch (outcome) {
	case LEAKS_FAILED:
		return options->shared.failed_status;
	case LEAKS_UNJUDGED:
		return EXIT_NO_VERDICT;
	case LEAKS_PASSED:
		break;
	}
	return EXIT_SUCCESS;
}

/* Shows how far it is with names, on a terminal, in a line that is written over. */
struct progress {
	time_t told_s; /* at first, when it began */
	bool is_shown;
};

static void show_progress(void *context, uint64_t done, uint64_t total)
{
	struct progress *progress = context;
	time_t now_s = time(NULL);
	if (now_s == progress->told_s || !isatty(STDERR_FILENO))
		return;
	progress->told_s = now_s;
	progress->is_shown = true;
	/* A terminal: no matter. */
	(void)fprintf(stderr, "\r\033[Kmemtrace: looking up names: %.0f %%",
		      percent_of(done, total));
}

/* In a log that the collector has left as it was recorded: the names that the report may have. */
static void find_names(void *context, struct loaded_log *log)
{
	const struct check_options *options = context;
	struct progress progress = {.told_s = time(NULL)};
	struct symbolize_options symbolize = {
		.limit_ms = SYMBOLS_LIMIT_MS,
		.only_leaks = options->launch.only_leak_symbols,
		.cache_fd = name_cache_open_directory(),
		.progress = options->launch.is_quiet ? NULL : show_progress,
		.context = &progress,
	};
	struct symbolize_result ignored;
	struct mt_error error;
	symbolize.has_cache = symbolize.cache_fd >= 0;
	/* For want of memory names are missing, as in any log that has none. */
	(void)!symbolize_log(log, &symbolize, &ignored, &error);
	if (progress.is_shown)
		(void)fputs("\r\033[K", stderr);
	if (symbolize.has_cache)
		(void)close(symbolize.cache_fd); /* only a directory */
}

/* Adds the names that only other reports need, to a log that is finished then. */
static void complete_names(const char *log_path)
{
	struct symbolize_options options = {.limit_ms = SYMBOLS_LIMIT_MS};
	options.cache_fd = name_cache_open_directory();
	options.has_cache = options.cache_fd >= 0;
	struct symbol_update_result result;
	struct mt_error error;
	if (symbol_update(log_path, &options, &result, &error) != MT_OK)
		print_error("%s", error.message);
	else if (result.symbols.missing > 0)
		print_error("%s: %llu names are missing: run 'memtrace symbolize'", log_path,
			    (unsigned long long)result.symbols.missing);
	if (options.has_cache)
		(void)close(options.cache_fd); /* only a directory */
}

/* returns  the exit status */
static int check(struct leak_judge *judge, struct check_options *options)
{
	struct launch_result result;
	struct mt_error error = {0};
	enum leak_outcome outcome = LEAKS_UNJUDGED;
	char closing[512];
	record_program(&options->launch, &result, closing, sizeof(closing));
	if (!result.was_recorded) {
		remove_log(options);
		return result.exit_status;
	}
	int status;
	if (result.news.is_unfinished) {
		judge->find_names = find_names;
		judge->is_silent = options->launch.is_quiet && !options->report_path;
		judge->names_context = options;
	}
	if (judge_log(judge, options, result.log_path, &outcome, &error) == MT_OK) {
		status = status_of(options, outcome);
	} else {
		/* The program has run: what it said stands, and so does a limit that it passed. */
		print_error("%s", error.message);
		status = outcome == LEAKS_FAILED ? status_of(options, outcome) : EXIT_NO_VERDICT;
	}
	bool goes_on = result.news.event == RECORDING_GOES_ON;
	bool is_kept = status != EXIT_SUCCESS || goes_on;
	if (is_kept && !goes_on && options->launch.only_leak_symbols)
		complete_names(result.log_path);
	if (!is_kept)
		remove_log(options);
	else if (options->has_own_log && options->shared.format == &leak_formats[0] &&
		 !options->shared.prints_suppressions)
		print_error("the log is kept: %s", result.log_path);
	return result.exit_status ? result.exit_status : status;
}

/* What can be found wrong before the program starts. returns 0 or an exit status */
static int prepare(struct leak_judge *judge, struct check_options *options, char *program_path,
		   size_t capacity)
{
	struct mt_error error = {0};
	const char *report = options->report_path;
	bool is_file = report && strcmp(report, "-") != 0;
	enum mt_status status = leak_judge_init(judge, &options->shared, &error);
	if (status == MT_OK && is_file)
		status = output_file_check(report, options->launch.overwrites, &error);
	if (status != MT_OK) {
		print_error("%s", error.message);
		return EXIT_TRACER_FAILED;
	}
	return record_find_program(options->launch.arguments[0], program_path, capacity);
}

/* Nobody asks for the log, or for what can only be counted with the blocks that are freed again. */
static bool needs_unfreed_only(const struct check_options *options)
{
	const struct leak_limits *limits = &options->shared.limits;
	return !options->launch.log_path && !limits->has_max_peak && !limits->has_max_allocations &&
	       strcmp(options->shared.format->name, "json") != 0;
}

/* The kinds of leaks whose functions the report may name. */
static uint32_t reported_kinds(const struct check_options *options)
{
	const struct leak_options *shared = &options->shared;
	bool names_all = shared->shows_holders || shared->prints_suppressions ||
			 shared->baseline_path || shared->suppression_count > 0 ||
			 shared->format != &leak_formats[0];
	return names_all ? LEAKED_STACKS_ALL
			 : shared->limits.fail_on | 1u << LEAK_DEFINITE | 1u << LEAK_INDIRECT |
				   1u << LEAK_POSSIBLE;
}

static int run(int argument_count, char **arguments)
{
	char program_path[PATH_MAX];
	char log_path[PATH_MAX * 2];
	struct leak_judge judge = {0};
	struct check_options options = {
		.launch = {.unwinder = UNWINDER_DEFAULT,
			   .leak_check = true,
			   .sampling.is_exact = true,
			   .tree_wait_s = DEFAULT_WAIT_S},
	};
	argp_err_exit_status = EXIT_TRACER_FAILED;
	(void)argp_parse(&parser, argument_count, arguments, ARGP_IN_ORDER, NULL, &options);
	options.shared.limits.expects_scans = true;
	int status = prepare(&judge, &options, program_path, sizeof(program_path));
	judge.unclassified_limit = UNCLASSIFIED_LISTED;
	options.launch.program_path = program_path;
	options.launch.only_leak_symbols = options.launch.log_path ? 0 : reported_kinds(&options);
	options.launch.only_unfreed = needs_unfreed_only(&options);
	options.launch.finishes_log = options.launch.only_unfreed;
	options.launch.interest = (struct leak_interest){
		.summed = options.launch.only_unfreed ? ~reported_kinds(&options) : 0,
		.failed = options.shared.limits.fail_on,
	};
	if (status == 0 && !options.launch.log_path &&
	    !choose_log_path(&options, log_path, sizeof(log_path)))
		status = EXIT_TRACER_FAILED;
	if (status == 0)
		status = check(&judge, &options);
	leak_judge_release(&judge);
	leak_options_release(&options.shared);
	return status;
}

const struct command command_check = {
	.name = "check",
	.summary = "run a program and fail if it leaks",
	.run = run,
};
