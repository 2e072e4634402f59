/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/stack_costs.h"

#include <stdlib.h>

#define FIRST_ENTRIES 256u

static uint32_t hash_of(uint32_t stack, uint32_t thread, uint32_t kind)
{
	uint64_t hash = ((uint64_t)stack << 32 | thread) * 0x9e3779b97f4a7c15u;
	return (uint32_t)((hash ^ kind * 0x85ebca6bu) >> 24);
}

bool stack_costs_init(struct stack_costs *costs)
{
	*costs = (struct stack_costs){.capacity = FIRST_ENTRIES, .mask = FIRST_ENTRIES * 2 - 1};
	costs->items = malloc(FIRST_ENTRIES * sizeof(*costs->items));
	costs->slots = calloc(FIRST_ENTRIES * 2, sizeof(*costs->slots));
	if (costs->items && costs->slots)
		return true;
	stack_costs_release(costs);
	return false;
}

void stack_costs_release(struct stack_costs *costs)
{
	free(costs->items);
	free(costs->slots);
	*costs = (struct stack_costs){0};
}

static bool grow(struct stack_costs *costs)
{
	uint32_t capacity = costs->capacity * 2;
	uint32_t mask = capacity * 2 - 1;
	struct stack_cost *items = realloc(costs->items, (size_t)capacity * sizeof(*items));
	if (!items)
		return false;
	costs->items = items;
	uint32_t *slots = calloc((size_t)mask + 1, sizeof(*slots));
	if (!slots)
		return false;
	for (uint32_t i = 0; i < costs->count; i++) {
		uint32_t slot = hash_of(items[i].stack, items[i].thread, items[i].kind) & mask;
		while (slots[slot])
			slot = (slot + 1) & mask;
		slots[slot] = i + 1;
	}
	free(costs->slots);
	costs->slots = slots;
	costs->capacity = capacity;
	costs->mask = mask;
	return true;
}

/* The slot where an entry is, or would be put. */
static uint32_t find_slot(const struct stack_costs *costs, uint32_t stack, uint32_t thread,
			  uint32_t kind)
{
	uint32_t slot = hash_of(stack, thread, kind) & costs->mask;
	for (; costs->slots[slot]; slot = (slot + 1) & costs->mask) {
		const struct stack_cost *cost = &costs->items[costs->slots[slot] - 1];
		if (cost->stack == stack && cost->thread == thread && cost->kind == kind)
			break;
	}
	return slot;
}

uint32_t stack_costs_find(const struct stack_costs *costs, uint32_t stack, uint32_t thread,
			  uint32_t kind)
{
	/* An empty slot is 0, and one less is STACK_COST_NONE. */
	return costs->slots[find_slot(costs, stack, thread, kind)] - 1;
}

uint32_t stack_costs_entry(struct stack_costs *costs, uint32_t stack, uint32_t thread,
			   uint32_t kind)
{
	uint32_t slot = find_slot(costs, stack, thread, kind);
	if (costs->slots[slot])
		return costs->slots[slot] - 1;
	if (costs->count == costs->capacity) {
		if (costs->capacity > UINT32_MAX / 8 || !grow(costs))
			return STACK_COST_NONE;
		return stack_costs_entry(costs, stack, thread, kind);
	}
	costs->slots[slot] = costs->count + 1;
	costs->items[costs->count] = (struct stack_cost){
		.stack = stack, .thread = thread, .kind = kind};
	return costs->count++;
}

void stack_costs_settle(struct stack_costs *costs, uint32_t mark)
{
	for (uint32_t i = 0; i < costs->count; i++)
		stack_cost_touch(&costs->items[i], mark);
}
