/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * extras ROUNDS: the entry points that jemalloc, mimalloc and tcmalloc have beside malloc, of
 * whichever the process has. Prints what one round allocates and frees.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WEAK __attribute__((weak))

WEAK void *mallocx(size_t, int);
WEAK void *rallocx(void *, size_t, int);
WEAK size_t xallocx(void *, size_t, size_t, int);
WEAK void dallocx(void *, int);
WEAK void sdallocx(void *, size_t, int);
WEAK void *mi_malloc(size_t);
WEAK void *mi_zalloc(size_t);
WEAK void *mi_calloc(size_t, size_t);
WEAK void *mi_realloc(void *, size_t);
WEAK void *mi_reallocf(void *, size_t);
WEAK void *mi_recalloc(void *, size_t, size_t);
WEAK void *mi_malloc_aligned(size_t, size_t);
WEAK char *mi_strdup(const char *);
WEAK char *mi_strndup(const char *, size_t);
WEAK void *mi_new(size_t);
WEAK int mi_posix_memalign(void **, size_t, size_t);
WEAK void mi_free(void *);
WEAK void mi_free_size(void *, size_t);
WEAK void *mi_heap_new(void);
WEAK void *mi_heap_malloc(void *, size_t);
WEAK void *mi_heap_calloc(void *, size_t, size_t);
WEAK void mi_heap_delete(void *);
WEAK void mi_heap_destroy(void *);
WEAK int mi_reallocarr(void *, size_t, size_t);
WEAK void *tc_malloc(size_t);
WEAK void *tc_calloc(size_t, size_t);
WEAK void *tc_realloc(void *, size_t);
WEAK void *tc_memalign(size_t, size_t);
WEAK int tc_posix_memalign(void **, size_t, size_t);
WEAK void *tc_new(size_t);
WEAK void *tc_newarray(size_t);
WEAK void tc_free(void *);
WEAK void tc_free_sized(void *, size_t);
WEAK void tc_delete(void *);
WEAK void tc_deletearray(void *);

/* Through a pointer too: an initialised one is a reference like another. */
static void *(*const mallocx_pointer)(size_t, int) = mallocx;

static void *volatile left;

static void round_of_jemalloc(void)
{
	void *block = mallocx_pointer(100, 0); /* +1, 100 */
	block = rallocx(block, 5000, 0);       /* +1 -1, 5000 */
	xallocx(block, 4500, 0, 0);            /* +1 -1, 4500: in place */
	xallocx(block, (size_t)1 << 40, 0, 0); /* fails */
	left = mallocx(77, 0);                 /* +1, 77 */
	sdallocx(block, 4500, 0);              /* -1 */
	dallocx(mallocx(200, 1 << 6), 0);      /* +1 -1, 200 */
	free(mallocx(300, 0));                 /* +1 -1, 300 */
}

static void round_of_mimalloc(void)
{
	void *block = mi_malloc(100);                /* +1, 100 */
	block = mi_realloc(block, 1000);             /* +1 -1, 1000 */
	block = mi_reallocf(block, 2000);            /* +1 -1, 2000 */
	block = mi_recalloc(block, 3, 50);           /* +1 -1, 150 */
	mi_free(block);                              /* -1 */
	mi_free(mi_zalloc(10));                      /* +1 -1, 10 */
	mi_free(mi_calloc(3, 7));                    /* +1 -1, 21 */
	mi_free(mi_malloc_aligned(300, 256));        /* +1 -1, 300 */
	mi_free(mi_strdup("text"));                  /* +1 -1, 5 */
	mi_free(mi_strndup("text", 2));              /* +1 -1, 3 */
	mi_free_size(mi_new(40), 40);                /* +1 -1, 40 */
	if (mi_posix_memalign(&block, 64, 128) == 0) /* +1, 128 */
		mi_reallocarr(&block, 4, 100);       /* +1 -1, 400 */
	mi_free(block);                              /* -1 */
	mi_free(NULL);
	void *heap = mi_heap_new();
	void *kept = mi_heap_malloc(heap, 60); /* +1, 60 */
	mi_heap_delete(heap);                  /* its blocks stay */
	mi_free(kept);                         /* -1 */
	heap = mi_heap_new();
	mi_heap_malloc(heap, 500);    /* +1, 500 */
	mi_heap_calloc(heap, 2, 700); /* +1, 1400 */
	mi_heap_destroy(heap);        /* -2 */
	left = mi_malloc(77);         /* +1, 77 */
}

static void round_of_tcmalloc(void)
{
	void *block = tc_malloc(100);                /* +1, 100 */
	block = tc_realloc(block, 1000);             /* +1 -1, 1000 */
	tc_free(block);                              /* -1 */
	tc_free(tc_calloc(3, 7));                    /* +1 -1, 21 */
	tc_free(tc_memalign(256, 300));              /* +1 -1, 300 */
	if (tc_posix_memalign(&block, 64, 128) == 0) /* +1, 128 */
		tc_free_sized(block, 128);           /* -1 */
	tc_delete(tc_new(40));                       /* +1 -1, 40 */
	tc_deletearray(tc_newarray(50));             /* +1 -1, 50 */
	free(tc_malloc(60));                         /* +1 -1, 60 */
	block = realloc(tc_malloc(10), 20);          /* +2 -1, 30 */
	tc_free(block);                              /* -1 */
	tc_realloc(tc_malloc(5), 0);                 /* +1 -1, 5: freed */
	left = tc_malloc(77);                        /* +1, 77 */
}

int main(int count, char **arguments)
{
	static char buffer[4096];
	long rounds = count > 1 ? atol(arguments[1]) : 0;
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer)); /* so that stdio allocates nothing */
	for (long i = 0; i < rounds; i++) {
		if (mallocx)
			round_of_jemalloc();
		if (mi_malloc)
			round_of_mimalloc();
		if (tc_malloc)
			round_of_tcmalloc();
	}
	if (mallocx)
		puts("jemalloc 6 5 10177");
	if (mi_malloc)
		puts("mimalloc 16 15 6194");
	if (tc_malloc)
		puts("tcmalloc 12 11 1811");
	return 0;
}
