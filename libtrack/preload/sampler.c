/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/sampler.h"

#include <stdatomic.h>

#include "common/counter.h"
#include "libtrack/preload/tracker.h"

#define COUNTDOWN_MAX (UINT64_MAX >> 2)

/* splitmix64: a state that counts, a hash of it. */
static uint64_t next_random(struct thread_self *self)
{
	if (self->random_state == 0)
		self->random_state = counter_read(false, false) ^
				     (uint64_t)(uintptr_t)self * 0x9e3779b97f4a7c15u ^
				     tracker.image_serial << 48;
	uint64_t z = self->random_state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/*
 * -ln((n + 0.5) / 2^52) for n < 2^52, without libm: with x = 2^e * m and m within a factor of
 * sqrt(2) of 1, ln m = 2 artanh(s) for s = (m - 1) / (m + 1), whose series ends soon.
 */
static double negative_logarithm(uint64_t n)
{
	double x = (double)n + 0.5;
	int exponent = 63 - __builtin_clzll(n | 1);
	double m = x / (double)(1ull << exponent);
	if (m > 1.4142135623730951) {
		m /= 2;
		exponent++;
	}
	double s = (m - 1) / (m + 1);
	double square = s * s;
	double sum = 1 / 13.0;
	for (int k = 11; k >= 1; k -= 2)
		sum = sum * square + 1.0 / k;
	return 0.6931471805599453 * (52 - exponent) - 2 * s * sum;
}

/* Rounded up, so that a count of at most k comes with exactly the probability 1 - exp(-k / T). */
static uint64_t draw(struct thread_self *self, uint64_t interval_bytes)
{
	double gap = negative_logarithm(next_random(self) >> 12) * (double)interval_bytes;
	return gap < (double)COUNTDOWN_MAX ? (uint64_t)gap + 1 : COUNTDOWN_MAX;
}

static uint64_t current_interval(void)
{
	return atomic_load_explicit(&tracker.segment->interval_bytes, memory_order_relaxed);
}

bool sampler_decides(size_t size_bytes, uint64_t *ret_interval_bytes)
{
	struct thread_self *self = &thread_self;
	if (self->activity == THREAD_FOREIGN)
		return true; /* the recorder knows what to do with them */
	/* A realloc may come here for its old block's sake. */
	if (sampler_passes(size_bytes))
		return false;
	uint64_t interval = self->interval_bytes;
	if (interval == 0) {
		interval = current_interval();
		*ret_interval_bytes = interval;
		if (interval == 0)
			return true;
		/* The thread begins to sample with this allocation. */
		self->interval_bytes = interval;
		self->countdown = draw(self, interval);
		if (sampler_passes(size_bytes))
			return false;
	}
	*ret_interval_bytes = interval;
	self->interval_bytes = current_interval();
	self->countdown = draw(self, self->interval_bytes);
	return true;
}

void sampler_rest(void)
{
	thread_self.countdown = COUNTDOWN_MAX;
}
