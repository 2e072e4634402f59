/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gets memory from the kernel past libc, as an allocator that is linked in statically may. */
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	size_t size = 100 << 20;
	usleep(50000); /* so that resident memory is sampled before */
	char *memory = (char *)syscall(SYS_mmap, 0L, size, (long)(PROT_READ | PROT_WRITE),
				       (long)(MAP_PRIVATE | MAP_ANONYMOUS), -1L, 0L);
	memset(memory, 1, size);
	usleep(50000);
	return 0;
}
