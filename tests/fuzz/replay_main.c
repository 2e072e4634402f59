/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a fuzz target over the files and directories named on the command line, for builds without a
 * fuzzing engine: the stored corpus is a test. Prints TAP.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

static int run_file(const char *path, int number)
{
	struct stat status;
	FILE *file = fopen(path, "rb");
	if (!file || fstat(fileno(file), &status) != 0) {
		printf("not ok %d %s\n", number, path);
		return 1;
	}
	size_t size_bytes = (size_t)status.st_size;
	uint8_t *bytes = malloc(size_bytes + 1);
	int failed = !bytes || fread(bytes, 1, size_bytes, file) != size_bytes;
	if (!failed)
		(void)LLVMFuzzerTestOneInput(bytes, size_bytes);
	free(bytes);
	(void)fclose(file); /* was only read */
	printf("%sok %d %s\n", failed ? "not " : "", number, path);
	return failed;
}

int main(int count, char **arguments)
{
	int number = 0;
	int failed = 0;
	for (int i = 1; i < count; i++) {
		struct dirent **entries;
		int entry_count = scandir(arguments[i], &entries, NULL, alphasort);
		if (entry_count < 0) {
			failed += run_file(arguments[i], ++number);
			continue;
		}
		for (int e = 0; e < entry_count; e++) {
			char path[4096];
			(void)snprintf(path, sizeof(path), "%s/%s", arguments[i],
				       entries[e]->d_name);
			if (entries[e]->d_name[0] != '.')
				failed += run_file(path, ++number);
			free(entries[e]);
		}
		free(entries);
	}
	printf("1..%d\n", number);
	return failed || number == 0;
}
