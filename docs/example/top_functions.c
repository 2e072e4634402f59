/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The functions that most memory comes from: at the peak, or live at the end of a window.
 *
 *   cc top_functions.c $(pkg-config --cflags --libs memtrace-reader) -o top_functions
 *   ./top_functions LOG [FROM_SECONDS TO_SECONDS]
 *
 * For each function: the bytes that it allocated itself, whether it was inlined or not.
 */
#include <memtrace/reader.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOP 10

struct function {
	const char *name;
	uint64_t bytes;
};

static int by_name(const void *left, const void *right)
{
	return strcmp(((const struct function *)left)->name,
		      ((const struct function *)right)->name);
}

static int by_bytes(const void *left, const void *right)
{
	uint64_t a = ((const struct function *)left)->bytes;
	uint64_t b = ((const struct function *)right)->bytes;
	return a == b ? by_name(left, right) : (a < b) - (a > b);
}

/* Bytes of a row: at the peak, or in the window. */
static uint64_t bytes_of(const struct memtrace_row *row, const struct memtrace_window *window,
			 size_t number)
{
	struct memtrace_window_row part = {.struct_bytes = sizeof(part)};
	if (!window)
		return row->peak_bytes;
	memtrace_window_row(window, number, &part);
	return part.surviving_bytes;
}

static void print_top(const struct memtrace_log *log, const struct memtrace_window *window)
{
	size_t count = memtrace_row_count(log);
	size_t kept = 0;
	struct function *functions = calloc(count + 1, sizeof(*functions));
	if (!functions)
		return;
	for (size_t i = 0; i < count; i++) {
		struct memtrace_row row = {.struct_bytes = sizeof(row)};
		struct memtrace_node node = {.struct_bytes = sizeof(node)};
		memtrace_row(log, i, &row);
		memtrace_node(log, row.node, &node);
		functions[i].name = node.function;
		functions[i].bytes = bytes_of(&row, window, i);
	}
	/* Rows of one function, made one. */
	qsort(functions, count, sizeof(*functions), by_name);
	for (size_t i = 0; i < count; i++) {
		if (kept > 0 && by_name(&functions[kept - 1], &functions[i]) == 0)
			functions[kept - 1].bytes += functions[i].bytes;
		else
			functions[kept++] = functions[i];
	}
	qsort(functions, kept, sizeof(*functions), by_bytes);
	for (size_t i = 0; i < kept && i < TOP && functions[i].bytes > 0; i++)
		printf("%12llu %s\n", (unsigned long long)functions[i].bytes, functions[i].name);
	free(functions);
}

int main(int count, char **arguments)
{
	struct memtrace_error error;
	struct memtrace_window *window = NULL;
	if (count != 2 && count != 4) {
		fprintf(stderr, "usage: top_functions LOG [FROM_SECONDS TO_SECONDS]\n");
		return 2;
	}
	struct memtrace_log *log = memtrace_log_open(arguments[1], NULL, &error);
	if (!log) {
		fprintf(stderr, "top_functions: %s\n", error.message);
		return 1;
	}
	struct memtrace_info info = {.struct_bytes = sizeof(info)};
	struct memtrace_totals totals = {.struct_bytes = sizeof(totals)};
	memtrace_log_info(log, &info);
	memtrace_log_totals(log, &totals);
	if (info.incomplete_reason)
		fprintf(stderr, "top_functions: incomplete: %s\n", info.incomplete_reason);
	if (count == 4) {
		uint64_t from_us = (uint64_t)(atof(arguments[2]) * 1e6);
		uint64_t to_us = (uint64_t)(atof(arguments[3]) * 1e6);
		window = memtrace_window_open(log, from_us, to_us, &error);
		if (!window) {
			fprintf(stderr, "top_functions: %s\n", error.message);
			memtrace_log_close(log);
			return 1;
		}
		printf("allocated in the window and live at its end:\n");
	} else {
		printf("%s: %llu bytes at the peak:\n", info.command,
		       (unsigned long long)totals.peak_bytes);
	}
	print_top(log, window);
	memtrace_window_close(window);
	memtrace_log_close(log);
	return 0;
}
