/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmd/death.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "cmd/command.h"
#include "reporters/sites.h"
#include "reporters/text.h"

#define CONSUMERS 3u

enum death {
	DEATH_OTHER,
	DEATH_KILLED,     /* by SIGKILL; nothing says by whom */
	DEATH_NEAR_LIMIT, /* the same, with nearly all the memory that there is */
	DEATH_BY_KERNEL,  /* the kernel has counted it */
	DEATH_OF_CHILD,   /* of a process that the program has started */
	DEATH_NO_MEMORY,  /* it ended by itself, after allocations that failed */
};

static enum death tell(const struct launch_result *result, const struct memory_limit *before,
		       const struct memory_limit *after, uint64_t peak_bytes)
{
	int status = result->wait_status;
	bool is_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	bool is_counted = after->group_kills > before->group_kills;
	/* The machine's count may be of somebody else's process: it is but a sign. */
	bool is_machine_short = after->machine_kills > before->machine_kills;
	uint64_t near_bytes = is_machine_short ? after->bytes / 4 : after->bytes / 10 * 8;
	if (is_counted)
		return is_killed ? DEATH_BY_KERNEL : DEATH_OF_CHILD;
	if (is_killed)
		return near_bytes && peak_bytes > near_bytes ? DEATH_NEAR_LIMIT : DEATH_KILLED;
	return status != 0 && result->news.failed_allocations > 0 ? DEATH_NO_MEMORY : DEATH_OTHER;
}

static void print_death(enum death death, const struct launch_result *result,
			const struct memory_limit *limit, uint64_t peak_bytes)
{
	static const char *const beginnings[] = {
		[DEATH_KILLED] = "killed by SIGKILL",
		[DEATH_NEAR_LIMIT] = "killed by SIGKILL, probably out of memory",
		[DEATH_BY_KERNEL] = "killed by SIGKILL, out of memory",
		[DEATH_OF_CHILD] = "a process that the program started was killed, out of memory",
		[DEATH_NO_MEMORY] = "",
	};
	char peak[TEXT_FIGURE_BYTES];
	char most[TEXT_FIGURE_BYTES];
	(void)text_of_bytes(peak_bytes, peak);
	if (death != DEATH_NO_MEMORY) {
		print_error("%s: peak RSS %s of limit %s (%s)", beginnings[death], peak,
			    text_of_bytes(limit->bytes, most), limit->what ? limit->what : "none");
		return;
	}
	(void)text_of_count(result->news.failed_allocations, most);
	if (limit->address_space_bytes == UINT64_MAX) {
		print_error("%s allocations failed before the end: peak RSS %s", most, peak);
		return;
	}
	char space[TEXT_FIGURE_BYTES];
	print_error(
		"%s allocations failed before the end: peak RSS %s, address space limited to %s",
		most, peak, text_of_bytes(limit->address_space_bytes, space));
}

static int by_live_bytes(const void *left, const void *right)
{
	const struct site *a = left;
	const struct site *b = right;
	return (a->costs.live_bytes < b->costs.live_bytes) -
	       (a->costs.live_bytes > b->costs.live_bytes);
}

/* The process went on with another program. */
static bool is_left_by_exec(const struct log_info *info, uint32_t index)
{
	for (uint32_t i = 0; i < info->image_count; i++)
		if (info->images[i].pid == info->images[index].pid &&
		    info->images[i].serial > info->images[index].serial &&
		    info->images[i].origin == IMAGE_EXEC)
			return true;
	return false;
}

/* What a process held before it went on with another program, it did not hold at its death. */
static void forget_left_images(struct profile *profile)
{
	for (size_t i = 0; i < profile->row_count; i++) {
		struct profile_row *row = &profile->rows[i];
		if (is_left_by_exec(&profile->log->info, row->process)) {
			row->costs.live_blocks = 0;
			row->costs.live_bytes = 0;
		}
	}
}

static void print_consumers(struct profile *profile)
{
	struct site *sites = NULL;
	size_t count = 0;
	struct mt_error error;
	forget_left_images(profile);
	if (sites_gather(profile, &sites, &count, &error) != MT_OK)
		return; /* the log has it all */
	qsort(sites, count, sizeof(*sites), by_live_bytes);
	for (size_t i = 0; i < count && i < CONSUMERS && sites[i].costs.live_bytes > 0; i++) {
		char live[TEXT_FIGURE_BYTES];
		if (i == 0)
			(void)fputs("  at its death the most memory was held by\n", stderr);
		(void)fprintf(stderr, "  %12s  ", text_of_bytes(sites[i].costs.live_bytes, live));
		print_frame(profile, &profile->frames[sites[i].frame], stderr);
		(void)fputc('\n', stderr);
	}
	free(sites);
}

void death_explain(const struct launch_result *result, const struct memory_limit *before)
{
	struct memory_limit after;
	struct loaded_log log;
	struct mt_error error;
	struct loaded_log_options load = {0};
	uint64_t peak_bytes = result->max_rss_bytes;
	memory_limit_read("/proc", "/sys/fs/cgroup", &after);
	if (tell(result, before, &after, peak_bytes) == DEATH_OTHER)
		return;
	/* A killed program's own memory; who else was killed is not known. */
	if (tell(result, before, &after, peak_bytes) != DEATH_OF_CHILD)
		load.pid = (uint64_t)result->program_pid;
	bool is_loaded = loaded_log_read(&log, result->log_path, &load, &error) == MT_OK;
	if (is_loaded && log.info.peak_rss_bytes > peak_bytes)
		peak_bytes = log.info.peak_rss_bytes;
	print_death(tell(result, before, &after, peak_bytes), result, &after, peak_bytes);
	struct profile *profile = NULL;
	if (is_loaded && profile_new(&log, &profile, &error) == MT_OK)
		print_consumers(profile);
	profile_free(profile);
	if (is_loaded)
		loaded_log_release(&log);
}
