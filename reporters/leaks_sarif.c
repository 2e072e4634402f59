/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leaks as SARIF 2.1.0 (OASIS), for code scanning: a rule for each kind and each limit, a result
 * for each group. Still reachable blocks are left out unless they count.
 */
#include <stdlib.h>
#include <string.h>

#include "reporters/json.h"
#include "reporters/leak_report.h"
#include "reporters/short_text.h"

#define SCHEMA                                                                                     \
	"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/"                      \
	"sarif-schema-2.1.0.json"

static const struct {
	const char *id;
	const char *text;
} rules[] = {
	[LEAK_DEFINITE] = {"definite-leak", "Memory that no pointer leads to any more"},
	[LEAK_INDIRECT] = {"indirect-leak", "Memory that only lost memory points to"},
	[LEAK_POSSIBLE] = {"possible-leak", "Memory that only pointers into its inside lead to"},
	[LEAK_REACHABLE] = {"reachable-memory", "Memory that was not freed and is still reachable"},
	[LEAK_UNCLASSIFIED] = {"unfreed-memory",
			       "Memory that was not freed, and was not looked for"},
	{"limit", "A limit on leaks, the peak or the number of allocations"},
	{"recording", "The recording allows no verdict"},
};

enum { RULE_LIMIT = LEAK_KIND_COUNT, RULE_RECORDING, RULE_COUNT };

static cJSON *message(const char *text)
{
	cJSON *object = cJSON_CreateObject();
	json_add_string(object, "text", text);
	return object;
}

static void add_rules(cJSON *driver)
{
	cJSON *list = cJSON_AddArrayToObject(driver, "rules");
	for (size_t i = 0; i < RULE_COUNT; i++) {
		cJSON *rule = cJSON_CreateObject();
		(void)cJSON_AddStringToObject(rule, "id", rules[i].id);
		(void)cJSON_AddItemToObject(rule, "shortDescription", message(rules[i].text));
		(void)cJSON_AddItemToArray(list, rule);
	}
}

/* A path as a URI reference (RFC 3986): what is not unreserved is escaped. returns NULL: no memory
 */
static char *uri_of(const char *path)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				    "-._~/+,=@";
	char *uri = malloc(strlen(path) * 3 + sizeof("file://"));
	if (!uri)
		return NULL;
	size_t used = 0;
	if (*path == '/') {
		memcpy(uri, "file://", 7);
		used = 7;
	}
	for (; *path; path++) {
		if (strchr(plain, *path)) {
			uri[used++] = *path;
			continue;
		}
		(void)snprintf(uri + used, 4, "%%%02X", (unsigned char)*path);
		used += 3;
	}
	uri[used] = '\0';
	return uri;
}

static cJSON *physical_location(const struct leak_report *report, const struct profile_frame *frame)
{
	const struct profile *profile = report->list->profile;
	char path[SHORT_TEXT_BYTES];
	char *uri = uri_of(leak_path(report, profile_text(profile, frame->file), path));
	cJSON *object = cJSON_CreateObject();
	cJSON *artifact = cJSON_AddObjectToObject(object, "artifactLocation");
	if (uri)
		(void)cJSON_AddStringToObject(artifact, "uri", uri);
	if (uri && strncmp(uri, "file://", 7) != 0)
		(void)cJSON_AddStringToObject(artifact, "uriBaseId", "SRCROOT");
	free(uri);
	if (frame->line)
		json_add_count(cJSON_AddObjectToObject(object, "region"), "startLine", frame->line);
	return object;
}

static cJSON *location(const struct leak_report *report, const struct profile_frame *frame)
{
	const struct profile *profile = report->list->profile;
	cJSON *object = cJSON_CreateObject();
	if (*profile_text(profile, frame->file))
		(void)cJSON_AddItemToObject(object, "physicalLocation",
					    physical_location(report, frame));
	cJSON *logical = cJSON_CreateObject();
	json_add_string(logical, "fullyQualifiedName", profile_text(profile, frame->function));
	(void)cJSON_AddStringToObject(logical, "kind", "function");
	(void)cJSON_AddItemToArray(cJSON_AddArrayToObject(object, "logicalLocations"), logical);
	return object;
}

static void add_stack(cJSON *result, const struct leak_report *report, const struct leak *leak)
{
	const struct profile *profile = report->list->profile;
	cJSON *stack = cJSON_CreateObject();
	cJSON *frames = cJSON_AddArrayToObject(stack, "frames");
	(void)cJSON_AddItemToObject(stack, "message", message("allocated at"));
	for (uint32_t node = leak->node; node != 0; node = profile->nodes[node].parent) {
		const struct profile_frame *frame = &profile->frames[profile->nodes[node].frame];
		cJSON *item = cJSON_CreateObject();
		(void)cJSON_AddItemToObject(item, "location", location(report, frame));
		if (*profile_text(profile, frame->module))
			json_add_string(item, "module", profile_text(profile, frame->module));
		(void)cJSON_AddItemToArray(frames, item);
	}
	(void)cJSON_AddItemToArray(cJSON_AddArrayToObject(result, "stacks"), stack);
}

static const char *level_of(const struct leak_report *report, const struct leak *leak)
{
	if (leak_counts(leak, report->limits) && report->verdict->outcome == LEAKS_FAILED)
		return "error";
	return leak->kind == LEAK_DEFINITE || leak->kind == LEAK_POSSIBLE ? "warning" : "note";
}

static const char *baseline_state(enum leak_novelty novelty)
{
	switch (novelty) {
	case LEAK_NEW:
		return "new";
	case LEAK_GROWN:
		return "updated";
	case LEAK_KNOWN:
		return "unchanged";
	case LEAK_NOT_COMPARED:
		break;
	}
	return NULL;
}

static void add_suppression(cJSON *result, const struct suppression *suppression)
{
	cJSON *list = cJSON_AddArrayToObject(result, "suppressions");
	cJSON *item = cJSON_CreateObject();
	(void)cJSON_AddStringToObject(item, "kind", "external");
	(void)cJSON_AddStringToObject(item, "status", "accepted");
	json_add_string(item, "justification", suppression->name);
	(void)cJSON_AddItemToArray(list, item);
}

static cJSON *leak_result(const struct leak_report *report, const struct leak *leak)
{
	char headline[LEAK_HEADLINE_BYTES];
	char fingerprint[24];
	char *text;
	const struct profile_frame *place = leak_place(report, leak);
	cJSON *result = cJSON_CreateObject();
	(void)cJSON_AddStringToObject(result, "ruleId", rules[leak->kind].id);
	json_add_count(result, "ruleIndex", leak->kind);
	(void)cJSON_AddStringToObject(result, "level", level_of(report, leak));
	if (asprintf(&text, "%s, allocated in %s", leak_headline(leak, headline),
		     leak_function(report, leak)) < 0)
		text = NULL;
	(void)cJSON_AddItemToObject(result, "message", message(text ? text : headline));
	free(text);
	cJSON *locations = cJSON_AddArrayToObject(result, "locations");
	if (place)
		(void)cJSON_AddItemToArray(locations, location(report, place));
	if (leak->node)
		add_stack(result, report, leak);
	(void)snprintf(fingerprint, sizeof(fingerprint), "%016llx",
		       (unsigned long long)leak_fingerprint(report->list->profile, leak));
	(void)cJSON_AddStringToObject(cJSON_AddObjectToObject(result, "partialFingerprints"),
				      "functionNames/v1", fingerprint);
	if (baseline_state(leak->novelty))
		(void)cJSON_AddStringToObject(result, "baselineState",
					      baseline_state(leak->novelty));
	if (leak->suppressed_by)
		add_suppression(result, leak->suppressed_by);
	cJSON *properties = cJSON_AddObjectToObject(result, "properties");
	json_add_count(properties, "bytes", leak->bytes);
	json_add_count(properties, "blocks", leak->blocks);
	return result;
}

/* A limit that is passed has no place in the source. */
static void add_findings(cJSON *results, const struct leak_report *report)
{
	for (size_t i = 0; i < report->verdict->finding_count; i++) {
		const struct leak_finding *finding = &report->verdict->findings[i];
		if (finding->outcome == LEAKS_PASSED ||
		    (finding->outcome == LEAKS_FAILED && strcmp(finding->limit, "leaks") == 0))
			continue; /* the leaks are results themselves */
		unsigned rule = finding->outcome == LEAKS_FAILED ? RULE_LIMIT : RULE_RECORDING;
		cJSON *result = cJSON_CreateObject();
		(void)cJSON_AddStringToObject(result, "ruleId", rules[rule].id);
		json_add_count(result, "ruleIndex", rule);
		(void)cJSON_AddStringToObject(
			result, "level", finding->outcome == LEAKS_FAILED ? "error" : "warning");
		(void)cJSON_AddItemToObject(result, "message", message(finding->text));
		(void)cJSON_AddArrayToObject(result, "locations");
		(void)cJSON_AddItemToArray(results, result);
	}
}

static void add_invocation(cJSON *run, const struct leak_report *report)
{
	const struct log_info *info = &report->list->profile->log->info;
	cJSON *invocation = cJSON_CreateObject();
	json_add_string(invocation, "commandLine", info->run.command);
	(void)cJSON_AddBoolToObject(invocation, "executionSuccessful",
				    report->verdict->outcome != LEAKS_UNJUDGED);
	if (info->has_status && info->exit_signal)
		json_add_count(invocation, "exitSignalNumber", (uint64_t)info->exit_signal);
	else if (info->has_status)
		json_add_count(invocation, "exitCode", (uint64_t)info->exit_status);
	(void)cJSON_AddItemToArray(cJSON_AddArrayToObject(run, "invocations"), invocation);
}

static bool is_result(const struct leak_report *report, const struct leak *leak)
{
	return !leak->is_replaced &&
	       (leak->kind != LEAK_REACHABLE || leak_counts(leak, report->limits));
}

enum mt_status leaks_print_sarif(const struct leak_report *report, FILE *output,
				 struct mt_error *error)
{
	cJSON *object = cJSON_CreateObject();
	(void)cJSON_AddStringToObject(object, "$schema", SCHEMA);
	(void)cJSON_AddStringToObject(object, "version", "2.1.0");
	cJSON *run = cJSON_CreateObject();
	cJSON *driver = cJSON_AddObjectToObject(cJSON_AddObjectToObject(run, "tool"), "driver");
	(void)cJSON_AddStringToObject(driver, "name", "memtrace");
	(void)cJSON_AddStringToObject(driver, "semanticVersion", MEMTRACE_VERSION);
	add_rules(driver);
	add_invocation(run, report);
	cJSON *results = cJSON_AddArrayToObject(run, "results");
	for (size_t i = 0; i < report->list->count; i++)
		if (is_result(report, &report->list->items[i]))
			(void)cJSON_AddItemToArray(results,
						   leak_result(report, &report->list->items[i]));
	add_findings(results, report);
	(void)cJSON_AddItemToArray(cJSON_AddArrayToObject(object, "runs"), run);
	return json_print(object, output, error);
}
