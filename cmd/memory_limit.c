/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmd/memory_limit.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Version 1 has a very large number for "no limit", version 2 a word. */
#define GROUP_LIMIT_MAX (UINT64_C(1) << 60)

/* Where one version of control groups keeps what we want. */
struct group_files {
	const char *line; /* of /proc/self/cgroup: what is between the first colon and the path */
	const char *root; /* below the mount point */
	const char *limit;
	const char *events;
};

static const struct group_files versions[] = {
	{"::", "", "memory.max", "memory.events"},
	{":memory:", "/memory", "memory.limit_in_bytes", "memory.oom_control"},
};

/* The number behind `name` in a file of lines "name number"; an empty name: the file's first. */
static bool read_number(const char *path, const char *name, uint64_t *ret_number)
{
	char line[256];
	size_t length = strlen(name);
	bool is_found = false;
	FILE *file = fopen(path, "re");
	while (file && !is_found && fgets(line, sizeof(line), file)) {
		char *end;
		const char *number = line + length;
		if (strncmp(line, name, length) != 0 || (length && !strchr(" \t:", *number)))
			continue;
		number += strspn(number, " \t:");
		*ret_number = strtoull(number, &end, 10);
		is_found = end != number;
	}
	if (file)
		(void)fclose(file); /* was only read */
	return is_found;
}

static void look_at_group(const struct group_files *files, const char *directory,
			  struct memory_limit *limit)
{
	char path[PATH_MAX + 64];
	uint64_t number;
	(void)snprintf(path, sizeof(path), "%s/%s", directory, files->limit);
	if (read_number(path, "", &number) && number < GROUP_LIMIT_MAX &&
	    (!limit->bytes || number < limit->bytes)) {
		limit->bytes = number;
		limit->what = "its control group";
	}
	/* Version 2 counts in the groups around a group as well, version 1 in the group alone. */
	(void)snprintf(path, sizeof(path), "%s/%s", directory, files->events);
	if (read_number(path, "oom_kill", &number))
		limit->group_kills += number;
}

/* A group and those around it. In a container the path may be of outside: then the root counts. */
static void look_at_groups(const struct group_files *files, const char *groups, const char *path,
			   struct memory_limit *limit)
{
	char directory[PATH_MAX];
	size_t root_length = (size_t)snprintf(directory, sizeof(directory), "%s%s", groups,
					      files->root);
	(void)snprintf(directory, sizeof(directory), "%s%s%s", groups, files->root, path);
	while (strlen(directory) > root_length) {
		look_at_group(files, directory, limit);
		*strrchr(directory, '/') = '\0';
	}
	look_at_group(files, directory, limit);
}

static uint64_t address_space_limit(void)
{
	struct rlimit space;
	struct rlimit data;
	uint64_t bytes = UINT64_MAX;
	if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY)
		bytes = space.rlim_cur;
	if (getrlimit(RLIMIT_DATA, &data) == 0 && data.rlim_cur != RLIM_INFINITY &&
	    data.rlim_cur < bytes)
		bytes = data.rlim_cur;
	return bytes;
}

void memory_limit_read(const char *proc, const char *groups, struct memory_limit *ret_limit)
{
	char path[PATH_MAX];
	char line[PATH_MAX];
	struct memory_limit limit = {.address_space_bytes = address_space_limit()};
	(void)snprintf(path, sizeof(path), "%s/meminfo", proc);
	if (read_number(path, "MemTotal", &limit.bytes)) {
		limit.bytes *= 1024;
		limit.what = "the machine";
	}
	(void)snprintf(path, sizeof(path), "%s/vmstat", proc);
	(void)read_number(path, "oom_kill", &limit.machine_kills); /* else none is seen */
	(void)snprintf(path, sizeof(path), "%s/self/cgroup", proc);
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
			const char *found = strchr(line, ':');
			if (found &&
			    strncmp(found, versions[i].line, strlen(versions[i].line)) == 0)
				look_at_groups(&versions[i], groups,
					       found + strlen(versions[i].line), &limit);
		}
	}
	if (file)
		(void)fclose(file); /* was only read */
	*ret_limit = limit;
}
