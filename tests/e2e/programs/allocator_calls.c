/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every function of the allocator with its corner cases. Nothing that is printed depends on
 * addresses. Per line of the comments: what is to be counted.
 */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *volatile sink;

static void say(const char *what, int value)
{
	printf("%s %d\n", what, value);
}

int main(void)
{
	static char buffer[4096];
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer)); /* so that stdio allocates nothing */

	void *a = malloc(100); /* +1, 100 */
	a = realloc(a, 200);   /* +1 -1, 200 */
	errno = 0;
	void *failed = realloc(a, SIZE_MAX / 2); /* fails: a stays */
	say("realloc fails", failed == NULL && errno == ENOMEM);
	memset(a, 1, 200);
	say("kept size", malloc_usable_size(a) >= 200);
	void *zero = realloc(a, 0); /* -1 */
	say("realloc zero", zero == NULL);

	sink = malloc(0); /* +1, 0 */
	free(sink);       /* -1 */
	free(NULL);
	sink = calloc(10, 10); /* +1, 100 */
	say("calloc clears", ((char *)sink)[99] == 0);
	free(sink); /* -1 */
	errno = 0;
	sink = calloc(SIZE_MAX / 2, 3); /* fails */
	say("calloc overflow", sink == NULL && errno == ENOMEM);
	sink = reallocarray(NULL, 5, 7); /* +1, 35 */
	sink = reallocarray(sink, 6, 7); /* +1 -1, 42 */
	errno = 0;
	say("reallocarray overflow",
	    reallocarray(sink, SIZE_MAX / 2, 3) == NULL && errno == ENOMEM);
	free(sink); /* -1 */

	void *aligned = NULL;
	say("posix_memalign",
	    posix_memalign(&aligned, 256, 300) == 0 && (uintptr_t)aligned % 256 == 0); /* +1, 300 */
	free(aligned);                                                                 /* -1 */
	aligned = &buffer;
	say("posix_memalign refuses",
	    posix_memalign(&aligned, 3, 300) == EINVAL && aligned == &buffer);
	sink = aligned_alloc(64, 128); /* +1, 128 */
	say("aligned_alloc", (uintptr_t)sink % 64 == 0);
	free(sink);                /* -1 */
	sink = memalign(4096, 50); /* +1, 50 */
	say("memalign", (uintptr_t)sink % 4096 == 0);
	free(sink);        /* -1 */
	sink = valloc(60); /* +1, 60 */
	say("valloc", (uintptr_t)sink % 4096 == 0);
	free(sink);         /* -1 */
	sink = pvalloc(70); /* +1, 70 */
	say("pvalloc", (uintptr_t)sink % 4096 == 0 && malloc_usable_size(sink) >= 4096);
	free(sink); /* -1 */

	errno = 77;
	sink = malloc(11); /* +1, 11 */
	free(sink);        /* -1 */
	say("errno", errno);
	sink = strdup("text"); /* +1, 5: never freed */
	return 0;              /* 13 allocations, 12 frees, 1101 bytes, 3 reallocations */
}
