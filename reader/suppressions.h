/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leaks that somebody knows of and accepts: the files of LeakSanitizer and of valgrind.
 *
 * A file may mix both syntaxes.
 *
 *   leak:PATTERN     PATTERN is searched for in the function, the source file and the module of
 *                    every frame; `^` ties it to the start, `$` to the end, `*` is any text
 *   { NAME           valgrind's: the patterns are compared with the frames from the innermost on,
 *     Memcheck:Leak  `...` is any number of frames, `*` and `?` are wildcards, and the stack trace
 *     match-leak-kinds: definite,possible     may go on behind the last one. Without
 *     fun:malloc                              match-leak-kinds every kind matches. The innermost
 *     ...                                     frame is the allocation function's, as valgrind
 *     obj:*libfoo.so*                         has it. Entries for other errors than leaks are
 *     src:file.c:12 }                         read over
 *   # text           a comment
 *
 * Names of C++ functions are compared as people read them; a mangled pattern (_ZN3foo3barEv,
 * _ZN3foo*) is translated when it is read.
 */
#ifndef MEMTRACE_READER_SUPPRESSIONS_H
#define MEMTRACE_READER_SUPPRESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"
#include "reader/leak_list.h"

#define LIMIT_SUPPRESSION_FILE_BYTES (16u << 20)
#define LIMIT_SUPPRESSION_FRAMES 24 /* as valgrind has it */

enum suppression_syntax { SUPPRESSION_LSAN, SUPPRESSION_VALGRIND };

enum suppression_part { SUPPRESS_FUNCTION, SUPPRESS_OBJECT, SUPPRESS_SOURCE, SUPPRESS_ANY_FRAMES };

struct suppression_frame {
	enum suppression_part part;
	char *pattern; /* NULL for SUPPRESS_ANY_FRAMES */
	uint32_t line; /* of SUPPRESS_SOURCE; 0: any */
};

struct suppression {
	enum suppression_syntax syntax;
	char *name;                       /* the pattern, or the entry's name */
	char *source;                     /* "FILE:LINE", or where it came from */
	bool is_builtin;                  /* not named when it is of no use */
	const char *own_text;             /* for processes that have this text in the log only, and
					     not named when it is of no use; NULL: for all. Borrowed */
	unsigned kinds;                   /* bit 1 << kind */
	char *pattern;                    /* LeakSanitizer's */
	struct suppression_frame *frames; /* [frame_count] valgrind's */
	size_t frame_count;
	struct leak_sum sum; /* what it suppressed */
};

struct suppressions {
	struct suppression **items; /* [count] */
	size_t count;
	size_t capacity;
};

/*
 * Adds the entries of a text.
 *
 * text     [size_bytes] borrowed
 * source   how the text is called in messages: a file's path
 * returns  MT_ERR_USAGE: malformed, `error` says "SOURCE:LINE: what"; MT_ERR_NO_MEMORY
 */
enum mt_status suppressions_parse(struct suppressions *suppressions, const char *text,
				  size_t size_bytes, const char *source,
				  struct mt_error *error) MT_MUST_CHECK;

/* The same for a file. returns also MT_ERR_IO, MT_ERR_LIMIT: it is too large */
enum mt_status suppressions_read(struct suppressions *suppressions, const char *path,
				 struct mt_error *error) MT_MUST_CHECK;

/*
 * Adds what the programs have for LeakSanitizer themselves, each for processes that have it. Lines
 * that are not of the form leak:PATTERN are left out.
 *
 * info     borrowed; must outlive the suppressions
 * returns  MT_ERR_NO_MEMORY
 */
enum mt_status suppressions_add_own(struct suppressions *suppressions, const struct log_info *info,
				    struct mt_error *error) MT_MUST_CHECK;

/* What glibc and the dynamic loader keep for themselves. returns MT_ERR_NO_MEMORY */
enum mt_status suppressions_add_builtin(struct suppressions *suppressions,
					struct mt_error *error) MT_MUST_CHECK;

/*
 * Marks the groups that are suppressed, by the first entry that matches, and sums up in the
 * entries. What was lost only through suppressed groups of a process goes with them where all
 * definitely lost groups of the process are suppressed.
 */
void suppressions_apply(struct suppressions *suppressions, struct leak_list *list);

void suppressions_release(struct suppressions *suppressions);

#endif
