/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A line is a list of named values; `line_*` prints it as "event allocate address=0x1 ..." or as
 * {"line":"event","what":"allocate","address":"0x1", ...}.
 */
#include "reporters/log_dump.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/log/event_coder.h"
#include "common/log/leak_marks.h"
#include "reader/loaded_log.h"
#include "reader/log_reader.h"
#include "reporters/json.h"
#include "reporters/text.h"

struct dump_image {
	struct stack_trie trie;
	struct event_state state;
};

struct dump {
	FILE *output;
	bool is_json;
	const struct loaded_log *log;
	struct dump_image *images; /* [image_count] */
	uint32_t image_count;
	struct decoded_events events;
};

static const char *const kind_names[] = {
#define X(number, name, text) text,
	ALLOCATION_KINDS(X)
#undef X
};

static const char *const operation_names[] = {
	[EVENT_ALLOCATE] = "allocate",         [EVENT_RELEASE] = "release",
	[EVENT_MOVE_BEGIN] = "move-begin",     [EVENT_MOVE_END] = "move-end",
	[EVENT_MOVE_FAILED] = "move-failed",   [EVENT_RELEASE_UNKNOWN] = "release-unknown",
	[EVENT_MOVE_UNKNOWN] = "move-unknown", [EVENT_LOST] = "lost",
};

static const char *const leak_names[] = {
	[LEAK_DEFINITE] = "definite",
	[LEAK_INDIRECT] = "indirect",
	[LEAK_POSSIBLE] = "possible",
	[LEAK_REACHABLE] = "reachable",
};

static const char *block_name(unsigned kind)
{
	static const char *const names[] = {
		[LOG_BLOCK_RUN] = "run",           [LOG_BLOCK_IMAGE] = "image",
		[LOG_BLOCK_MODULE] = "module",     [LOG_BLOCK_UNLOAD] = "unload",
		[LOG_BLOCK_THREAD] = "thread",     [LOG_BLOCK_EVENTS] = "events",
		[LOG_BLOCK_SAMPLES] = "samples",   [LOG_BLOCK_IMAGE_END] = "image-end",
		[LOG_BLOCK_UNTRACED] = "untraced", [LOG_BLOCK_END] = "end",
		[LOG_BLOCK_COMMIT] = "commit",     [LOG_BLOCK_SYMBOLS] = "symbols",
		[LOG_BLOCK_PROFILE] = "profile",   [LOG_BLOCK_INDEX] = "index",
		[LOG_BLOCK_LEAKS] = "leaks",       [LOG_BLOCK_REPLAY] = "replay",
		[LOG_BLOCK_MAPPINGS] = "mappings", [LOG_BLOCK_MARKER] = "marker",
		[LOG_BLOCK_SLACK] = "slack",
	};
	return kind < sizeof(names) / sizeof(names[0]) && names[kind] ? names[kind] : "unknown";
}

static void line_begin(const struct dump *dump, const char *line, const char *what)
{
	(void)fprintf(dump->output, dump->is_json ? "{\"line\":\"%s\",\"what\":\"%s\"" : "%s %s",
		      line, what);
}

static void line_number(const struct dump *dump, const char *name, uint64_t value)
{
	(void)fprintf(dump->output, dump->is_json ? ",\"%s\":%" PRIu64 : " %s=%" PRIu64, name,
		      value);
}

static void line_address(const struct dump *dump, const char *name, uint64_t value)
{
	(void)fprintf(dump->output, dump->is_json ? ",\"%s\":\"0x%" PRIx64 "\"" : " %s=0x%" PRIx64,
		      name, value);
}

static void line_word(const struct dump *dump, const char *name, const char *word)
{
	(void)fprintf(dump->output, dump->is_json ? ",\"%s\":\"%s\"" : " %s=%s", name, word);
}

/* A value that may need quoting. */
static void line_text(const struct dump *dump, const char *name, const char *text)
{
	if (dump->is_json) {
		(void)fprintf(dump->output, ",\"%s\":", name);
		cJSON *item = json_string(text);
		char *quoted = cJSON_PrintUnformatted(item);
		(void)fputs(quoted ? quoted : "null", dump->output);
		free(quoted);
		cJSON_Delete(item);
	} else {
		(void)fprintf(dump->output, " %s='%s'", name, text);
	}
}

static void line_end(const struct dump *dump)
{
	(void)fputs(dump->is_json ? "}\n" : "\n", dump->output);
}

static void dump_nodes(const struct dump *dump, uint32_t image, uint32_t first)
{
	const struct stack_trie *trie = &dump->images[image].trie;
	for (uint32_t node = first; node < trie->node_count; node++) {
		line_begin(dump, "stack", "frame");
		line_number(dump, "image", image);
		line_number(dump, "stack", node);
		line_number(dump, "parent", trie->nodes[node].parent);
		line_number(dump, "module", trie->nodes[node].module);
		line_address(dump, "offset", trie->nodes[node].offset);
		line_end(dump);
	}
}

static void dump_events(const struct dump *dump, uint32_t image)
{
	const struct decoded_events *events = &dump->events;
	uint32_t next_thread = 0;
	uint32_t next_time = 0;
	uint64_t thread = 0;
	uint64_t time_us = 0;
	for (uint32_t i = 0; i < events->count; i++) {
		(void)event_changes_follow(&events->threads, i, &next_thread, &thread);
		(void)event_changes_follow(&events->times, i, &next_time, &time_us);
		const struct decoded_event *event = &events->items[i];
		enum event_operation operation = decoded_operation(event);
		line_begin(dump, "event", operation_names[operation]);
		line_number(dump, "image", image);
		line_number(dump, "thread", thread);
		line_number(dump, "time_us", time_us);
		if (operation != EVENT_RELEASE_UNKNOWN && operation != EVENT_MOVE_UNKNOWN) {
			const struct event_class *class =
				&dump->images[image].state.classes[event->symbol >> 3];
			line_word(dump, "kind", kind_names[class->kind]);
			line_number(dump, "class", event->symbol >> 3);
			line_number(dump, "number", event->local);
			line_number(dump, "bytes", class->size_bytes);
			line_number(dump, "stack", class->stack);
			line_number(dump, "interval", class->interval_bytes);
		}
		line_end(dump);
	}
}

/* "64@12 > ... (3) > 32@7": bytes and stack nodes of the blocks that lead to a group. */
static void dump_path(const struct dump *dump, const struct leak_mark *mark)
{
	char text[LEAK_STEPS_MAX * 40 + 40] = "";
	size_t used = 0;
	for (uint32_t i = 0; i < mark->step_count; i++) {
		if (mark->skipped_steps && i == mark->step_count / 2)
			used += (size_t)snprintf(text + used, sizeof(text) - used,
						 " > ... (%" PRIu64 ")", mark->skipped_steps);
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%" PRIu64 "@%u",
					 i ? " > " : "", mark->steps[i].bytes,
					 mark->steps[i].stack);
	}
	line_text(dump, "path", text);
}

static void dump_leaks(const struct dump *dump, uint32_t image, struct byte_reader payload)
{
	struct leak_marks marks = {0};
	if (leak_marks_decode(&marks, &payload)) {
		if (marks.suppressions) {
			line_begin(dump, "suppressions", "leaks");
			line_number(dump, "image", image);
			line_text(dump, "text", marks.suppressions);
			line_end(dump);
		}
		for (unsigned kind = 0; kind < LEAK_UNCLASSIFIED; kind++) {
			if (marks.left_out[kind].blocks == 0)
				continue;
			line_begin(dump, "leaks left out", leak_names[kind]);
			line_number(dump, "image", image);
			line_number(dump, "flags", marks.flags);
			line_number(dump, "blocks", marks.left_out[kind].blocks);
			line_number(dump, "bytes", marks.left_out[kind].bytes);
			line_end(dump);
		}
		for (size_t i = 0; i < marks.count; i++) {
			const struct leak_mark *mark = &marks.items[i];
			line_begin(dump, "leak", leak_names[mark->leak_kind]);
			line_number(dump, "image", image);
			line_number(dump, "flags", marks.flags);
			line_number(dump, "thread", mark->thread);
			line_word(dump, "kind", kind_names[mark->allocation_kind]);
			line_number(dump, "stack", mark->stack);
			line_number(dump, "blocks", mark->blocks);
			line_number(dump, "bytes", mark->bytes);
			line_number(dump, "indirect_bytes", mark->indirect_bytes);
			line_number(dump, "oldest_us", mark->oldest_us);
			line_number(dump, "newest_us", mark->newest_us);
			line_text(dump, "holder", mark->holder ? mark->holder : "");
			dump_path(dump, mark);
			line_end(dump);
		}
	}
	leak_marks_release(&marks);
}

static void dump_threads(const struct dump *dump, const struct log_block *block,
			 const struct byte_reader *payload)
{
	struct byte_reader reader = *payload;
	while (byte_reader_left(&reader) > 0) {
		char name[16] = "";
		size_t name_bytes = 0;
		uint64_t index = byte_reader_varint(&reader);
		uint64_t id = byte_reader_varint(&reader);
		uint64_t time_us = byte_reader_varint(&reader);
		const uint8_t *bytes = byte_reader_string(&reader, sizeof(name) - 1, &name_bytes);
		if (reader.failed)
			return;
		memcpy(name, bytes, name_bytes);
		line_begin(dump, "thread", name_bytes ? "named" : "started");
		line_number(dump, "image", block->image);
		line_number(dump, "thread", index);
		line_number(dump, "id", id);
		line_number(dump, "time_us", time_us);
		if (name_bytes)
			line_text(dump, "name", name);
		line_end(dump);
	}
}

static void dump_mappings(const struct dump *dump, const struct log_block *block,
			  const struct byte_reader *payload)
{
	static const char *const names[] = {
		[MAPPING_MAP] = "map", [MAPPING_UNMAP] = "unmap", [MAPPING_RESTORE] = "restore"};
	struct mapping_reader reader = {.payload = *payload, .time_us = block->first_us};
	struct mapping_event event;
	while (mapping_reader_next(&reader, &event) == 1) {
		line_begin(dump, "mapping", names[event.operation]);
		line_number(dump, "image", block->image);
		line_number(dump, "thread", event.thread);
		line_number(dump, "time_us", event.time_us);
		if (event.operation != MAPPING_RESTORE) {
			line_address(dump, "address", event.address);
			line_number(dump, "bytes", event.size_bytes);
		}
		if (event.operation == MAPPING_MAP) {
			line_number(dump, "source", event.source);
			line_number(dump, "stack", event.stack);
		}
		line_end(dump);
	}
}

static enum mt_status add_image(struct dump *dump, struct mt_error *error)
{
	struct dump_image *grown = realloc(dump->images,
					   ((size_t)dump->image_count + 1) * sizeof(*grown));
	if (grown)
		dump->images = grown;
	if (!grown || !stack_trie_init(&dump->images[dump->image_count].trie))
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for the report");
	dump->images[dump->image_count++].state = (struct event_state){0};
	return MT_OK;
}

static enum mt_status dump_block(struct dump *dump, const struct log_block *block,
				 const struct byte_reader *payload, struct mt_error *error)
{
	line_begin(dump, "block", block_name(block->kind));
	if (block->image != LOG_NO_IMAGE)
		line_number(dump, "image", block->image);
	line_number(dump, "stored_bytes", block->stored_bytes);
	line_number(dump, "unpacked_bytes", block->unpacked_bytes);
	line_number(dump, "first_us", block->first_us);
	line_number(dump, "last_us", block->last_us);
	line_end(dump);
	if (block->kind == LOG_BLOCK_IMAGE)
		return add_image(dump, error);
	if (block->kind == LOG_BLOCK_LEAKS)
		dump_leaks(dump, block->image, *payload);
	if (block->kind == LOG_BLOCK_THREAD)
		dump_threads(dump, block, payload);
	if (block->kind == LOG_BLOCK_MAPPINGS)
		dump_mappings(dump, block, payload);
	if (block->kind != LOG_BLOCK_EVENTS || block->image >= dump->image_count)
		return MT_OK;
	struct dump_image *image = &dump->images[block->image];
	uint32_t first = image->trie.node_count;
	enum mt_status status = event_decode(&image->state, &image->trie, payload->at,
					     byte_reader_left(payload), &dump->events, error);
	if (status != MT_OK)
		return status;
	dump_nodes(dump, block->image, first);
	dump_events(dump, block->image);
	return MT_OK;
}

static enum mt_status dump_file(struct dump *dump, const char *path, struct mt_error *error)
{
	struct log_reader reader;
	struct log_block block;
	struct byte_reader payload;
	uint64_t end = dump->log->was_recovered ? dump->log->commit_end : UINT64_MAX;
	enum mt_status status = log_reader_open(&reader, path, error);
	if (status != MT_OK)
		return status;
	int result = 1;
	while (status == MT_OK && reader.offset_bytes < end && result == 1) {
		result = log_reader_next(&reader, &block, &payload, error);
		if (result == 1)
			status = dump_block(dump, &block, &payload, error);
	}
	/* Where the log is damaged, the dump ends; what is wrong was said already. */
	log_reader_close(&reader);
	if (status == MT_ERR_CORRUPT || status == MT_ERR_LIMIT)
		status = MT_OK;
	return result < 0 ? (enum mt_status)result : status;
}

static enum mt_status dump_recovered(struct dump *dump, struct mt_error *error)
{
	struct byte_reader bytes = byte_reader_over(dump->log->recovered.bytes,
						    dump->log->recovered.size_bytes);
	struct log_reader unpacker = {.fd = -1};
	enum mt_status status = MT_OK;
	while (bytes.at < bytes.end && status == MT_OK) {
		struct log_block block;
		struct byte_reader payload;
		const uint8_t *header = byte_reader_take(&bytes, LOG_BLOCK_HEADER_BYTES);
		if (!header || log_block_decode(&block, header, error) != MT_OK)
			break;
		const uint8_t *stored = byte_reader_take(&bytes, block.stored_bytes);
		if (!stored ||
		    log_reader_unpack(&unpacker, &block, stored, &payload, error) != MT_OK)
			break;
		status = dump_block(dump, &block, &payload, error);
	}
	log_reader_close(&unpacker);
	return status;
}

enum mt_status log_dump(const char *path, bool is_json, FILE *output, struct mt_error *error)
{
	struct loaded_log log;
	struct dump dump = {.output = output, .is_json = is_json, .log = &log};
	enum mt_status status = loaded_log_read(&log, path, NULL, error);
	if (status != MT_OK)
		return status;
	status = dump_file(&dump, path, error);
	if (status == MT_OK && log.was_recovered)
		status = dump_recovered(&dump, error);
	if (status == MT_OK)
		status = check_output(output, error);
	for (uint32_t i = 0; i < dump.image_count; i++) {
		stack_trie_release(&dump.images[i].trie);
		event_state_release(&dump.images[i].state);
	}
	free(dump.images);
	decoded_events_release(&dump.events);
	loaded_log_release(&log);
	return status;
}
