/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Maps and unmaps in every way, with ranges known in pages: what is mapped at the end is printed,
 * and so is what was mapped at most. The comments say what is mapped after each line, in pages.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul

/* volatile: no tail call, so that this function is in the stack trace */
static __attribute__((noinline)) char *map_pages(size_t pages)
{
	char *volatile mapped = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return mapped;
}

static __attribute__((noinline)) char *reserve_pages(size_t pages)
{
	char *volatile mapped = mmap(NULL, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				     0);
	return mapped;
}

static void grow_break(void)
{
	char *begin = sbrk(0);
	sbrk(10000);        /* + 10000 bytes */
	sbrk(-4000);        /* + 6000 bytes */
	brk(begin + 20000); /* + 20000 bytes */
	brk(begin + 12288); /* + 12288 bytes: 3 pages */
	brk((void *)PAGE);  /* changes nothing, though libc says it worked */
}

static void in_child(void)
{
	map_pages(7); /* the child's only */
	exit(0);
}

int main(void)
{
	static char buffer[4096];
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer)); /* so that stdio allocates nothing */
	char *a = map_pages(100);                        /* 100 */
	munmap(a + 10 * PAGE, 20 * PAGE);                /* 80 in two ranges */
	mmap(a + 5 * PAGE, 10 * PAGE, PROT_READ,         /* over 5 of a's and 5 free: 85 */
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	char *b = map_pages(30);                                                      /* 115 */
	b = mremap(b, 30 * PAGE, 50 * PAGE, MREMAP_MAYMOVE);                          /* 135 */
	b = mremap(b, 50 * PAGE, 20 * PAGE, 0);                                       /* 105 */
	char *c = reserve_pages(1000);                                                /* 1105 */
	b = mremap(b, 20 * PAGE, 20 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, c + PAGE); /* 1085 */
	munmap(c, 1000 * PAGE); /* 85: b is gone too */
	void *failed = mremap(a, PAGE, 1ul << 46, 0);
	int is_refused = failed == MAP_FAILED && munmap(a + 1, PAGE) == -1;
	char *file = mmap(NULL, 100, PROT_READ, MAP_PRIVATE, open("/proc/self/exe", 0), 0); /* 86 */
	char *twice = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);   /* 90 */
	twice = mremap(twice, 0, 4 * PAGE, MREMAP_MAYMOVE);                                 /* 94 */
	grow_break();                                                                       /* 97 */
	if (fork() == 0)
		in_child();
	wait(NULL);
	free(malloc(1 << 20)); /* malloc's own mapping is the heap's */
	printf("%d %d %d\n", is_refused, errno != 0, file != MAP_FAILED);
	return 0;
}
