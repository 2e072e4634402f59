/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prints the frames of addresses, to be compared with what other tools say of them.
 *
 * Reads one hexadecimal address a line. For each, prints "@" and the address, then a line per
 * frame: function, file, line, and "inlined" or "function", with tabs between them and "?" for what
 * is not known. The first line is the number of enum symbolizer_quality.
 */
#include <argp.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reader/symbolizer.h"

enum option_key {
	OPTION_SYSROOT = 256,
	OPTION_DEBUG_PATH,
	OPTION_DEBUGINFOD,
	OPTION_BUILD_ID,
	OPTION_FILE,
	OPTION_EXACT,
};

struct arguments {
	struct symbolizer_object object;
	struct symbolizer_options options;
	uint8_t build_id[64];
	bool is_exact;
};

static const struct argp_option argp_options[] = {
	{"sysroot", OPTION_SYSROOT, "DIRECTORY", 0, "where the object's files are first looked for",
	 0},
	{"debug-path", OPTION_DEBUG_PATH, "DIRECTORIES", 0, "of debug files", 0},
	{"debuginfod", OPTION_DEBUGINFOD, NULL, 0, "ask the servers of DEBUGINFOD_URLS", 0},
	{"build-id", OPTION_BUILD_ID, "HEX", 0, "that the object must have", 0},
	{"file", OPTION_FILE, "PATH", 0, "of the object, handed over as a descriptor", 0},
	{"exact", OPTION_EXACT, NULL, 0, "addresses are of instructions, not of returns", 0},
	{0},
};

static bool parse_build_id(struct arguments *arguments, const char *hex)
{
	size_t length = strlen(hex);
	if (length % 2 || length / 2 > sizeof(arguments->build_id))
		return false;
	for (size_t i = 0; i < length / 2; i++) {
		unsigned byte;
		if (sscanf(hex + i * 2, "%2x", &byte) != 1)
			return false;
		arguments->build_id[i] = (uint8_t)byte;
	}
	arguments->object.build_id = arguments->build_id;
	arguments->object.build_id_bytes = length / 2;
	return true;
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	switch (key) {
	case OPTION_SYSROOT:
		arguments->options.sysroot = value;
		return 0;
	case OPTION_DEBUG_PATH:
		arguments->options.debug_path = value;
		return 0;
	case OPTION_DEBUGINFOD:
		arguments->options.uses_debuginfod = true;
		return 0;
	case OPTION_BUILD_ID:
		if (!parse_build_id(arguments, value))
			argp_error(state, "no build-id: %s", value);
		return 0;
	case OPTION_FILE:
		arguments->object.fd = open(value, O_RDONLY | O_CLOEXEC);
		return 0;
	case OPTION_EXACT:
		arguments->is_exact = true;
		return 0;
	case ARGP_KEY_ARG:
		arguments->object.path = value;
		return 0;
	case ARGP_KEY_END:
		if (!arguments->object.path)
			argp_usage(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void print_frames(const struct symbolizer_frame *frames, size_t count)
{
	for (size_t i = 0; i < count; i++)
		printf("%s\t%s\t%" PRIu32 "\t%s\n", frames[i].function ? frames[i].function : "?",
		       frames[i].file ? frames[i].file : "?", frames[i].line,
		       frames[i].is_inlined ? "inlined" : "function");
}

int main(int argc, char **argv)
{
	const struct argp argp = {
		.options = argp_options,
		.parser = parse_option,
		.args_doc = "OBJECT",
	};
	struct arguments arguments = {.object = {.fd = -1}};
	struct symbolizer_frame frames[SYMBOLIZER_FRAMES_MAX];
	char line[64];
	size_t count = 0;
	uint64_t *addresses = NULL;
	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
		return EXIT_FAILURE;
	while (fgets(line, sizeof(line), stdin)) {
		addresses = reallocarray(addresses, count + 1, sizeof(*addresses));
		if (!addresses)
			return EXIT_FAILURE;
		addresses[count++] = strtoull(line, NULL, 16);
	}
	arguments.object.addresses = addresses;
	arguments.object.address_count = count;
	struct symbolizer *symbolizer = symbolizer_new(&arguments.object, &arguments.options);
	if (!symbolizer)
		return EXIT_FAILURE;
	printf("%d\n", (int)symbolizer_quality(symbolizer));
	for (size_t i = 0; i < count; i++) {
		printf("@%" PRIx64 "\n", addresses[i]);
		print_frames(frames, symbolizer_resolve(symbolizer, addresses[i],
							arguments.is_exact, frames));
	}
	symbolizer_free(symbolizer);
	free(addresses);
	if (arguments.object.fd >= 0)
		(void)close(arguments.object.fd); /* nothing was written */
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
