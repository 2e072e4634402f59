/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/event_handover.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Memory for events that the giver keeps, when the taker keeps up. */
#define SPARES 2u

enum handed_kind {
	HANDED_BEGIN, /* from `offset` on, blocks of events are handed over */
	HANDED_EVENTS,
	HANDED_CHECKPOINT, /* of the commit that ends at `offset` */
	HANDED_END,        /* from `offset` on, they are not */
};

struct handed_item {
	_Atomic(struct handed_item *) next; /* given after it; of a used one: used before it */
	enum handed_kind kind;
	uint64_t offset;
	uint64_t size_bytes;
	uint32_t image;
	struct decoded_events events;
	uint32_t first_node;
	uint32_t node_count;
	struct stack_node *nodes; /* [node_count] */
	struct checkpoint *checkpoint;
	struct event_state **states; /* [state_count] by image; NULL: it has ended */
	uint32_t state_count;
};

struct giver {
	bool is_giving;
	struct handed_item *last; /* that was given */
	uint64_t given_bytes;
	struct decoded_events encoding;
	struct decoded_events spares[SPARES];
	uint32_t spare_count;
	uint64_t checkpoint_events; /* in the log at the last checkpoint */
	uint64_t told_offset;       /* of the last commit */
};

struct taker {
	bool is_on;
	bool has_theirs;          /* what it reads events into was the giver's */
	struct handed_item *last; /* that was taken: the next one is behind it */
};

/*
 * A list of items with one end for each side, and a pile of used ones on their way back: the taker
 * has the lowest priority, so the giver may not wait for it, neither at a lock of theirs nor at one
 * of the allocator's. What the giver has allocated it frees.
 */
struct event_handover {
	uint64_t bytes_max;
	bool has_free_checkpoints; /* whatever they take */
	struct giver giver;
	struct taker taker;
	/* Both sides'. */
	_Atomic(struct handed_item *) used;
	_Atomic uint64_t taken_bytes; /* of the items */
	_Atomic uint64_t taken_offset;
	_Atomic uint64_t spacing_events;
	_Atomic bool is_stopped;
	_Atomic bool is_refused; /* or the giver had no memory: what is there is of no use */
};

struct event_handover *event_handover_new(const struct event_handover_options *options)
{
	struct event_handover *handover = calloc(1, sizeof(*handover));
	struct handed_item *nothing = calloc(1, sizeof(*nothing));
	if (!handover || !nothing) {
		free(handover);
		free(nothing);
		return NULL;
	}
	handover->bytes_max = options->bytes_max;
	handover->has_free_checkpoints = options->checkpoint_events != 0;
	handover->giver.is_giving = options->from_start;
	handover->giver.last = nothing;
	handover->taker.is_on = options->from_start;
	handover->taker.last = nothing;
	handover->spacing_events = options->checkpoint_events ? options->checkpoint_events
							      : UINT64_MAX;
	return handover;
}

static void free_item(struct handed_item *item)
{
	for (uint32_t i = 0; i < item->state_count; i++) {
		if (item->states[i])
			event_state_release(item->states[i]);
		free(item->states[i]);
	}
	free(item->states);
	decoded_events_release(&item->events);
	checkpoint_free(item->checkpoint);
	free(item->nodes);
	free(item);
}

static void free_items(struct handed_item *item)
{
	while (item) {
		struct handed_item *next = item->next;
		free_item(item);
		item = next;
	}
}

void event_handover_free(struct event_handover *handover)
{
	if (!handover)
		return;
	free_items(handover->taker.last);
	free_items(handover->used);
	for (uint32_t i = 0; i < handover->giver.spare_count; i++)
		decoded_events_release(&handover->giver.spares[i]);
	decoded_events_release(&handover->giver.encoding);
	free(handover);
}

/* For the giver: frees what was used, but for some memory for events. */
static void take_back(struct event_handover *handover)
{
	struct giver *giver = &handover->giver;
	struct handed_item *item = atomic_exchange(&handover->used, NULL);
	for (struct handed_item *used = item; used; used = used->next) {
		if (!used->events.items || giver->spare_count == SPARES)
			continue;
		giver->spares[giver->spare_count++] = used->events;
		used->events = (struct decoded_events){0};
	}
	free_items(item);
}

/* Takes the item over. Without one there was no memory for it. */
static void give(struct event_handover *handover, struct handed_item *taken_item)
{
	struct giver *giver = &handover->giver;
	if (!taken_item) {
		handover->is_refused = true;
		return;
	}
	if (handover->is_refused) {
		free_item(taken_item);
		return;
	}
	taken_item->size_bytes += sizeof(*taken_item);
	giver->given_bytes += taken_item->size_bytes;
	atomic_store(&giver->last->next, taken_item);
	giver->last = taken_item;
}

static struct decoded_events *encoding(void *context)
{
	struct event_handover *handover = context;
	struct giver *giver = &handover->giver;
	if (!giver->is_giving)
		return NULL;
	take_back(handover);
	if (!giver->encoding.items && giver->spare_count > 0)
		giver->encoding = giver->spares[--giver->spare_count];
	return &giver->encoding;
}

/* Memory that events take, used or not. */
static uint64_t events_bytes(const struct decoded_events *events)
{
	return events->capacity * sizeof(*events->items) +
	       events->class_capacity * sizeof(*events->classes) +
	       events->threads.capacity * sizeof(*events->threads.items) +
	       events->times.capacity * sizeof(*events->times.items);
}

static struct handed_item *new_events(struct decoded_events *taken_events,
				      const struct recorded_image *image)
{
	struct handed_item *item = calloc(1, sizeof(*item));
	if (!item || !taken_events->is_whole) {
		free(item);
		return NULL;
	}
	item->kind = HANDED_EVENTS;
	item->image = image->index;
	item->first_node = image->stored_nodes;
	item->node_count = image->trie.node_count - image->stored_nodes;
	item->events = *taken_events;
	*taken_events = (struct decoded_events){0};
	item->size_bytes = events_bytes(&item->events) + item->node_count * sizeof(*item->nodes);
	if (item->node_count == 0)
		return item;
	item->nodes = malloc(item->node_count * sizeof(*item->nodes));
	if (!item->nodes) {
		free_item(item);
		return NULL;
	}
	memcpy(item->nodes, image->trie.nodes + item->first_node,
	       item->node_count * sizeof(*item->nodes));
	return item;
}

static void encoded(void *context, const struct recorded_image *image)
{
	struct event_handover *handover = context;
	give(handover, new_events(&handover->giver.encoding, image));
}

struct event_copier event_handover_copier(struct event_handover *handover)
{
	return (struct event_copier){handover, encoding, encoded};
}

static struct handed_item *new_mark(enum handed_kind kind, uint64_t offset)
{
	struct handed_item *item = calloc(1, sizeof(*item));
	if (!item)
		return NULL;
	item->kind = kind;
	item->offset = offset;
	return item;
}

static bool is_followed(const struct recorded_image *image)
{
	return image->is_announced && !image->has_ended;
}

/* Where the giver stops, with the states of the decoders. returns NULL: no memory */
static struct handed_item *new_end(const struct recording *recording, uint64_t offset)
{
	struct handed_item *item = new_mark(HANDED_END, offset);
	uint32_t count = recording_image_count(recording);
	if (item)
		item->states = calloc((size_t)count + 1, sizeof(struct event_state *));
	bool is_good = item && item->states;
	if (is_good)
		item->state_count = count;
	for (struct recorded_image *image = NULL;
	     is_good && (image = recording_next_image(recording, image));) {
		if (!is_followed(image))
			continue;
		struct event_state *copy = malloc(sizeof(*copy));
		is_good = copy && event_state_copy_bare(copy, &image->encoder.state);
		if (!is_good)
			free(copy);
		item->states[image->index] = is_good ? copy : NULL;
		item->size_bytes += is_good ? event_state_bytes(copy) : 0;
	}
	if (is_good)
		return item;
	if (item)
		free_item(item);
	return NULL;
}

/* A checkpoint, if one is due and worth its while. */
static struct handed_item *new_checkpoint(struct event_handover *handover,
					  const struct recording *recording, uint64_t event_count,
					  uint64_t offset)
{
	uint32_t count = recording_image_count(recording);
	struct checkpoint_source *sources = calloc((size_t)count + 1, sizeof(*sources));
	struct handed_item *item = sources ? new_mark(HANDED_CHECKPOINT, offset) : NULL;
	for (struct recorded_image *image = NULL;
	     item && (image = recording_next_image(recording, image));)
		if (is_followed(image))
			sources[image->index] = (struct checkpoint_source){
				.state = &image->encoder.state,
				.node_count = image->stored_nodes,
			};
	uint64_t distance = handover->has_free_checkpoints
				    ? UINT64_MAX
				    : event_count - handover->giver.checkpoint_events;
	if (item && checkpoint_is_worth_it(sources, count, distance)) {
		handover->giver.checkpoint_events = event_count; /* nor again at once */
		item->checkpoint = checkpoint_new(sources, count, offset);
		item->size_bytes += item->checkpoint ? checkpoint_bytes(item->checkpoint) : 0;
	}
	free(sources);
	if (item && item->checkpoint)
		return item;
	free(item);
	return NULL;
}

static void begin(struct event_handover *handover, uint64_t event_count, uint64_t offset)
{
	handover->giver.is_giving = true;
	handover->giver.checkpoint_events = event_count;
	give(handover, new_mark(HANDED_BEGIN, offset));
}

static void end(struct event_handover *handover, const struct recording *recording, uint64_t offset)
{
	handover->giver.is_giving = false;
	give(handover, new_end(recording, offset));
}

void event_handover_commit(struct event_handover *handover, const struct recording *recording,
			   uint64_t event_count, uint64_t end_offset)
{
	struct giver *giver = &handover->giver;
	take_back(handover);
	uint64_t waiting_bytes = giver->given_bytes - handover->taken_bytes;
	bool is_behind = waiting_bytes > handover->bytes_max || handover->is_stopped;
	bool keeps_up = waiting_bytes == 0 && handover->taken_offset >= giver->told_offset;
	giver->told_offset = end_offset;
	if (handover->is_refused) {
		giver->is_giving = false;
	} else if (!giver->is_giving && keeps_up && !is_behind) {
		begin(handover, event_count, end_offset);
	} else if (giver->is_giving && is_behind) {
		end(handover, recording, end_offset);
	} else if (giver->is_giving &&
		   event_count - giver->checkpoint_events >= handover->spacing_events) {
		struct handed_item *item = new_checkpoint(handover, recording, event_count,
							  end_offset);
		if (item)
			give(handover, item);
	}
}

void event_handover_follow(struct event_handover *handover, uint64_t end_offset,
			   uint64_t spacing_events)
{
	handover->taken_offset = end_offset;
	handover->spacing_events = spacing_events;
}

void event_handover_stop(struct event_handover *handover)
{
	handover->is_stopped = true;
}

/* For the taker: the next item; NULL: there is none. */
static struct handed_item *first_item(const struct event_handover *handover)
{
	return atomic_load(&handover->taker.last->next);
}

/* Takes the next item, of which there is one, and sends back the one before. */
static void take_first(struct event_handover *handover)
{
	struct handed_item *used = handover->taker.last;
	struct handed_item *others = handover->used;
	handover->taker.last = first_item(handover);
	handover->taken_bytes += handover->taker.last->size_bytes;
	do
		used->next = others;
	while (!atomic_compare_exchange_weak(&handover->used, &others, used));
}

void event_handover_refuse(struct event_handover *handover)
{
	handover->is_refused = true;
	while (first_item(handover))
		take_first(handover);
}

/* The first item, taken, if it is a mark at `offset`; one at an earlier place was missed. */
static struct handed_item *take_mark(struct event_handover *handover, uint64_t offset,
				     bool *ret_is_missed)
{
	struct handed_item *item = first_item(handover);
	bool is_mark = item && (item->kind == HANDED_BEGIN || item->kind == HANDED_END);
	*ret_is_missed = handover->is_refused || (is_mark && item->offset < offset);
	if (!is_mark || item->offset != offset)
		return NULL;
	take_first(handover);
	return item;
}

/* The images' decoders are as the giver's encoders were. */
static void put_states(const struct handed_item *item, struct replay_image *const *images,
		       uint32_t image_count)
{
	for (uint32_t i = 0; i < item->state_count && i < image_count; i++) {
		if (!images[i] || !item->states[i])
			continue;
		event_state_release(&images[i]->state);
		images[i]->state = *item->states[i];
		*item->states[i] = (struct event_state){0};
	}
}

static enum mt_status missing(struct mt_error *error)
{
	return mt_error_set(error, MT_ERR_CORRUPT, "events of the log were not handed over");
}

enum mt_status event_handover_reach(struct event_handover *handover, uint64_t offset,
				    struct replay_image *const *images, uint32_t image_count,
				    struct mt_error *error)
{
	bool is_missed;
	const struct handed_item *item;
	while ((item = take_mark(handover, offset, &is_missed))) {
		handover->taker.is_on = item->kind == HANDED_BEGIN;
		if (item->kind == HANDED_END)
			put_states(item, images, image_count);
	}
	return is_missed ? missing(error) : MT_OK;
}

bool event_handover_is_on(const struct event_handover *handover)
{
	return handover->taker.is_on;
}

enum mt_status event_handover_take(struct event_handover *handover, uint32_t image_index,
				   uint32_t event_count, struct stack_trie *trie,
				   struct decoded_events *events, struct mt_error *error)
{
	struct handed_item *item = first_item(handover);
	if (!item || item->kind != HANDED_EVENTS || item->image != image_index ||
	    item->events.count != event_count || item->first_node != trie->node_count)
		return missing(error);
	/* The item before takes back the memory of the events before, if that is the giver's. */
	if (handover->taker.has_theirs)
		handover->taker.last->events = *events;
	else
		decoded_events_release(events);
	*events = item->events;
	item->events = (struct decoded_events){0};
	handover->taker.has_theirs = true;
	take_first(handover);
	bool has_memory = true;
	for (uint32_t i = 0; i < item->node_count && has_memory; i++)
		has_memory = stack_trie_append(trie, item->nodes[i].parent, item->nodes[i].module,
					       item->nodes[i].offset) != STACK_NONE;
	return has_memory ? MT_OK
			  : mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read the log");
}

struct checkpoint *event_handover_checkpoint(struct event_handover *handover, uint64_t end_offset)
{
	struct handed_item *item = first_item(handover);
	if (!item || item->kind != HANDED_CHECKPOINT || item->offset != end_offset)
		return NULL;
	take_first(handover);
	struct checkpoint *checkpoint = item->checkpoint;
	item->checkpoint = NULL;
	return checkpoint;
}
