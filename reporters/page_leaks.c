/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Divides the live blocks of a page's rows by what a leak scan found out about them. A scan is made
 * at the end, when all but little has been freed; what it has not seen stays unclassified, and what
 * was freed after it is left out, so that the sums stay those of the replay.
 */
#include <stdlib.h>

#include "common/format.h"
#include "reporters/page_columns.h"
#include "reporters/page_tree.h"

/* The live blocks of a scan's groups as rows. returns their number */
static size_t gather_marks(const struct profile *profile, const struct page_threads *threads,
			   struct page_row *marks)
{
	size_t count = 0;
	for (size_t i = 0; i < profile->mark_count; i++) {
		const struct profile_mark *mark = &profile->marks[i];
		if (mark->leak_kind == LEAK_UNCLASSIFIED)
			continue;
		marks[count++] = (struct page_row){
			.node = mark->node,
			.thread = page_threads_entry(threads, mark->process, mark->thread),
			.kind = mark->allocation_kind,
			.leak = mark->leak_kind,
			.costs = {.live_blocks = mark->blocks, .live_bytes = mark->bytes},
		};
	}
	qsort(marks, count, sizeof(*marks), page_row_compare);
	return count;
}

static bool is_of(const struct page_row *mark, const struct page_row *row)
{
	return mark->node == row->node && mark->thread == row->thread && mark->kind == row->kind;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Takes from `row` what `mark` has of it. returns false: nothing */
static bool take_share(struct page_row *row, struct page_row *mark)
{
	struct profile_costs *costs = &mark->costs;
	costs->live_blocks = smaller(costs->live_blocks, row->costs.live_blocks);
	costs->live_bytes = smaller(costs->live_bytes, row->costs.live_bytes);
	row->costs.live_blocks -= costs->live_blocks;
	row->costs.live_bytes -= costs->live_bytes;
	return costs->live_blocks > 0 || costs->live_bytes > 0;
}

/* A row with nothing left is of its first kind, so that there is no empty row. */
static void settle_row(struct page_row *row, struct page_row *shares, size_t *count, size_t first)
{
	if (*count == first || row->costs.live_blocks > 0 || row->costs.live_bytes > 0)
		return;
	row->leak = shares[first].leak;
	profile_costs_add(&row->costs, &shares[first].costs);
	shares[first] = shares[--*count];
}

/* What blocks of a process are that are in no mark: if marks were left out, those are reachable. */
static uint32_t unmarked_kind(const struct profile *profile, const struct page_threads *threads,
			      uint32_t thread)
{
	uint32_t process = threads->items[thread].process;
	bool has_sums = profile->log->info.images[process].leak_marks.flags & LEAK_SCAN_HAS_SUMS;
	return has_sums && profile_is_scanned(profile, process) ? LEAK_REACHABLE
								: LEAK_UNCLASSIFIED;
}

/* Divides `rows` [row_count]; `shares` gets what is not in them any more. returns its number */
static size_t divide(const struct profile *profile, const struct page_threads *threads,
		     struct page_row *rows, size_t row_count, const struct page_row *marks,
		     size_t mark_count, struct page_row *shares)
{
	size_t count = 0;
	size_t at = 0;
	for (size_t i = 0; i < row_count; i++) {
		size_t first = count;
		rows[i].leak = unmarked_kind(profile, threads, rows[i].thread);
		struct page_row key = rows[i];
		key.leak = 0;
		while (at < mark_count && !is_of(&marks[at], &key) &&
		       page_row_compare(&marks[at], &key) < 0)
			at++;
		for (; at < mark_count && is_of(&marks[at], &key); at++) {
			shares[count] = marks[at];
			count += take_share(&rows[i], &shares[count]);
		}
		settle_row(&rows[i], shares, &count, first);
	}
	return count;
}

bool page_tree_classify(struct page_tree *tree, const struct profile *profile,
			const struct page_threads *threads)
{
	struct page_row *marks = malloc((profile->mark_count + 1) * sizeof(*marks));
	struct page_row *rows = malloc((tree->row_count + profile->mark_count + 1) * sizeof(*rows));
	uint32_t *row_of = malloc((tree->row_count + profile->mark_count + 1) * sizeof(*row_of));
	size_t row_count = tree->row_count;
	bool has_memory = marks && rows && row_of;
	size_t mark_count = has_memory ? gather_marks(profile, threads, marks) : 0;
	tree->is_classified = mark_count > 0;
	if (mark_count > 0) {
		for (size_t i = 0; i < row_count; i++)
			rows[i] = tree->rows[i];
		size_t count = divide(profile, threads, rows, row_count, marks, mark_count,
				      rows + row_count);
		free(tree->rows);
		tree->rows = NULL;
		has_memory = page_tree_set_rows(tree, rows, row_count + count, row_of);
		for (size_t i = 0; i < tree->profile_row_count && has_memory; i++)
			tree->row_of[i] = row_of[tree->row_of[i]];
	}
	free(marks);
	free(rows);
	free(row_of);
	return has_memory;
}
