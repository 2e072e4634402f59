/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One case for each kind of leak, each root and each trap of leak scans: leak_cases CASE. The sizes
 * of the blocks, from 7000 on, say which is which; test_leak_scan.py knows their kinds.
 */
#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <memtrace/memtrace.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

static void *volatile held;
static void *volatile held_inside;
static void *volatile in_data = (void *)&held; /* not in .bss */
static __thread void *volatile in_tls;

/* A block that holds nothing. */
static NOINLINE void *make(size_t size)
{
	return memset(malloc(size), 0, size);
}

/* Overwrites what earlier calls have left on the stack. */
static NOINLINE void clear_stack(void)
{
	volatile char bytes[16384];
	memset((char *)bytes, 0, sizeof(bytes));
	__asm__ volatile("" ::: "memory");
}

static NOINLINE void lose(size_t size)
{
	(void)make(size);
	clear_stack();
}

/* --- kinds --- */

static NOINLINE void build_kinds(void)
{
	lose(7001);
	void **first = make(7002);
	void **second = make(7003);
	*first = second; /* a cycle: one is definite, the other indirect */
	*second = first;
	void **top = make(7004);
	top[0] = make(7005); /* a tree */
	top[1] = make(7006);
	void **chained = make(7008);
	held = chained;
	chained[3] = make(7009);
	void **inside = make(7007);
	held_inside = (char *)inside + 500;
	inside[0] = make(7010); /* possible, since its holder is */
	*(void **)make(7011) = NULL;
	void **self = make(7012);
	*self = self;
	void **outer = make(7013);
	*outer = (char *)make(7014) + 16; /* indirect, whatever the pointer */
}

static void kinds(void)
{
	build_kinds();
	clear_stack();
}

/* --- roots --- */

static atomic_int threads_ready;

static void await_threads(int count)
{
	while (atomic_load(&threads_ready) < count)
		(void)usleep(1000);
}

static void *in_thread_stack(void *unused)
{
	void *volatile mine = make(7105);
	atomic_fetch_add(&threads_ready, 1);
	(void)unused;
	for (;;)
		pause();
	return mine;
}

static void *in_loop(void *unused)
{
	void *mine = make(7106);
	atomic_fetch_add(&threads_ready, 1);
	(void)unused;
	/* In a register, never in memory. */
	for (;;)
		__asm__ volatile("" : "+r"(mine)::"memory");
}

static void *in_other_tls(void *unused)
{
	(void)unused;
	in_tls = make(7107);
	clear_stack();
	atomic_fetch_add(&threads_ready, 1);
	for (;;)
		pause();
}

static NOINLINE void fill_roots(void)
{
	pthread_key_t key;
	pthread_key_t keys[40];
	in_data = make(7101);
	in_tls = make(7102);
	(void)pthread_key_create(&key, NULL);
	(void)pthread_setspecific(key, make(7103));
	for (int i = 0; i < 40; i++)
		(void)pthread_key_create(&keys[i], NULL);
	(void)pthread_setspecific(keys[39], make(7104));
	void **mapped = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			     0);
	mapped[700] = make(7108);
	void **shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	shared[7] = make(7109);
	pthread_t thread;
	(void)pthread_create(&thread, NULL, in_thread_stack, NULL);
	(void)pthread_create(&thread, NULL, in_loop, NULL);
	(void)pthread_create(&thread, NULL, in_other_tls, NULL);
	await_threads(3);
	(void)usleep(10000);
}

static void roots(void)
{
	fill_roots();
	clear_stack();
	lose(7110);
	/* exit() is called below: main's frames are in use. */
	void *volatile mine = make(7111);
	exit(mine == NULL);
}

static NOINLINE void hold_by_break(void)
{
	void **own = sbrk(4096);
	if (own == (void *)-1)
		exit(77);
	own[3] = make(7123);
}

/* The program's own piece of the heap, with malloc's on either side. */
static void own_break(void)
{
	hold_by_break();
	void *large = make(100000);
	lose(7124);
	free(large);
}

static void library(void)
{
	void *handle = dlopen(getenv("LEAK_LIBRARY"), RTLD_NOW);
	if (!handle) {
		(void)fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	void **data = dlsym(handle, "library_data");
	*data = make(7120);
	void **(*tls)(void) = (void **(*)(void))dlsym(handle, "library_tls");
	*tls() = make(7121);
	data = NULL;
	clear_stack();
	lose(7122);
}

/* --- signal stacks --- */

static char signal_stack[65536];

static void end_in_handler(int number)
{
	void *volatile mine = make(7131);
	exit(number == 0 || mine == NULL);
}

static NOINLINE void raise_deeply(void)
{
	void *volatile mine = make(7132);
	(void)raise(SIGUSR1);
	(void)mine;
}

static void alternate(void)
{
	stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};
	struct sigaction action = {.sa_handler = end_in_handler, .sa_flags = SA_ONSTACK};
	(void)sigaltstack(&stack, NULL);
	(void)sigaction(SIGUSR1, &action, NULL);
	lose(7133);
	raise_deeply();
}

static void leave_on_stack(int number)
{
	void *volatile mine = make(7134);
	(void)number;
	(void)mine;
}

/* What a handler has left on its stack is as dead as what lies below a stack pointer. */
static void idle_alternate(void)
{
	stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};
	struct sigaction action = {.sa_handler = leave_on_stack, .sa_flags = SA_ONSTACK};
	(void)sigaltstack(&stack, NULL);
	(void)sigaction(SIGUSR1, &action, NULL);
	(void)raise(SIGUSR1);
	clear_stack();
}

/* --- traps --- */

static NOINLINE void descend(int depth)
{
	void *volatile mine = depth == 0 ? make(7201) : NULL;
	volatile char pad[512];
	pad[0] = 0;
	if (depth > 0)
		descend(depth - 1);
	(void)mine;
}

static void end_over_dead_words(int number)
{
	descend(60);
	exit(number == 0);
}

/* The alternate stack is a block: what is below its stack pointer is dead there too. */
static void alternate_in_block(void)
{
	stack_t stack = {.ss_sp = make(65536), .ss_size = 65536};
	struct sigaction action = {.sa_handler = end_over_dead_words, .sa_flags = SA_ONSTACK};
	(void)sigaltstack(&stack, NULL);
	(void)sigaction(SIGUSR1, &action, NULL);
	(void)raise(SIGUSR1);
}

/* Far below the stack pointer. */
static void dead_stack(void)
{
	descend(60);
}

static void *end_at_once(void *unused)
{
	void *volatile mine = make(7202);
	(void)unused;
	(void)mine;
	return NULL;
}

static void ended_thread(void)
{
	pthread_t thread;
	(void)pthread_create(&thread, NULL, end_at_once, NULL);
	(void)pthread_join(thread, NULL);
	clear_stack();
}

/* The block's usable part ends where the arena says that free memory begins. */
static void bins(void)
{
	void *guards[200];
	for (int i = 0; i < 200; i++)
		guards[i] = malloc(7208);
	for (int i = 0; i < 200; i += 2)
		free(guards[i]);
	memset(guards, 0, sizeof(guards));
	clear_stack();
	(void)malloc(7240);
	clear_stack();
}

/* Blocks that are used again hold what others have left in them. */
static void stale(void)
{
	static void *volatile kept[100];
	for (int i = 0; i < 100; i++) {
		void **holder = malloc(64);
		holder[5] = make(7204);
		free(holder);
		kept[i] = malloc(64);
	}
	clear_stack();
}

static void stale_realloc(void)
{
	static void *volatile kept[100];
	for (int i = 0; i < 100; i++) {
		void **holder = malloc(64);
		void *barrier = malloc(64); /* it can't grow in place */
		holder[5] = make(7205);
		holder = realloc(holder, 200);
		holder[5] = NULL;
		kept[i] = malloc(64);
		holder = realloc(holder, 24);
		free(barrier);
		free(holder);
	}
	clear_stack();
}

/* A table that is always moving must never look lost. */
static void *volatile moving_table;

static void *move_table(void *unused)
{
	void **table = malloc(800);
	(void)unused;
	for (int i = 0; i < 100; i++)
		table[i] = make(7206);
	for (size_t size = 800;; size = size == 800 ? 200000 : 800) {
		table = realloc(table, size);
		moving_table = table;
	}
}

static void moving(void)
{
	pthread_t thread;
	for (int i = 0; i < 3; i++)
		(void)pthread_create(&thread, NULL, move_table, NULL);
	(void)usleep(100000);
}

/* --- threads --- */

static int never[2];

static void *wait_somehow(void *argument)
{
	intptr_t number = (intptr_t)argument;
	void *volatile mine = make(7301);
	char byte;
	sigset_t all;
	atomic_fetch_add(&threads_ready, 1);
	if (number % 4 == 0) {
		(void)sigfillset(&all);
		(void)pthread_sigmask(SIG_BLOCK, &all, NULL);
	}
	if (number % 4 == 1)
		for (;;)
			__asm__ volatile("" ::: "memory");
	while (read(never[0], &byte, 1) != 1 || mine)
		(void)sleep(100);
	return NULL;
}

static void threads(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	(void)!pipe(never);
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setstacksize(&attributes, 128 << 10);
	/* Few that run all the time: the machine is not ours alone. */
	for (intptr_t i = 0; i < 200; i++)
		(void)pthread_create(&thread, &attributes, wait_somehow,
				     (void *)(i % 4 == 1 && i > 8 ? i + 1 : i));
	await_threads(200);
	(void)usleep(50000);
	lose(7302);
}

static void *block_all(void *unused)
{
	void *volatile mine = make(7303);
	uint64_t all = UINT64_MAX;
	(void)unused;
	/* What libc's functions refuse to do. */
	(void)syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, NULL, 8);
	for (;;)
		pause();
	return mine;
}

static void unparked(void)
{
	pthread_t thread;
	(void)pthread_create(&thread, NULL, block_all, NULL);
	(void)usleep(50000);
	lose(7304);
}

static void *end_process(void *unused)
{
	(void)unused;
	(void)usleep(50000);
	lose(7305);
	return NULL;
}

static void main_ends(void)
{
	pthread_t thread;
	(void)pthread_create(&thread, NULL, end_process, NULL);
	clear_stack();
	pthread_exit(NULL);
}

/* --- ends --- */

static void *volatile freed_at_exit;

static void free_it(void)
{
	free(freed_at_exit);
	freed_at_exit = NULL;
	lose(7402);
}

static void by_handlers(void)
{
	freed_at_exit = make(7401);
	(void)atexit(free_it);
}

/* libc flushes streams when all handlers are done, and with them the scan. */
static ssize_t flush_late(void *cookie, const char *bytes, size_t count)
{
	(void)cookie;
	(void)bytes;
	free(freed_at_exit);
	lose(7438);
	return (ssize_t)count;
}

static void by_flush(void)
{
	FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = flush_late});
	freed_at_exit = make(7440);
	(void)fputs("late", stream);
}

static void by_underscore(void)
{
	freed_at_exit = make(7403);
	(void)atexit(free_it);
	lose(7404);
	_exit(0);
}

static void by_c99(void)
{
	lose(7405);
	_Exit(0);
}

static void by_quick_exit(void)
{
	freed_at_exit = make(7406);
	(void)at_quick_exit(free_it);
	lose(7407);
	quick_exit(0);
}

static void by_abort(void)
{
	struct rlimit none = {0};
	(void)setrlimit(RLIMIT_CORE, &none);
	lose(7408);
	abort();
}

static void forbid_core(void)
{
	struct rlimit none = {0};
	(void)setrlimit(RLIMIT_CORE, &none);
}

static void by_assert(void)
{
	forbid_core();
	lose(7420);
	assert(held == &held);
}

static void by_assert_perror(void)
{
	forbid_core();
	lose(7421);
	assert_perror(EINVAL);
}

/* The C library finds its heap damaged: nothing in it can be trusted. */
static void free_twice(size_t size)
{
	forbid_core();
	for (size_t i = 0; i < 4; i++)
		free(make(40));
	char *block = make(size);
	lose(7422);
	free(block);
	free(block);
}

static void small_twice(void)
{
	free_twice(600);
}

static void large_twice(void)
{
	free_twice(7423);
}

/* Then the block is a part of the free memory at the heap's end. */
static void last_twice(void)
{
	forbid_core();
	lose(7422);
	char *block = make(7423);
	free(block);
	free(block);
}

static void damaged_header(void)
{
	forbid_core();
	lose(7422);
	char *block = make(7423);
	memset(block - 8, 'A', 8);
	free(block);
}

/* One list of 30 blocks, from the root to the last one; each is larger than the one before. */
static NOINLINE void **link_block(void **last, size_t size)
{
	void **next = make(size);
	*last = next;
	return next;
}

static void long_list(void)
{
	void **last = (void **)&held;
	for (size_t i = 0; i < 30; i++)
		last = link_block(last, 7801 + i);
	*last = make(7899);
}

/* A thread that ends the process with 1 if it is woken before its time. */
static void *sleep_long(void *unused)
{
	if (usleep(30000000) != 0)
		_exit(1);
	return unused;
}

static void sleeper(void)
{
	pthread_t threads[8];
	for (size_t i = 0; i < 8; i++)
		(void)pthread_create(&threads[i], NULL, sleep_long, NULL);
	usleep(50000);
	lose(7425);
}

static void sleeper_abort(void)
{
	pthread_t threads[8];
	forbid_core();
	for (size_t i = 0; i < 8; i++)
		(void)pthread_create(&threads[i], NULL, sleep_long, NULL);
	usleep(50000);
	lose(7426);
	abort();
}

/*
 * A free block in one of glibc's lists by size begins with links to others. They point to what
 * was the last word of the block in front of such a one.
 */
static void *(*volatile make_again)(void *, size_t) = realloc;
static void *volatile others[4];

static NOINLINE void leave_links(size_t size)
{
	void *first = malloc(9000);
	others[0] = make(16);
	(void)make(size); /* lost: right in front of the second */
	void *second = malloc(9100);
	others[1] = make(16);
	free(first);
	free(second);
	others[2] = make(20000); /* puts these two into their list */
}

static void links_and_malloc(void)
{
	leave_links(7208);
	clear_stack();
	held = malloc(4000);
}

static void links_and_realloc(void)
{
	leave_links(7224);
	clear_stack();
	held = make_again(NULL, 4000);
}

static jmp_buf back;

static void jump(int number)
{
	(void)number;
	longjmp(back, 1);
}

/* The scan at the abort is replaced by the one at the end. */
static void survives_abort(void)
{
	(void)signal(SIGABRT, jump);
	held = make(7409);
	if (setjmp(back) == 0)
		abort();
	free(held);
	held = NULL;
	lose(7410);
}

static void by_signal(void)
{
	struct rlimit none = {0};
	(void)setrlimit(RLIMIT_CORE, &none);
	lose(7411);
	(void)raise(SIGSEGV);
}

static void by_kill(void)
{
	lose(7412);
	(void)raise(SIGKILL);
}

static void forks(void)
{
	void **before = make(7413);
	held = before;
	lose(7414);
	pid_t child = fork();
	if (child == 0) {
		/* Held by a block that it has from its parent. */
		before[5] = make(7415);
		before = NULL;
		lose(7416);
		exit(0);
	}
	(void)waitpid(child, NULL, 0);
	before = NULL;
	clear_stack();
	child = vfork();
	if (child == 0)
		_exit(0);
	(void)waitpid(child, NULL, 0);
	lose(7417);
}

/* A child frees what it has from its parent, which loses it. */
static void child_frees(void)
{
	void *inherited = make(7421);
	pid_t child = fork();
	if (child == 0) {
		lose(7423);
		free(inherited);
		free(make(7422));
		exit(0);
	}
	inherited = NULL;
	(void)waitpid(child, NULL, 0);
	clear_stack();
}

static void loses_over_time(void)
{
	for (int i = 0; i < 4; i++) {
		lose(7424);
		(void)usleep(200000);
	}
}

static void becomes_daemon(void)
{
	held = make(7431);
	lose(7432);
	if (daemon(1, 0) != 0)
		exit(1);
	free(held);
	held = NULL;
	lose(7433);
}

/* No fork is to be had: the program goes on, and is scanned at its end. */
static void becomes_no_daemon(void)
{
	struct rlimit none = {0};
	held = make(7434);
	lose(7435);
	(void)setrlimit(RLIMIT_NPROC, &none);
	if (setgid(65534) != 0 || setuid(65534) != 0)
		exit(77);
	if (daemon(1, 1) != -1 || errno != EAGAIN)
		exit(1);
	free(held);
	held = NULL;
	lose(7436);
}

static void closes_all(void)
{
	for (int fd = 0; fd < 1024; fd++)
		(void)close(fd);
	lose(7418);
}

static void takes_all_descriptors(void)
{
	struct rlimit few = {64, 64};
	(void)setrlimit(RLIMIT_NOFILE, &few);
	lose(7437);
	while (dup(2) >= 0) {
	}
}

/* No longer its own master: /proc/self belongs to root then. */
static void drops_rights(void)
{
	if (setgid(65534) != 0 || setuid(65534) != 0)
		exit(77);
	lose(7419);
}

/* Others may not read its memory any more, but for those that may trace every process. */
static void not_dumpable(void)
{
	if (prctl(PR_SET_DUMPABLE, 0) != 0)
		exit(77);
	kinds();
}

static void big_hole(void)
{
	size_t size = (size_t)1 << 40;
	void **hole = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (hole == MAP_FAILED)
		exit(77);
	hole[size / 16] = make(7501);
	lose(7502);
}

static ucontext_t main_context;
static ucontext_t other_context;

static void run_coroutine(void)
{
	void *volatile mine = make(7601);
	(void)swapcontext(&other_context, &main_context);
	(void)mine;
}

/* Its stack is a block, which the context in our data points to. */
static void coroutine(void)
{
	(void)getcontext(&other_context);
	other_context.uc_stack.ss_size = 65536;
	other_context.uc_stack.ss_sp = make(65536);
	other_context.uc_link = &main_context;
	makecontext(&other_context, run_coroutine, 0);
	(void)swapcontext(&main_context, &other_context);
	clear_stack();
	lose(7602);
}

/* --- what a program says itself --- */

void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));
void __lsan_ignore_object(const void *block) __attribute__((weak));
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static NOINLINE void ignore_some(void)
{
	void **ignored = make(7701);
	ignored[0] = make(7702);
	__lsan_ignore_object(ignored);
	__lsan_disable();
	for (int i = 0; i < 100; i++)
		(void)make(7703);
	__lsan_enable();
	/* What comes to an ignored block's address later is not ignored. */
	void *gone = make(7704);
	__lsan_ignore_object(gone);
	free(gone);
	(void)make(7704);
}

static void asks_for_mercy(void)
{
	if (!__lsan_ignore_object)
		exit(77);
	ignore_some();
	clear_stack();
	lose(7705);
}

/* The same by memtrace's header, and what a pool makes of its chunks. */
static NOINLINE void use_header(void)
{
	void **ignored = make(7711);
	ignored[0] = make(7712);
	memtrace_ignore(ignored);
	memtrace_disable();
	(void)make(7713);
	memtrace_enable();
	char *chunk = make(7900);
	memtrace_pool_allocated(chunk, 3000);
	memtrace_pool_allocated(chunk + 4000, 3008);
	held = chunk + 4000;
	*(void **)(chunk + 4000) = make(7714);
	*(void **)chunk = make(7715);
}

static void by_header(void)
{
	use_header();
	clear_stack();
	if (memtrace_leak_check() != 1)
		exit(1);
	held = NULL;
	exit(memtrace_leak_check() != 1);
}

/* Six pointers: more than there are registers that a call keeps. */
static NOINLINE void in_registers(void)
{
	void *a = make(7721), *b = make(7722), *c = make(7723);
	void *d = make(7724), *e = make(7725), *f = make(7726);
	clear_stack();
	__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
	if (memtrace_leak_check() != 0)
		exit(1);
	__asm__ volatile("" ::"r"(a), "r"(b), "r"(c), "r"(d), "r"(e), "r"(f));
	free(a), free(b), free(c), free(d), free(e), free(f);
}

/* Blocks that only main's frame holds, which is gone when exit runs where it was. */
static void leave_in_frame(void *volatile *frame, size_t count)
{
	for (size_t i = 0; i < count; i++)
		frame[i] = make(7730);
	clear_stack();
}

/* The first block that is freed goes back to the kernel at once. */
static void frees_large_first(void)
{
	free(make(1 << 20));
	lose(7732);
}

/* A block that only a register holds, which is exit's caller's until the process ends. */
static NOINLINE void exits_with_register(void)
{
#if defined(__x86_64__)
	register void *(*make_one)(size_t) __asm__("rbx") = make;
	register void (*clear)(void) __asm__("r13") = clear_stack;
	register void (*leave)(int) __asm__("r14") = exit;
	__asm__ volatile("and $-16, %%rsp\n\t"
			 "mov %3, %%edi\n\t"
			 "call *%0\n\t"
			 "mov %%rax, %%r12\n\t"
			 "call *%1\n\t"
			 "xor %%eax, %%eax\n\t"
			 "xor %%edi, %%edi\n\t"
			 "call *%2\n\t"
			 :
			 : "r"(make_one), "r"(clear), "r"(leave), "i"(7731)
			 : "rax", "rdi", "r12", "memory");
#else
	void *block = make(7731);
	clear_stack();
	__asm__ volatile("" : "+r"(block));
	exit(0);
#endif
}

/*
 * A block that only words below the stack pointer hold when `end` is called, as the dynamic linker
 * leaves them there when it binds that call: `count` words from 128 words below the pointer on.
 */
static NOINLINE void ends_over_stale_words(void (*end)(int), size_t count)
{
#if defined(__x86_64__)
	register void *(*make_one)(size_t) __asm__("rbx") = make;
	register void (*clear)(void) __asm__("r13") = clear_stack;
	register void (*leave)(int) __asm__("r14") = end;
	register size_t word_count __asm__("r15") = count;
	__asm__ volatile("and $-16, %%rsp\n\t"
			 "mov %3, %%edi\n\t"
			 "call *%0\n\t"
			 "mov %%rax, %%r12\n\t"
			 "call *%1\n\t"
			 "mov %%r12, %%rax\n\t"
			 "lea -1024(%%rsp), %%rdi\n\t"
			 "mov %4, %%rcx\n\t"
			 "rep stosq\n\t"
			 "xor %%r12d, %%r12d\n\t"
			 "xor %%eax, %%eax\n\t"
			 "xor %%edi, %%edi\n\t"
			 "call *%2\n\t"
			 :
			 : "r"(make_one), "r"(clear), "r"(leave), "i"(7732), "r"(word_count)
			 : "rax", "rcx", "rdi", "r12", "memory");
#else
	lose(7732);
	end(0);
#endif
}

static void exits_over_stale_words(void)
{
	ends_over_stale_words(exit, 128);
}

static void quick_exits_over_stale_words(void)
{
	ends_over_stale_words(quick_exit, 128);
}

/* Not where these functions have their own frames, which have padding. */
static void *pause_over_stale_words(void *unused)
{
	atomic_fetch_add(&threads_ready, 1);
	ends_over_stale_words((void (*)(int))pause, 120);
	return unused;
}

/* Of descriptor 0: a read that the kernel begins again after a signal, unlike a pause. */
static void *read_over_stale_words(void *unused)
{
	atomic_fetch_add(&threads_ready, 1);
	ends_over_stale_words((void (*)(int))read, 120);
	return unused;
}

static void leave_waiting(void *(*wait)(void *))
{
	pthread_t thread;
	(void)!pipe(never);
	(void)dup2(never[0], 0);
	(void)pthread_create(&thread, NULL, wait, NULL);
	await_threads(1);
	(void)usleep(50000); /* it has little left to do */
}

static void waits_over_stale_words(void)
{
	leave_waiting(pause_over_stale_words);
}

static void reads_over_stale_words(void)
{
	leave_waiting(read_over_stale_words);
}

static void end_for_alarm(int number)
{
	exit(number == 0);
}

static void alternate_over_stale_words(void)
{
	stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};
	struct sigaction action = {.sa_handler = end_for_alarm, .sa_flags = SA_ONSTACK};
	struct itimerval soon = {.it_value = {.tv_usec = 50000}};
	(void)sigaltstack(&stack, NULL);
	(void)sigaction(SIGALRM, &action, NULL);
	(void)setitimer(ITIMER_REAL, &soon, NULL);
	(void)pause_over_stale_words(NULL);
}

static void pauses(void)
{
	memtrace_pause();
	void **unseen = make(7716);
	memtrace_resume();
	unseen[9] = make(7717);
	held = unseen;
	unseen = NULL;
	clear_stack();
	lose(7718);
}

/* Its own scans, while it goes on. */
static void scans_itself(void)
{
	if (!__lsan_do_recoverable_leak_check)
		exit(77);
	held = make(7706);
	int before = __lsan_do_recoverable_leak_check();
	held = NULL;
	clear_stack();
	int after = __lsan_do_recoverable_leak_check();
	if (before != 0 || after != 1)
		exit(1);
}

/* Waits to be scanned from outside: a line for every byte that comes in. */
static void serves(void)
{
	pthread_t thread;
	char byte;
	(void)pthread_create(&thread, NULL, in_thread_stack, NULL);
	await_threads(1);
	held = make(7707);
	lose(7708);
	(void)puts("ready");
	(void)fflush(stdout);
	while (read(0, &byte, 1) == 1) {
		lose(7709);
		(void)puts("lost");
		(void)fflush(stdout);
	}
	_Exit(0);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"kinds", kinds},
	{"roots", roots},
	{"own-break", own_break},
	{"library", library},
	{"alternate", alternate},
	{"idle-alternate", idle_alternate},
	{"alternate-in-block", alternate_in_block},
	{"dead-stack", dead_stack},
	{"ended-thread", ended_thread},
	{"bins", bins},
	{"stale", stale},
	{"stale-realloc", stale_realloc},
	{"moving", moving},
	{"threads", threads},
	{"unparked", unparked},
	{"main-ends", main_ends},
	{"handlers", by_handlers},
	{"flush", by_flush},
	{"_exit", by_underscore},
	{"_Exit", by_c99},
	{"quick_exit", by_quick_exit},
	{"abort", by_abort},
	{"assert", by_assert},
	{"assert-perror", by_assert_perror},
	{"small-twice", small_twice},
	{"large-twice", large_twice},
	{"last-twice", last_twice},
	{"damaged-header", damaged_header},
	{"long-list", long_list},
	{"sleeper", sleeper},
	{"sleeper-abort", sleeper_abort},
	{"links-malloc", links_and_malloc},
	{"links-realloc", links_and_realloc},
	{"survives-abort", survives_abort},
	{"signal", by_signal},
	{"kill", by_kill},
	{"forks", forks},
	{"child-frees", child_frees},
	{"over-time", loses_over_time},
	{"becomes-daemon", becomes_daemon},
	{"becomes-no-daemon", becomes_no_daemon},
	{"closes-all", closes_all},
	{"takes-all-descriptors", takes_all_descriptors},
	{"drops-rights", drops_rights},
	{"not-dumpable", not_dumpable},
	{"big-hole", big_hole},
	{"coroutine", coroutine},
	{"asks-for-mercy", asks_for_mercy},
	{"by-header", by_header},
	{"in-registers", in_registers},
	{"frees-large-first", frees_large_first},
	{"exits-with-register", exits_with_register},
	{"exits-over-stale-words", exits_over_stale_words},
	{"quick-exits-over-stale-words", quick_exits_over_stale_words},
	{"waits-over-stale-words", waits_over_stale_words},
	{"reads-over-stale-words", reads_over_stale_words},
	{"alternate-over-stale-words", alternate_over_stale_words},
	{"pauses", pauses},
	{"scans-itself", scans_itself},
	{"serves", serves},
};

int main(int argc, char **argv)
{
	void *volatile frame[64];
	if (argc > 1 && strcmp(argv[1], "returns") == 0) {
		leave_in_frame(frame, sizeof(frame) / sizeof(*frame));
		return 0;
	}
	for (size_t i = 0; argc > 1 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(cases[i].name, argv[1]) == 0) {
			cases[i].run();
			return 0;
		}
	}
	return 2;
}
