/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * jit_code [fork]: writes a function into memory as it runs, tells perf of it in /tmp/perf-PID.map,
 * and calls it to allocate 5 blocks of 100 bytes, never freed; with "fork", from a child, too. The
 * function keeps a frame pointer, as code of a JIT does that perf can unwind.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void *volatile block;

static __attribute__((noinline, optimize("no-omit-frame-pointer"))) void use(void *(*made)(size_t))
{
	for (int i = 0; i < 5; i++)
		block = made(100);
}

int main(int count, char **arguments)
{
#if defined(__x86_64__)
	unsigned char code[] = {
		0x55,                                  /* push %rbp */
		0x48, 0x89, 0xe5,                      /* mov %rsp,%rbp */
		0x48, 0xb8, 0,    0, 0, 0, 0, 0, 0, 0, /* movabs $malloc,%rax */
		0xff, 0xd0,                            /* call *%rax */
		0x5d,                                  /* pop %rbp */
		0xc3,                                  /* ret */
	};
	char path[64];
	void *(*function)(size_t) = malloc;
	memcpy(code + 6, &function, sizeof(function));
	void *place = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (place == MAP_FAILED)
		return 1;
	memcpy(place, code, sizeof(code));
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	FILE *map = fopen(path, "w");
	if (!map)
		return 1;
	fprintf(map, "%lx 100 JS:*earlier /srv/early.js:1:1\n", (unsigned long)place);
	fprintf(map, "%lx %zx JS:*made_up /srv/made up.js:12:5\n", (unsigned long)place,
		sizeof(code));
	fclose(map);
	printf("%s\n", path);
	fflush(stdout);
	if (count > 1 && fork() == 0) {
		use((void *(*)(size_t))place);
		_exit(0);
	}
	use((void *(*)(size_t))place);
	while (wait(NULL) > 0)
		;
	return 0;
#else
	(void)count;
	(void)arguments;
	return 77;
#endif
}
