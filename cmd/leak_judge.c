/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmd/leak_judge.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/output_file.h"
#include "reporters/growth_report.h"

/* Whether there is a file that would be written anew: some of its entries may have to stay. */
static bool has_text(const char *path)
{
	struct stat file;
	return stat(path, &file) == 0 && S_ISREG(file.st_mode) && file.st_size > 0;
}

enum mt_status leak_judge_init(struct leak_judge *judge, const struct leak_options *options,
			       struct mt_error *error)
{
	*judge = (struct leak_judge){.options = options};
	enum mt_status status = suppressions_add_builtin(&judge->suppressions, error);
	for (size_t i = 0; i < options->suppression_count && status == MT_OK; i++)
		status = suppressions_read(&judge->suppressions, options->suppression_paths[i],
					   error);
	if (status == MT_OK && options->writes_baseline)
		status = output_file_check(options->baseline_path, true, error);
	if (status == MT_OK && options->baseline_path &&
	    (!options->writes_baseline || has_text(options->baseline_path)))
		status = leak_baseline_read(&judge->baseline, options->baseline_path, error);
	if (status != MT_OK)
		leak_judge_release(judge);
	return status;
}

void leak_judge_release(struct leak_judge *judge)
{
	suppressions_release(&judge->suppressions);
	leak_baseline_release(&judge->baseline);
}

static enum mt_status write_baseline(const struct leak_judge *judge, const struct leak_list *list,
				     struct mt_error *error)
{
	struct output_file file;
	enum mt_status status = output_file_open(&file, judge->options->baseline_path, true, error);
	if (status != MT_OK)
		return status;
	status = leak_baseline_write(&judge->baseline, list, &judge->options->limits, file.stream,
				     error);
	return output_file_close(&file, status, error);
}

static bool is_unjudged(const struct leak_verdict *verdict)
{
	for (size_t i = 0; i < verdict->finding_count; i++)
		if (verdict->findings[i].outcome == LEAKS_UNJUDGED)
			return true;
	return false;
}

/*
 * The leaks of now become the baseline, and are known from here on. Without a verdict on all of
 * them there is nothing to write that would last.
 */
static enum mt_status renew_baseline(const struct leak_judge *judge, struct leak_list *list,
				     struct leak_verdict *verdict, struct mt_error *error)
{
	if (is_unjudged(verdict)) {
		print_error("%s is not written: there is no verdict",
			    judge->options->baseline_path);
		return MT_OK;
	}
	enum mt_status status = write_baseline(judge, list, error);
	if (status != MT_OK)
		return status;
	for (size_t i = 0; i < list->count; i++) {
		struct leak *leak = &list->items[i];
		if (leak_counts(leak, &judge->options->limits)) {
			leak->novelty = LEAK_KNOWN;
			leak->known_bytes = leak->bytes;
			leak->known_blocks = leak->blocks;
		}
	}
	leak_verdict_release(verdict);
	return leak_verdict_make(verdict, list, &judge->options->limits, error);
}

/* Where paths are shown from: the checkout in a CI job, else the working directory. */
static void find_root(char *path, size_t capacity)
{
	const char *workspace = getenv("GITHUB_WORKSPACE");
	if (workspace && *workspace == '/')
		(void)snprintf(path, capacity, "%s", workspace);
	else if (!getcwd(path, capacity))
		*path = '\0';
}

static enum mt_status print_report(const struct leak_judge *judge, const struct leak_report *report,
				   FILE *output, struct mt_error *error)
{
	if (judge->options->shows_growth && report->growth)
		return growth_print(report->growth, report->list->profile,
				    judge->options->format != &leak_formats[0], output, error);
	return judge->options->prints_suppressions
		       ? leaks_print_suppressions(report, judge->options->syntax, output, error)
		       : judge->options->format->print(report, output, error);
}

static enum mt_status judge_profile(struct leak_judge *judge, const struct profile *profile,
				    leak_output_function *output, void *context,
				    enum leak_outcome *ret_outcome, struct mt_error *error)
{
	const struct leak_options *options = judge->options;
	struct leak_list list = {0};
	struct leak_verdict verdict = {0};
	struct growth growth = {0};
	char root[PATH_MAX];
	struct leak_report report = {
		.list = &list,
		.suppressions = &judge->suppressions,
		.limits = &options->limits,
		.verdict = &verdict,
		.shows_holders = options->shows_holders,
		.has_baseline = options->baseline_path != NULL,
		.unclassified_limit = judge->unclassified_limit,
		.root = root,
	};
	find_root(root, sizeof(root));
	enum mt_status status = leak_list_gather(&list, profile, error);
	if (status != MT_OK)
		return status;
	status = suppressions_add_own(&judge->suppressions, &profile->log->info, error);
	if (status == MT_OK)
		suppressions_apply(&judge->suppressions, &list);
	if (status == MT_OK && options->baseline_path && !options->writes_baseline)
		status = leak_baseline_compare(&judge->baseline, &list, &options->limits,
					       &report.gone_count, error);
	if (status == MT_OK)
		status = leak_verdict_make(&verdict, &list, &options->limits, error);
	if (status == MT_OK && options->writes_baseline)
		status = renew_baseline(judge, &list, &verdict, error);
	FILE *stream = status == MT_OK ? output(context, verdict.outcome) : NULL;
	if (stream && profile->log->replay.has_details)
		status = growth_gather(&growth, profile, error);
	report.growth = growth.by_node ? &growth : NULL;
	if (stream && status == MT_OK)
		status = print_report(judge, &report, stream, error);
	growth_release(&growth);
	*ret_outcome = verdict.outcome;
	leak_verdict_release(&verdict);
	leak_list_release(&list);
	return status;
}

static bool has_own_suppressions(const struct log_info *info)
{
	for (uint32_t i = 0; i < info->image_count; i++)
		if (info->images[i].leak_marks.suppressions)
			return true;
	return false;
}

/*
 * Whether there is nothing to fail for, and so nothing to say: with names some of it could be
 * suppressed, but not more be found.
 */
static bool passes_without_names(const struct leak_judge *judge, const struct loaded_log *log)
{
	struct profile *profile = NULL;
	struct leak_list list = {0};
	struct leak_verdict verdict = {0};
	struct mt_error ignored;
	if (!judge->is_silent || judge->options->baseline_path || has_own_suppressions(&log->info))
		return false;
	bool passes = profile_new(log, &profile, &ignored) == MT_OK &&
		      leak_list_gather(&list, profile, &ignored) == MT_OK &&
		      leak_verdict_make(&verdict, &list, &judge->options->limits, &ignored) ==
			      MT_OK &&
		      verdict.outcome == LEAKS_PASSED;
	leak_verdict_release(&verdict);
	leak_list_release(&list);
	profile_free(profile);
	return passes;
}

enum mt_status leak_judge_log(struct leak_judge *judge, const char *log_path, uint64_t pid,
			      leak_output_function *output, void *context,
			      enum leak_outcome *ret_outcome, struct mt_error *error)
{
	struct loaded_log log;
	struct profile *profile = NULL;
	struct loaded_log_options load = {.pid = pid};
	enum mt_status status = loaded_log_read(&log, log_path, &load, error);
	if (status == MT_OK && judge->options->shows_growth && !log.replay.has_details) {
		/* Finished by a memtrace that did not sum up what growth is told from. */
		loaded_log_release(&log);
		load.ignores_profile = true;
		status = loaded_log_read(&log, log_path, &load, error);
	}
	if (status != MT_OK)
		return status;
	const char *reason = judge->options->shows_growth ? loaded_log_incomplete_reason(&log)
							  : loaded_log_loss_reason(&log);
	if (reason && judge->tells_incomplete)
		print_error("%s: the report is incomplete: %s", log_path, reason);
	if (judge->find_names && passes_without_names(judge, &log)) {
		*ret_outcome = LEAKS_PASSED;
	} else {
		if (judge->find_names)
			judge->find_names(judge->names_context, &log);
		status = profile_new(&log, &profile, error);
		if (status == MT_OK)
			status = judge_profile(judge, profile, output, context, ret_outcome, error);
		profile_free(profile);
	}
	loaded_log_release(&log);
	return status;
}
