/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/replay_image.h"

#include <stdlib.h>
#include <string.h>

/* Makes room for item `index`. returns false: no memory */
static bool reserve(void **items, uint32_t *capacity, uint32_t index, size_t item_bytes)
{
	if (index < *capacity)
		return true;
	uint64_t larger = (uint64_t)*capacity + *capacity / 2 + 8;
	if (larger <= index)
		larger = (uint64_t)index + 1;
	void *grown = larger > UINT32_MAX ? NULL : realloc(*items, larger * item_bytes);
	if (!grown)
		return false;
	*items = grown;
	*capacity = (uint32_t)larger;
	return true;
}

struct replay_image *replay_image_new(uint32_t pid)
{
	struct replay_image *image = calloc(1, sizeof(*image));
	if (!image)
		return NULL;
	image->pid = pid;
	image->has_tables = true;
	if (stack_trie_init(&image->trie) && stack_costs_init(&image->costs))
		return image;
	replay_image_free(image);
	return NULL;
}

void replay_image_drop_tables(struct replay_image *image)
{
	event_state_release(&image->state);
	for (uint32_t i = 0; i < image->class_count; i++)
		free(image->classes[i].blocks);
	for (uint32_t i = 0; i < image->thread_capacity; i++)
		free(image->threads[i].recent);
	free(image->classes);
	free(image->weights);
	free(image->threads);
	image->classes = NULL;
	image->class_count = 0;
	image->class_capacity = 0;
	image->weights = NULL;
	image->weight_count = 0;
	image->weight_capacity = 0;
	image->threads = NULL;
	image->thread_capacity = 0;
	image->has_tables = false;
}

void replay_image_free(struct replay_image *image)
{
	if (!image)
		return;
	stack_trie_release(&image->trie);
	stack_costs_release(&image->costs);
	stack_errors_release(&image->errors);
	lifetimes_release(&image->lifetimes);
	replay_image_drop_tables(image);
	free(image);
}

bool replay_add_class(struct replay_image *image, const struct decoded_class *identity)
{
	if (!reserve((void **)&image->classes, &image->class_capacity, image->class_count,
		     sizeof(*image->classes)))
		return false;
	struct replay_class *class = &image->classes[image->class_count];
	*class = (struct replay_class){
		.size_bytes = identity->size_bytes,
		.stack = identity->stack,
		.kind = (uint16_t)identity->kind,
	};
	if (identity->interval_bytes) {
		if (!reserve((void **)&image->weights, &image->weight_capacity, image->weight_count,
			     sizeof(*image->weights)))
			return false;
		image->weights[image->weight_count++] = (struct class_weight){
			.weight = sample_weight_of(identity->size_bytes, identity->interval_bytes),
			.interval_bytes = identity->interval_bytes,
		};
		class->weight = image->weight_count;
	}
	image->class_count++;
	return true;
}

struct replay_thread *replay_thread(struct replay_image *image, uint32_t thread)
{
	uint32_t capacity = image->thread_capacity;
	if (!reserve((void **)&image->threads, &image->thread_capacity, thread,
		     sizeof(*image->threads)))
		return NULL;
	if (image->thread_capacity > capacity)
		memset(image->threads + capacity, 0,
		       (image->thread_capacity - capacity) * sizeof(*image->threads));
	return &image->threads[thread];
}

bool replay_class_reserve(struct replay_class *class, uint32_t local)
{
	return reserve((void **)&class->blocks, &class->capacity, local, sizeof(*class->blocks));
}

void replay_class_release(struct replay_class *class)
{
	free(class->blocks);
	class->blocks = NULL;
	class->capacity = 0;
}

bool replay_restore_class(struct replay_image *image, uint32_t class_index, uint32_t used)
{
	struct replay_class *class = &image->classes[class_index];
	if (used == 0)
		return true;
	if (!replay_class_reserve(class, used - 1))
		return false;
	class->used = used;
	for (uint32_t i = 0; i < used; i++)
		class->blocks[i] = (struct replay_block){.cost = STACK_COST_NONE};
	return true;
}
