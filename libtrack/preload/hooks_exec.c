/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starting other programs: our variables are put into the child's environment, unless the child
 * can't be traced. `environ` does not have them (environment.h), so every way to a new program
 * passes here, also those that libc itself takes (system, popen).
 *
 * All of this may run in the child of a vfork, on its parent's memory: no heap, and nothing of
 * the tracker's state is changed but the parent's ring.
 */
#include <errno.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/executable.h"
#include "common/sys.h"
#include "libtrack/preload/environment.h"
#include "libtrack/preload/real.h"
#include "libtrack/preload/recorder.h"
#include "libtrack/preload/tracker.h"

#define EXPORT __attribute__((visibility("default")))
#define PATH_BYTES 4096

static bool follows_children(void)
{
	if (!real.execve)
		real_find();
	return tracker.session[0] && tracker_records() &&
	       !(tracker.segment->session_flags & SESSION_NO_CHILDREN);
}

/* A program with an environment that suits it. */
struct launch {
	struct environment_space space;
	char *const *environment;
	enum executable_kind kind;
	bool is_own_process; /* not the child of a vfork */
};

static bool is_untraced(enum executable_kind kind)
{
	return kind != EXECUTABLE_TRACEABLE && kind != EXECUTABLE_UNREADABLE;
}

static void note_untraced(const struct launch *launch, const char *path, uint32_t pid)
{
	struct thread_block *block = is_untraced(launch->kind) ? thread_enter() : NULL;
	if (!block)
		return;
	recorder_note_untraced(block, pid, path, executable_reason(launch->kind));
	thread_leave(block);
}

/*
 * A static program ignores the variables, but programs that it starts may not; every other kind
 * would be told by ld.so that our library can't be loaded.
 */
static void launch_prepare(struct launch *launch, const char *path, char *const *variables)
{
	launch->kind = executable_classify(path);
	if (is_untraced(launch->kind) && launch->kind != EXECUTABLE_STATIC)
		launch->environment = environment_without(variables, &launch->space);
	else
		launch->environment = environment_for_child(variables, &launch->space);
}

/* The image ends here, unless the exec that follows fails. */
static void launch_begin_exec(struct launch *launch, const char *path, char *const *variables)
{
	uint32_t pid = (uint32_t)sys_call6(SYS_getpid, 0, 0, 0, 0, 0, 0);
	launch_prepare(launch, path, variables);
	launch->is_own_process = pid == tracker.pid;
	if (is_untraced(launch->kind) &&
	    sys_call6(SYS_faccessat, AT_FDCWD, (long)path, X_OK, 0, 0, 0) == 0)
		note_untraced(launch, path, pid);
	if (launch->is_own_process)
		atomic_store(&tracker.segment->images[tracker.image_index].ended, 1);
}

static int launch_failed(struct launch *launch, int result)
{
	int saved_errno = errno;
	if (launch->is_own_process)
		atomic_store(&tracker.segment->images[tracker.image_index].ended, 0);
	environment_release(&launch->space);
	errno = saved_errno;
	return result;
}

static const char *resolve(const char *file, char *path)
{
	return executable_find(file, getenv("PATH"), path, PATH_BYTES) == 0 ? path : file;
}

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	struct launch launch;
	if (!follows_children())
		return real.execve(path, argv, envp);
	launch_begin_exec(&launch, path, envp);
	return launch_failed(&launch, real.execve(path, argv, launch.environment));
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	struct launch launch;
	char path[PATH_BYTES];
	if (!follows_children())
		return real.execvpe(file, argv, envp);
	launch_begin_exec(&launch, resolve(file, path), envp);
	return launch_failed(&launch, real.execvpe(file, argv, launch.environment));
}

EXPORT int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

EXPORT int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	struct launch launch;
	char path[] = "/proc/self/fd/\0\0\0\0\0\0\0\0\0\0\0";
	size_t used = sizeof("/proc/self/fd/") - 1;
	if (!follows_children() || fd < 0)
		return real.fexecve(fd, argv, envp);
	char digits[11];
	size_t count = 0;
	for (int rest = fd; count == 0 || rest > 0; rest /= 10)
		digits[count++] = (char)('0' + rest % 10);
	while (count > 0)
		path[used++] = digits[--count];
	launch_begin_exec(&launch, path, envp);
	return launch_failed(&launch, real.fexecve(fd, argv, launch.environment));
}

EXPORT int execveat(int fd, const char *path, char *const argv[], char *const envp[], int flags)
{
	struct launch launch;
	if (!real.execveat) {
		real_find();
		errno = ENOSYS;
		return real.execveat ? real.execveat(fd, path, argv, envp, flags) : -1;
	}
	if (!follows_children())
		return real.execveat(fd, path, argv, envp, flags);
	/* Relative to a directory that we don't open: taken as traceable. */
	launch_begin_exec(&launch, path[0] == '/' || fd == AT_FDCWD ? path : "", envp);
	return launch_failed(&launch, real.execveat(fd, path, argv, launch.environment, flags));
}

/*
 * The execl family: arguments one by one, up to a NULL, behind which execle has the environment.
 * The list is gathered on pages of our own when it is long.
 */
#define SHORT_ARGUMENTS 256

enum execl_form { FORM_PATH, FORM_SEARCH, FORM_ENVIRONMENT };

static int exec_list(enum execl_form form, const char *file, const char *first, va_list arguments)
{
	char *short_list[SHORT_ARGUMENTS];
	char **list = short_list;
	size_t count = 1;
	va_list again;
	va_copy(again, arguments);
	if (first)
		while (va_arg(again, char *))
			count++;
	va_end(again);
	size_t list_bytes = (count + 1) * sizeof(char *);
	if (count >= SHORT_ARGUMENTS)
		list = sys_pages(list_bytes);
	if (!list) {
		errno = ENOMEM;
		return -1;
	}
	list[0] = (char *)first;
	for (size_t i = 1; first && i <= count; i++)
		list[i] = va_arg(arguments, char *);
	char *const *variables = form == FORM_ENVIRONMENT ? va_arg(arguments, char *const *)
							  : environ;
	int result = form == FORM_SEARCH ? execvpe(file, list, variables)
					 : execve(file, list, variables);
	if (list != short_list)
		sys_munmap(list, list_bytes);
	return result;
}

EXPORT int execl(const char *path, const char *first, ...)
{
	va_list arguments;
	va_start(arguments, first);
	int result = exec_list(FORM_PATH, path, first, arguments);
	va_end(arguments);
	return result;
}

EXPORT int execlp(const char *file, const char *first, ...)
{
	va_list arguments;
	va_start(arguments, first);
	int result = exec_list(FORM_SEARCH, file, first, arguments);
	va_end(arguments);
	return result;
}

EXPORT int execle(const char *path, const char *first, ...)
{
	va_list arguments;
	va_start(arguments, first);
	int result = exec_list(FORM_ENVIRONMENT, path, first, arguments);
	va_end(arguments);
	return result;
}

typedef int spawn_function(pid_t *, const char *, const posix_spawn_file_actions_t *,
			   const posix_spawnattr_t *, char *const *, char *const *);

static int spawn(spawn_function *real_spawn, const char *file, const char *path, pid_t *ret_pid,
		 const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
		 char *const argv[], char *const envp[])
{
	struct launch launch;
	pid_t pid = 0;
	launch_prepare(&launch, path, envp);
	int failure = real_spawn(&pid, file, actions, attributes, argv, launch.environment);
	environment_release(&launch.space);
	if (failure == 0) {
		note_untraced(&launch, path, (uint32_t)pid);
		if (ret_pid)
			*ret_pid = pid;
	}
	return failure;
}

EXPORT int posix_spawn(pid_t *ret_pid, const char *path, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	if (!follows_children())
		return real.posix_spawn(ret_pid, path, actions, attributes, argv, envp);
	return spawn(real.posix_spawn, path, path, ret_pid, actions, attributes, argv, envp);
}

EXPORT int posix_spawnp(pid_t *ret_pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	char path[PATH_BYTES];
	if (!follows_children())
		return real.posix_spawnp(ret_pid, file, actions, attributes, argv, envp);
	return spawn(real.posix_spawnp, file, resolve(file, path), ret_pid, actions, attributes,
		     argv, envp);
}

/*
 * libc's own calls take `environ`, so it is exchanged while they run. What other threads change in
 * it meanwhile is taken over.
 */
struct loan {
	struct environment_space space;
	char **own;        /* what `environ` was */
	char *own_preload; /* the program's own LD_PRELOAD in it */
	char *const *lent;
	size_t own_count;
};

static void loan_begin(struct loan *loan)
{
	loan->own = environ;
	loan->own_preload = NULL;
	loan->own_count = 0;
	for (char **variable = environ; variable && *variable; variable++) {
		loan->own_count++;
		if (strncmp(*variable, "LD_PRELOAD=", 11) == 0)
			loan->own_preload = *variable;
	}
	loan->lent = environment_for_child(environ, &loan->space);
	environ = (char **)loan->lent;
}

static void loan_end(struct loan *loan)
{
	if (environ != loan->lent) {
		environment_hide(environ); /* setenv has made another copy */
	} else {
		char **kept = loan->own;
		char *const *at = loan->lent;
		for (; kept && *at && kept < loan->own + loan->own_count; at++) {
			if (*at == loan->space.session ||
			    (*at == loan->space.preload && !loan->own_preload))
				continue;
			*kept++ = *at == loan->space.preload ? loan->own_preload : *at;
		}
		if (kept)
			*kept = NULL;
		environ = loan->own;
	}
	environment_release(&loan->space);
}

EXPORT int system(const char *command)
{
	struct loan loan;
	if (!follows_children())
		return real.system(command);
	loan_begin(&loan);
	int status = real.system(command);
	int saved_errno = errno;
	loan_end(&loan);
	errno = saved_errno;
	return status;
}

EXPORT FILE *popen(const char *command, const char *mode)
{
	struct loan loan;
	if (!follows_children())
		return real.popen(command, mode);
	loan_begin(&loan);
	FILE *stream = real.popen(command, mode);
	int saved_errno = errno;
	loan_end(&loan);
	errno = saved_errno;
	return stream;
}
