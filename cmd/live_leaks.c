/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memtrace leak-check: scans a process that is being recorded with --leak-check, and reports.
 *
 * The recording is found by the segment that the process has mapped. The process is asked by a
 * signal that it handles; it writes nothing itself, the recording's collector does.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/leaks.h"
#include "common/leak_protocol.h"
#include "common/segment.h"

#define STEP_NS 20000000L
#define REACTION_STEPS 250 /* five seconds to begin */

struct check_options {
	struct leak_options shared;
	pid_t pid;
};

/* The recording that a process takes part in. */
struct session {
	char segment_path[PATH_MAX];
	char log_path[PATH_MAX];
	struct segment_header *header;
	struct image_slot *slot; /* of the process */
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct check_options *options = state->input;
	char *end;
	long pid;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->shared;
		return 0;
	case ARGP_KEY_ARG:
		if (options->pid)
			argp_error(state, "one process at a time: what is '%s'?", argument);
		errno = 0;
		pid = strtol(argument, &end, 10);
		if (errno || end == argument || *end || pid <= 0 || pid > INT_MAX)
			argp_error(state, "'%s' is not a process id", argument);
		options->pid = (pid_t)pid;
		return 0;
	case ARGP_KEY_END:
		if (!options->pid)
			argp_error(state, "the id of a process is missing");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = {{&leak_argp, 0, NULL, 0}, {0}};

static const struct argp parser = {
	.parser = parse,
	.args_doc = "PID",
	.doc = "Scan a running process for leaks. It must have been started by 'memtrace run "
	       "--leak-check' or 'memtrace check'. All its threads stop for the time of the scan, "
	       "and a system call that a signal can interrupt may be.\v"
	       "The exit status is that of 'memtrace leaks'; 1 if the process can't be scanned.",
	.children = children,
};

/* The segment that a process has mapped. returns false: it has none, or can't be looked at */
static bool find_segment(pid_t pid, char *path, size_t capacity)
{
	char name[64];
	char *line = NULL;
	size_t line_capacity = 0;
	bool is_found = false;
	(void)snprintf(name, sizeof(name), "/proc/%d/maps", (int)pid);
	FILE *maps = fopen(name, "re");
	if (!maps)
		return false;
	while (!is_found && getline(&line, &line_capacity, maps) > 0) {
		size_t length = strcspn(line, "\n");
		const char *file = strchr(line, '/');
		size_t suffix = sizeof(SEGMENT_SUFFIX) - 1;
		line[length] = '\0';
		if (!file || strlen(file) <= suffix || !strstr(line, " rw-s ") ||
		    strcmp(line + length - suffix, SEGMENT_SUFFIX) != 0)
			continue;
		(void)snprintf(path, capacity, "%s", file);
		is_found = true;
	}
	free(line);
	(void)fclose(maps);
	return is_found;
}

/* The id that a process has for itself: the last of "NSpid:" in its status. */
static uint32_t own_pid_of(pid_t pid)
{
	char name[64];
	char line[256];
	uint32_t own = (uint32_t)pid;
	(void)snprintf(name, sizeof(name), "/proc/%d/status", (int)pid);
	FILE *status = fopen(name, "re");
	while (status && fgets(line, sizeof(line), status)) {
		if (strncmp(line, "NSpid:", 6) != 0)
			continue;
		char *at = line + 6;
		for (char *end; strtoul(at, &end, 10), end != at; at = end)
			own = (uint32_t)strtoul(at, NULL, 10);
	}
	if (status)
		(void)fclose(status);
	return own;
}

static bool map_segment(struct session *session)
{
	struct stat status;
	int fd = open(session->segment_path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	void *header = MAP_FAILED;
	if (fstat(fd, &status) == 0 && status.st_size >= (off_t)SEGMENT_HEADER_BYTES)
		header = mmap(NULL, SEGMENT_HEADER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			      0);
	(void)close(fd);
	if (header == MAP_FAILED)
		return false;
	session->header = header;
	return memcmp(session->header->magic, SEGMENT_MAGIC, sizeof(session->header->magic)) == 0 &&
	       session->header->version == SEGMENT_VERSION &&
	       session->header->header_bytes == SEGMENT_HEADER_BYTES;
}

static bool is_collected(const struct session *session)
{
	const volatile uint32_t *word =
		(const volatile uint32_t *)&session->header->collector_alive;
	return !(*word & FUTEX_OWNER_DIED);
}

static struct image_slot *find_slot(const struct session *session, pid_t pid)
{
	uint32_t own = own_pid_of(pid);
	struct image_slot *found = NULL;
	uint64_t newest = 0;
	for (uint32_t i = 0; i < SEGMENT_IMAGES; i++) {
		struct image_slot *slot = &session->header->images[i];
		uint64_t serial = atomic_load(&slot->serial);
		if (atomic_load(&slot->pid) == own && serial > newest) {
			found = slot;
			newest = serial;
		}
	}
	return found;
}

/* Finds the recording. returns false after printing why there is none */
static bool session_open(struct session *session, pid_t pid)
{
	if (!find_segment(pid, session->segment_path, sizeof(session->segment_path))) {
		print_error("process %d is not being recorded by a memtrace that we can see",
			    (int)pid);
		return false;
	}
	size_t length = strlen(session->segment_path) - (sizeof(SEGMENT_SUFFIX) - 1);
	(void)snprintf(session->log_path, sizeof(session->log_path), "%.*s", (int)length,
		       session->segment_path);
	if (!map_segment(session)) {
		print_error("%s: cannot be read, or was made by another memtrace",
			    session->segment_path);
		return false;
	}
	if (!(session->header->session_flags & SESSION_LEAK_CHECK)) {
		print_error("%s: the recording was not started with --leak-check",
			    session->log_path);
		return false;
	}
	session->slot = find_slot(session, pid);
	if (!session->slot || !is_collected(session)) {
		print_error("process %d is no longer being recorded", (int)pid);
		return false;
	}
	return true;
}

static bool send_request(pid_t pid)
{
	siginfo_t info;
	memset(&info, 0, sizeof(info));
	info.si_signo = LEAK_SCAN_SIGNAL;
	info.si_code = SI_QUEUE;
	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_ptr = LEAK_SCAN_REQUEST_VALUE;
	return syscall(SYS_rt_sigqueueinfo, pid, LEAK_SCAN_SIGNAL, &info) == 0;
}

/* Asks, and waits until the scan was made. returns false after printing why it was not */
static bool request_scan(const struct session *session, pid_t pid)
{
	static const struct timespec step = {.tv_nsec = STEP_NS};
	struct image_slot *slot = session->slot;
	uint64_t serial = atomic_load(&slot->serial);
	uint32_t number = atomic_fetch_add(&slot->scan_wanted, 1) + 1;
	if (!send_request(pid)) {
		print_error("process %d: %s", (int)pid, strerror(errno));
		return false;
	}
	for (int steps = 0; atomic_load(&slot->scan_done) != number; steps++) {
		bool is_at_it = atomic_load(&slot->scan_turn) != LEAK_SCAN_TURN_NONE;
		if (atomic_load(&slot->serial) != serial || !is_collected(session)) {
			print_error("process %d has ended", (int)pid);
			return false;
		}
		if (!is_at_it && steps > REACTION_STEPS) {
			print_error("process %d does not react", (int)pid);
			return false;
		}
		(void)nanosleep(&step, NULL); /* interrupted: the loop goes on */
	}
	if (atomic_load(&slot->scan_lost) != LEAK_SCAN_NO_VERDICT)
		return true;
	print_error("process %d: its memory could not be read in full", (int)pid);
	return false;
}

static int check(const struct check_options *options)
{
	struct session session = {0};
	if (!session_open(&session, options->pid) || !request_scan(&session, options->pid))
		return EXIT_FILE;
	return leaks_report(&options->shared, session.log_path, (uint64_t)options->pid);
}

static int run(int argument_count, char **arguments)
{
	struct check_options options = {0};
	argp_err_exit_status = EXIT_USAGE;
	(void)argp_parse(&parser, argument_count, arguments, 0, NULL, &options);
	int status = check(&options);
	leak_options_release(&options.shared);
	return status;
}

const struct command command_leak_check = {
	.name = "leak-check",
	.summary = "scan a process that is being recorded for leaks, now",
	.run = run,
};
