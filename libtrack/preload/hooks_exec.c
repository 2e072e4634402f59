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
#include <linux/capability.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/executable.h"
#include "common/sys.h"
#include "libtrack/preload/environment.h"
#include "libtrack/preload/real.h"
#include "libtrack/preload/recorder.h"
#include "libtrack/preload/thread.h"
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

/*
 * A program with an environment that suits it. Too large for the stack of some threads: it is on
 * pages that stay the thread's, since the child of a vfork, which uses its parent's, has no time to
 * give anything back.
 */
struct launch {
	uint32_t user; /* pid of who is using these pages, if it has not gone; 0: nobody */
	struct environment_space space;
	char path[PATH_BYTES];
	char *const *environment;
	const char *reason;  /* why the program can't be traced; NULL: it can */
	bool is_own_process; /* not the child of a vfork */
};

#define POINTERS_AT_ONCE 32
#define PAGE_BYTES 4096u

/*
 * Whether memory of the program's can be read is for the kernel to find out, not for us. Each
 * piece of `remote` is on one page.
 *
 * returns  false if a piece of it can't be read; where the call is not to be had, programs are
 *          trusted
 */
static bool read_own(void *to, const struct iovec *remote, size_t count, size_t size_bytes)
{
	const struct iovec local = {to, size_bytes};
	long own = sys_call6(SYS_getpid, 0, 0, 0, 0, 0, 0);
	long result = sys_call6(SYS_process_vm_readv, own, (long)&local, 1, (long)remote,
				(long)count, 0);
	return result == (long)size_bytes || (result < 0 && result != -EFAULT);
}

static bool is_string(const char *text)
{
	char byte;
	const struct iovec piece = {(void *)(uintptr_t)text, 1};
	return read_own(&byte, &piece, 1, 1);
}

/*
 * Some of the strings at `*variables`, which is moved on.
 *
 * returns  1 if there may be more, 0 at the end, -1 for nonsense
 */
static int check_some(char *const **variables)
{
	char *strings[POINTERS_AT_ONCE] = {0};
	struct iovec pieces[POINTERS_AT_ONCE];
	char bytes[POINTERS_AT_ONCE];
	size_t left_bytes = PAGE_BYTES - (uintptr_t)*variables % PAGE_BYTES;
	size_t count = left_bytes / sizeof(*strings);
	if (count == 0)
		return -1; /* no pointer is across two pages */
	if (count > POINTERS_AT_ONCE)
		count = POINTERS_AT_ONCE;
	const struct iovec list = {(void *)(uintptr_t)*variables, count * sizeof(*strings)};
	if (!read_own((void *)strings, &list, 1, list.iov_len))
		return -1;
	size_t used = 0;
	for (; used < count && strings[used]; used++)
		pieces[used] = (struct iovec){strings[used], 1};
	if (used > 0 && !read_own(bytes, pieces, used, used))
		return -1;
	*variables += used;
	return used == count;
}

/* Nonsense is passed on as it is. */
static bool is_sound(const char *path, char *const *variables)
{
	if (atomic_load_explicit(&tracker.is_filtered, memory_order_relaxed))
		return true;
	if (!is_string(path))
		return false;
	if (variables == environ || !variables)
		return true;
	int more;
	do
		more = check_some(&variables);
	while (more > 0);
	return more == 0;
}

/* returns  NULL if there is no memory */
static struct launch *launch_new(void)
{
	uint32_t pid = (uint32_t)sys_call6(SYS_getpid, 0, 0, 0, 0, 0, 0);
	struct launch *launch = thread_self.launch;
	/* In use by this very process: by what a signal handler has interrupted. */
	if (!launch || launch->user == pid)
		launch = sys_pages(sizeof(*launch));
	if (!launch)
		return NULL;
	if (!thread_self.launch)
		thread_self.launch = launch;
	launch->user = pid;
	launch->is_own_process = pid == tracker.pid;
	return launch;
}

/* returns  NULL: the program is started as it would be without us */
static struct launch *launch_for(const char *path, char *const *variables)
{
	return follows_children() && is_sound(path, variables) ? launch_new() : NULL;
}

static void launch_free(struct launch *launch)
{
	int saved_errno = errno;
	environment_release(&launch->space);
	launch->user = 0;
	if (launch != thread_self.launch)
		sys_munmap(launch, sizeof(*launch));
	errno = saved_errno;
}

/* After a change of root or user the program's loader, or its tracker, may not get at our files. */
static bool is_reachable(const char *path, int flags)
{
	int fd = sys_open(path, flags);
	if (fd >= 0)
		sys_close(fd);
	/* Any other failure, like too many open files, is none of the program's to come. */
	return fd != -ENOENT && fd != -ENOTDIR && fd != -EACCES && fd != -EPERM;
}

/*
 * Somebody else than root who has kept root's capabilities, as under setpriv, loses them in the
 * exec: what could be opened with them can't be any more. faccessat asks for the real user and
 * group, without capabilities; where these are not those that the program will have, or where the
 * capability outlives the exec, opening has told.
 */
static bool stays_reachable(const char *path, int mode)
{
	if (sys_call6(SYS_faccessat, AT_FDCWD, (long)path, mode, 0, 0, 0) != -EACCES)
		return true;
	long user = sys_call6(SYS_getuid, 0, 0, 0, 0, 0, 0);
	return user == 0 || user != sys_call6(SYS_geteuid, 0, 0, 0, 0, 0, 0) ||
	       sys_call6(SYS_getgid, 0, 0, 0, 0, 0, 0) !=
		       sys_call6(SYS_getegid, 0, 0, 0, 0, 0, 0) ||
	       sys_call6(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_DAC_OVERRIDE, 0, 0,
			 0) == 1;
}

static const char *find_unreachable(void)
{
	if (!is_reachable(tracker.library, O_RDONLY) || !stays_reachable(tracker.library, R_OK))
		return "memtrace's library is out of its reach";
	if (!is_reachable(tracker.session, O_RDWR) ||
	    !stays_reachable(tracker.session, R_OK | W_OK))
		return "the recording is out of its reach";
	return NULL;
}

static void note_untraced(const struct launch *launch, const char *path, uint32_t pid)
{
	struct thread_block *block = launch->reason ? thread_enter() : NULL;
	if (!block)
		return;
	recorder_note_untraced(block, pid, path, launch->reason);
	thread_leave(block);
}

/*
 * A static program ignores the variables, but programs that it starts may not; every other kind
 * would be told by ld.so that our library can't be loaded.
 */
static void launch_prepare(struct launch *launch, const char *path, char *const *variables)
{
	enum executable_kind kind = executable_classify(path);
	launch->reason = NULL;
	if (kind != EXECUTABLE_UNREADABLE)
		launch->reason = kind == EXECUTABLE_TRACEABLE ? find_unreachable()
							      : executable_reason(kind);
	if (launch->reason && kind != EXECUTABLE_STATIC)
		launch->environment = environment_without(variables, &launch->space);
	else
		launch->environment = environment_for_child(variables, &launch->space);
}

/* The image ends here, unless the exec that follows fails. */
static void launch_begin_exec(struct launch *launch, const char *path, char *const *variables)
{
	launch_prepare(launch, path, variables);
	if (launch->reason && sys_call6(SYS_faccessat, AT_FDCWD, (long)path, X_OK, 0, 0, 0) == 0)
		note_untraced(launch, path, launch->user);
	if (launch->is_own_process)
		atomic_store(&tracker.segment->images[tracker.image_index].ended, 1);
}

static int launch_failed(struct launch *launch, int result)
{
	if (launch->is_own_process)
		atomic_store(&tracker.segment->images[tracker.image_index].ended, 0);
	launch_free(launch);
	return result;
}

static const char *resolve(const char *file, char *path)
{
	return executable_find(file, getenv("PATH"), path, PATH_BYTES) == 0 ? path : file;
}

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	struct launch *launch = launch_for(path, envp);
	if (!launch)
		return real.execve(path, argv, envp);
	launch_begin_exec(launch, path, envp);
	return launch_failed(launch, real.execve(path, argv, launch->environment));
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	struct launch *launch = launch_for(file, envp);
	if (!launch)
		return real.execvpe(file, argv, envp);
	launch_begin_exec(launch, resolve(file, launch->path), envp);
	return launch_failed(launch, real.execvpe(file, argv, launch->environment));
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
	char path[] = "/proc/self/fd/\0\0\0\0\0\0\0\0\0\0\0";
	size_t used = sizeof("/proc/self/fd/") - 1;
	struct launch *launch = fd >= 0 ? launch_for(path, envp) : NULL;
	if (!launch)
		return real.fexecve(fd, argv, envp);
	char digits[11];
	size_t count = 0;
	for (int rest = fd; count == 0 || rest > 0; rest /= 10)
		digits[count++] = (char)('0' + rest % 10);
	while (count > 0)
		path[used++] = digits[--count];
	launch_begin_exec(launch, path, envp);
	return launch_failed(launch, real.fexecve(fd, argv, launch->environment));
}

EXPORT int execveat(int fd, const char *path, char *const argv[], char *const envp[], int flags)
{
	if (!real.execveat) {
		real_find();
		errno = ENOSYS;
		return real.execveat ? real.execveat(fd, path, argv, envp, flags) : -1;
	}
	struct launch *launch = launch_for(path, envp);
	if (!launch)
		return real.execveat(fd, path, argv, envp, flags);
	/* Relative to a directory that we don't open: taken as traceable. */
	launch_begin_exec(launch, path[0] == '/' || fd == AT_FDCWD ? path : "", envp);
	return launch_failed(launch, real.execveat(fd, path, argv, launch->environment, flags));
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

/* Takes over `launch`, whose file is `path`; libc is given `file`. */
static int spawn(spawn_function *real_spawn, struct launch *launch, const char *file,
		 const char *path, pid_t *ret_pid, const posix_spawn_file_actions_t *actions,
		 const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	pid_t pid = 0;
	launch_prepare(launch, path, envp);
	int failure = real_spawn(&pid, file, actions, attributes, argv, launch->environment);
	if (failure == 0) {
		note_untraced(launch, path, (uint32_t)pid);
		if (ret_pid)
			*ret_pid = pid;
	}
	launch_free(launch);
	return failure;
}

EXPORT int posix_spawn(pid_t *ret_pid, const char *path, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	struct launch *launch = launch_for(path, envp);
	if (!launch)
		return real.posix_spawn(ret_pid, path, actions, attributes, argv, envp);
	return spawn(real.posix_spawn, launch, path, path, ret_pid, actions, attributes, argv,
		     envp);
}

EXPORT int posix_spawnp(pid_t *ret_pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	struct launch *launch = launch_for(file, envp);
	if (!launch)
		return real.posix_spawnp(ret_pid, file, actions, attributes, argv, envp);
	return spawn(real.posix_spawnp, launch, file, resolve(file, launch->path), ret_pid, actions,
		     attributes, argv, envp);
}

/*
 * libc's own calls take `environ`, so it is exchanged while they run. What other threads change in
 * it meanwhile is taken over.
 */
struct loan {
	struct launch *launch;
	char **own;        /* what `environ` was */
	char *own_preload; /* the program's own LD_PRELOAD in it */
	char *const *lent;
	size_t own_count;
};

/* returns  false if there is nothing to lend */
static bool loan_begin(struct loan *loan)
{
	loan->launch = follows_children() ? launch_new() : NULL;
	if (!loan->launch)
		return false;
	loan->own = environ;
	loan->own_preload = NULL;
	loan->own_count = 0;
	for (char **variable = environ; variable && *variable; variable++) {
		loan->own_count++;
		if (strncmp(*variable, "LD_PRELOAD=", 11) == 0)
			loan->own_preload = *variable;
	}
	launch_prepare(loan->launch, "/bin/sh", environ);
	loan->lent = loan->launch->environment;
	environ = (char **)loan->lent;
	return true;
}

static void loan_end(struct loan *loan)
{
	const struct environment_space *space = &loan->launch->space;
	if (environ != loan->lent) {
		environment_hide(environ); /* setenv has made another copy */
	} else {
		char **kept = loan->own;
		char *const *at = loan->lent;
		for (; kept && *at && kept < loan->own + loan->own_count; at++) {
			if (*at == space->session || (*at == space->preload && !loan->own_preload))
				continue;
			*kept++ = *at == space->preload ? loan->own_preload : *at;
		}
		if (kept)
			*kept = NULL;
		environ = loan->own;
	}
	launch_free(loan->launch);
}

EXPORT int system(const char *command)
{
	struct loan loan;
	if (!loan_begin(&loan))
		return real.system(command);
	int status = real.system(command);
	loan_end(&loan);
	return status;
}

EXPORT FILE *popen(const char *command, const char *mode)
{
	struct loan loan;
	if (!loan_begin(&loan))
		return real.popen(command, mode);
	FILE *stream = real.popen(command, mode);
	loan_end(&loan);
	return stream;
}
