/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System calls without libc around them: no errno, no cancellation point, no other preloaded
 * library in between. Each returns what the kernel returns: a negative errno on failure.
 */
#ifndef MEMTRACE_COMMON_SYS_H
#define MEMTRACE_COMMON_SYS_H

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#if defined(__x86_64__)
static inline long sys_call6(long number, long a, long b, long c, long d, long e, long f)
{
	long result;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
static inline long sys_call6(long number, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}
#else
#error "memtrace runs on x86-64 and aarch64"
#endif

static inline bool sys_failed(long result)
{
	return (unsigned long)result >= -4095ul;
}

static inline int sys_open(const char *path, int flags)
{
	return (int)sys_call6(SYS_openat, AT_FDCWD, (long)path, flags | O_CLOEXEC, 0, 0, 0);
}

static inline long sys_read(int fd, void *bytes, size_t size_bytes)
{
	return sys_call6(SYS_read, fd, (long)bytes, (long)size_bytes, 0, 0, 0);
}

/* To the end. returns  bytes read: fewer where the file ends, or can't be read */
static inline size_t sys_pread(int fd, void *bytes, size_t size_bytes, uint64_t offset)
{
	size_t done = 0;
	while (done < size_bytes) {
		long count = sys_call6(SYS_pread64, fd, (long)((char *)bytes + done),
				       (long)(size_bytes - done), (long)(offset + done), 0, 0);
		if (sys_failed(count) || count == 0)
			break;
		done += (size_t)count;
	}
	return done;
}

static inline long sys_write(int fd, const void *bytes, size_t size_bytes)
{
	return sys_call6(SYS_write, fd, (long)bytes, (long)size_bytes, 0, 0, 0);
}

static inline void sys_close(int fd)
{
	(void)sys_call6(SYS_close, fd, 0, 0, 0, 0, 0);
}

/* returns  the mapping; NULL on failure */
static inline void *sys_mmap(size_t size_bytes, int protection, int flags, int fd, uint64_t offset)
{
	long result = sys_call6(SYS_mmap, 0, (long)size_bytes, protection, flags, fd, (long)offset);
	return sys_failed(result) ? NULL : (void *)result;
}

/* Zeroed private pages. returns NULL on failure */
static inline void *sys_pages(size_t size_bytes)
{
	return sys_mmap(size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_READ 22 /* Linux 5.14; an older one refuses */
#define MADV_POPULATE_WRITE 23
#endif

/*
 * Gives all pages of a table that is about to be filled in no order memory at once: a page fault
 * each takes longer, and most would be two, as a table is read before it is written to.
 *
 * returns  false: they have none yet, as a rule
 */
static inline bool sys_populate(const void *table, size_t size_bytes)
{
	uintptr_t begin = (uintptr_t)table & ~(uintptr_t)4095;
	uintptr_t end = ((uintptr_t)table + size_bytes + 4095) & ~(uintptr_t)4095;
	return !sys_failed(sys_call6(SYS_madvise, (long)begin, (long)(end - begin),
				     MADV_POPULATE_WRITE, 0, 0, 0));
}

/*
 * The same of a file in memory that is mapped shared. Pages that exist are mapped as they are, to
 * be written to; to write to them for that, as the other does, takes twice as long.
 */
static inline bool sys_populate_shared(const void *pages, size_t size_bytes)
{
	return !sys_failed(
		sys_call6(SYS_madvise, (long)pages, (long)size_bytes, MADV_POPULATE_READ, 0, 0, 0));
}

static inline void sys_munmap(void *address, size_t size_bytes)
{
	(void)sys_call6(SYS_munmap, (long)address, (long)size_bytes, 0, 0, 0, 0);
}

/* All that can be blocked, in this thread. returns  the mask before */
static inline uint64_t sys_block_signals(void)
{
	const uint64_t all = UINT64_MAX;
	uint64_t before = 0;
	(void)sys_call6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, sizeof(all), 0,
			0);
	return before;
}

static inline void sys_set_signal_mask(uint64_t mask)
{
	(void)sys_call6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, sizeof(mask), 0, 0);
}

static inline void sys_futex_wake(_Atomic uint32_t *word)
{
	(void)sys_call6(SYS_futex, (long)word, FUTEX_WAKE, 1, 0, 0, 0);
}

static inline void sys_futex_wake_all(_Atomic uint32_t *word)
{
	(void)sys_call6(SYS_futex, (long)word, FUTEX_WAKE, 0x7fffffff, 0, 0, 0);
}

/* Sleeps while `*word == value`, at most `nanoseconds`. */
static inline void sys_futex_wait(_Atomic uint32_t *word, uint32_t value, long nanoseconds)
{
	struct timespec limit = {.tv_nsec = nanoseconds};
	(void)sys_call6(SYS_futex, (long)word, FUTEX_WAIT, value, (long)&limit, 0, 0);
}

#endif
