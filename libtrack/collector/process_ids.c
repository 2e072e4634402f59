/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/process_ids.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LEVELS_MAX 33u /* namespaces nest 32 deep */

/*
 * Numbers behind `name` in a file of /proc: NSpid has one for each namespace, from /proc's inward.
 * returns  how many there are
 */
static uint32_t read_numbers(const char *path, const char *name, uint32_t *numbers)
{
	char line[512];
	uint32_t count = 0;
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, name, strlen(name)) != 0)
			continue;
		char *at = line + strlen(name);
		for (char *end; count < LEVELS_MAX; at = end) {
			unsigned long number = strtoul(at, &end, 10);
			if (end == at)
				break;
			numbers[count++] = (uint32_t)number;
		}
		break;
	}
	if (file)
		(void)fclose(file); /* was only read */
	return count;
}

static uint64_t namespace_of(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 ? status.st_ino : 0;
}

void process_ids_init(struct process_ids *ids)
{
	uint32_t numbers[LEVELS_MAX];
	uint32_t count = read_numbers("/proc/self/status", "NSpid:", numbers);
	*ids = (struct process_ids){
		.namespace = namespace_of("/proc/self/ns/pid"),
		.level = count > 0 ? count - 1 : 0,
	};
}

/* The name under /proc of a process that has the number `pid` with us. */
static uint32_t name_in_proc(const struct process_ids *ids, uint32_t pid)
{
	char path[64];
	uint32_t numbers[LEVELS_MAX];
	if (ids->level == 0)
		return pid;
	int fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	if (fd < 0)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	uint32_t count = read_numbers(path, "Pid:", numbers);
	(void)close(fd);
	return count > 0 ? numbers[0] : 0;
}

/*
 * Looks through a directory of processes or threads for the one that calls itself `own`, in a
 * namespace within ours: it has more numbers than we.
 */
static uint32_t search(const char *directory, uint32_t own, uint64_t namespace, uint32_t level,
		       uint32_t *ret_ours)
{
	DIR *entries = opendir(directory);
	uint32_t found = 0;
	for (struct dirent *entry; entries && !found && (entry = readdir(entries));) {
		char path[320];
		uint32_t numbers[LEVELS_MAX];
		uint32_t name = (uint32_t)strtoul(entry->d_name, NULL, 10);
		if (name == 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%u/status", directory, name);
		uint32_t count = read_numbers(path, "NSpid:", numbers);
		if (count <= level + 1 || numbers[count - 1] != own)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%u/ns/pid", directory, name);
		uint64_t its = namespace ? namespace_of(path) : 0;
		if (its && its != namespace)
			continue; /* not readable: the number must do */
		found = name;
		*ret_ours = numbers[level];
	}
	if (entries)
		(void)closedir(entries);
	return found;
}

struct process_id process_ids_find(const struct process_ids *ids, uint32_t pid, uint64_t namespace)
{
	struct process_id id = {0};
	if (!namespace || !ids->namespace || namespace == ids->namespace) {
		id.ours = pid;
		id.in_proc = name_in_proc(ids, pid);
	} else {
		id.in_proc = search("/proc", pid, namespace, ids->level, &id.ours);
	}
	return id;
}

uint32_t process_ids_thread(const struct process_ids *ids, uint32_t process, uint32_t own_pid,
			    uint32_t thread_id)
{
	char path[64];
	uint32_t ours;
	if (process == own_pid)
		return thread_id;
	(void)snprintf(path, sizeof(path), "/proc/%u/task", process);
	return search(path, thread_id, 0, ids->level, &ours);
}
