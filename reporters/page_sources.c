/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reporters/page_sources.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define FRAMES_MAX 4000u          /* the heaviest have excerpts */
#define CONTEXT_LINES 4u          /* before and after a line */
#define FILE_BYTES_MAX (4u << 20) /* of a file that is read */
#define TEXT_BYTES_MAX (4u << 20) /* of all excerpts */
#define LINE_BYTES_MAX 300u       /* the rest of a line is left out */

struct place {
	uint32_t file;
	uint32_t line;
};

struct gathering {
	struct page_sources *sources;
	struct page_tree *tree;
	int64_t recorded_s;
	size_t text_bytes;
};

void page_sources_release(struct page_sources *sources)
{
	free(sources->items);
	*sources = (struct page_sources){0};
}

/* ---- which files ------------------------------------------------------------------------ */

static bool is_one_of(const char *text, const char *const *patterns, int flags)
{
	for (; *patterns; patterns++)
		if (fnmatch(*patterns, text, flags) == 0)
			return true;
	return false;
}

static bool has_source_ending(const char *name)
{
	static const char *const endings[] = {
		"c",   "h",     "cc",    "cpp", "cxx", "c++", "hh",   "hpp", "hxx", "h++", "inc",
		"inl", "ipp",   "tcc",   "cu",  "cuh", "m",   "mm",   "rs",  "go",  "d",   "di",
		"zig", "nim",   "py",    "pyx", "js",  "mjs", "cjs",  "ts",  "tsx", "jsx", "java",
		"kt",  "scala", "swift", "f",   "f90", "f95", "f03",  "for", "adb", "ads", "pas",
		"s",   "asm",   "y",     "l",   "yy",  "ll",  "vala", "cs",  "fs",  "ml",  "hs",
		"rb",  "pl",    "lua",   "cl",  "jl",  "v",   "sv",   "vhd", "def", NULL};
	const char *dot = strrchr(name, '.');
	for (const char *const *ending = endings; dot && *ending; ending++)
		if (strcasecmp(dot + 1, *ending) == 0)
			return true;
	return false;
}

bool page_source_is_allowed(const char *path)
{
	static const char *const secret_names[] = {
		".*",           "*.env",      "*.env.*",     "*.pem",
		"*.key",        "*.p12",      "*.pfx",       "*.jks",
		"*.kdbx",       "*.keystore", "*.crt",       "id_rsa*",
		"id_dsa*",      "id_ecdsa*",  "id_ed25519*", "*secret*",
		"*credential*", "*password*", "*passwd*",    "*token*.json",
		"shadow*",      NULL};
	static const char *const secret_places[] = {
		"*/.ssh/*", "*/.gnupg/*", "*/.aws/*", "*/.kube/*", "*/.docker/*",
		"/etc/*",   "/proc/*",    "/sys/*",   "/dev/*",    NULL};
	const char *slash = strrchr(path, '/');
	if (path[0] != '/' || !slash || strstr(path, "/../"))
		return false;
	if (is_one_of(slash + 1, secret_names, FNM_CASEFOLD) || is_one_of(path, secret_places, 0))
		return false;
	/* The headers of C++ have no ending. */
	return has_source_ending(slash + 1) ||
	       (!strchr(slash + 1, '.') && strstr(path, "/include/c++/"));
}

/* Reads a file. returns its bytes, to be freed, ended by a NUL; NULL: it is not to be shown */
static char *read_source(const char *path, int64_t recorded_s)
{
	struct stat status;
	int fd = page_source_is_allowed(path)
			 ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
			 : -1;
	if (fd < 0)
		return NULL;
	char *text = NULL;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0 &&
	    status.st_size <= FILE_BYTES_MAX && status.st_mtim.tv_sec <= recorded_s)
		text = malloc((size_t)status.st_size + 1);
	ssize_t length = text ? read(fd, text, (size_t)status.st_size) : -1;
	(void)close(fd); /* nothing was written */
	if (length <= 0 || memchr(text, '\0', (size_t)length)) {
		free(text);
		return NULL;
	}
	text[length] = '\0';
	return text;
}

/* ---- which lines ------------------------------------------------------------------------ */

struct heavy_frame {
	uint32_t frame;
	double weight;
};

static int by_weight(const void *left, const void *right)
{
	const struct heavy_frame *a = left;
	const struct heavy_frame *b = right;
	if (a->weight != b->weight)
		return a->weight > b->weight ? -1 : 1;
	return (a->frame > b->frame) - (a->frame < b->frame);
}

static int by_place(const void *left, const void *right)
{
	const struct place *a = left;
	const struct place *b = right;
	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	return (a->line > b->line) - (a->line < b->line);
}

/* Shares of what was allocated and what was live at the peak, of all below each node. */
static bool weigh_frames(const struct page_tree *tree, struct heavy_frame *frames)
{
	uint64_t *peak = calloc(tree->node_count, sizeof(*peak));
	uint64_t *allocated = calloc(tree->node_count, sizeof(*allocated));
	bool has_memory = peak && allocated;
	for (uint32_t i = 0; i < tree->frame_count; i++)
		frames[i] = (struct heavy_frame){.frame = i};
	for (size_t i = 0; i < tree->row_count && has_memory; i++) {
		peak[tree->rows[i].node] += tree->rows[i].costs.peak_bytes;
		allocated[tree->rows[i].node] += tree->rows[i].costs.allocated_bytes;
	}
	for (uint32_t node = tree->node_count; has_memory && node-- > 1;) {
		peak[tree->nodes[node].parent] += peak[node];
		allocated[tree->nodes[node].parent] += allocated[node];
	}
	for (uint32_t node = 1; node < tree->node_count && has_memory; node++) {
		double weight = (double)peak[node] / (double)(peak[0] ? peak[0] : 1) +
				(double)allocated[node] / (double)(allocated[0] ? allocated[0] : 1);
		struct heavy_frame *frame = &frames[tree->nodes[node].frame];
		frame->weight = weight > frame->weight ? weight : frame->weight;
	}
	free(peak);
	free(allocated);
	return has_memory;
}

/* Lines of the heaviest frames, by file. returns them, to be freed; NULL: no memory */
static struct place *choose_places(const struct page_tree *tree, size_t *ret_count)
{
	struct heavy_frame *frames = malloc(((size_t)tree->frame_count + 1) * sizeof(*frames));
	struct place *places = malloc((FRAMES_MAX + 1) * sizeof(*places));
	*ret_count = 0;
	if (!frames || !places || !weigh_frames(tree, frames)) {
		free(frames);
		free(places);
		return NULL;
	}
	qsort(frames, tree->frame_count, sizeof(*frames), by_weight);
	for (uint32_t i = 0; i < tree->frame_count && *ret_count < FRAMES_MAX; i++) {
		const struct profile_frame *frame = &tree->frames[frames[i].frame];
		if (frame->file && frame->line)
			places[(*ret_count)++] = (struct place){frame->file, frame->line};
	}
	free(frames);
	qsort(places, *ret_count, sizeof(*places), by_place);
	return places;
}

/* ---- excerpts --------------------------------------------------------------------------- */

/* Start of a line, from the start of another one before it. returns NULL: there is none */
static const char *go_to_line(const char *at, uint32_t from, uint32_t to)
{
	for (; at && from < to; from++) {
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	return at && *at ? at : NULL;
}

/* Adds the lines from `at` on, `count` at most, as an excerpt. returns false: no memory */
static bool add_excerpt(struct gathering *gathering, uint32_t file, uint32_t first_line,
			const char *at, uint32_t count)
{
	struct page_sources *sources = gathering->sources;
	char *text = malloc((size_t)count * (LINE_BYTES_MAX + 1) + 1);
	size_t length = 0;
	if (!text)
		return false;
	for (uint32_t i = 0; i < count && *at; i++) {
		size_t line_bytes = strcspn(at, "\n");
		size_t kept = strcspn(at, "\r\n");
		kept = kept < LINE_BYTES_MAX ? kept : LINE_BYTES_MAX;
		if (i > 0)
			text[length++] = '\n';
		memcpy(text + length, at, kept);
		length += kept;
		at += line_bytes + (at[line_bytes] == '\n');
	}
	text[length] = '\0';
	uint32_t string = string_table_add(&gathering->tree->strings, text, length);
	free(text);
	struct page_source *grown = realloc(sources->items, (sources->count + 1) * sizeof(*grown));
	if (string == STRING_NONE || !grown) {
		sources->items = grown ? grown : sources->items;
		return false;
	}
	sources->items = grown;
	sources->items[sources->count++] = (struct page_source){file, first_line, string};
	gathering->text_bytes += length;
	return true;
}

/* Adds the excerpts of one file: `places` [count] by line. returns false: no memory */
static bool add_file(struct gathering *gathering, const struct place *places, size_t count)
{
	const char *path = string_table_text(&gathering->tree->strings, places[0].file);
	char *text = read_source(path, gathering->recorded_s);
	const char *at = text;
	uint32_t at_line = 1;
	bool has_memory = true;
	for (size_t i = 0; i < count && at && has_memory;) {
		uint32_t first = places[i].line > CONTEXT_LINES ? places[i].line - CONTEXT_LINES
								: 1;
		uint32_t last = places[i].line + CONTEXT_LINES;
		/* Lines whose surroundings touch are one excerpt. */
		for (i++; i < count && places[i].line <= last + CONTEXT_LINES + 1; i++)
			last = places[i].line + CONTEXT_LINES;
		at = go_to_line(at, at_line, first);
		at_line = first;
		if (at && gathering->text_bytes < TEXT_BYTES_MAX)
			has_memory = add_excerpt(gathering, places[0].file, first, at,
						 last - first + 1);
	}
	free(text);
	return has_memory;
}

bool page_sources_gather(struct page_sources *sources, struct page_tree *tree, int64_t recorded_s)
{
	struct gathering gathering = {.sources = sources, .tree = tree, .recorded_s = recorded_s};
	size_t count;
	struct place *places = choose_places(tree, &count);
	bool has_memory = places != NULL;
	for (size_t i = 0; i < count && has_memory;) {
		size_t end = i + 1;
		while (end < count && places[end].file == places[i].file)
			end++;
		has_memory = add_file(&gathering, &places[i], end - i);
		i = end;
	}
	free(places);
	return has_memory;
}
