/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leaks that a code base has for now: a JSON file to be kept with it. Only what is new or has
 * grown counts then.
 *
 *   {"memtrace_baseline": 1,
 *    "leaks": [{"kind": "definite", "bytes": 100, "blocks": 2, "stack": ["load", "main"]}]}
 *
 * A stack trace is its functions' names up to main, innermost first, so that a moved line or
 * another address changes nothing. Several entries may have one stack trace: the places in one
 * function.
 */
#ifndef MEMTRACE_REPORTERS_LEAK_BASELINE_H
#define MEMTRACE_REPORTERS_LEAK_BASELINE_H

#include <stdio.h>

#include "reader/leak_list.h"
#include "reporters/leak_verdict.h"

#define LIMIT_BASELINE_BYTES (64u << 20)

struct baseline_entry {
	enum leak_kind kind;
	uint64_t bytes;
	uint64_t blocks;
	char *key; /* leak_stack_key */
	bool is_used;
};

struct leak_baseline {
	struct baseline_entry *entries; /* [count] sorted by kind and key, the largest first */
	size_t count;
};

/*
 * path     also names the text in messages
 * returns  MT_ERR_IO; MT_ERR_LIMIT: too large; MT_ERR_USAGE: malformed; MT_ERR_NO_MEMORY
 */
enum mt_status leak_baseline_read(struct leak_baseline *baseline, const char *path,
				  struct mt_error *error) MT_MUST_CHECK;
enum mt_status leak_baseline_parse(struct leak_baseline *baseline, const char *text,
				   size_t size_bytes, const char *path,
				   struct mt_error *error) MT_MUST_CHECK;
void leak_baseline_release(struct leak_baseline *baseline);

/*
 * Says of each group that counts whether it is new, grown or known.
 *
 * ret_gone_count  entries of kinds that count that no group stands for any more
 * returns         MT_ERR_NO_MEMORY
 */
enum mt_status leak_baseline_compare(struct leak_baseline *baseline, struct leak_list *list,
				     const struct leak_limits *limits, size_t *ret_gone_count,
				     struct mt_error *error) MT_MUST_CHECK;

/*
 * Writes the groups that count, known ones too, and the entries of `before` of kinds that do not
 * count now. returns MT_ERR_NO_MEMORY, MT_ERR_IO
 */
enum mt_status leak_baseline_write(const struct leak_baseline *before, const struct leak_list *list,
				   const struct leak_limits *limits, FILE *output,
				   struct mt_error *error) MT_MUST_CHECK;

#endif
