/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reporters/leak_report.h"

#include <stdlib.h>
#include <string.h>

#include "common/log/buffer.h"
#include "reader/suppression_match.h"
#include "reporters/short_text.h"
#include "reporters/text.h"

const struct leak_format leak_formats[] = {
	{"text", leaks_print_text},   {"json", leaks_print_json},     {"sarif", leaks_print_sarif},
	{"junit", leaks_print_junit}, {"github", leaks_print_github}, {0},
};

const char *leak_amount(uint64_t bytes, uint64_t blocks, char *text)
{
	char size[TEXT_FIGURE_BYTES];
	char count[TEXT_FIGURE_BYTES];
	(void)snprintf(text, LEAK_AMOUNT_BYTES, "%s in %s block%s", text_of_bytes(bytes, size),
		       text_of_count(blocks, count), blocks == 1 ? "" : "s");
	return text;
}

const char *leak_headline(const struct leak *leak, char *text)
{
	char amount[LEAK_AMOUNT_BYTES];
	char size[TEXT_FIGURE_BYTES];
	int used = snprintf(text, LEAK_HEADLINE_BYTES, "%s: %s", leak_kind_words(leak->kind),
			    leak_amount(leak->bytes, leak->blocks, amount));
	if (leak->indirect_bytes)
		used += snprintf(text + used, LEAK_HEADLINE_BYTES - (size_t)used,
				 ", and %s lost only through %s",
				 text_of_bytes(leak->indirect_bytes, size),
				 leak->blocks == 1 ? "it" : "them");
	if (leak->novelty == LEAK_GROWN)
		(void)snprintf(text + used, LEAK_HEADLINE_BYTES - (size_t)used,
			       " (the baseline has %s)", text_of_bytes(leak->known_bytes, size));
	return text;
}

bool leak_is_listed(const struct leak *leak)
{
	return !leak->suppressed_by && !leak->is_replaced;
}

const char *leak_path(const struct leak_report *report, const char *path, char *text)
{
	return short_path(path, *report->root ? report->root : NULL, text);
}

bool leak_is_runtime(const char *module)
{
	static const char *const names[] = {"libc.so",    "libc-2",        "libstdc++.so",
					    "libc++.so",  "libc++abi.so",  "libgcc_s.so",
					    "ld-linux-x", "libpthread.so", "libm.so"};
	const char *name = base_name(module);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* How well a frame serves to point at a leak; 0: not at all. */
static int rank_place(const struct leak_report *report, const struct profile_frame *frame)
{
	char text[SHORT_TEXT_BYTES];
	const struct profile *profile = report->list->profile;
	const char *file = profile_text(profile, frame->file);
	bool has_line = *file && frame->line;
	if ((frame->flags & PROFILE_FRAME_CUT) ||
	    is_operator_new(profile_text(profile, frame->function)))
		return 0;
	if (has_line && *file == '/' && *leak_path(report, file, text) != '/')
		return 4;
	if (leak_is_runtime(profile_text(profile, frame->module)))
		return 1;
	return has_line ? 3 : 2;
}

const struct profile_frame *leak_place_at(const struct leak_report *report, uint32_t innermost)
{
	const struct profile *profile = report->list->profile;
	const struct profile_frame *place = NULL;
	int best = 0;
	for (uint32_t node = innermost; node != 0; node = profile->nodes[node].parent) {
		const struct profile_frame *frame = &profile->frames[profile->nodes[node].frame];
		int rank = rank_place(report, frame);
		if (rank > best) {
			best = rank;
			place = frame;
		}
	}
	return place;
}

const struct profile_frame *leak_place(const struct leak_report *report, const struct leak *leak)
{
	return leak_place_at(report, leak->node);
}

const char *leak_function(const struct leak_report *report, const struct leak *leak)
{
	const struct profile_frame *place = leak_place(report, leak);
	return place ? profile_text(report->list->profile, place->function)
		     : "an unknown stack trace";
}

/* Whether the name is "libfoo.so+0x12" or an address: that says where, which does not last. */
static bool is_nameless(const char *function, const char *module)
{
	size_t length = strlen(module);
	return strncmp(function, "0x", 2) == 0 ||
	       (length > 0 && strncmp(function, module, length) == 0 &&
		strncmp(function + length, "+0x", 3) == 0);
}

char *leak_stack_key(const struct profile *profile, const struct leak *leak)
{
	struct buffer key = {0};
	const char *last_module = NULL;
	for (uint32_t node = leak->node; node != 0; node = profile->nodes[node].parent) {
		const struct profile_frame *frame = &profile->frames[profile->nodes[node].frame];
		const char *function = profile_text(profile, frame->function);
		const char *module = base_name(profile_text(profile, frame->module));
		bool has_no_name = is_nameless(function, module);
		/* How many frames code without symbols has is not known well enough. */
		if (has_no_name && last_module && strcmp(last_module, module) == 0)
			continue;
		last_module = has_no_name ? module : NULL;
		const char *name = !has_no_name ? function : *module ? module : "?";
		if (key.size_bytes > 0)
			buffer_append(&key, "\n", 1);
		buffer_append(&key, name, strlen(name));
		if (strcmp(function, "main") == 0)
			break;
	}
	buffer_append(&key, "", 1);
	if (!key.failed)
		return (char *)key.bytes;
	buffer_release(&key);
	return NULL;
}

uint64_t leak_fingerprint(const struct profile *profile, const struct leak *leak)
{
	uint64_t hash = 0xcbf29ce484222325u ^ leak->kind; /* FNV-1a */
	char *key = leak_stack_key(profile, leak);
	for (const char *at = key ? key : ""; *at; at++)
		hash = (hash ^ (unsigned char)*at) * 0x100000001b3u;
	free(key);
	return hash;
}
