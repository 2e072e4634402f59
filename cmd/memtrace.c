/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memtrace command: THE table of subcommands, dispatch and help. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/main_stack.h"
#include "cmd/report.h"

/* Beside the reports, which are commands of their own: reporters/registry.c. */
static const struct command *const commands[] = {
	&command_run,        &command_check, &command_leaks,
	&command_leak_check, &command_dump,  &command_symbolize,
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))
#define RECORDER_COUNT 2 /* the first ones record; in the help the reports come after them */

void print_error(const char *format, ...)
{
	va_list arguments;
	(void)fputs("memtrace: ", stderr);
	va_start(arguments, format);
	(void)vfprintf(stderr, format, arguments);
	va_end(arguments);
	(void)fputc('\n', stderr); /* nowhere to report a failure to */
}

static int print_help(FILE *output)
{
	(void)fputs(
		"Usage: memtrace COMMAND [OPTION...] ...\n"
		"Find out where a program's memory comes from: run it, then look at the log.\n\n",
		output);
	for (size_t i = 0; i < RECORDER_COUNT; i++)
		(void)fprintf(output, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
	for (const struct reporter *const *reporter = reporters; *reporter; reporter++)
		(void)fprintf(output, "  %-12s %s\n", (*reporter)->name, (*reporter)->summary);
	for (size_t i = RECORDER_COUNT; i < COMMAND_COUNT; i++)
		(void)fprintf(output, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
	(void)fputs("\n'memtrace COMMAND --help' tells a command's options.\n", output);
	return fflush(output) == 0 && !ferror(output) ? EXIT_SUCCESS : EXIT_FILE;
}

/* argp names the program by arguments[0] in its messages. */
static void name_command(char **arguments, const char *name)
{
	static char full_name[64];
	(void)snprintf(full_name, sizeof(full_name), "memtrace %s", name);
	arguments[0] = full_name;
}

/* returns  the exit status; -1: there is no such command */
static int dispatch(const char *word, int argument_count, char **arguments)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(word, commands[i]->name) != 0)
			continue;
		name_command(arguments, word);
		return commands[i]->run(argument_count, arguments);
	}
	for (const struct reporter *const *reporter = reporters; *reporter; reporter++) {
		if (strcmp(word, (*reporter)->name) != 0)
			continue;
		name_command(arguments, word);
		return report_run(*reporter, argument_count, arguments);
	}
	return -1;
}

static int run_command(int argument_count, char **arguments)
{
	if (argument_count < 2) {
		(void)print_help(stderr);
		return EXIT_USAGE;
	}
	const char *word = arguments[1];
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
		return print_help(stdout);
	if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
		return printf("memtrace %s\n", MEMTRACE_VERSION) > 0 && fflush(stdout) == 0
			       ? EXIT_SUCCESS
			       : EXIT_FILE;
	int status = dispatch(word, argument_count - 1, arguments + 1);
	if (status >= 0)
		return status;
	print_error("'%s' is not a command: see 'memtrace --help'", word);
	return EXIT_USAGE;
}

int main(int argument_count, char **arguments)
{
	return main_stack_call(run_command, argument_count, arguments);
}
