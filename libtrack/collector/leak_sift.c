/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/leak_sift.h"

#ifdef __x86_64__
#include <immintrin.h>
/* libc has asked the processor already. In a virtual machine each question takes 25 us or more, and
 * the compiler's own list of features is made anew with every start. */
#if __has_include(<sys/platform/x86.h>)
#include <sys/platform/x86.h>
#define HAS_AVX512F CPU_FEATURE_ACTIVE(AVX512F)
#else
#define HAS_AVX512F __builtin_cpu_supports("avx512f")
#endif
#endif

/* 1 if the word may be a pointer. No branch depends on it: in a heap of objects it can't be
 * predicted. */
static inline uint32_t may_point(const struct leak_sieve *sieve, uint64_t word)
{
	uint32_t bit = leak_page_bit(word >> LEAK_PAGE_BITS, sieve->page_mask);
	return (uint32_t)(word - sieve->low < sieve->span) &
	       (uint32_t)(word - sieve->own.address >= sieve->own.end - sieve->own.address) &
	       (uint32_t)(sieve->pages[bit / 64] >> bit % 64);
}

size_t leak_sift_plain(const struct leak_sieve *sieve, struct leak_batch *batch,
		       const uint64_t *words, size_t count)
{
	uint32_t filled = batch->count;
	size_t i = 0;
	while (i < count && leak_batch_has_room(filled)) {
		size_t end = count - i < LEAK_BATCH_SPARE ? count : i + LEAK_BATCH_SPARE;
		bool is_any_in_span = false;
		for (size_t k = i; k < end; k++)
			is_any_in_span |= words[k] - sieve->low < sieve->span;
		for (; is_any_in_span && i < end; i++) {
			batch->words[filled] = words[i];
			batch->places[filled] = sieve->place + i * sieve->place_step;
			filled += may_point(sieve, words[i]);
		}
		i = end;
	}
	batch->count = filled;
	return i;
}

#ifdef __x86_64__
#define WIDE 8u
_Static_assert(WIDE <= LEAK_BATCH_SPARE, "whole vectors are written to a batch");

__attribute__((target("avx512f"))) static size_t sift_wide(const struct leak_sieve *sieve,
							   struct leak_batch *batch,
							   const uint64_t *words, size_t count)
{
	const __m512i steps = _mm512_mul_epu32(_mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0),
					       _mm512_set1_epi64((long long)sieve->place_step));
	const __m512i low = _mm512_set1_epi64((long long)sieve->low);
	const __m512i span = _mm512_set1_epi64((long long)sieve->span);
	const __m512i own = _mm512_set1_epi64((long long)sieve->own.address);
	const __m512i own_bytes = _mm512_set1_epi64(
		(long long)(sieve->own.end - sieve->own.address));
	const __m512i page_mask = _mm512_set1_epi64(sieve->page_mask);
	uint32_t filled = batch->count;
	size_t i = 0;
	while (i < count && leak_batch_has_room(filled)) {
		uint32_t some = count - i < WIDE ? (uint32_t)(count - i) : WIDE;
		__mmask8 mask = (__mmask8)((1u << some) - 1);
		__m512i eight = _mm512_maskz_loadu_epi64(mask, words + i);
		size_t first = i;
		i += some;
		mask = _mm512_mask_cmplt_epu64_mask(mask, _mm512_sub_epi64(eight, low), span);
		if (!mask)
			continue;
		mask = _mm512_mask_cmpge_epu64_mask(mask, _mm512_sub_epi64(eight, own), own_bytes);
		__m512i page = _mm512_srli_epi64(eight, LEAK_PAGE_BITS);
		__m512i bit = _mm512_and_si512(
			_mm512_xor_si512(page, _mm512_srli_epi64(page, LEAK_PAGE_FOLD)), page_mask);
		__m512i bits = _mm512_mask_i64gather_epi64(
			_mm512_setzero_si512(), mask, _mm512_srli_epi64(bit, 6), sieve->pages, 8);
		bits = _mm512_srlv_epi64(bits, _mm512_and_si512(bit, _mm512_set1_epi64(63)));
		mask = _mm512_mask_test_epi64_mask(mask, bits, _mm512_set1_epi64(1));
		__m512i place = _mm512_add_epi64(
			_mm512_set1_epi64((long long)(sieve->place + first * sieve->place_step)),
			steps);
		_mm512_storeu_si512(batch->words + filled,
				    _mm512_maskz_compress_epi64(mask, eight));
		_mm512_storeu_si512(batch->places + filled,
				    _mm512_maskz_compress_epi64(mask, place));
		filled += (uint32_t)__builtin_popcount(mask);
	}
	batch->count = filled;
	return i;
}
#endif

leak_sift_function *leak_sift_wide(void)
{
#ifdef __x86_64__
	if (HAS_AVX512F)
		return sift_wide;
#endif
	return NULL;
}
