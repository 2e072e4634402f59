/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reporters/page_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "reader/leak_list.h"
#include "reporters/json.h"
#include "reporters/page_columns.h"
#include "reporters/page_sources.h"
#include "reporters/page_tree.h"

#define FORMAT_NUMBER 1
#define NODES_MIN 16u              /* a page is not folded any further */
#define GZIP_WINDOW_BITS (15 + 16) /* zlib's way to ask for gzip's frame */

static double seconds(uint64_t microseconds)
{
	return (double)microseconds / 1e6;
}

static void add_start(cJSON *meta, uint64_t realtime_ns)
{
	time_t start = (time_t)(realtime_ns / 1000000000u);
	struct tm utc;
	char text[32] = "";
	if (gmtime_r(&start, &utc))
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
	json_add_string(meta, "start", text);
}

static void add_number_or_null(cJSON *object, const char *name, bool is_known, double number)
{
	if (is_known)
		(void)cJSON_AddNumberToObject(object, name, number);
	else
		(void)cJSON_AddNullToObject(object, name);
}

static void add_resident(cJSON *meta, const struct log_info *info)
{
	uint64_t tracker_bytes = 0;
	uint64_t rss_bytes = 0;
	for (size_t i = 0; i < info->sample_count; i++) {
		if (info->samples[i].rss_bytes > rss_bytes) {
			rss_bytes = info->samples[i].rss_bytes;
			tracker_bytes = info->samples[i].tracker_bytes;
		}
	}
	if (info->program_max_rss_bytes > rss_bytes)
		rss_bytes = info->program_max_rss_bytes;
	json_add_count(meta, "peak_rss_bytes", rss_bytes);
	json_add_count(meta, "tracker_rss_bytes", tracker_bytes);
}

static void add_hints(cJSON *meta, const struct profile *profile)
{
	char hint[PROFILE_HINT_BYTES];
	cJSON *hints = cJSON_AddArrayToObject(meta, "hints");
	if (profile_hint(profile, hint, sizeof(hint)))
		(void)cJSON_AddItemToArray(hints, json_string(hint));
}

static void add_meta(cJSON *header, const struct profile *profile, const struct page_tree *tree)
{
	const struct log_info *info = &profile->log->info;
	const char *reason = loaded_log_incomplete_reason(profile->log);
	cJSON *meta = cJSON_AddObjectToObject(header, "meta");
	json_add_string(meta, "command", info->run.command);
	json_add_string(meta, "host", info->run.host);
	json_add_string(meta, "directory", info->run.directory);
	json_add_string(meta, "version", info->run.version);
	add_start(meta, info->run.start_realtime_ns);
	(void)cJSON_AddNumberToObject(meta, "duration_seconds", seconds(info->end_us));
	json_add_string(meta, "mode", profile_mode(profile));
	json_add_count(meta, "sampling_interval_bytes", profile->log->replay.largest_interval);
	(void)cJSON_AddBoolToObject(meta, "complete", reason == NULL);
	(void)cJSON_AddStringToObject(meta, "incomplete_reason", reason ? reason : "");
	cJSON *ended = cJSON_AddObjectToObject(meta, "exit");
	add_number_or_null(ended, "status", info->has_status && !info->exit_signal,
			   info->exit_status);
	add_number_or_null(ended, "signal", info->has_status && info->exit_signal,
			   info->exit_signal);
	json_add_count(meta, "peak_bytes", profile->totals.peak_bytes);
	(void)cJSON_AddNumberToObject(meta, "peak_time_seconds", seconds(profile->totals.peak_us));
	add_resident(meta, info);
	add_hints(meta, profile);
	cJSON *folded = cJSON_AddObjectToObject(meta, "folded");
	json_add_count(folded, "nodes", tree->folded_nodes);
	json_add_count(folded, "peak_bytes", tree->folded_peak_bytes);
}

static void add_totals(cJSON *header, const struct profile *profile)
{
	cJSON *totals = cJSON_AddObjectToObject(header, "totals");
	json_add_count(totals, "peak_bytes", profile->totals.peak_bytes);
	json_add_count(totals, "live_bytes", profile->totals.live_bytes);
	json_add_count(totals, "allocated_bytes", profile->totals.allocated_bytes);
	json_add_count(totals, "allocations", profile->totals.allocations);
	if (!profile->errors) {
		json_add_count(totals, "temporary", profile->totals.temporary);
		return;
	}
	(void)cJSON_AddNullToObject(totals, "temporary");
	const struct stack_error *error = &profile->error;
	cJSON *errors = cJSON_AddObjectToObject(header, "errors");
	(void)cJSON_AddNumberToObject(errors, "peak_bytes", sqrt(error->peak_bytes));
	(void)cJSON_AddNumberToObject(errors, "live_bytes", sqrt(error->live_bytes));
	(void)cJSON_AddNumberToObject(errors, "allocated_bytes", sqrt(error->allocated_bytes));
	(void)cJSON_AddNumberToObject(errors, "allocations", sqrt(error->allocations));
}

static void add_strings(cJSON *header, const struct string_table *texts)
{
	cJSON *strings = cJSON_AddArrayToObject(header, "strings");
	/* cJSON walks a list to append: the items are linked here instead. */
	cJSON *last = NULL;
	for (uint32_t i = 0; i < texts->count && strings; i++) {
		cJSON *item = json_string(string_table_text(texts, i));
		if (!item)
			return;
		item->prev = last;
		if (last)
			last->next = item;
		else
			strings->child = item;
		last = item;
	}
	if (strings && strings->child)
		strings->child->prev = last;
}

static void add_windows(cJSON *header, const struct profile *profile)
{
	const struct generations *generations = &profile->log->replay.generations;
	if (!page_has_windows(profile)) {
		(void)cJSON_AddNullToObject(header, "windows");
		return;
	}
	cJSON *windows = cJSON_AddObjectToObject(header, "windows");
	json_add_count(windows, "count", generations->piece_count);
	(void)cJSON_AddNumberToObject(windows, "end_seconds",
				      seconds(generations->piece_us * generations->piece_count));
}

static void add_lists(cJSON *header, const struct profile *profile,
		      const struct page_threads *threads, bool is_classified)
{
	static const char *const kinds[] = {
#define X(number, name, text) text,
		ALLOCATION_KINDS(X)
#undef X
	};
	const struct log_info *info = &profile->log->info;
	cJSON *processes = cJSON_AddArrayToObject(header, "processes");
	for (uint32_t i = 0; i < info->image_count; i++) {
		cJSON *process = cJSON_CreateObject();
		json_add_count(process, "pid", info->images[i].pid);
		json_add_string(process, "command", info->images[i].command);
		json_add_count(process, "image", i);
		(void)cJSON_AddItemToArray(processes, process);
	}
	cJSON *list = cJSON_AddArrayToObject(header, "threads");
	for (size_t i = 0; i < threads->count; i++) {
		cJSON *thread = cJSON_CreateObject();
		json_add_count(thread, "process", threads->items[i].process);
		json_add_string(thread, "name", threads->items[i].name);
		(void)cJSON_AddItemToArray(list, thread);
	}
	cJSON *kind_list = cJSON_AddArrayToObject(header, "kinds");
	for (size_t i = 0; i < ALLOCATION_KIND_COUNT; i++)
		(void)cJSON_AddItemToArray(kind_list, cJSON_CreateString(kinds[i]));
	cJSON *leak_kinds = cJSON_AddArrayToObject(header, "leak_kinds");
	for (unsigned kind = is_classified ? 0 : LEAK_UNCLASSIFIED; kind < LEAK_KIND_COUNT; kind++)
		(void)cJSON_AddItemToArray(
			leak_kinds, cJSON_CreateString(leak_kind_name((enum leak_kind)kind)));
	add_windows(header, profile);
}

/* Packs header and columns. returns false: no memory */
static bool pack(const char *header, const struct buffer *columns, struct buffer *packed)
{
	uint8_t length[4];
	size_t header_bytes = strlen(header);
	z_stream stream = {0};
	struct {
		const void *bytes;
		size_t size_bytes;
	} parts[] = {{length, sizeof(length)},
		     {header, header_bytes},
		     {columns->bytes, columns->size_bytes}};
	put_u32(length, (uint32_t)header_bytes);
	if (deflateInit2(&stream, 6, Z_DEFLATED, GZIP_WINDOW_BITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	int result = Z_OK;
	for (size_t i = 0; i < 3 && result == Z_OK; i++) {
		stream.next_in = (Bytef *)(uintptr_t)parts[i].bytes;
		stream.avail_in = (uInt)parts[i].size_bytes;
		do {
			if (!buffer_reserve(packed, 1u << 16)) {
				result = Z_MEM_ERROR;
				break;
			}
			stream.next_out = packed->bytes + packed->size_bytes;
			stream.avail_out = 1u << 16;
			result = deflate(&stream, i == 2 ? Z_FINISH : Z_NO_FLUSH);
			packed->size_bytes += (1u << 16) - stream.avail_out;
		} while (result == Z_OK && stream.avail_out == 0);
		if (result == Z_BUF_ERROR && i < 2)
			result = Z_OK; /* nothing was left to do */
	}
	(void)deflateEnd(&stream); /* the memory is freed either way */
	return result == Z_STREAM_END;
}

static void write_base64(const struct buffer *bytes, struct buffer *text)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	if (!buffer_reserve(text, bytes->size_bytes / 3 * 4 + 8))
		return;
	for (size_t i = 0; i < bytes->size_bytes; i += 3) {
		size_t left = bytes->size_bytes - i;
		uint32_t group = (uint32_t)bytes->bytes[i] << 16;
		group |= left > 1 ? (uint32_t)bytes->bytes[i + 1] << 8 : 0;
		group |= left > 2 ? bytes->bytes[i + 2] : 0;
		uint8_t *out = text->bytes + text->size_bytes;
		out[0] = (uint8_t)digits[group >> 18];
		out[1] = (uint8_t)digits[group >> 12 & 63];
		out[2] = (uint8_t)(left > 1 ? digits[group >> 6 & 63] : '=');
		out[3] = (uint8_t)(left > 2 ? digits[group & 63] : '=');
		text->size_bytes += 4;
	}
}

/* The meta and totals of the log that is compared with. */
static void add_base(cJSON *header, const struct profile *base)
{
	static const struct page_tree nothing_folded;
	if (!base) {
		(void)cJSON_AddNullToObject(header, "base");
		return;
	}
	cJSON *object = cJSON_AddObjectToObject(header, "base");
	add_meta(object, base, &nothing_folded);
	add_totals(object, base);
}

/* Everything about a page but its tree. */
struct page_parts {
	const struct profile *profile;
	const struct page_options *options;
	struct page_threads threads;
	struct page_tree whole;
};

/* Writes the page of `tree`, to which the excerpts are added. returns false: no memory */
static bool write_tree_page(const struct page_parts *parts, struct page_tree *tree,
			    struct buffer *text)
{
	const struct profile *profile = parts->profile;
	struct buffer columns = {0};
	struct buffer packed = {0};
	struct page_sources sources = {0};
	int64_t recorded_s = (int64_t)(profile->log->info.run.start_realtime_ns / 1000000000u);
	bool is_good = parts->options->has_no_sources ||
		       page_sources_gather(&sources, tree, recorded_s);
	cJSON *header = cJSON_CreateObject();
	(void)cJSON_AddNumberToObject(header, "format", FORMAT_NUMBER);
	add_meta(header, profile, tree);
	add_totals(header, profile);
	add_strings(header, &tree->strings);
	add_lists(header, profile, &parts->threads, tree->is_classified);
	add_base(header, parts->options->base);
	page_columns_write(profile, tree, &sources, cJSON_AddArrayToObject(header, "columns"),
			   &columns);
	char *header_text = cJSON_PrintUnformatted(header);
	cJSON_Delete(header);
	is_good = is_good && header_text && !columns.failed && pack(header_text, &columns, &packed);
	buffer_clear(text);
	if (is_good)
		write_base64(&packed, text);
	free(header_text);
	page_sources_release(&sources);
	buffer_release(&columns);
	buffer_release(&packed);
	return is_good && !text->failed;
}

/* Writes the page with `max_nodes` nodes at most, 0: all. returns false: no memory */
static bool write_folded_page(struct page_parts *parts, uint32_t max_nodes, struct buffer *text)
{
	if (max_nodes == 0 || parts->whole.node_count <= max_nodes)
		return write_tree_page(parts, &parts->whole, text);
	struct page_tree folded;
	if (!page_tree_fold(&parts->whole, max_nodes, &folded))
		return false;
	bool is_good = write_tree_page(parts, &folded, text);
	page_tree_release(&folded);
	return is_good;
}

/*
 * Fewer nodes until the data fits. What a page needs beside its nodes (the time line, names of
 * threads) has a size of its own, so this may take some turns, and may not succeed.
 */
static enum mt_status write_bounded_page(struct page_parts *parts, struct buffer *text,
					 struct mt_error *error)
{
	uint32_t max_nodes = parts->options->max_nodes;
	for (;;) {
		if (!write_folded_page(parts, max_nodes, text))
			return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for the page");
		uint64_t max_bytes = parts->options->max_bytes;
		if (max_bytes == 0 || text->size_bytes <= max_bytes)
			return MT_OK;
		uint32_t nodes = parts->whole.node_count;
		if (max_nodes != 0 && max_nodes < nodes)
			nodes = max_nodes;
		if (nodes <= NODES_MIN)
			return mt_error_set(error, MT_ERR_LIMIT,
					    "the page has %zu bytes even with hardly any nodes: "
					    "give it more with --max-size",
					    text->size_bytes);
		/* A little below what is in proportion, and well below what was tried. */
		double share = (double)max_bytes / (double)text->size_bytes * 0.97;
		share = share < 0.9 ? share : 0.9;
		max_nodes = (uint32_t)((double)nodes * share);
		max_nodes = max_nodes < NODES_MIN ? NODES_MIN : max_nodes;
	}
}

enum mt_status page_data_write(const struct profile *profile, const struct page_options *options,
			       struct buffer *text, struct mt_error *error)
{
	struct page_parts parts = {.profile = profile, .options = options};
	enum mt_status status = MT_OK;
	if (!page_threads_gather(&parts.threads, profile) ||
	    !page_tree_init(&parts.whole, profile, &parts.threads) ||
	    !page_tree_classify(&parts.whole, profile, &parts.threads) ||
	    (options->base && !page_tree_add_base(&parts.whole, profile, options->base)) ||
	    !page_tree_tidy_files(&parts.whole))
		status = mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for the page");
	if (status == MT_OK)
		status = write_bounded_page(&parts, text, error);
	page_tree_release(&parts.whole);
	page_threads_release(&parts.threads);
	return status;
}
