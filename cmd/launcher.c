/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Three processes: launcher, program, collector. The program is forked first and waits at a pipe,
 * because the log's default name has its pid. When log and segment are made, it is let go with its
 * environment; then the collector is forked. If the collector can't begin, the program is killed:
 * it waits for it before its main function.
 *
 * Signals are taken one at a time with sigwaitinfo. The program is in the launcher's process group,
 * so what the terminal sends (^C) reaches it by itself; what somebody sends to the launcher's pid
 * is passed on.
 */
#include "cmd/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/memory_limit.h"
#include "common/counter.h"
#include "common/env.h"

#define TREE_STEP_MS 20
#define TREE_LIMIT_MS 10000
#define SESSION_PREFIX ENV_SESSION "="
#define SESSION_BYTES 4096

struct launcher {
	const struct launch_options *options;
	const struct recorder_work *work;
	struct launch_result *result;
	sigset_t signals;        /* taken with sigwaitinfo */
	sigset_t inherited_mask; /* the program gets it back */
	struct sigaction inherited_chld;
	pid_t program;
	pid_t collector_pid;
	struct collector_options collect;
	struct collector *collector;
	int start_fd;   /* the session goes to the program through it */
	int failure_fd; /* errno of an exec that failed comes back through it */
	int control_fd; /* to the collector */
	bool shows_progress;
	bool is_init; /* pid 1: of a container, or of a pid namespace */
	bool program_is_over;
	bool collector_is_over;
	int wait_status; /* the program's */
	struct rusage usage;
};

static const int passed_on[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,
				SIGTSTP, SIGUSR1, SIGUSR2, SIGCONT};

/* Beside the executable in a build tree, else where it was installed. */
static bool find_tracker(char *path, size_t capacity)
{
	static const char *const places[] = {"../libtrack/preload/" TRACKER_FILE_NAME,
					     MEMTRACE_LIBDIR_FROM_BINDIR "/" TRACKER_FILE_NAME};
	char own[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
	if (length <= 0)
		return false;
	own[length] = '\0';
	*strrchr(own, '/') = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char candidate[PATH_MAX * 2];
		char resolved[PATH_MAX];
		(void)snprintf(candidate, sizeof(candidate), "%s/%s", own, places[i]);
		if (realpath(candidate, resolved) && strlen(resolved) < capacity) {
			memcpy(path, resolved, strlen(resolved) + 1);
			return true;
		}
	}
	return false;
}

/*
 * The program's environment. It is made before the fork, all but the session, which is read into
 * its place later: what a fork's child does not write to is not copied for it.
 */
struct program_environment {
	char **variables;
	char *preload;
	char session[sizeof(SESSION_PREFIX) + SESSION_BYTES];
};

static bool is_variable(const char *variable, const char *name)
{
	size_t length = strlen(name);
	return strncmp(variable, name, length) == 0 && variable[length] == '=';
}

static bool make_environment(struct program_environment *environment, const char *tracker)
{
	const char *others = getenv(ENV_PRELOAD);
	size_t count = 0;
	*environment = (struct program_environment){.session = SESSION_PREFIX};
	while (environ[count])
		count++;
	environment->variables = calloc(count + 3, sizeof(char *));
	if (!environment->variables ||
	    asprintf(&environment->preload, ENV_PRELOAD "=%s%s%s", tracker, others ? ":" : "",
		     others ? others : "") < 0)
		return false;
	char **next = environment->variables;
	for (char **variable = environ; *variable; variable++)
		if (!is_variable(*variable, ENV_SESSION))
			*next++ = is_variable(*variable, ENV_PRELOAD) ? environment->preload
								      : *variable;
	if (!others)
		*next++ = environment->preload;
	*next++ = environment->session;
	return true;
}

/* The program's process, up to exec. */
static _Noreturn void become_program(const struct launcher *launcher,
				     struct program_environment *environment, int start_fd,
				     int failure_fd)
{
	char *session = environment->session + strlen(SESSION_PREFIX);
	if (read(start_fd, session, SESSION_BYTES) <= 0)
		_exit(EXIT_TRACER_FAILED); /* the launcher has said why */
	(void)sigaction(SIGCHLD, &launcher->inherited_chld, NULL);
	(void)sigprocmask(SIG_SETMASK, &launcher->inherited_mask, NULL); /* valid arguments */
	(void)execvpe(launcher->options->program_path, launcher->options->arguments,
		      environment->variables);
	int failure = errno;
	(void)!write(failure_fd, &failure, sizeof(failure));
	_exit(EXIT_TRACER_FAILED);
}

static bool fork_program(struct launcher *launcher, const char *tracker)
{
	int start[2];
	int failure[2];
	struct program_environment environment;
	if (!make_environment(&environment, tracker)) {
		errno = ENOMEM;
		return false;
	}
	if (pipe2(start, O_CLOEXEC) != 0 || pipe2(failure, O_CLOEXEC) != 0)
		return false;
	launcher->program = fork();
	if (launcher->program == 0) {
		(void)close(start[1]);
		(void)close(failure[0]);
		become_program(launcher, &environment, start[0], failure[1]);
	}
	free(environment.variables);
	free(environment.preload);
	(void)close(start[0]);
	(void)close(failure[1]);
	launcher->start_fd = start[1];
	launcher->failure_fd = failure[0];
	return launcher->program > 0;
}

static void choose_log_path(const struct launcher *launcher, char *path, size_t capacity)
{
	const struct launch_options *options = launcher->options;
	if (options->log_path) {
		(void)snprintf(path, capacity, "%s", options->log_path);
		return;
	}
	const char *slash = strrchr(options->program_path, '/');
	(void)snprintf(path, capacity, "memtrace.%s.%d.mtlog",
		       slash ? slash + 1 : options->program_path, (int)launcher->program);
}

static size_t count_arguments(char *const *arguments)
{
	size_t count = 0;
	while (arguments[count])
		count++;
	return count;
}

static bool open_collector(struct launcher *launcher, const char *log_path)
{
	const struct launch_options *options = launcher->options;
	struct mt_error error;
	launcher->collect = (struct collector_options){
		.log_path = log_path,
		.overwrites = options->overwrites,
		.unwinder = options->unwinder,
		.no_children = options->no_children,
		.leak_check = options->leak_check,
		.scrub = options->leak_check && !options->no_scrub,
		.only_unfreed = options->only_unfreed,
		.is_hasty = options->finishes_log,
		.watcher = launcher->work->watcher,
		.interest = options->interest,
		.sampling = options->sampling,
		.arguments = (const char *const *)options->arguments,
		.argument_count = count_arguments(options->arguments),
		.program_pid = launcher->program,
	};
	if (collector_open(&launcher->collector, &launcher->collect, &error) == MT_OK)
		return true;
	print_error("%s", error.message);
	return false;
}

static bool fork_collector(struct launcher *launcher)
{
	int control[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0)
		return false;
	launcher->collector_pid = fork();
	if (launcher->collector_pid == 0) {
		struct collector_result result;
		struct mt_error error;
		(void)close(control[0]);
		(void)close(launcher->failure_fd);
		if (launcher->start_fd >= 0)
			(void)close(launcher->start_fd);
		if (collector_run(launcher->collector, control[1], &result, &error) == MT_OK)
			launcher->work->finish(launcher->work->context, launcher->options,
					       launcher->collect.log_path, &result, control[1]);
		_exit(0);
	}
	(void)close(control[1]);
	launcher->control_fd = control[0];
	return launcher->collector_pid > 0;
}

static void tell_collector(const struct launcher *launcher, enum program_event event)
{
	struct collector_ended news = {
		.event = event,
		.wait_status = launcher->wait_status,
		.max_rss_bytes = (uint64_t)launcher->usage.ru_maxrss * 1024,
	};
	(void)send(launcher->control_fd, &news, sizeof(news), MSG_NOSIGNAL); /* it may be gone */
}

/* Lets the program go, as soon as it is known what it is to open. */
static void start_program(struct launcher *launcher)
{
	char session[SESSION_BYTES];
	if (launcher->start_fd < 0 ||
	    !collector_session(launcher->collector, launcher->collector_pid, session,
			       sizeof(session)))
		return;
	(void)!write(launcher->start_fd, session, strlen(session) + 1);
	(void)close(launcher->start_fd);
	launcher->start_fd = -1;
}

/* returns  0, or the errno of the exec that failed */
static int await_exec(const struct launcher *launcher)
{
	int failure = 0;
	ssize_t count;
	do {
		count = read(launcher->failure_fd, &failure, sizeof(failure));
	} while (count < 0 && errno == EINTR);
	(void)close(launcher->failure_fd);
	return count == (ssize_t)sizeof(failure) ? failure : 0;
}

static void stop_with_program(const struct launcher *launcher)
{
	if (launcher->is_init)
		return; /* pid 1 can't be stopped */
	/* The shell is to see its job stopped; when it goes on, so does the program. */
	(void)kill(getpid(), SIGSTOP);
	(void)kill(launcher->program, SIGCONT);
}

static void reap(struct launcher *launcher)
{
	for (;;) {
		int status;
		struct rusage usage;
		pid_t pid = wait4(-1, &status, WNOHANG | WUNTRACED, &usage);
		if (pid <= 0)
			return;
		if (pid == launcher->collector_pid && !WIFSTOPPED(status))
			launcher->collector_is_over = true;
		if (pid != launcher->program)
			continue;
		if (WIFSTOPPED(status)) {
			stop_with_program(launcher);
			continue;
		}
		launcher->program_is_over = true;
		launcher->wait_status = status;
		launcher->usage = usage;
	}
}

static void await_program(struct launcher *launcher)
{
	while (!launcher->program_is_over) {
		siginfo_t info;
		int number = sigwaitinfo(&launcher->signals, &info);
		if (number == SIGCHLD)
			reap(launcher);
		/* What the kernel sent, for the terminal, the program got too. */
		else if (number > 0 && info.si_code <= 0)
			(void)kill(launcher->program, number);
		else if (number == SIGCONT)
			(void)kill(launcher->program, SIGCONT);
	}
}

static uint64_t now_ms(void)
{
	return clock_monotonic_ns() / 1000000;
}

/* Whether somebody wants the launcher to end. */
static bool is_interrupted(const struct launcher *launcher)
{
	static const struct timespec at_once = {0};
	int number;
	while ((number = sigtimedwait(&launcher->signals, NULL, &at_once)) > 0)
		if (number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT)
			return true;
	return false;
}

/* returns  whether there is news before `deadline_ms`, and nobody interrupts */
static bool await_news(const struct launcher *launcher, uint64_t deadline_ms)
{
	struct pollfd control = {.fd = launcher->control_fd, .events = POLLIN};
	while (now_ms() < deadline_ms && !is_interrupted(launcher))
		if (poll(&control, 1, 100) > 0)
			return true;
	return false;
}

/* Shows how far the collector is with finishing the log, in a line that is written over. */
static void show_progress(struct launcher *launcher, const struct collector_news *news)
{
	if (launcher->options->is_quiet || !isatty(STDERR_FILENO))
		return;
	(void)fprintf(stderr, "\r\033[Kmemtrace: %.400s", news->text); /* a terminal: no matter */
	launcher->shows_progress = true;
}

static void clear_progress(struct launcher *launcher)
{
	if (launcher->shows_progress)
		(void)fputs("\r\033[K", stderr);
	launcher->shows_progress = false;
}

/*
 * Waits for the collector to finish the log, or to say that other processes of the tree go on; for
 * those too, as long as was asked for.
 */
static void await_collector(struct launcher *launcher, struct collector_news *ret_news)
{
	uint64_t deadline_ms = now_ms() + launcher->options->tree_wait_s * UINT64_C(1000);
	*ret_news = (struct collector_news){.event = RECORDING_LOST};
	for (;;) {
		struct collector_news news;
		if (ret_news->event == RECORDING_GOES_ON && !await_news(launcher, deadline_ms))
			return;
		ssize_t count = recv(launcher->control_fd, &news, sizeof(news), 0);
		if (count < 0 && errno == EINTR)
			continue;
		if (count != (ssize_t)sizeof(news)) {
			ret_news->event = RECORDING_LOST;
			return;
		}
		if (news.event == LOG_PROGRESS) {
			show_progress(launcher, &news);
			continue;
		}
		*ret_news = news;
		if (news.event == LOG_FINISHED ||
		    (news.event == RECORDING_GOES_ON && launcher->options->tree_wait_s == 0))
			return;
	}
}

static bool is_end_signal(int number)
{
	return number == SIGTERM || number == SIGINT || number == SIGQUIT || number == SIGHUP;
}

/*
 * The same as pid 1, whose end is the end of all: waits for the processes that are left as well,
 * and reaps them. After TREE_LIMIT_MS, or when told to end, it has them killed, so that the log
 * gets its end while there is time.
 */
static void await_tree(struct launcher *launcher, struct collector_news *ret_news)
{
	const struct timespec step = {.tv_nsec = TREE_STEP_MS * 1000000L};
	int waited_ms = 0;
	*ret_news = (struct collector_news){.event = RECORDING_LOST};
	for (;;) {
		struct collector_news news;
		ssize_t count = recv(launcher->control_fd, &news, sizeof(news), MSG_DONTWAIT);
		if (count == (ssize_t)sizeof(news) && news.event == LOG_PROGRESS) {
			show_progress(launcher, &news);
			continue;
		}
		if (count == (ssize_t)sizeof(news)) {
			*ret_news = news;
			if (news.event == LOG_FINISHED)
				return;
			continue;
		}
		if (count >= 0 || (errno != EAGAIN && errno != EINTR))
			return;
		int number = sigtimedwait(&launcher->signals, NULL, &step);
		if (number == SIGCHLD)
			reap(launcher);
		waited_ms += number < 0 ? TREE_STEP_MS : 0;
		if (is_end_signal(number) || waited_ms == TREE_LIMIT_MS)
			tell_collector(launcher, TREE_ENDS);
	}
}

static int shell_status(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

static void await_end(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/*
 * Ends the program's process, which waits at its read, or for the collector. What it waits with
 * goes away only then.
 */
static void fail(struct launcher *launcher)
{
	launcher->result->exit_status = EXIT_TRACER_FAILED;
	if (launcher->program > 0) {
		(void)kill(launcher->program, SIGKILL);
		await_end(launcher->program);
	}
	if (launcher->collector)
		collector_discard(launcher->collector);
}

static void report_exec_failure(struct launcher *launcher, int failure)
{
	char text[128];
	print_error("%s: %s", launcher->options->program_path,
		    strerror_r(failure, text, sizeof(text)));
	launcher->result->exit_status =
		failure == ENOENT ? EXIT_NOT_FOUND
				  : (failure == ENOMEM ? EXIT_TRACER_FAILED : EXIT_NOT_EXECUTABLE);
	tell_collector(launcher, PROGRAM_NOT_STARTED);
}

/*
 * What is closed of these is held, so that no descriptor of ours takes its place. The program finds
 * it closed.
 *
 * returns  which are held, as bits
 */
static unsigned hold_standard_streams(void)
{
	unsigned held = 0;
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR | O_CLOEXEC) == fd)
			held |= 1u << fd;
	return held;
}

static void let_go_of_standard_streams(unsigned held)
{
	for (int fd = 0; fd < 3; fd++)
		if (held & 1u << fd)
			(void)close(fd); /* of /dev/null */
}

static void run(struct launcher *launcher)
{
	char tracker[PATH_MAX];
	char log_path[PATH_MAX];
	struct collector_ready ready;
	struct collector_news news;
	if (!find_tracker(tracker, sizeof(tracker))) {
		print_error("%s is missing: memtrace is not installed in full", TRACKER_FILE_NAME);
		return fail(launcher);
	}
	if (strpbrk(tracker, ": ")) {
		print_error("%s: a path with a colon or a space can't be preloaded", tracker);
		return fail(launcher);
	}
	if (!fork_program(launcher, tracker)) {
		print_error("cannot start a process: %s", strerror(errno));
		return fail(launcher);
	}
	choose_log_path(launcher, log_path, sizeof(log_path));
	if (!open_collector(launcher, log_path))
		return fail(launcher);
	start_program(launcher);
	if (!fork_collector(launcher)) {
		print_error("cannot start a process: %s", strerror(errno));
		return fail(launcher);
	}
	start_program(launcher); /* if the collector had to be there first */
	/* While the collector gets ready. */
	if (launcher->options->limit)
		memory_limit_read("/proc", "/sys/fs/cgroup", launcher->options->limit);
	if (recv(launcher->control_fd, &ready, sizeof(ready), 0) != (ssize_t)sizeof(ready)) {
		print_error("the collector ended unexpectedly");
		return fail(launcher);
	}
	if (ready.status != MT_OK) {
		print_error("%s", ready.message);
		return fail(launcher);
	}
	collector_leave(launcher->collector);
	(void)snprintf(launcher->result->log_path, sizeof(launcher->result->log_path), "%s",
		       ready.log_path);
	int failure = await_exec(launcher);
	if (failure) {
		report_exec_failure(launcher, failure);
		await_collector(launcher, &news);
		return;
	}
	tell_collector(launcher, PROGRAM_STARTED);
	await_program(launcher);
	tell_collector(launcher, PROGRAM_ENDED);
	if (launcher->is_init)
		await_tree(launcher, &news);
	else
		await_collector(launcher, &news);
	clear_progress(launcher);
	/* Its descriptors are closed one by one: the log is the launcher's when all are. */
	if (news.event == RECORDING_LOST && !launcher->collector_is_over)
		await_end(launcher->collector_pid);
	launcher->result->exit_status = shell_status(launcher->wait_status);
	launcher->result->news = news;
	launcher->result->was_recorded = true;
	launcher->result->program_pid = launcher->program;
	launcher->result->wait_status = launcher->wait_status;
	launcher->result->max_rss_bytes = (uint64_t)launcher->usage.ru_maxrss * 1024;
}

void launch(const struct launch_options *options, const struct recorder_work *work,
	    struct launch_result *ret_result)
{
	struct launcher launcher = {.options = options,
				    .work = work,
				    .result = ret_result,
				    .start_fd = -1,
				    .control_fd = -1,
				    .is_init = getpid() == 1};
	struct sigaction default_action = {.sa_handler = SIG_DFL};
	*ret_result = (struct launch_result){.exit_status = EXIT_TRACER_FAILED};
	(void)sigemptyset(&launcher.signals);
	(void)sigaddset(&launcher.signals, SIGCHLD);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
		(void)sigaddset(&launcher.signals, passed_on[i]);
	(void)sigprocmask(SIG_BLOCK, &launcher.signals, &launcher.inherited_mask); /* valid sets */
	(void)sigaction(SIGCHLD, &default_action, &launcher.inherited_chld);
	unsigned held = hold_standard_streams();
	run(&launcher);
	/* It stays open until this process ends for a collector that waits for that alone. */
	bool is_finished = ret_result->was_recorded && ret_result->news.event == LOG_FINISHED;
	if (launcher.control_fd >= 0 && !is_finished)
		(void)close(launcher.control_fd);
	let_go_of_standard_streams(held);
}
