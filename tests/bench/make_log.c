/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes a big log, as a program of several threads would leave it: short-lived blocks that are
 * freed in reverse order, blocks that live for a random time, some that are passed to another
 * thread, growing buffers, and a live set of a given size. The same arguments make the same log.
 *
 *   make_log FILE EVENTS [LIVE_BLOCKS [SECONDS [STACKS]]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/log_builder.h"

#define THREADS 4u
#define NEST 24u
#define COMMIT_EVENTS (1u << 19)

static uint64_t random_state = 88172645463325252u;

static uint32_t next_random(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 32) * limit >> 32);
}

struct maker {
	struct log_builder builder;
	uint64_t event_count;
	uint64_t wanted_events;
	uint64_t duration_us;
	uint32_t thread;
	uint32_t *stacks; /* [stack_count] */
	uint32_t stack_count;
	uint32_t place_count; /* half of them are taken in the long run */
	bool *is_taken;       /* [place_count] */
};

static void emit(struct maker *maker, enum event_operation operation, uint64_t address,
		 uint64_t size_bytes, uint32_t stack)
{
	/* The tracker's clock moves on every millisecond. */
	uint64_t time_us = maker->event_count * maker->duration_us / maker->wanted_events;
	log_builder_event(&maker->builder, 0,
			  &(struct builder_event){
				  .operation = operation,
				  .thread = maker->thread,
				  .time_us = time_us / 1000 * 1000,
				  .address = address,
				  .size_bytes = size_bytes,
				  .stack = maker->stacks[stack],
			  });
	if (++maker->event_count % COMMIT_EVENTS == 0)
		log_builder_commit(&maker->builder);
}

static uint64_t place_address(uint32_t place)
{
	return 0x100000000u + (uint64_t)place * 64;
}

static uint64_t size_of(uint32_t stack)
{
	return 16 + stack * 7919u % 64 * 16;
}

/* Few places in a program make most of its blocks, and each thread has its own work. */
static uint32_t choose_stack(const struct maker *maker)
{
	uint32_t stack = next_random(1 + next_random(1 + next_random(maker->stack_count)));
	return next_random(8) ? (stack / THREADS * THREADS + maker->thread) % maker->stack_count
			      : stack;
}

/* Calls of functions that allocate, and free before they return. */
static void run_nested(struct maker *maker)
{
	uint32_t depth = 1 + next_random(NEST);
	uint32_t first = choose_stack(maker);
	uint64_t base = 0x10000 + (uint64_t)maker->thread * 0x10000;
	for (uint32_t i = 0; i < depth; i++) {
		uint32_t stack = (first + i * THREADS) % maker->stack_count;
		emit(maker, EVENT_ALLOCATE, base + i * 64, size_of(stack), stack);
	}
	for (uint32_t i = depth; i-- > 0;)
		emit(maker, EVENT_RELEASE, base + i * 64, 0, 0);
}

/* One block comes or goes, at random. */
static void run_long_lived(struct maker *maker)
{
	uint32_t place = next_random(maker->place_count);
	if (maker->is_taken[place]) {
		emit(maker, EVENT_RELEASE, place_address(place), 0, 0);
	} else {
		uint32_t stack = choose_stack(maker);
		emit(maker, EVENT_ALLOCATE, place_address(place), size_of(stack), stack);
	}
	maker->is_taken[place] = !maker->is_taken[place];
}

static void run_growing(struct maker *maker)
{
	uint32_t stack = choose_stack(maker);
	uint64_t address = 0x80000 + (uint64_t)maker->thread * 0x10000;
	emit(maker, EVENT_ALLOCATE, address, 32, stack);
	for (uint64_t size_bytes = 64; size_bytes <= 4096; size_bytes *= 2) {
		emit(maker, EVENT_MOVE_BEGIN, address, 0, 0);
		address ^= 0x8000;
		emit(maker, EVENT_MOVE_END, address, size_bytes, stack);
	}
	emit(maker, EVENT_RELEASE, address, 0, 0);
}

static void make(struct maker *maker)
{
	while (maker->event_count < maker->wanted_events) {
		uint32_t kind = next_random(100);
		if (kind == 0)
			maker->thread = next_random(THREADS);
		if (kind < 30)
			run_nested(maker);
		else if (kind < 33)
			run_growing(maker);
		else
			run_long_lived(maker);
	}
}

static bool make_stacks(struct maker *maker)
{
	maker->stacks = calloc(maker->stack_count, sizeof(*maker->stacks));
	maker->is_taken = calloc(maker->place_count, sizeof(*maker->is_taken));
	if (!maker->stacks || !maker->is_taken)
		return false;
	for (uint32_t i = 0; i < maker->stack_count; i++) {
		uint64_t offsets[16] = {0};
		for (uint32_t depth = 0; depth < 15; depth++)
			offsets[depth] = 0x1000 + depth * 0x10000 + (i >> (14 - depth)) * 16;
		maker->stacks[i] = log_builder_stack(&maker->builder, 0, offsets);
	}
	return true;
}

static uint64_t argument(int count, char **arguments, int index, uint64_t otherwise)
{
	return count > index ? strtoull(arguments[index], NULL, 10) : otherwise;
}

int main(int count, char **arguments)
{
	static struct maker maker;
	if (count < 3) {
		(void)fputs("usage: make_log FILE EVENTS [LIVE_BLOCKS [SECONDS [STACKS]]]\n",
			    stderr);
		return 2;
	}
	maker.wanted_events = argument(count, arguments, 2, 1);
	maker.place_count = (uint32_t)argument(count, arguments, 3, 500000) * 2;
	maker.duration_us = argument(count, arguments, 4, 30) * 1000000;
	maker.stack_count = (uint32_t)argument(count, arguments, 5, 10000);
	log_builder_init(&maker.builder);
	(void)log_builder_image(&maker.builder, 100, -1);
	log_builder_module(&maker.builder, 0, "/usr/bin/prog");
	for (uint32_t i = 0; i < THREADS; i++)
		log_builder_thread(&maker.builder, 0, i, "worker");
	if (!maker.wanted_events || !maker.place_count || !maker.stack_count ||
	    !make_stacks(&maker))
		return 1;
	make(&maker);
	log_builder_commit(&maker.builder);
	log_builder_image_end(&maker.builder, 0, maker.duration_us);
	log_builder_end(&maker.builder, maker.duration_us, 0);
	log_builder_close(&maker.builder);
	free(maker.stacks);
	free(maker.is_taken);
	if (rename(maker.builder.path, arguments[1]) == 0)
		return 0;
	perror(arguments[1]);
	(void)unlink(maker.builder.path); /* it is of no use */
	return 1;
}
