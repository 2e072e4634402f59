/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/perf_map.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_BYTES_MAX 4096 /* the rest of a longer name is left out */
#define SLACK_S 2           /* times of files are not exact */

FILE *perf_map_open(const char *directory, uint32_t pid, int64_t first_s, int64_t last_s)
{
	char path[PATH_MAX];
	struct stat status;
	int length = snprintf(path, sizeof(path), "%s/perf-%u.map", directory, pid);
	if (length < 0 || (size_t)length >= sizeof(path))
		return NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return NULL;
	bool counts = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
		      (status.st_uid == geteuid() || status.st_uid == 0) &&
		      status.st_size <= PERF_MAP_BYTES_MAX &&
		      status.st_mtim.tv_sec >= first_s - SLACK_S &&
		      status.st_mtim.tv_sec <= last_s + SLACK_S;
	FILE *map = counts ? fdopen(fd, "r") : NULL;
	if (!map)
		(void)close(fd); /* nothing was written */
	return map;
}

/* Reads a hexadecimal number and the space behind it. returns false: there is none */
static bool take_number(char **at, uint64_t *ret_number)
{
	char *end;
	if (strspn(*at, "0123456789abcdefABCDEFxX") == 0)
		return false; /* strtoull would take spaces and signs */
	errno = 0;
	*ret_number = strtoull(*at, &end, 16);
	if (errno || end == *at || *end != ' ')
		return false;
	*at = end + 1;
	return true;
}

/* Index of the first of `addresses` that is not below `address`. */
static size_t lower_bound(const uint64_t *addresses, size_t count, uint64_t address)
{
	size_t low = 0;
	while (low < count) {
		size_t middle = low + (count - low) / 2;
		if (addresses[middle] < address)
			low = middle + 1;
		else
			count = middle;
	}
	return low;
}

/* Reads a line without its end. What does not fit is passed over. returns false at the end */
static bool read_line(FILE *map, char *line, uint64_t *left_bytes)
{
	if (*left_bytes == 0 || !fgets(line, LINE_BYTES_MAX, map))
		return false;
	size_t length = strlen(line);
	bool is_whole = length > 0 && line[length - 1] == '\n';
	if (is_whole)
		line[length - 1] = '\0';
	*left_bytes -= *left_bytes < length ? *left_bytes : length;
	for (int c = 0; !is_whole && *left_bytes > 0 && c != '\n' && c != EOF; --*left_bytes)
		c = fgetc(map);
	return true;
}

void perf_map_read(FILE *map, const uint64_t *addresses, size_t count,
		   void (*found)(void *context, size_t index, const char *name), void *context)
{
	char line[LINE_BYTES_MAX];
	uint64_t left_bytes = PERF_MAP_BYTES_MAX; /* it may have grown since it was opened */
	while (read_line(map, line, &left_bytes)) {
		char *at = line;
		uint64_t start;
		uint64_t size;
		if (!take_number(&at, &start) || !take_number(&at, &size) || !*at)
			continue;
		for (size_t i = lower_bound(addresses, count, start);
		     i < count && addresses[i] - start < size; i++)
			found(context, i, at);
	}
}

/* Cuts ":NUMBER" off the end of `text`. returns false: there is none */
static bool cut_number(char *text, uint64_t *ret_number)
{
	char *colon = strrchr(text, ':');
	if (!colon || colon[1 + strspn(colon + 1, "0123456789")] || !colon[1])
		return false;
	*ret_number = strtoull(colon + 1, NULL, 10);
	*colon = '\0';
	return true;
}

/* Cuts ":LINE:COLUMN", or ":LINE" of older nodes, off. returns the line, 0: there is none */
static uint32_t cut_position(char *text)
{
	uint64_t line = 0;
	if (cut_number(text, &line))
		(void)cut_number(text, &line); /* else it was the line and no column */
	return line < UINT32_MAX ? (uint32_t)line : 0;
}

/* Where the file begins in "name file": names and files may have spaces of their own. */
static char *find_file(char *text)
{
	static const char *const starts[] = {" /", " file:", " node:"};
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		char *at = strstr(text, starts[i]);
		if (at)
			return at;
	}
	return strrchr(text, ' ');
}

/* What node writes: kind of code, ":", a mark for how it was compiled, name, file and position. */
static struct perf_name parse_javascript(char *text)
{
	struct perf_name name = {.function = text, .file = ""};
	if (strchr("*~^+", text[0]) && text[0])
		name.function = ++text;
	char *file = find_file(text);
	if (!file)
		return name;
	*file = '\0';
	name.file = file + 1;
	name.line = cut_position(file + 1);
	if (!*name.function)
		name.function = "(anonymous)";
	return name;
}

struct perf_name perf_name_parse(char *text)
{
	static const char *const kinds[] = {"JS:", "LazyCompile:", "Function:", "Eval:", "Script:"};
	struct perf_name name = {.function = text, .file = ""};
	if (strncmp(text, "py::", 4) == 0) {
		char *colon = strchr(text + 4, ':');
		if (colon && colon > text + 4 && colon[1]) {
			*colon = '\0';
			return (struct perf_name){.function = text + 4, .file = colon + 1};
		}
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t length = strlen(kinds[i]);
		if (strncmp(text, kinds[i], length) == 0 && text[length])
			return parse_javascript(text + length);
	}
	return name;
}
