/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Blocks that were live at the end, or at a scan: grouped by stack trace and kind, the largest
 * group first.
 *
 * A group stands for marks of the profile, which keep process, thread and holder apart. What
 * suppressions and a baseline say of a group is written into it before a verdict is made.
 */
#ifndef MEMTRACE_READER_LEAK_LIST_H
#define MEMTRACE_READER_LEAK_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/format.h"
#include "reader/profile.h"

#define LEAK_KIND_COUNT 5

struct suppression;

/* How a group stands to a baseline. */
enum leak_novelty {
	LEAK_NOT_COMPARED, /* there is no baseline */
	LEAK_NEW,
	LEAK_GROWN, /* more bytes than the baseline allows */
	LEAK_KNOWN,
};

struct leak {
	uint32_t node; /* innermost frame */
	enum leak_kind kind;
	uint64_t bytes;
	uint64_t blocks;
	uint64_t indirect_bytes; /* lost only through this group */
	uint64_t oldest_us;      /* when the first and the last of the blocks were allocated ... */
	uint64_t newest_us;
	uint64_t scan_us; /* ... and when it was looked; all 0 if there was no scan */
	uint32_t allocation_kind;
	const struct profile_mark *held;  /* a mark of which is known where a pointer to one of
					     its blocks was found; NULL: there is none */
	const struct profile_mark *marks; /* [mark_count] of the profile, sorted */
	size_t mark_count;
	bool is_replaced; /* its process became another program by exec: nothing was lost there */
	const struct suppression *suppressed_by; /* NULL: by none */
	enum leak_novelty novelty;
	uint64_t known_bytes; /* of the baseline */
	uint64_t known_blocks;
};

struct leak_sum {
	uint64_t bytes;
	uint64_t blocks;
	size_t groups;
	uint64_t counted_blocks; /* of these: they are in no group, nobody asked for their kind */
};

struct leak_list {
	const struct profile *profile;
	struct profile_mark *marks; /* copies of the profile's, sorted by group */
	struct leak *items;         /* [count] */
	size_t count;
	struct leak_sum left_out[LEAK_KIND_COUNT]; /* what is only counted */
};

/*
 * profile  borrowed; must outlive the list
 * returns  MT_ERR_NO_MEMORY
 */
enum mt_status leak_list_gather(struct leak_list *list, const struct profile *profile,
				struct mt_error *error) MT_MUST_CHECK;
void leak_list_release(struct leak_list *list);

/* Sums over the groups of a kind that are not suppressed, with what is only counted. */
struct leak_sum leak_list_sum(const struct leak_list *list, enum leak_kind kind);

/* The same over all kinds, and over what is suppressed. */
struct leak_sum leak_list_total(const struct leak_list *list);
struct leak_sum leak_list_suppressed(const struct leak_list *list);

/* "definite", "indirect", "possible", "reachable", "unclassified": in options and data. */
const char *leak_kind_name(enum leak_kind kind);

/* "definitely lost", ...: in sentences. */
const char *leak_kind_words(enum leak_kind kind);

/* returns  the kind of that name, LEAK_KIND_COUNT if there is none */
enum leak_kind leak_kind_find(const char *name, size_t length);

#endif
