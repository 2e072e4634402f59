/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stack trace as the other tools have it: their innermost frame is the allocation function
 * itself, which is no frame of ours; the frames of operator new are one frame, and which of the
 * operators it was is not known, since operator new[] jumps to operator new.
 */
#include "reader/suppression_match.h"

#include <stdlib.h>
#include <string.h>

#include "reader/cxx_name.h"
#include "reader/suppressions.h"

/* The functions behind a kind of allocation; ends with NULL. */
static const char *const malloc_names[] = {"malloc", NULL};
static const char *const calloc_names[] = {"calloc", NULL};
static const char *const realloc_names[] = {"realloc", "reallocarray", NULL};
static const char *const aligned_names[] = {"memalign", "aligned_alloc", "posix_memalign",
					    "valloc",   "pvalloc",       NULL};
static const char *const mmap_names[] = {"mmap", "mmap64", "mremap", NULL};
static const char *const brk_names[] = {"brk", "sbrk", NULL};
static const char *const no_names[] = {NULL};
static const char *const new_names[] = {
	"operator new(unsigned long)",
	"operator new[](unsigned long)",
	"operator new(unsigned long, std::nothrow_t const&)",
	"operator new[](unsigned long, std::nothrow_t const&)",
	"operator new(unsigned long, std::align_val_t)",
	"operator new[](unsigned long, std::align_val_t)",
	"operator new(unsigned long, std::align_val_t, std::nothrow_t const&)",
	"operator new[](unsigned long, std::align_val_t, std::nothrow_t const&)",
	NULL,
};

static const char *const *const allocator_names[ALLOCATION_KIND_COUNT] = {
	[ALLOCATION_MALLOC] = malloc_names,   [ALLOCATION_CALLOC] = calloc_names,
	[ALLOCATION_REALLOC] = realloc_names, [ALLOCATION_ALIGNED] = aligned_names,
	[ALLOCATION_MMAP] = mmap_names,       [ALLOCATION_BRK] = brk_names,
	[ALLOCATION_POOL] = no_names,
};

bool is_operator_new(const char *function)
{
	return strncmp(function, "operator new", 12) == 0 &&
	       (function[12] == '\0' || function[12] == '(' || function[12] == '[');
}

/* Finds [length] bytes of `piece` in `text`. returns what follows them, NULL if they aren't there
 */
static const char *find_piece(const char *text, const char *piece, size_t length)
{
	const char *at = length ? memmem(text, strlen(text), piece, length) : text;
	return at ? at + length : NULL;
}

bool suppression_finds(const char *pattern, const char *text)
{
	if (!*text)
		return false;
	bool is_tied = *pattern == '^';
	pattern += is_tied;
	size_t dollar = strcspn(pattern, "$");
	const char *end = pattern + dollar;
	bool has_end = *end == '$';
	for (;;) {
		const char *star = memchr(pattern, '*', (size_t)(end - pattern));
		size_t length = (size_t)((star ? star : end) - pattern);
		if (!star && has_end) {
			size_t left = strlen(text);
			bool fits = is_tied ? left == length : left >= length;
			return fits && memcmp(text + left - length, pattern, length) == 0;
		}
		if (is_tied && strncmp(text, pattern, length) != 0)
			return false;
		text = is_tied ? text + length : find_piece(text, pattern, length);
		if (!text || !star)
			return text != NULL;
		is_tied = false;
		pattern = star + 1;
	}
}

bool suppression_globs(const char *pattern, const char *text)
{
	const char *star = NULL;
	const char *resume = NULL;
	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			resume = text;
		} else if (*pattern == '?' || (*pattern && *pattern == *text)) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

/* A place in a stack trace, from the allocation function outwards. */
struct place {
	const char *const *names; /* of the allocation function, if the place is there; else NULL */
	uint32_t node;            /* else this frame; 0: behind the outermost */
};

static const struct profile_frame *frame_of(const struct profile *profile, uint32_t node)
{
	return &profile->frames[profile->nodes[node].frame];
}

static const char *function_of(const struct profile *profile, uint32_t node)
{
	return profile_text(profile, frame_of(profile, node)->function);
}

static struct place innermost(const struct profile *profile, const struct leak *leak)
{
	struct place place = {allocator_names[leak->allocation_kind], leak->node};
	while (place.node && is_operator_new(function_of(profile, place.node))) {
		place.names = new_names;
		place.node = profile->nodes[place.node].parent;
	}
	if (!place.names[0])
		place.names = NULL;
	return place;
}

static struct place next_place(const struct profile *profile, struct place place)
{
	if (place.names)
		return (struct place){NULL, place.node};
	return (struct place){NULL, place.node ? profile->nodes[place.node].parent : 0};
}

/*
 * The public name of one of glibc's functions, which are known by inner names as well: strdup for
 * __GI___strdup. `function` itself for any other.
 */
static const char *public_name(const char *function, const char *module)
{
	const char *slash = strrchr(module, '/');
	const char *name = slash ? slash + 1 : module;
	if (strncmp(name, "libc.so", 7) != 0 && strncmp(name, "libc-2", 6) != 0)
		return function;
	if (strncmp(function, "__GI_", 5) == 0)
		function += 5;
	return function + strspn(function, "_");
}

static bool globs_any(const char *pattern, const char *const *names)
{
	for (; *names; names++)
		if (suppression_globs(pattern, *names))
			return true;
	return false;
}

/* valgrind shows what is outside of main as one function. */
static bool is_below_main(const char *function)
{
	return strncmp(function, "__libc_start", 12) == 0 || strcmp(function, "_start") == 0;
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* Short names are parts of the whole: what a pattern begins with must be in there. */
static bool may_match_short_name(const char *pattern, const char *function)
{
	size_t length = strcspn(pattern, "*?<");
	return strpbrk(function, ":(<") && memmem(function, strlen(function), pattern, length);
}

/*
 * valgrind calls an inlined C++ function by its own name alone, "make_shared<Cyc>", and mangled
 * names have no return types. A pattern of only wildcards has matched already.
 */
static bool matches_short_name(const char *pattern, const struct profile_frame *frame,
			       const char *function)
{
	struct cxx_name name;
	char own[256];
	if (!may_match_short_name(pattern, function) || !cxx_name_split(&name, function))
		return false;
	if (name.qualified != function && suppression_globs(pattern, name.qualified))
		return true;
	const struct cxx_name_part *last = &name.parts[name.part_count - 1];
	if (!(frame->flags & PROFILE_FRAME_INLINED) || last->length >= sizeof(own))
		return false;
	memcpy(own, last->text, last->length);
	own[last->length] = '\0';
	if (suppression_globs(pattern, own))
		return true;
	/* How template arguments are written differs: without them, then. */
	own[last->plain] = '\0';
	size_t length = strcspn(pattern, "<");
	return suppression_globs(pattern, own) ||
	       (pattern[length] == '<' && last->plain < last->length && length == last->plain &&
		memcmp(pattern, own, length) == 0);
}

static bool frame_matches(const struct suppression_frame *pattern, const struct profile *profile,
			  const struct profile_frame *frame)
{
	const char *function = profile_text(profile, frame->function);
	const char *module = profile_text(profile, frame->module);
	const char *file = profile_text(profile, frame->file);
	switch (pattern->part) {
	case SUPPRESS_FUNCTION:
		return suppression_globs(pattern->pattern, function) ||
		       suppression_globs(pattern->pattern, public_name(function, module)) ||
		       matches_short_name(pattern->pattern, frame, function) ||
		       (strcmp(pattern->pattern, "(below main)") == 0 && is_below_main(function));
	case SUPPRESS_OBJECT:
		return suppression_globs(pattern->pattern, module);
	case SUPPRESS_SOURCE:
		return (pattern->line == 0 || pattern->line == frame->line) &&
		       (suppression_globs(pattern->pattern, file) ||
			suppression_globs(pattern->pattern, file_name(file)));
	case SUPPRESS_ANY_FRAMES:
		break;
	}
	return true;
}

enum known_match { NOT_KNOWN, MATCHES, DIFFERS };

/* Whether pattern number `index` matches; most frames are in many stack traces. */
static bool place_matches(const struct suppression_matcher *matcher, size_t index,
			  struct place place)
{
	const struct profile *profile = matcher->profile;
	const struct suppression_frame *pattern = &matcher->suppression->frames[index];
	if (place.names)
		return pattern->part == SUPPRESS_FUNCTION ? globs_any(pattern->pattern, place.names)
							  : suppression_globs(pattern->pattern, "");
	uint32_t frame = profile->nodes[place.node].frame;
	if (!matcher->known)
		return frame_matches(pattern, profile, &profile->frames[frame]);
	uint8_t *known = &matcher->known[index * profile->frame_count + frame];
	if (*known == NOT_KNOWN)
		*known = frame_matches(pattern, profile, &profile->frames[frame]) ? MATCHES
										  : DIFFERS;
	return *known == MATCHES;
}

static bool frames_match(const struct suppression_matcher *matcher, const struct leak *leak)
{
	const struct suppression *suppression = matcher->suppression;
	const struct profile *profile = matcher->profile;
	struct place place = innermost(profile, leak);
	struct place resume = place;
	size_t any = SIZE_MAX; /* the last ... that was passed */
	size_t i = 0;
	while (i < suppression->frame_count) {
		const struct suppression_frame *pattern = &suppression->frames[i];
		bool is_behind = !place.names && place.node == 0;
		if (pattern->part == SUPPRESS_ANY_FRAMES) {
			any = i++;
			resume = place;
		} else if (!is_behind && place_matches(matcher, i, place)) {
			i++;
			place = next_place(profile, place);
		} else if (any != SIZE_MAX && (resume.names || resume.node)) {
			i = any + 1;
			place = resume = next_place(profile, resume);
		} else {
			return false;
		}
	}
	return true;
}

static bool is_found_in(const char *pattern, const struct profile *profile,
			const struct profile_frame *frame)
{
	const char *function = profile_text(profile, frame->function);
	const char *module = profile_text(profile, frame->module);
	return suppression_finds(pattern, function) ||
	       suppression_finds(pattern, public_name(function, module)) ||
	       suppression_finds(pattern, module) ||
	       suppression_finds(pattern, profile_text(profile, frame->file));
}

static bool pattern_is_found(const struct suppression_matcher *matcher, const struct leak *leak)
{
	const struct profile *profile = matcher->profile;
	const char *pattern = matcher->suppression->pattern;
	for (const char *const *name = allocator_names[leak->allocation_kind]; *name; name++)
		if (suppression_finds(pattern, *name))
			return true;
	for (uint32_t node = leak->node; node != 0; node = profile->nodes[node].parent) {
		uint32_t frame = profile->nodes[node].frame;
		uint8_t *known = matcher->known ? &matcher->known[frame] : NULL;
		if (known && *known == DIFFERS)
			continue;
		if (is_found_in(pattern, profile, &profile->frames[frame]))
			return true;
		if (known)
			*known = DIFFERS;
	}
	return false;
}

void suppression_matcher_init(struct suppression_matcher *matcher,
			      const struct suppression *suppression, const struct profile *profile)
{
	bool is_lsan = suppression->syntax == SUPPRESSION_LSAN;
	*matcher = (struct suppression_matcher){.suppression = suppression, .profile = profile};
	matcher->known = calloc(is_lsan ? 1 : suppression->frame_count + 1,
				(size_t)profile->frame_count + 1); /* none: it takes longer */
}

void suppression_matcher_release(struct suppression_matcher *matcher)
{
	free(matcher->known);
	*matcher = (struct suppression_matcher){0};
}

bool suppression_matcher_matches(const struct suppression_matcher *matcher, const struct leak *leak)
{
	if (!(matcher->suppression->kinds & 1u << leak->kind))
		return false;
	return matcher->suppression->syntax == SUPPRESSION_LSAN ? pattern_is_found(matcher, leak)
								: frames_match(matcher, leak);
}

bool suppression_matches(const struct suppression *suppression, const struct profile *profile,
			 const struct leak *leak)
{
	const struct suppression_matcher matcher = {.suppression = suppression, .profile = profile};
	return suppression_matcher_matches(&matcher, leak);
}
