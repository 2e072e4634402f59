/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lets the kernel kill it for system calls that it doesn't need: strict seccomp (read, write, exit
 * only), or a filter. Then more events than a ring holds.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "keep.h"

#define ALLOW(number)                                                                              \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),                                         \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static struct sock_filter few[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	ALLOW(SYS_read),
	ALLOW(SYS_write),
	ALLOW(SYS_exit),
	ALLOW(SYS_exit_group),
	ALLOW(SYS_brk),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
};

/* What a program with threads and children can't do without. */
static struct sock_filter more[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	ALLOW(SYS_read),
	ALLOW(SYS_write),
	ALLOW(SYS_exit),
	ALLOW(SYS_exit_group),
	ALLOW(SYS_brk),
	ALLOW(SYS_mmap),
	ALLOW(SYS_munmap),
	ALLOW(SYS_mprotect),
	ALLOW(SYS_madvise),
	ALLOW(SYS_futex),
	ALLOW(SYS_clone),
	ALLOW(SYS_clone3),
	ALLOW(SYS_set_robust_list),
	ALLOW(SYS_rseq),
	ALLOW(SYS_rt_sigprocmask),
	ALLOW(SYS_wait4),
	ALLOW(SYS_gettid),
	ALLOW(SYS_rt_sigaction),
	ALLOW(SYS_sched_getaffinity),
	ALLOW(SYS_openat),
	ALLOW(SYS_close),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
};

static void filter(struct sock_filter *code, size_t size_bytes, int by_syscall)
{
	struct sock_fprog program = {size_bytes / sizeof(*code), code};
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (by_syscall)
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
	else
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void churn(int count)
{
	for (int i = 0; i < count; i++) {
		void *volatile block = malloc(100 + i % 64);
		free(block);
	}
}

static void *thread(void *unused)
{
	churn(5000);
	keep(5101, 10);
	return NULL;
}

int main(int argc, char **argv)
{
	static const char text[] = "survived\n";
	void *grow = malloc(100 << 10);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	free(grow);
	if (strcmp(argv[1], "strict") == 0)
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	else if (strcmp(argv[1], "few") == 0)
		filter(few, sizeof(few), argc > 2);
	else
		filter(more, sizeof(more), argc > 2);
	churn(200000);
	keep(5103, 7);
	if (strcmp(argv[1], "more") == 0) {
		pthread_t threads[40];
		for (int i = 0; i < 40; i++)
			pthread_create(&threads[i], NULL, thread, NULL);
		for (int i = 0; i < 40; i++)
			pthread_join(threads[i], NULL);
		pid_t pid = fork();
		if (pid == 0) {
			churn(5000);
			keep(5105, 5);
			_exit(0);
		}
		int status = -1;
		wait4(pid, &status, 0, NULL);
		if (status)
			_exit(9);
	}
	write(1, text, sizeof(text) - 1);
	syscall(SYS_exit, 0);
}
